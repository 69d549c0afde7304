//! A name, text or a number that may be cut in two, kept up to a bound.

use std::borrow::Cow;

use memchr::memchr2;

use super::number;

/// What was kept of the one that is being read.
#[derive(Clone)]
pub(super) struct Token {
    kept: Vec<u8>,
    /// There was more than the bound.
    is_longer: bool,
    /// No byte so far was other than a digit.
    is_digits: bool,
    /// The last byte was a backslash that escapes the next one.
    is_escaped: bool,
}

impl Token {
    pub(super) const fn new() -> Self {
        Self {
            kept: Vec::new(),
            is_longer: false,
            is_digits: true,
            is_escaped: false,
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.is_longer = false;
        self.is_digits = true;
        self.is_escaped = false;
    }

    /// Moves past the quote that ends text, and splits there. `None`: the text goes on in the next bytes.
    pub(super) fn pass_text<'b>(&mut self, bytes: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
        let mut at = usize::from(self.is_escaped && !bytes.is_empty());
        self.is_escaped &= bytes.is_empty();
        loop {
            let rest = bytes.get(at..)?;
            at = at.saturating_add(memchr2(b'"', b'\\', rest)?);
            let (text, rest) = bytes.split_at_checked(at)?;
            match rest {
                [b'"', rest @ ..] => return Some((text, rest)),
                [_, _, ..] => at = at.saturating_add(2),
                _ => {
                    self.is_escaped = true;
                    return None;
                }
            }
        }
    }

    /// The same, and the text as it is written, if it is no longer than `limit`.
    pub(super) fn text<'t, 'b: 't>(
        &'t mut self,
        bytes: &'b [u8],
        limit: usize,
    ) -> Option<(Option<&'t [u8]>, &'b [u8])> {
        match self.pass_text(bytes) {
            None => {
                self.keep(bytes, limit);
                None
            }
            Some((text, rest)) if self.kept.is_empty() && !self.is_longer => {
                Some(((text.len() <= limit).then_some(text), rest))
            }
            Some((text, rest)) => {
                self.keep(text, limit);
                Some(((!self.is_longer).then_some(self.kept.as_slice()), rest))
            }
        }
    }

    /// Does what [`pass_scalar`] does, and keeps up to `limit` of it.
    pub(super) fn scalar<'b>(&mut self, bytes: &'b [u8], limit: usize) -> Option<&'b [u8]> {
        let rest = pass_scalar(bytes);
        let length = bytes.len().saturating_sub(rest.map_or(0, <[u8]>::len));
        self.keep(bytes.get(..length).unwrap_or_default(), limit);
        rest
    }

    /// The count that was written.
    pub(super) fn count(&self) -> Option<u64> {
        if !self.is_longer {
            return number::count(&self.kept);
        }
        // Too many digits for a u64, whatever they are, unless they begin with a zero, which no number does.
        (self.is_digits && !self.kept.starts_with(b"0")).then_some(u64::MAX)
    }

    pub(super) fn is(&self, word: &[u8]) -> bool {
        !self.is_longer && self.kept == word
    }

    fn keep(&mut self, bytes: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.kept.len());
        self.is_longer |= bytes.len() > room;
        self.is_digits = self.is_digits && bytes.iter().all(u8::is_ascii_digit);
        self.kept
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// Moves past a number, `true`, `false`, `null` or anything in their place. `None`: it may go on in the next bytes.
pub(super) fn pass_scalar(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| ends_scalar(*byte))?;
    bytes.get(end..)
}

fn ends_scalar(byte: u8) -> bool {
    matches!(
        byte,
        b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' | b'"' | b'[' | b'{' | b':'
    )
}

/// What JSON text between quotes stands for. `None` if nothing: half of a surrogate pair, a control character.
pub(super) fn unescaped(written: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !written.contains(&b'\\') {
        return Some(Cow::Borrowed(written));
    }
    let quoted = ["\"", std::str::from_utf8(written).ok()?, "\""].concat();
    let text: String = serde_json::from_str(&quoted).ok()?;
    Some(Cow::Owned(text.into_bytes()))
}
