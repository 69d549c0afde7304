//! Anthropic's Messages. `message_start` may hold an estimate; every `message_delta` says anything of the usage anew.

use super::super::tally::Arithmetic;
use super::super::tree::Count::{CacheWrite, Cached, Input, Output, Reasoning};
use super::super::tree::{Leaf, Members, Node, Rank, count, leaf, model, object};
use super::{Last, Wire};

pub(super) const WIRE: Wire = Wire {
    name: "anthropic",
    answer: object(&[
        ("type", MESSAGE_DELTA),
        ("model", model(0)),
        ("usage", object(Usage::<0>::MEMBERS)),
        ("message", MESSAGE),
    ]),
    arithmetic: Arithmetic::Exclusive,
    last: Last::MarkedWith(Output),
    ..Wire::PLAIN
};

pub(super) const MESSAGE_DELTA: Node = leaf(Leaf::OneOf(&["message_delta"], 0));

/// As `message_start` has it.
pub(super) const MESSAGE: Node =
    object(&[("model", model(1)), ("usage", object(Usage::<1>::MEMBERS))]);

pub(super) struct Usage<const RANK: Rank>;

impl<const RANK: Rank> Usage<RANK> {
    pub(super) const MEMBERS: Members = &[
        ("input_tokens", count(Input, RANK)),
        ("cache_creation_input_tokens", count(CacheWrite, RANK)),
        ("cache_read_input_tokens", count(Cached, RANK)),
        ("output_tokens", count(Output, RANK)),
        ("output_tokens_details", object(Self::DETAILS)),
    ];
    const DETAILS: Members = &[("thinking_tokens", count(Reasoning, RANK))];
}
