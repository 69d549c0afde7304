//! [`vm`](super::vm) where there is none: in a fuzzer, which brings the proxy along and can repeat each of its runs.

use proxy_wasm::hostcalls;

/// What the proxy that came along draws: no proxy in service has such a function.
pub(super) fn random() -> u64 {
    let drawn = hostcalls::call_foreign_function("random", None);
    let drawn = drawn.ok().flatten().and_then(|bytes| bytes.try_into().ok());
    drawn.map_or(0, u64::from_le_bytes)
}

/// None that is its own.
pub(super) fn memory_bytes() -> u64 {
    0
}
