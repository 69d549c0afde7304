//! What the operator wrote, and the way from there to a [`Policy`]: every complaint about a file at once, each with
//! its place, or a policy in which nothing is left to check.
//!
//! Bytes become a JSON document (`document`), the document becomes the file field for field (`raw`, made of `field`s
//! that keep what is wrong with them), and that is compiled by handing each text to the room that knows what it means
//! (`compile`), under the place where it stands (`problem`). This room has no opinion of its own about what a path, a
//! network or an issuer is, and knows nothing of requests.
//!
//! The filter calls [`load`]; the command calls [`compile()`], which is the same from the second step on.

mod compile;
mod document;
mod field;
mod problem;
mod raw;
#[cfg(not(target_arch = "wasm32"))]
mod schema;

use serde_json::Value;

use crate::policy::Policy;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use field::is_near;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use problem::{Place, Report};
pub use problem::{Problem, Problems};
#[cfg(not(target_arch = "wasm32"))]
pub use schema::schema;

/// Where `{env: NAME}` is looked up.
pub trait Environment {
    /// The value of a variable, if it is set.
    fn var(&self, name: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn var(&self, name: &str) -> Option<String> {
        self(name)
    }
}

/// Makes a policy of a plugin configuration as the proxy hands it over: JSON text, or a serialized
/// `google.protobuf.Struct`.
///
/// # Errors
/// All that is wrong with it. No message holds a secret.
pub fn load(configuration: &[u8], environment: &dyn Environment) -> Result<Policy, Problems> {
    compile(read(configuration)?, environment)
}

/// The document that is handed over: what [`load`] makes a policy of.
///
/// # Errors
/// Why there is none. No message holds a secret.
pub fn read(configuration: &[u8]) -> Result<Value, Problems> {
    document::read(configuration).map_err(Problems::of_the_whole)
}

/// Makes a policy of a document.
///
/// # Errors
/// All that is wrong with it. No message holds a secret.
pub fn compile(document: Value, environment: &dyn Environment) -> Result<Policy, Problems> {
    let document = document::normalize(document).map_err(Problems::of_the_whole)?;
    compile::compile(document, environment)
}

#[cfg(test)]
mod tests;
