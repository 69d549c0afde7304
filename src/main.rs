//! The `tenantgate` command: what an operator wants to know before Envoy does. Native only.

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    tenantgate::cli::main()
}

#[cfg(target_arch = "wasm32")]
fn main() {}
