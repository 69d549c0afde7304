//! What a credential that holds may call: which endpoints, and which models.
//!
//! The model is told by the path or by the body. A body is not held for that, it streams by: but its end goes on only
//! where it named a model that may be called, and no server runs a request that has not ended.

use std::rc::Rc;

use crate::authorizer::api_key::Restrictions;
use crate::denial::Denial;
use crate::endpoint::{Endpoint, RequestPath};
use crate::request::RequestHead;
use crate::usage::{ModelName, Named, NamedModel, model_in_path};

/// The capture of an endpoint's path that says the model.
const MODEL: &str = "model";

impl Restrictions {
    /// Whether a request to that endpoint is within them, as far as its head tells: where it is for its body to tell, what
    /// to watch that with. `has_body`: more than the head will come.
    ///
    /// # Errors
    /// It is not.
    pub fn admit(
        self: &Rc<Self>,
        endpoint: &Endpoint,
        head: &RequestHead,
        has_body: bool,
    ) -> Result<Option<ModelWatch>, Denial> {
        if !self.allow_endpoint(&endpoint.name) {
            return Err(Denial::EndpointNotAllowed);
        }
        if self.models.is_none() {
            return Ok(None);
        }
        if let Some(told) = told_by_path(endpoint, head) {
            let is_allowed = told.is_some_and(|model| self.allow_model(&model));
            return is_allowed.then_some(None).ok_or(Denial::ModelNotAllowed);
        }
        match (has_body, head.method()) {
            // What is exchanged after an upgrade nobody reads here.
            _ if head.has("upgrade") => Err(Denial::ModelNotAllowed),
            (true, _) => Ok(Some(ModelWatch::new(Rc::clone(self), head))),
            // Runs no model (RFC 9110 section 9.2.1).
            (false, Some("GET" | "HEAD")) => Ok(None),
            (false, _) => Err(Denial::ModelNotAllowed),
        }
    }
}

/// What the path says, where it says a model: nothing, where what stands there is not the name of one.
fn told_by_path(endpoint: &Endpoint, head: &RequestHead) -> Option<Option<ModelName>> {
    let path = head.path()?;
    let captured = RequestPath::parse(path)
        .ok()
        .and_then(|path| endpoint.path.capture(MODEL, &path));
    match captured {
        Some(name) => Some(ModelName::new(name.as_bytes())),
        None => model_in_path(std::str::from_utf8(path).ok()?).map(Some),
    }
}

/// Watches a body for the model that it names.
pub struct ModelWatch {
    restrictions: Rc<Restrictions>,
    body: NamedModel,
}

impl ModelWatch {
    fn new(restrictions: Rc<Restrictions>, head: &RequestHead) -> Self {
        let at_most_once = |name| head.fields().filter(|(field, _)| *field == name).count() <= 1;
        let body = if at_most_once("content-type") && at_most_once("content-encoding") {
            NamedModel::of(head.first("content-type"), head.first("content-encoding"))
        } else {
            NamedModel::unclear()
        };
        Self { restrictions, body }
    }

    /// More of the body, and whether this is all: before it goes on.
    ///
    /// # Errors
    /// It must not.
    pub fn pass(&mut self, bytes: &[u8], is_end: bool) -> Result<(), Denial> {
        self.body.push(bytes);
        match self.body.named() {
            Named::Model(model) if self.restrictions.allow_model(model) => Ok(()),
            Named::NotYet if !is_end => Ok(()),
            Named::Model(_) | Named::NotYet | Named::Unclear => Err(Denial::ModelNotAllowed),
        }
    }
}

impl std::fmt::Debug for ModelWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelWatch").finish_non_exhaustive()
    }
}
