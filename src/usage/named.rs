//! Which model a request's body names, for whoever decides by it: where two servers could read two, it names none.
//!
//! Only JSON names one, an object in UTF-8. Servers disagree about a member that stands twice (the first counts, or the
//! last), about its case (Go's JSON does not look at it), about comments and what else is not JSON (`plain`), and about what
//! comes behind a document; about forms they disagree in more ways than anybody can list: delimiters, line ends, escapes,
//! which of two fields counts. The meter next door goes with the most of them; here all of that is unclear.

use super::inflate::Coding;
use super::model::ModelName;
use super::plain::PlainText;
use super::scan::{Layout, Scanner};
use super::tree::{Node, model, object};

static BODY: Node = object(&[("model", model(0))]);

/// A body as it comes.
pub struct NamedModel {
    body: Body,
    text: PlainText,
}

enum Body {
    /// Nothing but white space yet.
    Blank,
    Json(Box<Scanner>),
    /// The document, and what may follow it.
    Over(Box<Scanner>),
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
        let is_json = content_type.is_none_or(is_json);
        let is_plain = Coding::of(content_encoding) == Coding::Identity;
        Self::with(if is_json && is_plain {
            Body::Blank
        } else {
            Body::Unclear
        })
    }

    /// A body that cannot be read.
    pub fn unclear() -> Self {
        Self::with(Body::Unclear)
    }

    fn with(body: Body) -> Self {
        let text = PlainText::default();
        Self { body, text }
    }

    /// More of the body.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.body, Body::Unclear) || !self.text.push(bytes) {
            self.body = Body::Unclear;
            return;
        }
        let bytes = match self.body {
            Body::Blank => bytes.trim_ascii_start(),
            _ => bytes,
        };
        self.body = match (std::mem::replace(&mut self.body, Body::Unclear), bytes) {
            (Body::Blank, []) => Body::Blank,
            (Body::Blank, [b'{', ..]) => {
                read(Box::new(Scanner::new(&BODY, Layout::Document)), bytes)
            }
            (Body::Json(scanner), _) => read(scanner, bytes),
            (Body::Over(scanner), _) => behind(scanner, bytes),
            // Whatever it is, it is no document of JSON that names something, and may be whole to somebody any time.
            (Body::Blank | Body::Unclear, _) => Body::Unclear,
        };
    }

    /// What it names.
    pub fn named(&self) -> Named<'_> {
        match &self.body {
            Body::Unclear => Named::Unclear,
            Body::Blank | Body::Json(_) => Named::NotYet,
            Body::Over(scanner) => scanner
                .document()
                .model()
                .map_or(Named::Unclear, Named::Model),
        }
    }
}

/// More of the document.
fn read(mut scanner: Box<Scanner>, bytes: &[u8]) -> Body {
    let left = scanner.push(bytes);
    if !scanner.is_sound() || scanner.models_named() > 1 {
        return Body::Unclear;
    }
    match left {
        Some(left) => behind(scanner, left),
        None => Body::Json(scanner),
    }
}

/// What follows the document. Who reads more than one may take the last.
fn behind(scanner: Box<Scanner>, bytes: &[u8]) -> Body {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        Body::Over(scanner)
    } else {
        Body::Unclear
    }
}

/// Whether a `Content-Type` is that of JSON (RFC 8259 section 11, RFC 6839 section 3.1) in UTF-8, and nothing that a server
/// would read by other rules.
fn is_json(content_type: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else {
        return false;
    };
    let text = text.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let is_json = essence == "application/json"
        || essence.starts_with("application/")
            && essence.ends_with("+json")
            && !essence.contains(',');
    is_json
        && parts.all(|parameter| matches!(parameter, "" | "charset=utf-8" | "charset=\"utf-8\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_is_not_text_is_not_that_of_json() {
        assert!(is_json(b"application/json"));
        assert!(!is_json(b"application/json\xff"));
    }

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
            (r#"{"model":"m","modelId":"n"}"#, None),
            (r#"{"model":"m","model_id":"n"}"#, None),
            (r#"{"model":"m","modelſ":["n"]}"#, None),
            (r#"{"model\u0000":"n","model":"m"}"#, None),
            (r#"{"model":"m","\model":"n"}"#, None),
            (r#"{"model":"m","\ud800":"n"}"#, None),
            (r#"{"model":"m","mod\u0065l":"n"}"#, None),
            (r#"{"model":"m"}{"model":"n"}"#, None),
            ("{\"model\":\"m\"}\n--B\r\n", None),
            // One for who reads comments, single quotes or text without quotes, another one for all others.
            (r#"{"a":[1],"model":"m","b":[1]}"#, Some("m")),
            (
                r#"{"a":[/*"*/1],"model":"n","b":[/*"*/1],"model":"m"}"#,
                None,
            ),
            (
                "{\"a\":[#\"\n1],\"model\":\"n\",\"b\":[#\"\n1],\"model\":\"m\"}",
                None,
            ),
            (r#"{"a":['"'],"model":"n","b":['"'],"model":"m"}"#, None),
            (r#"{"a":[t"],"model":"n","b":[t"],"model":"m"}"#, None),
            (r#"{"a":["x"y],"model":"m"}"#, None),
            ("{\"a\":[\"\u{1}\"],\"model\":\"m\"}", None),
            (
                r#"{"a":[-1.5e+3,true,false,null,NaN,-Infinity,"\""],"model":"m"}"#,
                Some("m"),
            ),
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
            ("model=large&", None),
            ("\0\0\0\0\u{5}\n\u{3}abc", None),
        ] {
            assert_eq!(read("application/json", body).as_deref(), model, "{body}");
        }
    }

    #[test]
    fn what_some_server_reads_by_other_rules_names_none() {
        const BODY: &str = r#"{"model":"m"}"#;
        for content_type in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/vnd.example+json",
        ] {
            assert_eq!(
                read(content_type, BODY).as_deref(),
                Some("m"),
                "{content_type}"
            );
        }
        for content_type in [
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=B",
            "application/grpc",
            "application/json; charset=utf-7",
            "application/json; charset=utf-16",
            "application/json; x=y",
            "application/json, multipart/form-data",
            "application/x,y+json",
        ] {
            assert_eq!(read(content_type, BODY), None, "{content_type}");
        }
    }

    #[test]
    fn what_is_compressed_names_none() {
        let mut named = NamedModel::of(None, Some(b"gzip"));
        named.push(br#"{"model":"m"}"#);
        assert_eq!(named.named(), Named::Unclear);
    }
}
