//! Amazon's event stream encoding: `total_len headers_len crc32 headers payload crc32`, numbers big-endian.
//!
//! The first checksum, over the two lengths, is checked: it tells whether we are where a message begins, and where it is
//! wrong nothing more is read. The second one, over all of the message, is not: it comes after what it protects, and the
//! transport has protected that already.

use super::Piece;

const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: u32 = 4;

/// The longest block of headers that is read; a message with a longer one is passed over. Ours have about a hundred bytes.
const MAX_HEADERS_BYTES: u32 = 1024;

/// The type number of a header's value that is text.
const TEXT: u8 = 7;

#[derive(Clone)]
pub(in crate::usage) struct EventStream {
    /// The event to read the payload of.
    event: &'static str,
    place: Place,
    /// What has come of the part that is read as one: the prelude or the headers.
    kept: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Place {
    Prelude,
    /// So many bytes of headers, and then so many of payload.
    Headers(u32, u32),
    /// So many bytes are left.
    Payload(u32),
    Skip(u32),
    Lost,
}

impl EventStream {
    pub(super) const fn new(event: &'static str) -> Self {
        Self {
            event,
            place: Place::Prelude,
            kept: Vec::new(),
        }
    }

    pub(super) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Option<Piece<'b>> {
        loop {
            match self.place {
                Place::Prelude => {
                    let prelude = self.keep(bytes, PRELUDE_BYTES)?;
                    self.place = begin(&prelude);
                }
                Place::Headers(length, payload) => {
                    let headers = self.keep(bytes, usize::try_from(length).ok()?)?;
                    self.place = if is_event(&headers, self.event) {
                        Place::Payload(payload)
                    } else {
                        Place::Skip(payload.saturating_add(CHECKSUM_BYTES))
                    };
                }
                Place::Payload(0) => {
                    self.place = Place::Skip(CHECKSUM_BYTES);
                    return Some(Piece::End);
                }
                Place::Payload(left) => {
                    let data = take(bytes, left)?;
                    self.place = Place::Payload(left.saturating_sub(length(data)));
                    return Some(Piece::Data(data));
                }
                Place::Skip(0) => self.place = Place::Prelude,
                Place::Skip(left) => {
                    let passed = take(bytes, left)?;
                    self.place = Place::Skip(left.saturating_sub(length(passed)));
                }
                Place::Lost => {
                    *bytes = &[];
                    return None;
                }
            }
        }
    }

    /// Gathers `count` bytes.
    fn keep(&mut self, bytes: &mut &[u8], count: usize) -> Option<Vec<u8>> {
        let missing = count.saturating_sub(self.kept.len());
        let (part, rest) = bytes
            .split_at_checked(missing)
            .unwrap_or((std::mem::take(bytes), &[]));
        self.kept.extend_from_slice(part);
        *bytes = rest;
        (self.kept.len() == count).then(|| std::mem::take(&mut self.kept))
    }
}

/// Takes up to `limit` of the bytes, if there are any.
fn take<'b>(bytes: &mut &'b [u8], limit: u32) -> Option<&'b [u8]> {
    let limit = usize::try_from(limit).ok()?;
    let (taken, rest) = bytes.split_at_checked(limit).unwrap_or((*bytes, &[]));
    *bytes = rest;
    (!taken.is_empty()).then_some(taken)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn begin(prelude: &[u8]) -> Place {
    let Some((lengths, checksum)) = prelude.split_at_checked(8) else {
        return Place::Lost;
    };
    if big_endian(checksum) != crc32(lengths) {
        return Place::Lost;
    }
    let (total, headers) = lengths.split_at_checked(4).unwrap_or_default();
    let (total, headers) = (big_endian(total), big_endian(headers));
    match total
        .checked_sub(16)
        .and_then(|both| both.checked_sub(headers))
    {
        None => Place::Lost,
        Some(payload) if headers > MAX_HEADERS_BYTES => Place::Skip(
            headers
                .saturating_add(payload)
                .saturating_add(CHECKSUM_BYTES),
        ),
        Some(payload) => Place::Headers(headers, payload),
    }
}

/// Whether the headers say `:message-type` `event` and `:event-type` the one that is looked for.
fn is_event(headers: &[u8], event: &str) -> bool {
    let mut headers = headers;
    let (mut is_event, mut is_ours) = (false, false);
    while let Some((name, value)) = header(&mut headers) {
        match name {
            b":message-type" => is_event = value == Some(b"event"),
            b":event-type" => is_ours = value == Some(event.as_bytes()),
            _ => {}
        }
    }
    is_event && is_ours
}

type Header<'h> = (&'h [u8], Option<&'h [u8]>);

/// Takes one header off the front: its name, and its value if that is text.
fn header<'h>(bytes: &mut &'h [u8]) -> Option<Header<'h>> {
    let (name_length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*name_length))?;
    let (kind, rest) = rest.split_first()?;
    let (length, rest) = match kind {
        // true, false
        0 | 1 => (0, rest),
        // byte, i16, i32, i64 or timestamp
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        // bytes, text
        6 | 7 => {
            let (length, rest) = rest.split_at_checked(2)?;
            (usize::try_from(big_endian(length)).ok()?, rest)
        }
        // uuid
        9 => (16, rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((name, (*kind == TEXT).then_some(value)))
}

fn big_endian(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |value, byte| value << 8 | u32::from(*byte))
}

/// IEEE 802.3's CRC-32, bit by bit: it is asked for eight bytes a message.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_ieee_802_3() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_header_of_any_kind_is_stepped_over_and_one_cut_short_ends_the_search() {
        let text = b"\x0b:event-type\x07\0\x08metadata";
        // The kinds in their order, and how long a value of each is.
        let values: [&[u8]; 10] = [
            b"",
            b"",
            b"1",
            b"12",
            b"1234",
            b"12345678",
            b"\0\x03abc",
            b"\0\x03abc",
            b"12345678",
            b"0123456789abcdef",
        ];
        for (kind, value) in (0..).zip(values) {
            let odd = [&b"\x03odd"[..], &[kind], value].concat();
            let mut headers = [odd.as_slice(), text].concat();
            headers.extend(b"\x0d:message-type\x07\0\x05event");
            assert!(is_event(&headers, "metadata"), "{kind}");
            assert!(!is_event(&headers, "other"), "{kind}");
            for end in 0..odd.len() {
                assert_eq!(header(&mut &odd[..end]), None, "{kind}, cut at {end}");
            }
        }
        assert_eq!(header(&mut &b"\x03odd\x0aabc"[..]), None, "no such kind");
    }
}
