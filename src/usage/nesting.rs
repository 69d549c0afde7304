//! Where a container ends that nothing is wanted of, however deep what is in it nests.

/// How deep brackets are matched by their kind. Deeper ones are counted.
const MATCHED_DEPTH: u64 = 128;

/// Whether a byte outside of strings has to do with where a container ends.
pub(super) fn matters(byte: u8) -> bool {
    // `[` and `]` differ from `{` and `}` by one bit.
    matches!(byte | 0x20, b'{' | b'}') || byte == b'"'
}

/// How many containers are open, and which kind the innermost are of.
#[derive(Clone, Copy)]
pub(super) struct Nesting {
    depth: u64,
    /// A bit a level, set for arrays, the innermost lowest; no more than [`MATCHED_DEPTH`] levels.
    kinds: u128,
}

impl Nesting {
    pub(super) const fn none() -> Self {
        Self { depth: 0, kinds: 0 }
    }

    /// As many have been closed as were opened.
    pub(super) fn is_over(&self) -> bool {
        self.depth == 0
    }

    pub(super) fn open(&mut self, is_array: bool) {
        if self.depth < MATCHED_DEPTH {
            self.kinds = self.kinds << 1 | u128::from(is_array);
        }
        self.depth = self.depth.saturating_add(1);
    }

    /// Whether that closes the innermost.
    pub(super) fn close(&mut self, is_array: bool) -> bool {
        self.depth = self.depth.saturating_sub(1);
        if self.depth >= MATCHED_DEPTH {
            return true;
        }
        let matches = (self.kinds & 1 == 1) == is_array;
        self.kinds >>= 1;
        matches
    }
}
