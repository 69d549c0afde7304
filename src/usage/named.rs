//! Which model a request's body names, for whoever decides by it: where two servers could read two, it names none.
//!
//! Servers disagree about a member that stands twice (the first counts, or the last), about its case (Go's JSON does not
//! look at it), about what stands before a form or behind a document. The meter next door goes with the most of them;
//! here all of that is unclear.

use super::inflate::Coding;
use super::model::ModelName;
use super::multipart::{Form, is_multipart};
use super::scan::{Layout, Scanner};
use super::tree::{Node, model, object};

static BODY: Node = object(&[("model", model(0))]);

/// A body as it comes.
pub struct NamedModel(Body);

enum Body {
    Json {
        scanner: Box<Scanner>,
        is_over: bool,
    },
    Form(Form),
    /// One that cannot be read, or not in one way only.
    Unclear,
}

/// What is known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// Nothing: the document has not ended.
    NotYet,
    /// This model, and no server could read another one.
    Model(&'a ModelName),
    /// None, or it could be read in more than one way.
    Unclear,
}

impl NamedModel {
    /// Of a request whose fields say that of its body, each of them at most once.
    pub fn of(content_type: Option<&[u8]>, content_encoding: Option<&[u8]>) -> Self {
        Self(if Coding::of(content_encoding) != Coding::Identity {
            Body::Unclear
        } else if let Some(content_type) = content_type.filter(|value| is_multipart(value)) {
            Form::of(content_type).map_or(Body::Unclear, Body::Form)
        } else {
            Body::Json {
                scanner: Box::new(Scanner::new(&BODY, Layout::Document)),
                is_over: false,
            }
        })
    }

    /// A body that cannot be read.
    pub fn unclear() -> Self {
        Self(Body::Unclear)
    }

    /// More of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        let left = match &mut self.0 {
            Body::Unclear => return,
            Body::Form(form) => return form.push(bytes),
            Body::Json { is_over: true, .. } => bytes,
            Body::Json { scanner, is_over } => match scanner.push(bytes) {
                Some(left) => {
                    *is_over = true;
                    left
                }
                None => &[],
            },
        };
        // Who reads more than one document may take the last.
        if !left.iter().all(u8::is_ascii_whitespace) {
            self.0 = Body::Unclear;
        }
    }

    /// What it names.
    pub fn named(&self) -> Named<'_> {
        let (model, is_clear, is_over) = match &self.0 {
            Body::Unclear => return Named::Unclear,
            Body::Form(form) => (form.model(), form.names_one_model(), form.is_over()),
            Body::Json { scanner, is_over } => {
                let is_clear = scanner.is_sound() && scanner.models_named() <= 1;
                (scanner.document().model(), is_clear, *is_over)
            }
        };
        match model {
            _ if !is_clear => Named::Unclear,
            _ if !is_over => Named::NotYet,
            Some(model) => Named::Model(model),
            None => Named::Unclear,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body names that comes in two pieces, cut everywhere.
    fn read(content_type: &str, body: &str) -> Option<String> {
        let (mut found, mut early) = (None, None);
        for cut in 0..=body.len() {
            let mut named = NamedModel::of(Some(content_type.as_bytes()), None);
            let (one, other) = body.as_bytes().split_at(cut);
            named.push(one);
            if cut < body.trim_end().len() && matches!(named.named(), Named::Model(_)) {
                early = early.or(Some(cut));
            }
            named.push(other);
            let told = match named.named() {
                Named::Model(model) => Some(model.as_str().to_owned()),
                Named::NotYet | Named::Unclear => None,
            };
            assert!(cut == 0 || found == told, "{body:?} cut at {cut}");
            found = told;
        }
        assert!(
            found.is_none() || early.is_none(),
            "{body:?} names a model before its end, at {early:?}"
        );
        found
    }

    #[test]
    fn json_names_the_one_model_that_every_server_reads() {
        for (body, model) in [
            (r#"{"model":"m"}"#, Some("m")),
            (
                "{\"messages\":[{\"model\":\"x\"}],\"model\":\"m\"}\r\n",
                Some("m"),
            ),
            (r#"{"mod\u0065l":"\u006d"}"#, Some("m")),
            (
                r#"{"metadata":{"model":"x","models":[]},"model":"m"}"#,
                Some("m"),
            ),
            // Two, or one that only some servers see.
            (r#"{"model":"m","model":"n"}"#, None),
            (r#"{"model":"m","model":"m"}"#, None),
            (r#"{"model":"m","Model":"n"}"#, None),
            (r#"{"MODEL":"m"}"#, None),
            (r#"{"model":"m","models":["n"]}"#, None),
            (r#"{"model":"m","mod\u0065l":"n"}"#, None),
            (r#"{"model":"m"}{"model":"n"}"#, None),
            ("{\"model\":\"m\"}\n--B\r\n", None),
            // None.
            ("{}", None),
            ("", None),
            (r#"{"messages":[]}"#, None),
            (r#"{"model":null}"#, None),
            (r#"{"model":["m"]}"#, None),
            (r#"{"model":""}"#, None),
            (r#"[{"model":"m"}]"#, None),
            (r#""model""#, None),
            (r#"{"model":"m""#, None),
            (r#"{"model":"m"]"#, None),
            ("\u{feff}{\"model\":\"m\"}", None),
            ("model=m", None),
        ] {
            assert_eq!(read("application/json", body).as_deref(), model, "{body}");
        }
    }

    #[test]
    fn a_form_names_the_one_model_that_every_server_reads() {
        const TYPE: &str = "multipart/form-data; boundary=B";
        let part = |head: &str, body: &str| format!("--B\r\n{head}\r\n\r\n{body}\r\n");
        let field = |name: &str, body: &str| {
            part(
                &format!("Content-Disposition: form-data; name=\"{name}\""),
                body,
            )
        };
        let file = part(
            "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav",
            "\0\r\n--A",
        );
        let end = "--B--\r\n";
        for (name, body, model) in [
            (
                "one",
                format!("{}{file}{end}", field("model", "m")),
                Some("m"),
            ),
            (
                "one at the end",
                format!(
                    "{file}{}{}{end}",
                    field("timestamp_granularities[]", "word"),
                    field("model", "m")
                ),
                Some("m"),
            ),
            ("none", format!("{file}{end}"), None),
            ("cut short", format!("{file}{}", field("model", "m")), None),
            (
                "two",
                format!("{}{}{end}", field("model", "m"), field("model", "n")),
                None,
            ),
            (
                "in another case",
                format!("{}{}{end}", field("model", "m"), field("Model", "n")),
                None,
            ),
            (
                "escaped",
                format!("{}{}{end}", field("model", "m"), field("mo\\del", "n")),
                None,
            ),
            (
                "named twice in one head",
                format!(
                    "{}{}{end}",
                    field("model", "m"),
                    part(
                        "Content-Disposition: form-data; name=\"a\"; name=\"model\"",
                        "n"
                    )
                ),
                None,
            ),
            (
                "named by another encoding",
                format!(
                    "{}{}{end}",
                    field("model", "m"),
                    part("Content-Disposition: form-data; name*=UTF-8''model", "n")
                ),
                None,
            ),
            (
                "two dispositions",
                format!(
                    "{}{}{end}",
                    field("model", "m"),
                    part(
                        "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"model\"",
                        "n"
                    )
                ),
                None,
            ),
            (
                "on a continued line",
                format!(
                    "{}{}{end}",
                    field("model", "m"),
                    part("Content-Disposition: form-data;\r\n name=\"model\"", "n")
                ),
                None,
            ),
            (
                "in a head that is too long",
                format!(
                    "{}{}{end}",
                    field("model", "m"),
                    part(
                        &format!(
                            "X-A: {}\r\nContent-Disposition: form-data; name=\"model\"",
                            "a".repeat(2000)
                        ),
                        "n"
                    )
                ),
                None,
            ),
            (
                "as a file",
                format!(
                    "{}{}{end}",
                    field("model", "m"),
                    part(
                        "Content-Disposition: form-data; name=\"model\"; filename=\"\"",
                        "n"
                    )
                ),
                None,
            ),
            (
                "behind a document",
                format!("{{\"model\":\"n\"}}\r\n{}{end}", field("model", "m")),
                None,
            ),
        ] {
            assert_eq!(read(TYPE, &body).as_deref(), model, "{name}");
        }
        for content_type in [
            "multipart/form-data",
            "multipart/form-data; boundary=A; boundary=B",
            "multipart/mixed; boundary=B",
        ] {
            let body = format!("{}{end}", field("model", "m"));
            assert_eq!(read(content_type, &body), None, "{content_type}");
        }
    }

    #[test]
    fn what_is_compressed_names_none() {
        let mut named = NamedModel::of(None, Some(b"gzip"));
        named.push(br#"{"model":"m"}"#);
        assert_eq!(named.named(), Named::Unclear);
    }
}
