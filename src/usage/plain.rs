//! Whether text is plain enough that whoever takes it for JSON finds the same strings in it.
//!
//! Some servers read more than RFC 8259 has: comments, single quotes, text without quotes. A quotation mark in a comment is
//! where a string begins for one reader and nothing for another, and from there on they read two documents. This is no
//! validator either: it refuses what such readers have words for.

/// How far the text has been looked through.
#[derive(Clone, Copy, Default)]
pub(super) struct PlainText {
    place: Place,
    /// The last byte outside of strings that is no white space; a closing quotation mark for a string.
    last: Option<u8>,
}

#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Outside,
    InString,
    /// Behind a backslash in one.
    Escaped,
}

impl PlainText {
    /// More of it. Whether it is plain still.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.byte(*byte))
    }

    fn byte(&mut self, byte: u8) -> bool {
        match (self.place, byte) {
            (Place::Escaped, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' | b'u') => {
                self.place = Place::InString;
            }
            // RFC 8259 section 7: control characters MUST be escaped. Of an escape that does not exist, some readers drop
            // the backslash.
            (Place::Escaped, _) | (Place::InString, ..0x20) => return false,
            (Place::InString, b'\\') => self.place = Place::Escaped,
            (Place::InString, b'"') => {
                self.place = Place::Outside;
                self.last = Some(b'"');
            }
            (Place::InString, _) | (Place::Outside, b' ' | b'\t' | b'\r' | b'\n') => {}
            (Place::Outside, _) => {
                // A string stands alone between two brackets, commas or colons.
                let follows = matches!(self.last, None | Some(b'{' | b'[' | b',' | b':'));
                let separates = matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':');
                if byte == b'"' {
                    self.place = Place::InString;
                    return follows;
                }
                let fits = separates || (self.last != Some(b'"') && is_in_scalars(byte));
                self.last = Some(byte);
                return fits;
            }
        }
        true
    }
}

/// Whether a byte stands in a number, `true`, `false` or `null`, or in the `NaN` and `Infinity` of Python.
fn is_in_scalars(byte: u8) -> bool {
    byte.is_ascii_digit() || b"+-.eEtrufalsnNIity".contains(&byte)
}
