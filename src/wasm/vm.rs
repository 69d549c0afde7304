//! What the VM has of its own, beside what the proxy is asked for.

/// Nothing to keep a secret with.
pub(super) fn random() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0_u8)
}

/// The memory of this VM.
pub(super) fn memory_bytes() -> u64 {
    /// WebAssembly core specification, section 4.2.8.
    const PAGE_BYTES: u64 = 64 * 1024;
    let pages = core::arch::wasm32::memory_size::<0>();
    u64::try_from(pages)
        .unwrap_or(u64::MAX)
        .saturating_mul(PAGE_BYTES)
}
