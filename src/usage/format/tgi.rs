//! Text Generation Inference, and its sister for embeddings, which tells its count in a header alone.

use super::super::tree::Count::{Input, Output};
use super::super::tree::{count, object};
use super::{Last, Wire};

pub(super) const WIRE: Wire = Wire {
    name: "tgi",
    answer: object(&[(
        "details",
        object(&[
            ("input_length", count(Input, 0)),
            ("generated_tokens", count(Output, 0)),
        ]),
    )]),
    // Of one element, under `/`.
    rows: true,
    last: Last::Counted,
    headers: HEADERS,
    ..Wire::PLAIN
};

pub(super) const EMBEDDINGS: Wire = Wire {
    name: "tei",
    last: Last::CleanEnd,
    headers: [Some("x-compute-tokens"), None],
    ..Wire::PLAIN
};

pub(super) const HEADERS: [Option<&str>; 2] = [Some("x-prompt-tokens"), Some("x-generated-tokens")];
