//! Which document is meant, of those that stand at one place over time.

use blake2::digest::consts::U8;
use blake2::{Blake2b, Digest};
use jiff::Timestamp;

/// Which of the documents that stood at its place over time one is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    /// A digest of it.
    pub id: u64,
    /// What its server calls it (RFC 9110 section 8.8.3), as it is to be sent back.
    pub etag: Option<String>,
    /// When it came whole, and not as word that it is still the same.
    pub whole_at: Timestamp,
}

impl Edition {
    /// The digest of a document. Short: who could make another one with the same could write this one as well.
    pub fn id_of(document: &[u8]) -> u64 {
        u64::from_le_bytes(Blake2b::<U8>::digest(document).into())
    }
}
