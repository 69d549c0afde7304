//! tenantgate
pub mod authorizer;
pub mod json;
#[cfg(target_arch = "wasm32")]
mod wasm;
