//! Status codes of the ABI, and what a hostcall can come to.

use super::engine::Trap;

/// A status a hostcall returns to the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok = 0,
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    InternalFailure = 10,
    Unimplemented = 12,
}

impl Status {
    /// All but the good one.
    pub const FAILURES: [Self; 9] = [
        Self::NotFound,
        Self::BadArgument,
        Self::SerializationFailure,
        Self::ParseFailure,
        Self::InvalidMemoryAccess,
        Self::Empty,
        Self::CasMismatch,
        Self::InternalFailure,
        Self::Unimplemented,
    ];
}

/// Why a hostcall did not succeed: a status for the filter, or a trap that it cannot see.
pub enum Failure {
    Status(Status),
    Trap(Trap),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<Trap> for Failure {
    fn from(error: Trap) -> Self {
        Self::Trap(error)
    }
}

pub type Outcome = Result<(), Failure>;
