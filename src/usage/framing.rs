//! How documents lie in a body: a stream of bytes becomes pieces of documents, none of them held.

mod event_stream;
mod sse;

use memchr::memchr;

use event_stream::EventStream;
use sse::ServerSentEvents;

/// A piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'b> {
    /// The next bytes of the document that is being sent.
    Data(&'b [u8]),
    /// Where a document ends, if one was begun.
    End,
}

/// How the documents of one body are divided.
#[derive(Clone)]
pub(super) enum Framing {
    /// `application/json`: the body is the document.
    Whole,
    /// `application/x-ndjson`: a document a line.
    Lines,
    /// `text/event-stream`: a document an event.
    Events(ServerSentEvents),
    /// `application/vnd.amazon.eventstream`: a document a message.
    Messages(EventStream),
}

impl Framing {
    /// How a body of that type is divided. Parameters and case do not matter. `events`: which of Amazon's events to read.
    pub(super) fn of(content_type: &[u8], event: &'static str) -> Option<Self> {
        let essence = content_type.split(|byte| *byte == b';').next()?;
        let is = |name: &str| essence.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if is("application/json") {
            Some(Self::Whole)
        } else if is("text/event-stream") {
            Some(Self::Events(ServerSentEvents::new()))
        } else if is("application/x-ndjson") || is("application/ndjson") {
            Some(Self::Lines)
        } else if is("application/vnd.amazon.eventstream") {
            Some(Self::Messages(EventStream::new(event)))
        } else {
            None
        }
    }

    /// Takes the next piece off the front of `bytes`, which are empty afterwards if there is none.
    pub(super) fn next<'b>(&mut self, bytes: &mut &'b [u8]) -> Option<Piece<'b>> {
        match self {
            Self::Whole => {
                let all = std::mem::take(bytes);
                (!all.is_empty()).then_some(Piece::Data(all))
            }
            Self::Lines => lines(bytes),
            Self::Events(events) => events.next(bytes),
            Self::Messages(messages) => messages.next(bytes),
        }
    }
}

/// A line ends at its LF; the CR before it is white space to JSON.
fn lines<'b>(bytes: &mut &'b [u8]) -> Option<Piece<'b>> {
    match memchr(b'\n', bytes) {
        Some(0) => {
            *bytes = bytes.get(1..).unwrap_or_default();
            Some(Piece::End)
        }
        Some(at) => {
            let (line, rest) = bytes.split_at_checked(at)?;
            *bytes = rest;
            Some(Piece::Data(line))
        }
        None => Framing::Whole.next(bytes),
    }
}
