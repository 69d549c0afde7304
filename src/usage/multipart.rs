//! `multipart/form-data` (RFC 7578): the part that is named `model`, of a form that has a file in it as well.

use memchr::memchr;

use super::model::ModelName;

/// RFC 2046 section 5.1.1: no more than 70 characters.
const MAX_BOUNDARY_BYTES: usize = 70;

/// The most that is kept of a part's head. Longer ones are of parts that are passed over.
const MAX_HEAD_BYTES: usize = 1024;

/// The most that is kept of the model: one byte more than its name may have.
const MAX_VALUE_BYTES: usize = 257;

/// Whether a `Content-Type` is that of a body in parts.
pub(super) fn is_multipart(content_type: &[u8]) -> bool {
    content_type
        .trim_ascii_start()
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

pub(super) struct Form {
    /// CR LF, two dashes, and the boundary: what ends a part. The CR is nowhere else in it.
    delimiter: Vec<u8>,
    /// How many bytes of the delimiter have come.
    matched: usize,
    place: Place,
    kept: Vec<u8>,
    model: Option<ModelName>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first delimiter, or in a part that does not matter.
    Other,
    /// In the part that is the model.
    Model,
    /// Right behind a delimiter: two dashes there end the form.
    Delimited,
    /// In the head of a part, up to an empty line.
    Head,
    Over,
}

impl Form {
    /// Of a request with this content type. `None` if that is no form, or has no boundary.
    pub(super) fn of(content_type: &[u8]) -> Option<Self> {
        let content_type = std::str::from_utf8(content_type).ok()?;
        let (essence, parameters) = content_type.split_once(';')?;
        if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameter(parameters, "boundary")?;
        if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES || boundary.contains('\r') {
            return None;
        }
        Some(Self {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // The first one may stand at the very start, without the end of a line before it.
            matched: 2,
            place: Place::Other,
            kept: Vec::new(),
            model: None,
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// The model of the last such part.
    pub(super) fn model(&self) -> Option<&ModelName> {
        self.model.as_ref()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.place {
                Place::Over => return,
                Place::Other | Place::Model => bytes = self.body(byte, bytes, rest),
                Place::Delimited => {
                    self.keep(byte, 2);
                    if self.kept == b"--" {
                        self.place = Place::Over;
                    } else if byte == b'\n' {
                        self.begin(Place::Head);
                    }
                    bytes = rest;
                }
                Place::Head => {
                    self.keep(byte, MAX_HEAD_BYTES);
                    if byte == b'\n' && (self.kept.ends_with(b"\n\r\n") || self.kept == b"\r\n") {
                        let is_model = is_model(&self.kept);
                        self.begin(if is_model { Place::Model } else { Place::Other });
                    } else if self.kept.len() == MAX_HEAD_BYTES {
                        self.begin(Place::Other);
                    }
                    bytes = rest;
                }
            }
        }
    }

    /// A byte of a part's body. Most are passed over many at a time.
    fn body<'b>(&mut self, byte: u8, bytes: &'b [u8], rest: &'b [u8]) -> &'b [u8] {
        if self.delimiter.get(self.matched) == Some(&byte) {
            self.matched = self.matched.saturating_add(1);
            if self.matched == self.delimiter.len() {
                self.end_part();
            }
            return rest;
        }
        // What looked like a delimiter was none: it belongs to the body, and this byte is looked at again.
        let looked_like = std::mem::take(&mut self.matched);
        if looked_like > 0 {
            if self.place == Place::Model {
                let room = MAX_VALUE_BYTES.saturating_sub(self.kept.len());
                let part = self.delimiter.get(..looked_like.min(room));
                self.kept.extend_from_slice(part.unwrap_or_default());
            }
            return bytes;
        }
        let end = memchr(b'\r', bytes).unwrap_or(bytes.len());
        let (passed, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        if self.place == Place::Model {
            let room = MAX_VALUE_BYTES.saturating_sub(self.kept.len());
            self.kept
                .extend_from_slice(passed.get(..room).unwrap_or(passed));
        }
        rest
    }

    fn end_part(&mut self) {
        if self.place == Place::Model {
            self.model = ModelName::new(&self.kept);
        }
        self.begin(Place::Delimited);
    }

    fn begin(&mut self, place: Place) {
        self.place = place;
        self.kept.clear();
        self.matched = 0;
    }

    fn keep(&mut self, byte: u8, limit: usize) {
        if self.kept.len() < limit {
            self.kept.push(byte);
        }
    }
}

/// Whether the head of a part says that it is the field `model`, and no file of that name.
fn is_model(head: &[u8]) -> bool {
    let Ok(head) = std::str::from_utf8(head) else {
        return false;
    };
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-disposition"))
        .filter_map(|(_, value)| value.split_once(';'))
        .any(|(_, parameters)| {
            parameter(parameters, "name") == Some("model")
                && parameter(parameters, "filename").is_none()
        })
}

/// The value of a parameter, without its quotes. One with an escaped quote in it is cut there: ours have none.
fn parameter<'p>(parameters: &'p str, name: &str) -> Option<&'p str> {
    let mut left = parameters;
    loop {
        let (key, value) = left.split_once('=')?;
        let value = value.trim_start();
        let (value, rest) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_at_checked(value.find(';').unwrap_or(value.len()))?,
        };
        let key = key.trim_start_matches([';', ' ', '\t']).trim_end();
        if key.eq_ignore_ascii_case(name) {
            return Some(value.trim_end());
        }
        left = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &[u8], cut: usize) -> (Option<String>, bool) {
        let mut form = Form::of(content_type.as_bytes()).unwrap();
        form.push(&body[..cut]);
        form.push(&body[cut..]);
        (
            form.model().map(|model| model.as_str().to_owned()),
            form.is_over(),
        )
    }

    #[test]
    fn the_last_part_named_model_is_told_wherever_the_form_is_cut() {
        let part = |disposition: &str, body: &str| {
            format!("--B\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{body}\r\n")
        };
        let model = part("name=\"model\"", "w-1");
        let file = part(
            "name=\"file\"; filename=\"a.wav\"",
            "\r\n--A\r\r\n-\0\r\n--",
        );
        let end = "--B--\r\n";
        for (name, body, expected) in [
            (
                "before the file",
                format!("{model}{file}{end}"),
                Some("w-1"),
            ),
            ("after the file", format!("{file}{model}{end}"), Some("w-1")),
            (
                "like a delimiter",
                format!("{}{end}", part("name=\"model\"", "w\r\n--")),
                None,
            ),
            (
                "twice",
                format!("{model}{}{end}", part("name=model", "w-2")),
                Some("w-2"),
            ),
            ("none", format!("{file}{end}"), None),
            (
                "empty",
                format!("{}{end}", part("name=\"model\"", "")),
                None,
            ),
            (
                "too long",
                format!("{}{end}", part("name=\"model\"", &"m".repeat(300))),
                None,
            ),
            (
                "a file of that name",
                format!("{}{end}", part("name=\"model\"; filename=\"m\"", "w-3")),
                None,
            ),
            (
                "in a file",
                format!(
                    "{}{end}",
                    part("name=\"file\"; filename=\"f\"", "name=\"model\"\r\n\r\nw-4")
                ),
                None,
            ),
            (
                "other headers around it",
                format!(
                    "preamble\r\n--B\r\nX-A: b\r\ncontent-disposition:form-data;name=\"model\"\r\nX-C: d\r\n\r\nw-5\r\n{end}"
                ),
                Some("w-5"),
            ),
            (
                "a head that is too long",
                format!(
                    "--B\r\nX-A: {}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw-6\r\n{model}{end}",
                    "a".repeat(2000)
                ),
                Some("w-1"),
            ),
        ] {
            for cut in 0..=body.len() {
                let (model, is_over) =
                    read("multipart/form-data; boundary=B", body.as_bytes(), cut);
                assert_eq!(model.as_deref(), expected, "{name}, cut at {cut}");
                assert!(is_over, "{name}, cut at {cut}");
            }
        }
    }

    #[test]
    fn a_head_that_is_not_text_names_no_model() {
        let head = b"Content-Disposition: form-data; name=\"model\"\r\n\r\n";
        assert!(is_model(head));
        assert!(!is_model(&[&b"X: \xff\r\n"[..], head].concat()));
    }

    #[test]
    fn a_form_needs_a_boundary() {
        for (content_type, is_form) in [
            ("multipart/form-data; boundary=B", true),
            ("Multipart/Form-Data; charset=x; Boundary=\"a;b\"", true),
            ("multipart/form-data", false),
            ("multipart/form-data; boundary=", false),
            ("multipart/mixed; boundary=B", false),
            ("application/json; boundary=B", false),
        ] {
            assert_eq!(
                Form::of(content_type.as_bytes()).is_some(),
                is_form,
                "{content_type}"
            );
        }
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        assert!(Form::of(long.as_bytes()).is_none());
    }
}
