//! llama.cpp's own API. Several prompts are answered with an array.

use super::super::tree::Count::{Cached, Input, Output};
use super::super::tree::{Leaf, Node, OTHER, count, leaf, model, object};
use super::{Count, Wire};

pub(super) const WIRE: Wire = Wire {
    name: "llama.cpp",
    answer: object(&[
        ("model", model(0)),
        ("tokens_evaluated", EVALUATED),
        ("tokens_predicted", PREDICTED),
        ("timings", TIMINGS),
        ("stop", STOP),
    ]),
    rows: true,
    sums_rows: &Count::ALL,
    ..Wire::PLAIN
};

// They are ranked as another format's, because they are that under `/completions`.
/// The whole prompt. `timings/prompt_n` is only what no cache had.
pub(super) const EVALUATED: Node = count(Input, OTHER);
pub(super) const PREDICTED: Node = count(Output, OTHER);
/// `tokens_cached`, beside it, is how full the slot is, and not what a cache had.
pub(super) const TIMINGS: Node = object(&[("cache_n", count(Cached, OTHER))]);
pub(super) const STOP: Node = leaf(Leaf::True(OTHER));
