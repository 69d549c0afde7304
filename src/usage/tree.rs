//! What a wire format's documents say where: a tree of the members worth reading, written down once, as a table.
//!
//! A member counts only at its very place. The word `usage` in a message, in a tool call's arguments or in anything else
//! that the caller or the model chose is somewhere else.

/// What a number is a count of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Tokens read, as this format counts them: see [`super::tally::Arithmetic`].
    Input,
    /// Tokens that the provider fed back from its own tools.
    ToolUse,
    /// Read from a cache.
    Cached,
    /// Written to a cache.
    CacheWrite,
    /// Tokens generated, as this format counts them.
    Output,
    /// Generated and not shown.
    Reasoning,
    /// Never told; what others are the difference to.
    Total,
}

impl Count {
    pub(super) const ALL: [Self; 7] = [
        Self::Input,
        Self::ToolUse,
        Self::Cached,
        Self::CacheWrite,
        Self::Output,
        Self::Reasoning,
        Self::Total,
    ];
}

/// Where several places of one document say the same, the lowest of them is believed. Below [`RANKS`].
pub(super) type Rank = u8;

/// How many places there may be for one thing.
pub(super) const RANKS: u8 = 8;

/// The rank of what another source says in the same document: another format that answers under the same path, or a
/// gateway's own measure. It is kept apart, and believed where the format's own counts are not whole.
pub(super) const OTHER: Rank = 7;

pub(super) type Members = &'static [(&'static str, Node)];

/// One place of a document, and what is below it.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) members: Members,
    pub(super) elements: Option<(Pick, &'static Node)>,
    pub(super) leaf: Leaf,
}

/// Which elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pick {
    First,
    /// All of them, and counts below are added up. At most one such array a tree: the sum is kept in one place.
    Each,
}

/// What a value says by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    Nothing,
    Count(Count, Rank),
    /// A model's name. Ranks 0 and 1.
    Model(Rank),
    /// Text that is one of these makes a mark.
    OneOf(&'static [&'static str], Rank),
    /// Any text makes a mark.
    Text(Rank),
    /// `true` makes a mark.
    True(Rank),
    /// An array without elements makes a mark.
    EmptyArray(Rank),
    /// A document in base64.
    Embedded,
}

impl Node {
    const NOTHING: Self = Self {
        members: &[],
        elements: None,
        leaf: Leaf::Nothing,
    };
}

pub(super) const fn leaf(leaf: Leaf) -> Node {
    Node {
        leaf,
        ..Node::NOTHING
    }
}

pub(super) const fn count(of: Count, rank: Rank) -> Node {
    leaf(Leaf::Count(of, rank))
}

pub(super) const fn model(rank: Rank) -> Node {
    leaf(Leaf::Model(rank))
}

pub(super) const fn object(members: Members) -> Node {
    Node {
        members,
        ..Node::NOTHING
    }
}

pub(super) const fn each(node: &'static Node) -> Node {
    Node {
        elements: Some((Pick::Each, node)),
        ..Node::NOTHING
    }
}
