//! The response's side: which model served, and the counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::format::{CHUNK, Last, Wire};
use super::framing::{Framing, Piece};
use super::inflate::{Coding, Inflater};
use super::model::ModelName;
use super::number::count_of_digits;
use super::scan::{Layout, Scanner};
use super::tally::{Tally, Totals};
use super::{Interest, Source};

/// What ends a stream in OpenAI's manner.
const DONE: &[u8] = b"[DONE]";

/// One answer, as its body comes by.
pub(super) struct Answer {
    wire: &'static Wire,
    /// Tokens read and generated, by the response's head.
    by_head: [Option<u64>; 2],
    /// The body is compressed in a way that is not read, or turned out not to be what it says.
    is_compressed: bool,
    inflater: Option<Inflater>,
    body: Option<Body>,
}

/// A body that is worth reading.
struct Body {
    wire: &'static Wire,
    framing: Framing,
    scanner: Scanner,
    /// For documents that lie in documents.
    embedded: Option<Scanner>,
    tally: Tally,
    model: Option<ModelName>,
    /// The counts are final, as this format says that.
    is_final: bool,
    /// The stream has said that it is over.
    is_over: bool,
    /// How much of `[DONE]` this event's data begins with; `None` if with anything else.
    done: Option<usize>,
}

impl Answer {
    /// Of a response's head.
    pub(super) fn of(
        wire: &'static Wire,
        status: u16,
        header: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Self {
        let mut answer = Self {
            wire,
            by_head: [None, None],
            is_compressed: false,
            inflater: None,
            body: None,
        };
        if !(200..300).contains(&status) {
            return answer;
        }
        answer.by_head = wire
            .headers
            .map(|name| count_of_digits(header(name?)?.trim_ascii()));
        let content_type = header("content-type");
        // A body of tensors begins with JSON, of which that header tells the length.
        let has_json_in_front = || header("inference-header-content-length").is_some();
        let framing = content_type
            .as_deref()
            .and_then(|content_type| Framing::of(content_type, wire.event))
            .or_else(|| has_json_in_front().then_some(Framing::Whole));
        let Some(framing) = framing.filter(|_| wire.has_answer()) else {
            return answer;
        };
        let coding = Coding::of(header("content-encoding").as_deref());
        answer.inflater = Inflater::new(coding);
        answer.is_compressed = coding == Coding::Unknown;
        if !answer.is_compressed {
            answer.body = Some(Body::new(wire, framing));
        }
        answer
    }

    pub(super) fn is_stream(&self) -> bool {
        self.body
            .as_ref()
            .is_some_and(|body| !matches!(body.framing, Framing::Whole))
    }

    pub(super) fn interest(&self) -> Interest {
        if self.body.is_some() {
            Interest::Body
        } else {
            Interest::Nothing
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Some(body) = self.body.as_mut() else {
            return;
        };
        let Some(inflater) = self.inflater.as_mut().filter(|_| !self.is_compressed) else {
            if !self.is_compressed {
                body.push(bytes);
            }
            return;
        };
        self.is_compressed = inflater.push(bytes, |bytes| body.push(bytes)).is_err();
    }

    pub(super) fn model(&self) -> Option<&ModelName> {
        let body = self.body.as_ref()?;
        body.unfinished()
            .and_then(|scanner| scanner.document().model())
            .or(body.model.as_ref())
    }

    /// The counts, and where they are from. `complete`: the body ended by itself.
    pub(super) fn totals(&self, generates: bool, complete: bool) -> (Totals, Option<Source>) {
        let mut totals = self
            .body
            .as_ref()
            .map_or_else(Totals::default, |body| body.totals(generates));
        let in_body = totals != Totals::default();
        let [input, output] = self.by_head;
        totals.input = totals.input.or(input);
        // What only reads generates nothing, and most of it does not say so.
        let nothing = totals.input.filter(|_| !generates).map(|_| 0);
        totals.output = totals.output.or(output).or(nothing);
        let source = if totals == Totals::default() {
            self.is_compressed.then_some(Source::Compressed)
        } else if in_body && !self.is_final(complete) {
            Some(Source::Partial)
        } else {
            Some(Source::Reported)
        };
        (totals, source)
    }

    fn is_final(&self, complete: bool) -> bool {
        self.body.as_ref().is_some_and(|body| {
            let ended_cleanly = complete
                && !self.is_compressed
                && self.wire.last == Last::CleanEnd
                && !matches!(body.framing, Framing::Whole);
            body.is_final || ended_cleanly
        })
    }
}

impl Body {
    fn new(wire: &'static Wire, framing: Framing) -> Self {
        let is_row = wire.rows && matches!(framing, Framing::Whole);
        let layout = if is_row {
            Layout::MaybeRow
        } else {
            Layout::Document
        };
        let outer = Scanner::new(&wire.answer, layout);
        // Only Bedrock's streams of another API's events.
        let (scanner, embedded) =
            if matches!(framing, Framing::Messages(_)) && wire.event == "chunk" {
                (Scanner::new(CHUNK, Layout::Document), Some(outer))
            } else {
                (outer, None)
            };
        Self {
            wire,
            framing,
            scanner,
            embedded,
            tally: Tally::default(),
            model: None,
            is_final: false,
            is_over: false,
            done: Some(0),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while !self.is_over
            && let Some(piece) = self.framing.next(&mut bytes)
        {
            match piece {
                Piece::Data(data) => self.data(data),
                Piece::End => {
                    self.scanner.restart();
                    self.done = Some(0);
                }
            }
        }
    }

    fn data(&mut self, data: &[u8]) {
        if matches!(self.framing, Framing::Events(_)) && self.is_done(data) {
            self.is_over = true;
            self.is_final |= !self.tally.is_empty();
            return;
        }
        let mut data = data;
        while let Some(rest) = self.scanner.push(data) {
            self.document();
            data = rest;
        }
    }

    /// Whether the event that these bytes belong to is the one that ends a stream.
    fn is_done(&mut self, data: &[u8]) -> bool {
        let Some(matched) = self.done else {
            return false;
        };
        let left = DONE.get(matched..).unwrap_or_default();
        let length = left.len().min(data.len());
        self.done =
            (data.get(..length) == left.get(..length)).then_some(matched.saturating_add(length));
        self.done == Some(DONE.len())
    }

    /// A document has been read.
    fn document(&mut self) {
        if let Some(embedded) = &mut self.embedded {
            let text = self.scanner.document().embedded().unwrap_or_default();
            let decoded = STANDARD.decode(text).unwrap_or_default();
            embedded.restart();
            let is_whole = embedded.push(&decoded).is_some();
            self.scanner.forget_document();
            if !is_whole {
                return;
            }
        }
        let scanner = self.embedded.as_mut().unwrap_or(&mut self.scanner);
        let document = scanner.document();
        self.tally.add(document, self.wire, scanner.is_row());
        self.is_final |= self.wire.ends_with(document);
        // An answer that is one document is whole with it.
        self.is_final |= matches!(self.framing, Framing::Whole) && !scanner.is_row();
        // Most events repeat the name.
        if let Some(model) = document.model()
            && self.model.as_ref() != Some(model)
        {
            self.model = Some(model.clone());
        }
        scanner.forget_document();
    }

    /// The document that has begun and not ended. What it has said so far is known: a body may be cut short behind it.
    fn unfinished(&self) -> Option<&Scanner> {
        (self.embedded.is_none() && self.scanner.is_sound()).then_some(&self.scanner)
    }

    fn totals(&self, generates: bool) -> Totals {
        let mut tally = self.tally;
        if let Some(scanner) = self.unfinished() {
            tally.add(scanner.document(), self.wire, scanner.is_row());
        }
        tally.totals(self.wire, generates)
    }
}
