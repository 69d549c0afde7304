//! JSON read as it comes, however it is cut: what stands at the places of a tree is kept, everything else is passed over.
//!
//! This is no validator. The objects and arrays that lead to a wanted place are read by the grammar; of the rest only
//! strings and brackets matter, so that a vector of a million numbers costs little, and a `NaN` in it does no harm. The
//! first value is the document, and what follows it is not looked at.
//!
//! Memory: a name or a value is kept up to a bound (longer ones are nobody's), the way down is as long as the tree is
//! deep, and nesting below it is counted.

use super::document::Document;
use super::model::{ModelName, is_like_model};
use super::nesting::{Nesting, matters};
use super::number;
use super::token::{Token, pass_scalar, unescaped};
use super::tree::{Leaf, Node, Pick};

/// The longest name that any tree has takes 32 bytes, and JSON may write six for one.
const MAX_NAME_BYTES: usize = 200;

/// The most that is kept of a document in base64. Those with counts in them have a few hundred bytes.
pub(super) const MAX_EMBEDDED_BYTES: usize = 8192;

/// Whether a body that is an array is a row of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Document,
    MaybeRow,
}

#[derive(Clone)]
pub(super) struct Scanner {
    root: &'static Node,
    layout: Layout,
    state: State,
    /// The containers that lead to a wanted place, outermost first.
    way: Vec<Frame>,
    /// What stands where the next value begins.
    wanted: Option<&'static Node>,
    nesting: Nesting,
    token: Token,
    document: Document,
    models_named: u32,
}

#[derive(Clone, Copy)]
struct Frame {
    node: &'static Node,
    container: Container,
    /// Below an array whose counts are added up.
    in_element: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array {
        first: bool,
    },
    /// The outermost array, each of its elements a document.
    Row,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    ValueOrEnd,
    NameOrEnd,
    Name,
    InName,
    Colon,
    CommaOrEnd,
    InText,
    InScalar,
    Skipping,
    SkippingText,
    Over,
    Invalid,
}

impl Scanner {
    pub(super) const fn new(root: &'static Node, layout: Layout) -> Self {
        Self {
            root,
            layout,
            state: State::Value,
            way: Vec::new(),
            wanted: Some(root),
            nesting: Nesting::none(),
            token: Token::new(),
            document: Document::new(),
            models_named: 0,
        }
    }

    /// Begins another text, whatever became of the one before.
    pub(super) fn restart(&mut self) {
        self.state = State::Value;
        self.way.clear();
        self.wanted = Some(self.root);
        self.token.clear();
        self.document.clear();
        self.models_named = 0;
    }

    /// How often the outermost object names what some server takes for the model ([`is_like_model`]).
    pub(super) fn models_named(&self) -> u32 {
        self.models_named
    }

    /// What the document has said so far.
    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    /// The document has been read: what is left of it is not to be read again.
    pub(super) fn forget_document(&mut self) {
        self.document.clear();
    }

    /// Nothing more can be read in this text: its value is whole, or it is not JSON.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over | State::Invalid)
    }

    /// What the document has said so far may be believed: no more can be said of text that was cut short.
    pub(super) fn is_sound(&self) -> bool {
        self.state != State::Invalid
    }

    /// The text is a row of documents.
    pub(super) fn is_row(&self) -> bool {
        self.way
            .first()
            .is_some_and(|frame| frame.container == Container::Row)
    }

    /// Reads on up to the end of a document, if there is one: then [`document`](Self::document) is whole, until the next
    /// call with what is left of the bytes.
    pub(super) fn push<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut bytes = bytes;
        loop {
            match self.state {
                State::Over | State::Invalid => return None,
                State::Skipping => bytes = self.skip(bytes)?,
                State::SkippingText => {
                    (_, bytes) = self.token.pass_text(bytes)?;
                    self.state = State::Skipping;
                    continue;
                }
                State::InName => bytes = self.name(bytes)?,
                State::InText => bytes = self.text(bytes)?,
                State::InScalar => bytes = self.scalar(bytes)?,
                _ => {
                    let (&byte, rest) = bytes.split_first()?;
                    if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                        bytes = rest;
                        continue;
                    }
                    bytes = self.structure(byte, bytes, rest);
                }
            }
            if self.state == State::CommaOrEnd && self.ends_document() {
                return Some(bytes);
            }
        }
    }

    /// A value has ended. Was it a document?
    fn ends_document(&mut self) -> bool {
        match self.way.as_slice() {
            [] => {
                self.state = State::Over;
                // A row's documents have been told one by one.
                self.wanted.is_some()
            }
            [row] if row.container == Container::Row => self.wanted.take().is_some(),
            _ => false,
        }
    }

    /// One byte of the grammar, where no text, name or number is being read. Returns what is left to read.
    fn structure<'b>(&mut self, byte: u8, bytes: &'b [u8], rest: &'b [u8]) -> &'b [u8] {
        match (self.state, byte) {
            (State::Name | State::NameOrEnd, b'"') => {
                self.token.clear();
                self.state = State::InName;
            }
            (State::Colon, b':') => self.state = State::Value,
            (State::NameOrEnd, b'}') => self.close(b'}'),
            (State::ValueOrEnd, b']') => self.close(b']'),
            (State::CommaOrEnd, b'}' | b']') => self.close(byte),
            (State::CommaOrEnd, b',') => self.comma(),
            (State::Value | State::ValueOrEnd, _) => return self.value(byte, bytes, rest),
            _ => self.state = State::Invalid,
        }
        rest
    }

    fn comma(&mut self) {
        match self.way.last_mut() {
            Some(Frame {
                container: Container::Object,
                ..
            }) => self.state = State::Name,
            Some(frame) => {
                if let Container::Array { first } = &mut frame.container {
                    *first = false;
                }
                self.state = State::Value;
                self.element();
            }
            None => self.state = State::Invalid,
        }
    }

    /// An element of an array is next.
    fn element(&mut self) {
        let Some(frame) = self.way.last() else { return };
        self.wanted = match (frame.container, frame.node.elements) {
            (Container::Row, _) => {
                self.document.clear();
                Some(self.root)
            }
            (Container::Array { .. }, Some((Pick::Each, node))) => {
                self.document.begin_element();
                Some(node)
            }
            (Container::Array { first: true }, Some((Pick::First, node))) => Some(node),
            _ => None,
        };
    }

    fn value<'b>(&mut self, byte: u8, bytes: &'b [u8], rest: &'b [u8]) -> &'b [u8] {
        self.token.clear();
        match byte {
            b'"' => self.state = State::InText,
            b'{' | b'[' => self.open(byte),
            b'}' | b']' | b',' | b':' => self.state = State::Invalid,
            _ => {
                self.state = State::InScalar;
                return bytes;
            }
        }
        rest
    }

    fn open(&mut self, bracket: u8) {
        let is_object = bracket == b'{';
        let is_row = !is_object && self.way.is_empty() && self.layout == Layout::MaybeRow;
        let followed = self.wanted.filter(|node| {
            if is_object {
                !node.members.is_empty()
            } else {
                is_row || node.elements.is_some() || matches!(node.leaf, Leaf::EmptyArray(_))
            }
        });
        let Some(node) = followed else {
            self.nesting = Nesting::none();
            self.nesting.open(!is_object);
            self.state = State::Skipping;
            return;
        };
        let container = match (is_object, is_row) {
            (true, _) => Container::Object,
            (_, true) => Container::Row,
            _ => Container::Array { first: true },
        };
        let adds_up = !is_object && matches!(node.elements, Some((Pick::Each, _)));
        let in_element = adds_up || self.in_element();
        self.way.push(Frame {
            node,
            container,
            in_element,
        });
        if is_object {
            self.state = State::NameOrEnd;
        } else {
            self.state = State::ValueOrEnd;
            self.element();
        }
    }

    fn in_element(&self) -> bool {
        self.way.last().is_some_and(|frame| frame.in_element)
    }

    fn close(&mut self, bracket: u8) {
        let Some(frame) = self.way.pop() else {
            self.state = State::Invalid;
            return;
        };
        if (frame.container == Container::Object) != (bracket == b'}') {
            self.state = State::Invalid;
            return;
        }
        if let (State::ValueOrEnd, Leaf::EmptyArray(rank)) = (self.state, frame.node.leaf) {
            self.document.set_mark(rank);
        }
        self.wanted = (frame.container != Container::Row).then_some(frame.node);
        self.state = State::CommaOrEnd;
    }

    fn name<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let (text, rest) = self.token.text(bytes, MAX_NAME_BYTES)?;
        self.wanted = None;
        let name = text.and_then(unescaped);
        // What cannot be read here may be read somewhere else.
        if self.way.len() == 1 && name.as_deref().is_none_or(is_like_model) {
            self.models_named = self.models_named.saturating_add(1);
        }
        if let (Some(name), Some(frame)) = (name, self.way.last()) {
            let found = frame
                .node
                .members
                .iter()
                .find(|(member, _)| member.as_bytes() == &*name);
            if let Some((_, node)) = found {
                self.document.forget(node, frame.in_element);
                self.wanted = Some(node);
            }
        }
        self.state = State::Colon;
        Some(rest)
    }

    fn text<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let leaf = self.wanted.map_or(Leaf::Nothing, |node| node.leaf);
        let limit = match leaf {
            Leaf::Model(_) => ModelName::MAX_ESCAPED_BYTES,
            Leaf::OneOf(..) => MAX_NAME_BYTES,
            Leaf::Embedded => MAX_EMBEDDED_BYTES,
            _ => 0,
        };
        let (text, rest) = if limit == 0 {
            let (_, rest) = self.token.pass_text(bytes)?;
            (None, rest)
        } else {
            self.token.text(bytes, limit)?
        };
        if let Leaf::Text(rank) = leaf {
            self.document.set_mark(rank);
        }
        if let Some(text) = text.and_then(unescaped) {
            match leaf {
                Leaf::Model(rank) => self.document.set_model(rank, ModelName::new(&text)),
                Leaf::OneOf(these, rank) if these.iter().any(|one| one.as_bytes() == &*text) => {
                    self.document.set_mark(rank);
                }
                Leaf::Embedded => self.document.set_embedded(&text),
                _ => {}
            }
        }
        self.end_value();
        Some(rest)
    }

    fn scalar<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let leaf = self.wanted.map_or(Leaf::Nothing, |node| node.leaf);
        let rest = if matches!(leaf, Leaf::Count(..) | Leaf::True(_)) {
            self.token.scalar(bytes, number::MAX_BYTES)?
        } else {
            pass_scalar(bytes)?
        };
        match leaf {
            Leaf::Count(of, rank) => {
                let in_element = self.in_element();
                if let Some(value) = self.token.count() {
                    self.document.set_count(of, rank, value, in_element);
                }
            }
            Leaf::True(rank) if self.token.is(b"true") => self.document.set_mark(rank),
            _ => {}
        }
        self.end_value();
        Some(rest)
    }

    /// In a row, `wanted` still tells a document from what has been told already.
    fn end_value(&mut self) {
        self.state = State::CommaOrEnd;
        if self.way.is_empty() {
            // Text or a number alone says nothing, and is whole.
            self.wanted = Some(self.root);
        }
    }

    /// Passes over everything up to the end of a container that nothing is wanted of.
    fn skip<'b>(&mut self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let mut rest = bytes.iter();
        while let Some(&byte) = rest.find(|byte| matters(**byte)) {
            match byte {
                b'"' => {
                    self.token.clear();
                    self.state = State::SkippingText;
                    return Some(rest.as_slice());
                }
                b'{' | b'[' => self.nesting.open(byte == b'['),
                _ if !self.nesting.close(byte == b']') => {
                    self.state = State::Invalid;
                    return Some(rest.as_slice());
                }
                _ if self.nesting.is_over() => {
                    self.end_value();
                    return Some(rest.as_slice());
                }
                _ => {}
            }
        }
        None
    }
}
