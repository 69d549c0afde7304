//! What one call of a model API used: which model was asked for, which one served, and how many tokens went in and came
//! out. All of it is read from the request and the response as they stream by; nothing is asked of either.
//!
//! # The way of a body
//!
//! ```text
//! bytes -> inflate -> framing -> scan -> document -> tally -> Usage
//! ```
//!
//! `path` tells the API by the request's path. `inflate` undoes a compression, `framing` divides a body into
//! documents, `scan` reads JSON however it is cut and keeps what stands at the places that the `format` names in its
//! `tree`. `document` holds that until the document ends, `tally` makes one answer of all documents. The request's
//! side, `asked`, wants the model alone, from JSON or from a `multipart` form; `named` reads it so strictly that one can
//! decide by it.
//!
//! # What always holds
//!
//! - A body is never changed, never held, and never waited for.
//! - Memory for one exchange is bounded, whatever is sent: 8 KiB for what is kept of either body, up to 32 KiB more while a
//!   long chunk of a Bedrock stream is decoded, and 43 KiB on top for a response that is compressed (the window and the
//!   tables of its code).
//! - Only a member at its very place counts. The same words inside a message, a tool's arguments or a comment do not.
//! - What is not known is `None`, never a guess. A document that is not JSON says nothing; those before it stand.
//! - Where the bytes are cut makes no difference.
//!
//! This room does not know what a token costs, who pays, or where it is written down.

mod answer;
mod asked;
mod document;
mod format;
mod framing;
mod inflate;
mod model;
mod multipart;
mod named;
mod nesting;
mod number;
mod path;
mod plain;
mod scan;
mod tally;
mod token;
mod tree;

use answer::Answer;
use asked::Asked;
use path::Target;
pub use path::may_name_model;

pub use format::Format;
pub use model::{ModelName, is_like_model};
pub use named::{Named, NamedModel};

/// The model that a request's path (with its query) names, in the APIs whose paths do: then their servers take it from
/// nowhere else.
pub fn model_in_path(path: &str) -> Option<ModelName> {
    Target::of(path)?.model
}

/// Whether more is worth handing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// The body, or the rest of it.
    Body,
    /// No more of it.
    Nothing,
}

/// What one call used, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// The model that the caller asked for; the one that served where the request names none.
    pub model: Option<ModelName>,
    /// The model that the response names. Aliases, dates and routers make it another one.
    pub served_model: Option<ModelName>,
    /// All tokens that the model read: the prompt, what a cache had of it, and what tools gave.
    pub input_tokens: Option<u64>,
    /// All tokens that it generated: text, tool calls, reasoning.
    pub output_tokens: Option<u64>,
    /// The part of the input that was read from a cache.
    pub cached_input_tokens: Option<u64>,
    /// The part of the input that was written to a cache.
    pub cache_write_input_tokens: Option<u64>,
    /// The part of the output that is reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Where the counts are from, or why there are none. `None`: the response told none.
    pub source: Option<Source>,
}

/// Where counts are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The provider reported them, and they are final.
    Reported,
    /// What had been reported when the response was cut short, or ended without saying that this was all.
    Partial,
    /// There are none: the response was compressed in a way that is not read.
    Compressed,
}

impl Source {
    /// As it is written down.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Partial => "partial",
            Self::Compressed => "compressed",
        }
    }
}

/// Whether calls are metered, and as what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metering {
    /// They are not.
    Off,
    /// As what their path says.
    #[default]
    ByPath,
    /// As this, whatever their path.
    As(Format),
}

impl Metering {
    /// A meter for a request of that method and path, if it is worth one.
    pub fn meter(self, method: &str, path: &str) -> Option<Meter> {
        match self {
            Self::Off => None,
            Self::ByPath => Meter::new(method, path, None),
            Self::As(format) => Meter::new(method, path, Some(format)),
        }
    }
}

/// Watches one exchange.
pub struct Meter {
    target: Target,
    asked: Asked,
    answer: Option<Answer>,
}

impl Meter {
    /// Of a request's method and path (as the client sent it, with its query). `told`: the format, where the operator
    /// says it; otherwise the path has to.
    ///
    /// `None` where there is nothing to read: only a POST uses anything, a GET repeats what an earlier call used.
    pub fn new(method: &str, path: &str, told: Option<Format>) -> Option<Self> {
        if method != "POST" {
            return None;
        }
        let target = match told {
            Some(format) => Target::told(path, format),
            None => Target::of(path)?,
        };
        Some(Self {
            target,
            asked: Asked::Settled(None),
            answer: None,
        })
    }

    /// The head of the request: whether its body says which model is asked for.
    pub fn request_head(
        &mut self,
        content_type: Option<&[u8]>,
        content_encoding: Option<&[u8]>,
    ) -> Interest {
        if self.target.names_model() {
            return Interest::Nothing;
        }
        self.asked = Asked::of(self.target.format, content_type, content_encoding);
        self.asked.interest()
    }

    /// More of the request's body, and whether the rest of it matters. It does until the document in it has ended: of two
    /// models the last one counts.
    pub fn request_body(&mut self, bytes: &[u8]) -> Interest {
        self.asked.push(bytes)
    }

    /// The head of the response, with a way to look a header up by its name in lower case: whether its body says
    /// anything. Only success uses anything.
    pub fn response_head(
        &mut self,
        status: u16,
        header: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Interest {
        self.answer
            .insert(Answer::of(self.target.format.wire(), status, header))
            .interest()
    }

    /// Whether the response comes bit by bit, as it is generated.
    pub fn is_stream(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::is_stream)
    }

    /// More of the response's body.
    pub fn response_body(&mut self, bytes: &[u8]) {
        if let Some(answer) = &mut self.answer {
            answer.push(bytes);
        }
    }

    /// What is known when it is over. `complete`: the response ended by itself. Otherwise the client or the upstream went
    /// away.
    pub fn finish(&self, complete: bool) -> Usage {
        let served_model = self.answer.as_ref().and_then(Answer::model);
        let model = self
            .target
            .model
            .as_ref()
            .or(self.asked.model())
            .or(served_model);
        let (totals, source) = self
            .answer
            .as_ref()
            .map(|answer| answer.totals(self.target.generates, complete))
            .unwrap_or_default();
        Usage {
            model: model.cloned(),
            served_model: served_model.cloned(),
            input_tokens: totals.input,
            output_tokens: totals.output,
            cached_input_tokens: totals.cached,
            cache_write_input_tokens: totals.cache_write,
            reasoning_tokens: totals.reasoning,
            source,
        }
    }
}
