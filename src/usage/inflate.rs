//! The bodies that a server compressed, read as they come: gzip (RFC 1952) and deflate (RFC 1950, or 1951 as some send it).
//!
//! Only the window that the format asks for is held (32 KiB). No checksum is looked at: what it protects has been used by
//! then, and the client checks it.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

/// What is inflated at a time.
const STEP_BYTES: usize = 4096;

/// How many times the size of its compressed form a body may have, once it is longer than [`FREE_BYTES`]. Streams of much
/// the same events reach a hundred; a bomb a thousand.
const MAX_RATIO: u64 = 200;
const FREE_BYTES: u64 = 4 << 20;

/// The body is not what its content coding says, or costs too much to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Deflate,
    /// One that is not read, or more than one.
    Unknown,
}

impl Coding {
    /// Of a `content-encoding`.
    pub(super) fn of(content_encoding: Option<&[u8]>) -> Self {
        let coding = content_encoding.unwrap_or_default().trim_ascii();
        let is = |name: &[u8]| coding.eq_ignore_ascii_case(name);
        if coding.is_empty() || is(b"identity") {
            Self::Identity
        } else if is(b"gzip") || is(b"x-gzip") {
            Self::Gzip
        } else if is(b"deflate") {
            Self::Deflate
        } else {
            Self::Unknown
        }
    }
}

pub(super) struct Inflater {
    coding: Coding,
    place: Place,
    state: Box<InflateState>,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Clone, Copy)]
enum Place {
    /// So many bytes into the ten that a gzip member begins with, with its flags.
    Header(usize, u8),
    /// The length of an extra field: how many of its two bytes are missing, and what it is so far.
    ExtraLength(u8, usize, u8),
    /// So many bytes to pass over, and the flags that are left.
    Extra(usize, u8),
    /// The original file's name or a comment, up to a NUL.
    Text(u8),
    /// A deflate body without a header of gzip: what it is shows in its first byte.
    FirstByte,
    Data,
    /// What comes behind the data of a member.
    Trailer(usize),
    Ended,
}

// RFC 1952 section 2.3.1.
const HAS_HEADER_CRC: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;

impl Inflater {
    pub(super) fn new(coding: Coding) -> Option<Self> {
        let place = match coding {
            Coding::Gzip => Place::Header(0, 0),
            Coding::Deflate => Place::FirstByte,
            Coding::Identity | Coding::Unknown => return None,
        };
        Some(Self {
            coding,
            place,
            state: InflateState::new_boxed(DataFormat::Raw),
            bytes_in: 0,
            bytes_out: 0,
        })
    }

    /// Hands on what the bytes stand for.
    ///
    /// # Errors
    /// When they stand for nothing, or for too much.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        mut read: impl FnMut(&[u8]),
    ) -> Result<(), Unreadable> {
        let mut bytes = bytes;
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.place {
                Place::Data => {
                    bytes = self.data(bytes, &mut read)?;
                    continue;
                }
                Place::Ended => return Ok(()),
                Place::FirstByte => {
                    // RFC 1950 section 2.2: the low four bits are 8. No block of RFC 1951 that a compressor writes
                    // begins so: it would be a stored one with bits in its padding.
                    let format = if byte & 0x0F == 8 {
                        DataFormat::ZLibIgnoreChecksum
                    } else {
                        DataFormat::Raw
                    };
                    self.state.reset(format);
                    self.place = Place::Data;
                    continue;
                }
                Place::Header(at, flags) => self.header(at, flags, byte)?,
                Place::ExtraLength(missing, length, flags) => {
                    // Low byte first.
                    let length = length >> 8 | usize::from(byte) << 8;
                    self.place = if missing > 1 {
                        Place::ExtraLength(1, length, flags)
                    } else {
                        after_extra(length, flags)
                    };
                }
                Place::Extra(left, flags) => {
                    self.place = after_extra(left.saturating_sub(1), flags);
                }
                Place::Text(flags) => {
                    if byte == 0 {
                        self.place = after(flags);
                    }
                }
                Place::Trailer(left) => {
                    self.place = match left.saturating_sub(1) {
                        // RFC 1952 section 2.2: another member may follow.
                        0 => Place::Header(0, 0),
                        left => Place::Trailer(left),
                    };
                }
            }
            bytes = rest;
        }
        Ok(())
    }

    fn header(&mut self, at: usize, flags: u8, byte: u8) -> Result<(), Unreadable> {
        // The magic number, and the one method there is.
        if [0x1F, 0x8B, 8].get(at).is_some_and(|must| *must != byte) {
            return Err(Unreadable);
        }
        let flags = if at == 3 { byte } else { flags };
        self.place = if at < 9 {
            Place::Header(at.saturating_add(1), flags)
        } else {
            self.state.reset(DataFormat::Raw);
            after(flags)
        };
        Ok(())
    }

    fn data<'b>(
        &mut self,
        bytes: &'b [u8],
        read: &mut impl FnMut(&[u8]),
    ) -> Result<&'b [u8], Unreadable> {
        let mut out = [0; STEP_BYTES];
        let mut bytes = bytes;
        loop {
            let step = inflate(&mut self.state, bytes, &mut out, MZFlush::None);
            bytes = bytes.get(step.bytes_consumed..).unwrap_or_default();
            self.account(step.bytes_consumed, step.bytes_written)?;
            read(out.get(..step.bytes_written).unwrap_or_default());
            match step.status {
                Ok(MZStatus::StreamEnd) => {
                    self.place = if self.coding == Coding::Gzip {
                        Place::Trailer(8)
                    } else {
                        Place::Ended
                    };
                    return Ok(bytes);
                }
                Ok(_) if bytes.is_empty() && step.bytes_written < STEP_BYTES => return Ok(bytes),
                Ok(_) if step.bytes_consumed > 0 || step.bytes_written > 0 => {}
                // There was nothing left to do.
                Err(miniz_oxide::MZError::Buf) if bytes.is_empty() => return Ok(bytes),
                _ => return Err(Unreadable),
            }
        }
    }

    fn account(&mut self, consumed: usize, written: usize) -> Result<(), Unreadable> {
        let add =
            |sum: u64, more: usize| sum.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        self.bytes_in = add(self.bytes_in, consumed);
        self.bytes_out = add(self.bytes_out, written);
        let most = self.bytes_in.saturating_mul(MAX_RATIO).max(FREE_BYTES);
        if self.bytes_out > most {
            return Err(Unreadable);
        }
        Ok(())
    }
}

/// What comes next in a gzip header with these flags left. An extra field is first, a checksum last.
fn after(flags: u8) -> Place {
    if flags & HAS_EXTRA != 0 {
        Place::ExtraLength(2, 0, flags & !HAS_EXTRA)
    } else if flags & HAS_NAME != 0 {
        Place::Text(flags & !HAS_NAME)
    } else if flags & HAS_COMMENT != 0 {
        Place::Text(flags & !HAS_COMMENT)
    } else if flags & HAS_HEADER_CRC != 0 {
        Place::Extra(2, 0)
    } else {
        Place::Data
    }
}

fn after_extra(left: usize, flags: u8) -> Place {
    if left == 0 {
        after(flags)
    } else {
        Place::Extra(left, flags)
    }
}
