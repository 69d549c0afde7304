//! OpenAI's chat completions, completions and embeddings, and those who speak like them with an accent. A stream has
//! counts only if the client asked for them.

use super::super::tree::Count::{CacheWrite, Cached, Input, Output, Reasoning, Total};
use super::super::tree::{Leaf, Members, Node, OTHER, Pick, count, leaf, model, object};
use super::llama_cpp;
use super::{Count, Wire};

pub(super) const CHAT: Wire = Wire {
    name: "openai",
    answer: object(&[
        ("model", model(0)),
        ("choices", CHOICES),
        ("type", CONVERSATION_DONE),
        ("usage", object(USAGE)),
        ("x_groq", GROQ),
    ]),
    headers: TGI_HEADERS,
    ..Wire::PLAIN
};

/// The same, and llama.cpp's own API under the same path.
pub(super) const COMPLETIONS: Wire = Wire {
    name: "completions",
    answer: object(&[
        ("model", model(0)),
        ("choices", CHOICES),
        ("usage", object(USAGE)),
        ("x_groq", GROQ),
        ("tokens_evaluated", llama_cpp::EVALUATED),
        ("tokens_predicted", llama_cpp::PREDICTED),
        ("timings", llama_cpp::TIMINGS),
        ("stop", llama_cpp::STOP),
    ]),
    rows: true,
    sums_rows: &Count::ALL,
    headers: TGI_HEADERS,
    ..Wire::PLAIN
};

/// Rerank and score: older servers tell the total alone. Cohere answers with `meta` under the same path.
pub(super) const RERANK: Wire = Wire {
    name: "rerank",
    answer: object(&[
        ("model", model(0)),
        ("usage", object(USAGE)),
        (
            "meta",
            object(&[(
                "billed_units",
                object(&[
                    ("input_tokens", count(Input, OTHER)),
                    ("output_tokens", count(Output, OTHER)),
                ]),
            )]),
        ),
    ]),
    ..Wire::PLAIN
};

/// Text Generation Inference sends them under these paths as well.
const TGI_HEADERS: [Option<&str>; 2] = super::tgi::HEADERS;

/// Usage comes in a chunk without choices, just before the end. Moonshot has it in a choice.
const CHOICES: Node = Node {
    members: &[],
    elements: Some((
        Pick::First,
        &object(&[(
            "usage",
            object(&[
                ("prompt_tokens", count(Input, 2)),
                ("completion_tokens", count(Output, 2)),
                ("total_tokens", count(Total, 2)),
                ("cached_tokens", count(Cached, 6)),
            ]),
        )]),
    )),
    leaf: Leaf::EmptyArray(0),
};

/// Mistral's conversations.
const CONVERSATION_DONE: Node = leaf(Leaf::OneOf(&["conversation.response.done"], 1));

const USAGE: Members = &[
    ("prompt_tokens", count(Input, 0)),
    ("completion_tokens", count(Output, 0)),
    ("total_tokens", count(Total, 0)),
    (
        "prompt_tokens_details",
        object(&[
            ("cached_tokens", count(Cached, 0)),
            ("cache_write_tokens", count(CacheWrite, 0)),
        ]),
    ),
    // Mistral, both.
    (
        "prompt_token_details",
        object(&[("cached_tokens", count(Cached, 1))]),
    ),
    ("num_cached_tokens", count(Cached, 2)),
    // DeepSeek.
    ("prompt_cache_hit_tokens", count(Cached, 3)),
    // Moonshot.
    ("cached_tokens", count(Cached, 4)),
    (
        "completion_tokens_details",
        object(&[("reasoning_tokens", count(Reasoning, 0))]),
    ),
];

const GROQ: Node = object(&[(
    "usage",
    object(&[
        ("prompt_tokens", count(Input, 1)),
        ("completion_tokens", count(Output, 1)),
        ("total_tokens", count(Total, 1)),
        (
            "prompt_tokens_details",
            object(&[("cached_tokens", count(Cached, 5))]),
        ),
        (
            "completion_tokens_details",
            object(&[("reasoning_tokens", count(Reasoning, 1))]),
        ),
    ]),
)]);
