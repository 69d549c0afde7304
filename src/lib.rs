//! tenantgate
pub mod authorizer;
#[cfg(target_arch = "wasm32")]
mod wasm;
