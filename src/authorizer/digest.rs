//! Digests as keys of a table: they are as good as random, so that hashing them once more would be in vain.

use std::hash::{BuildHasherDefault, Hasher};

/// Takes digests as they are.
pub(super) type DigestHash = BuildHasherDefault<AsItIs>;

/// The digest as numbers, which are compared four at a time where bytes are 32.
pub(super) fn words(digest: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    let (bytes, _) = digest.as_chunks();
    for (word, bytes) in words.iter_mut().zip(bytes) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

/// A hash that is the first word of a digest. Whoever wants to choose it has to find a text with such a digest, and then
/// to have it put into the table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 ^= word;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
