//! Server-sent events (WHATWG HTML section 9.2.6).

use memchr::memchr2;

use super::Piece;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads an event stream. Only the field `data` matters: what others say of an event, its payload says too.
#[derive(Clone)]
pub(in crate::usage) struct ServerSentEvents {
    place: Place,
    /// The last byte was a CR: a LF that comes now belongs to it.
    after_cr: bool,
}

#[derive(Clone, Copy)]
enum Place {
    /// So many bytes into a byte order mark at the very start.
    Mark(usize),
    /// So many bytes into a line that may turn out to be a `data` field.
    Name(usize),
    /// Behind the colon, where one space may stand.
    Space,
    Value,
    /// In a comment, or a field that does not matter.
    Other,
}

impl ServerSentEvents {
    pub(super) const fn new() -> Self {
        Self {
            place: Place::Mark(0),
            after_cr: false,
        }
    }

    pub(super) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Option<Piece<'b>> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                *bytes = rest;
                continue;
            }
            match self.place {
                Place::Mark(at) if BYTE_ORDER_MARK.get(at) == Some(&byte) => {
                    *bytes = rest;
                    self.place = Place::Mark(at.saturating_add(1));
                }
                // A part of the mark would be the start of a field's name, and of none that matters.
                Place::Mark(1 | 2) => self.place = Place::Other,
                Place::Mark(_) => self.place = Place::Name(0),
                Place::Space => {
                    self.place = Place::Value;
                    if byte == b' ' {
                        *bytes = rest;
                    }
                }
                _ if matches!(byte, b'\r' | b'\n') => {
                    *bytes = rest;
                    self.after_cr = byte == b'\r';
                    if let Some(piece) = self.end_line() {
                        return Some(piece);
                    }
                }
                Place::Name(at) => {
                    *bytes = rest;
                    self.place = match b"data:".get(at) {
                        Some(b':') if byte == b':' => Place::Space,
                        Some(expected) if *expected == byte => Place::Name(at.saturating_add(1)),
                        _ => Place::Other,
                    };
                }
                Place::Value => return Some(Piece::Data(take_line(bytes))),
                Place::Other => {
                    take_line(bytes);
                }
            }
        }
        None
    }

    fn end_line(&mut self) -> Option<Piece<'static>> {
        let line = std::mem::replace(&mut self.place, Place::Name(0));
        match line {
            // An empty line ends the event.
            Place::Name(0) => Some(Piece::End),
            // Lines of one event are joined with a LF. One too many at its end does no harm to JSON.
            Place::Value => Some(Piece::Data(b"\n")),
            _ => None,
        }
    }
}

/// Takes what is there of a line, without its end.
fn take_line<'b>(bytes: &mut &'b [u8]) -> &'b [u8] {
    let end = memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at_checked(end).unwrap_or((*bytes, &[]));
    *bytes = rest;
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of each event, by events that an empty line ended, and what was left.
    fn read(stream: &[u8], cut: usize) -> Vec<String> {
        let mut events = vec![String::new()];
        let mut reader = ServerSentEvents::new();
        for mut bytes in [&stream[..cut], &stream[cut..]] {
            while let Some(piece) = reader.next(&mut bytes) {
                match piece {
                    Piece::Data(data) => events
                        .last_mut()
                        .unwrap()
                        .push_str(std::str::from_utf8(data).unwrap()),
                    Piece::End => events.push(String::new()),
                }
            }
        }
        events
    }

    #[test]
    fn events_are_what_the_standard_says_wherever_the_stream_is_cut() {
        for (stream, expected) in [
            ("data: a\n\ndata: b\n\n", vec!["a\n", "b\n", ""]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", vec!["a\n", "b\n", ""]),
            ("data: a\r\rdata: b\r\r", vec!["a\n", "b\n", ""]),
            ("data:a\n\n", vec!["a\n", ""]),
            ("data:  a\n\n", vec![" a\n", ""]),
            ("data: a\ndata: b\n\n", vec!["a\nb\n", ""]),
            ("data: a", vec!["a"]),
            ("\u{feff}data: a\n\n", vec!["a\n", ""]),
            ("\u{feff}\u{feff}data: a\n\n", vec!["", ""]),
            // Begins as the mark does, and is none.
            ("\u{fec0}data: a\n\n", vec!["", ""]),
            (": data: a\n\n", vec!["", ""]),
            (":data: a\n\n", vec!["", ""]),
            ("event: data\nid: data: a\nretry: 1\n\n", vec!["", ""]),
            ("database: a\n\n", vec!["", ""]),
            ("dat: a\n\n", vec!["", ""]),
            ("Data: a\n\n", vec!["", ""]),
            (" data: a\n\n", vec!["", ""]),
            ("data\n\n", vec!["", ""]),
            ("data:\ndata: a\n\n", vec!["a\n", ""]),
            ("data: \n\n", vec!["", ""]),
            (
                "data: a\u{2028}b\u{85}c\n\n",
                vec!["a\u{2028}b\u{85}c\n", ""],
            ),
            ("data: a: b\n\n", vec!["a: b\n", ""]),
        ] {
            for cut in 0..=stream.len() {
                let cut_in_text = !stream.is_char_boundary(cut);
                if cut_in_text {
                    continue;
                }
                let read: Vec<String> = read(stream.as_bytes(), cut)
                    .into_iter()
                    .map(|data| data.trim_start_matches('\n').to_owned())
                    .collect();
                assert_eq!(read, expected, "{stream:?} cut at {cut}");
            }
        }
    }
}
