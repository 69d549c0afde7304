//! Google's Gemini, Interactions and the embeddings of Vertex AI. Usage is on nearly every chunk and cumulative, and may
//! fall.

use super::super::tally::Arithmetic;
use super::super::tree::Count::{Cached, Input, Output, Reasoning, ToolUse, Total};
use super::super::tree::{Leaf, Members, Rank, count, each, leaf, model, object};
use super::{Last, Wire};

pub(super) const GEMINI: Wire = Wire {
    name: "gemini",
    answer: object(&[
        (
            "candidates",
            each(&object(&[("finishReason", leaf(Leaf::Text(0)))])),
        ),
        (
            "usageMetadata",
            object(&[
                ("promptTokenCount", count(Input, 0)),
                ("toolUsePromptTokenCount", count(ToolUse, 0)),
                ("candidatesTokenCount", count(Output, 0)),
                ("thoughtsTokenCount", count(Reasoning, 0)),
                ("cachedContentTokenCount", count(Cached, 0)),
                ("totalTokenCount", count(Total, 0)),
            ]),
        ),
        ("modelVersion", model(0)),
    ]),
    arithmetic: Arithmetic::Google,
    // A stream without `alt=sse` is an array that grows.
    rows: true,
    last: Last::MarkedWith(Total),
    ..Wire::PLAIN
};

pub(super) const INTERACTIONS: Wire = Wire {
    name: "interactions",
    // `step_usage` is of one step alone.
    answer: object(&[
        (
            "event_type",
            leaf(Leaf::OneOf(&["interaction.completed"], 0)),
        ),
        ("model", model(0)),
        ("usage", object(Usage::<0>::MEMBERS)),
        (
            "interaction",
            object(&[("model", model(1)), ("usage", object(Usage::<1>::MEMBERS))]),
        ),
        (
            "metadata",
            object(&[("total_usage", object(Usage::<2>::MEMBERS))]),
        ),
    ]),
    arithmetic: Arithmetic::Google,
    ..Wire::PLAIN
};

/// Embeddings: each text's tokens by itself.
pub(super) const PREDICT: Wire = Wire {
    name: "vertex-predict",
    answer: object(&[(
        "predictions",
        each(&object(&[(
            "embeddings",
            object(&[("statistics", object(&[("token_count", count(Input, 0))]))]),
        )])),
    )]),
    last: Last::CleanEnd,
    ..Wire::PLAIN
};

struct Usage<const RANK: Rank>;

impl<const RANK: Rank> Usage<RANK> {
    const MEMBERS: Members = &[
        ("total_input_tokens", count(Input, RANK)),
        ("total_tool_use_tokens", count(ToolUse, RANK)),
        ("total_output_tokens", count(Output, RANK)),
        ("total_thought_tokens", count(Reasoning, RANK)),
        ("total_cached_tokens", count(Cached, RANK)),
        ("total_tokens", count(Total, RANK)),
    ];
}
