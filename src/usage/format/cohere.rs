//! Cohere. `tokens` is what was processed, `billed_units` what is charged, which is less; only some answers have the
//! former.

use super::super::tree::Count::{Cached, Input, Output};
use super::super::tree::{Leaf, Members, Rank, count, leaf, object};
use super::Wire;

pub(super) const WIRE: Wire = Wire {
    name: "cohere",
    answer: object(&[
        ("type", leaf(Leaf::OneOf(&["message-end"], 0))),
        ("usage", object(Usage::<0>::MEMBERS)),
        ("delta", object(&[("usage", object(Usage::<1>::MEMBERS))])),
        (
            "meta",
            object(&[
                ("tokens", object(Usage::<2>::TOKENS)),
                ("billed_units", object(Usage::<3>::TOKENS)),
            ]),
        ),
    ]),
    ..Wire::PLAIN
};

struct Usage<const RANK: Rank>;

impl<const RANK: Rank> Usage<RANK> {
    const MEMBERS: Members = &[
        ("tokens", object(Self::TOKENS)),
        ("cached_tokens", count(Cached, RANK)),
    ];
    const TOKENS: Members = &[
        ("input_tokens", count(Input, RANK)),
        ("output_tokens", count(Output, RANK)),
    ];
}
