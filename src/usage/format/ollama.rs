//! Ollama's own API: a stream of lines unless the client says otherwise. A count that is zero is left out.

use super::super::tree::Count::{Cached, Input, Output};
use super::super::tree::{Leaf, count, leaf, model, object};
use super::Wire;

pub(super) const WIRE: Wire = Wire {
    name: "ollama",
    answer: object(&[
        ("model", model(0)),
        ("done", leaf(Leaf::True(0))),
        ("prompt_eval_count", count(Input, 0)),
        ("prompt_eval_cached_count", count(Cached, 0)),
        ("eval_count", count(Output, 0)),
    ]),
    ..Wire::PLAIN
};
