//! AWS Bedrock: Converse, and `InvokeModel` with the payloads of the model's family.

use super::super::tally::Arithmetic;
use super::super::tree::Count::{CacheWrite, Cached, Input, Output, Reasoning};
use super::super::tree::{Leaf, Members, Node, OTHER, Rank, count, each, leaf, model, object};
use super::anthropic::{MESSAGE, MESSAGE_DELTA};
use super::{Last, Wire};

pub(super) const CONVERSE: Wire = Wire {
    name: "converse",
    answer: object(&[("usage", object(Usage::<0>::MEMBERS))]),
    arithmetic: Arithmetic::Exclusive,
    last: Last::Counted,
    event: "metadata",
    ..Wire::PLAIN
};

/// A model's id may be an opaque one, so the family shows in the answer: no two have the same members.
pub(super) const INVOKE: Wire = Wire {
    name: "bedrock-invoke",
    answer: object(&[
        ("type", MESSAGE_DELTA),
        ("model", model(0)),
        ("message", MESSAGE),
        (
            "usage",
            object(&[
                // Claude.
                ("input_tokens", count(Input, 0)),
                ("cache_creation_input_tokens", count(CacheWrite, 0)),
                ("cache_read_input_tokens", count(Cached, 0)),
                ("output_tokens", count(Output, 0)),
                (
                    "output_tokens_details",
                    object(&[("thinking_tokens", count(Reasoning, 0))]),
                ),
                // Nova.
                ("inputTokens", count(Input, 2)),
                ("cacheReadInputTokens", count(Cached, 2)),
                ("cacheWriteInputTokens", count(CacheWrite, 2)),
                ("outputTokens", count(Output, 2)),
            ]),
        ),
        // Nova's stream.
        (
            "metadata",
            object(&[("usage", object(Usage::<3>::MEMBERS))]),
        ),
        // Llama.
        ("prompt_token_count", count(Input, 4)),
        ("generation_token_count", count(Output, 4)),
        // Titan.
        ("inputTextTokenCount", count(Input, 5)),
        (
            "results",
            each(&object(&[("tokenCount", count(Output, 5))])),
        ),
        // Bedrock's own, in the last event of every family.
        (
            "amazon-bedrock-invocationMetrics",
            object(&[
                ("inputTokenCount", count(Input, OTHER)),
                ("cacheReadInputTokenCount", count(Cached, OTHER)),
                ("cacheWriteInputTokenCount", count(CacheWrite, OTHER)),
                ("outputTokenCount", count(Output, OTHER)),
            ]),
        ),
    ]),
    arithmetic: Arithmetic::Exclusive,
    last: Last::MarkedWithOrMeasured(Output),
    event: "chunk",
    headers: [
        Some("x-amzn-bedrock-input-token-count"),
        Some("x-amzn-bedrock-output-token-count"),
    ],
    ..Wire::PLAIN
};

/// A `chunk` of `InvokeModel`'s stream: one document of the family, in base64.
pub(in crate::usage) const CHUNK: &Node = &object(&[("bytes", leaf(Leaf::Embedded))]);

struct Usage<const RANK: Rank>;

impl<const RANK: Rank> Usage<RANK> {
    const MEMBERS: Members = &[
        ("inputTokens", count(Input, RANK)),
        ("cacheReadInputTokens", count(Cached, RANK)),
        ("cacheWriteInputTokens", count(CacheWrite, RANK)),
        ("outputTokens", count(Output, RANK)),
    ];
}
