//! OpenAI's Responses. The last event of a stream repeats the whole answer, and then says the usage.

use super::super::tree::Count::{CacheWrite, Cached, Input, Output, Reasoning};
use super::super::tree::{Leaf, Members, Node, Rank, count, leaf, model, object};
use super::Wire;

pub(super) const WIRE: Wire = Wire {
    name: "responses",
    answer: object(&[
        ("type", LAST_EVENT),
        ("model", model(0)),
        ("usage", object(Usage::<0>::MEMBERS)),
        (
            "response",
            object(&[("model", model(1)), ("usage", object(Usage::<1>::MEMBERS))]),
        ),
    ]),
    ..Wire::PLAIN
};

const LAST_EVENT: Node = leaf(Leaf::OneOf(
    &[
        "response.completed",
        "response.incomplete",
        "response.failed",
    ],
    0,
));

struct Usage<const RANK: Rank>;

impl<const RANK: Rank> Usage<RANK> {
    const MEMBERS: Members = &[
        ("input_tokens", count(Input, RANK)),
        ("output_tokens", count(Output, RANK)),
        ("input_tokens_details", object(Self::INPUT)),
        ("output_tokens_details", object(Self::OUTPUT)),
    ];
    const INPUT: Members = &[
        ("cached_tokens", count(Cached, RANK)),
        ("cache_write_tokens", count(CacheWrite, RANK)),
    ];
    const OUTPUT: Members = &[("reasoning_tokens", count(Reasoning, RANK))];
}
