//! `KServe` and Triton. Only Triton's vLLM backend counts, and only if it is asked to.

use super::super::tree::Count::{Input, Output};
use super::super::tree::{Leaf, Node, Pick, count, model, object};
use super::{Last, Wire};

/// An answer is predictions and nothing else.
pub(super) const V1: Wire = Wire {
    name: "kserve-v1",
    last: Last::CleanEnd,
    ..Wire::PLAIN
};

pub(super) const V2: Wire = Wire {
    name: "kserve-v2",
    answer: object(&[
        ("model_name", model(0)),
        ("num_input_tokens", count(Input, 0)),
        // One number, or one a sequence.
        (
            "num_output_tokens",
            Node {
                members: &[],
                elements: Some((Pick::Each, &count(Output, 0))),
                leaf: Leaf::Count(Output, 0),
            },
        ),
    ]),
    // Each event tells what it adds.
    sums: &[Output],
    last: Last::CleanEnd,
    ..Wire::PLAIN
};
