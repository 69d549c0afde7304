//! Where each format says things, as JSON pointers.

/// In order of preference; `[0]` is an array's first element, `[*]` the sum over all.
pub struct Places {
    pub input: &'static [&'static str],
    pub tool_use: &'static [&'static str],
    pub cached: &'static [&'static str],
    pub written: &'static [&'static str],
    pub output: &'static [&'static str],
    pub reasoning: &'static [&'static str],
    pub total: &'static [&'static str],
    pub model: &'static [&'static str],
}

const NOWHERE: Places = Places {
    input: &[],
    tool_use: &[],
    cached: &[],
    written: &[],
    output: &[],
    reasoning: &[],
    total: &[],
    model: &["/model"],
};

/// By a path of [`super::PATHS`].
pub fn places(path: &str) -> Places {
    match path {
        "/v1/chat/completions" | "/v1/embeddings" => OPENAI,
        "/v1/responses" => RESPONSES,
        "/v1/messages" => ANTHROPIC,
        "/v1/models/g:streamGenerateContent" => GEMINI,
        "/v1/interactions" => INTERACTIONS,
        "/publishers/google/models/e:predict" => PREDICT,
        "/model/m/converse" => CONVERSE,
        "/api/chat" => OLLAMA,
        "/v2/chat" => COHERE,
        "/v2/models/m/generate_stream" => TRITON,
        "/completion" => LLAMA_CPP,
        other => panic!("{other}"),
    }
}

const OPENAI: Places = Places {
    input: &[
        "/usage/prompt_tokens",
        "/x_groq/usage/prompt_tokens",
        "/choices/[0]/usage/prompt_tokens",
    ],
    output: &[
        "/usage/completion_tokens",
        "/x_groq/usage/completion_tokens",
        "/choices/[0]/usage/completion_tokens",
    ],
    total: &[
        "/usage/total_tokens",
        "/x_groq/usage/total_tokens",
        "/choices/[0]/usage/total_tokens",
    ],
    cached: &[
        "/usage/prompt_tokens_details/cached_tokens",
        "/usage/prompt_token_details/cached_tokens",
        "/usage/num_cached_tokens",
        "/usage/prompt_cache_hit_tokens",
        "/usage/cached_tokens",
        "/x_groq/usage/prompt_tokens_details/cached_tokens",
        "/choices/[0]/usage/cached_tokens",
    ],
    written: &["/usage/prompt_tokens_details/cache_write_tokens"],
    reasoning: &[
        "/usage/completion_tokens_details/reasoning_tokens",
        "/x_groq/usage/completion_tokens_details/reasoning_tokens",
    ],
    ..NOWHERE
};

const RESPONSES: Places = Places {
    input: &["/usage/input_tokens", "/response/usage/input_tokens"],
    output: &["/usage/output_tokens", "/response/usage/output_tokens"],
    cached: &[
        "/usage/input_tokens_details/cached_tokens",
        "/response/usage/input_tokens_details/cached_tokens",
    ],
    written: &[
        "/usage/input_tokens_details/cache_write_tokens",
        "/response/usage/input_tokens_details/cache_write_tokens",
    ],
    reasoning: &[
        "/usage/output_tokens_details/reasoning_tokens",
        "/response/usage/output_tokens_details/reasoning_tokens",
    ],
    model: &["/model", "/response/model"],
    ..NOWHERE
};

const ANTHROPIC: Places = Places {
    input: &["/usage/input_tokens", "/message/usage/input_tokens"],
    output: &["/usage/output_tokens", "/message/usage/output_tokens"],
    cached: &[
        "/usage/cache_read_input_tokens",
        "/message/usage/cache_read_input_tokens",
    ],
    written: &[
        "/usage/cache_creation_input_tokens",
        "/message/usage/cache_creation_input_tokens",
    ],
    reasoning: &[
        "/usage/output_tokens_details/thinking_tokens",
        "/message/usage/output_tokens_details/thinking_tokens",
    ],
    model: &["/model", "/message/model"],
    ..NOWHERE
};

const GEMINI: Places = Places {
    input: &["/usageMetadata/promptTokenCount"],
    tool_use: &["/usageMetadata/toolUsePromptTokenCount"],
    output: &["/usageMetadata/candidatesTokenCount"],
    reasoning: &["/usageMetadata/thoughtsTokenCount"],
    cached: &["/usageMetadata/cachedContentTokenCount"],
    total: &["/usageMetadata/totalTokenCount"],
    model: &["/modelVersion"],
    ..NOWHERE
};

const INTERACTIONS: Places = Places {
    input: &[
        "/usage/total_input_tokens",
        "/interaction/usage/total_input_tokens",
        "/metadata/total_usage/total_input_tokens",
    ],
    tool_use: &[
        "/usage/total_tool_use_tokens",
        "/interaction/usage/total_tool_use_tokens",
        "/metadata/total_usage/total_tool_use_tokens",
    ],
    output: &[
        "/usage/total_output_tokens",
        "/interaction/usage/total_output_tokens",
        "/metadata/total_usage/total_output_tokens",
    ],
    reasoning: &[
        "/usage/total_thought_tokens",
        "/interaction/usage/total_thought_tokens",
        "/metadata/total_usage/total_thought_tokens",
    ],
    cached: &[
        "/usage/total_cached_tokens",
        "/interaction/usage/total_cached_tokens",
        "/metadata/total_usage/total_cached_tokens",
    ],
    total: &[
        "/usage/total_tokens",
        "/interaction/usage/total_tokens",
        "/metadata/total_usage/total_tokens",
    ],
    model: &["/model", "/interaction/model"],
    ..NOWHERE
};

const PREDICT: Places = Places {
    input: &["/predictions/[*]/embeddings/statistics/token_count"],
    model: &[],
    ..NOWHERE
};

const CONVERSE: Places = Places {
    input: &["/usage/inputTokens"],
    cached: &["/usage/cacheReadInputTokens"],
    written: &["/usage/cacheWriteInputTokens"],
    output: &["/usage/outputTokens"],
    model: &[],
    ..NOWHERE
};

const OLLAMA: Places = Places {
    input: &["/prompt_eval_count"],
    cached: &["/prompt_eval_cached_count"],
    output: &["/eval_count"],
    ..NOWHERE
};

const COHERE: Places = Places {
    input: &[
        "/usage/tokens/input_tokens",
        "/delta/usage/tokens/input_tokens",
        "/meta/tokens/input_tokens",
        "/meta/billed_units/input_tokens",
    ],
    output: &[
        "/usage/tokens/output_tokens",
        "/delta/usage/tokens/output_tokens",
        "/meta/tokens/output_tokens",
        "/meta/billed_units/output_tokens",
    ],
    cached: &["/usage/cached_tokens", "/delta/usage/cached_tokens"],
    model: &[],
    ..NOWHERE
};

const TRITON: Places = Places {
    input: &["/num_input_tokens"],
    output: &["/num_output_tokens", "/num_output_tokens/[*]"],
    model: &["/model_name"],
    ..NOWHERE
};

const LLAMA_CPP: Places = Places {
    input: &["/tokens_evaluated"],
    cached: &["/timings/cache_n"],
    output: &["/tokens_predicted"],
    ..NOWHERE
};
