//! The `tenantgate` command.
fn main() {}
