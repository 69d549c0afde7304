//! What a request's path says of the API that it is for, and of the model.
//!
//! A path is looked at from its end, whatever prefix stands before it, and its segments as a server reads them: decoded
//! once. A slash that was encoded stays a part of its segment: names of models have them. First match wins.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::format::Format;
use super::model::ModelName;

/// What a path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) format: Format,
    /// The model, where the path says which one it is.
    pub(super) model: Option<ModelName>,
    /// Whether anything is generated. If not, what is not told of the output is nothing.
    pub(super) generates: bool,
}

impl Target {
    /// Whether the model is told by the path, so that no body has to be read for it.
    pub(super) fn names_model(&self) -> bool {
        self.model.is_some()
    }

    /// Of a path with its query.
    pub(super) fn of(path: &str) -> Option<Self> {
        let path = path.split(['?', '#']).next()?;
        let mut from_end = path
            .strip_suffix('/')
            .unwrap_or(path)
            .rsplit('/')
            .map(|segment| percent_decode_str(segment).decode_utf8_lossy());
        let mut next = || from_end.next().unwrap_or_default();
        let segments: [Cow<'_, str>; 6] = std::array::from_fn(|_| next());
        let [last, second, third, fourth, fifth, sixth] = segments.each_ref().map(|s| &**s);
        named_in_path([last, second, third, fourth, fifth, sixth]).or_else(|| {
            let (format, generates) = by_end([last, second])?;
            // Azure: the deployment is what is asked for, whatever the body says.
            let deployment = match (third, fourth, fifth) {
                ("deployments", "openai", _) => Some(second),
                (_, "deployments", "openai") => Some(third),
                _ => None,
            };
            Some(Self {
                format,
                model: deployment.and_then(|name| ModelName::new(name.as_bytes())),
                generates,
            })
        })
    }

    /// Where an operator says which format it is.
    pub(super) fn told(path: &str, format: Format) -> Self {
        let generates = !matches!(format, Format::Rerank | Format::VertexPredict | Format::Tei);
        Self::of(path).map_or(
            Self {
                format,
                model: None,
                generates,
            },
            |found| Self {
                format,
                generates: found.generates && generates,
                ..found
            },
        )
    }
}

/// What stands in paths before the name of a model, or of what runs one: Azure's deployments, Vertex's endpoints, Databricks'
/// serving endpoints, engines as OpenAI once had them.
const BEFORE_A_NAME: [&str; 9] = [
    "deployment",
    "deployments",
    "endpoints",
    "engines",
    "model",
    "models",
    "publishers",
    "serving-endpoints",
    "tunedmodels",
];

/// What stands there in place of a name, where the body has it.
const NO_NAME: [(&str, &str); 2] = [("serving-endpoints", "chat"), ("endpoints", "openapi")];

/// Whether some server could take a model from a path (with its query) in which [`model_in_path`](super::model_in_path)
/// finds none, whatever the body says.
pub fn may_name_model(path: &str) -> bool {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            percent_decode_str(segment)
                .decode_utf8_lossy()
                .to_ascii_lowercase()
        })
        .collect();
    // The last one is a name, unless it is what an API is known by.
    let names = match segments.as_slice() {
        [names @ .., second, last] if by_end([last.as_str(), second.as_str()]).is_some() => {
            names.len().saturating_add(1)
        }
        all => all.len(),
    };
    let pairs = segments.iter().zip(segments.iter().take(names).skip(1));
    pairs
        .map(|(before, name)| (before.as_str(), name.as_str()))
        .any(|pair| BEFORE_A_NAME.contains(&pair.0) && !NO_NAME.contains(&pair))
}

/// The APIs that have the model in the path. Segments come last first.
fn named_in_path([last, second, third, fourth, fifth, sixth]: [&str; 6]) -> Option<Target> {
    let target = |format, name: &str, generates| {
        Some(Target {
            format,
            model: ModelName::new(name.as_bytes()),
            generates,
        })
    };
    match (last, third) {
        ("converse" | "converse-stream", "model") => {
            return target(Format::Converse, second, true);
        }
        ("invoke" | "invoke-with-response-stream", "model") => {
            return target(Format::BedrockInvoke, second, true);
        }
        _ => {}
    }
    if let Some((name, verb)) = last.rsplit_once(':') {
        let published = second == "models" && fourth == "publishers";
        return match (second, verb) {
            (
                "models" | "tunedModels" | "endpoints",
                "generateContent" | "streamGenerateContent",
            ) => target(Format::Gemini, name, true),
            ("models" | "tunedModels" | "endpoints", "embedContent" | "batchEmbedContents") => {
                target(Format::Gemini, name, false)
            }
            (_, "rawPredict" | "streamRawPredict")
                if published && third == "anthropic" && name != "count-tokens" =>
            {
                target(Format::Anthropic, name, true)
            }
            (_, "predict") if published => target(Format::VertexPredict, name, false),
            ("models", "predict" | "explain") if third == "v1" => {
                target(Format::KServeV1, name, true)
            }
            _ => None,
        };
    }
    if matches!(last, "infer" | "generate" | "generate_stream") {
        return match (third, fourth, fifth, sixth) {
            ("models", "v2", _, _) => target(Format::KServeV2, second, true),
            ("versions", name, "models", "v2") => target(Format::KServeV2, name, true),
            _ => None,
        };
    }
    None
}

/// The APIs that have the model in the body: the format, and whether anything is generated.
fn by_end([last, second]: [&str; 2]) -> Option<(Format, bool)> {
    Some(match (second, last) {
        (version, "interactions") if version.starts_with("v1") => (Format::Interactions, true),
        ("chat" | "fim" | "agents", "completions") | ("v1", "conversations") => {
            (Format::OpenAi, true)
        }
        (_, "completions") => (Format::Completions, true),
        (_, "embeddings") => (Format::OpenAi, false),
        ("v1" | "v2", "rerank") | ("v1", "score") => (Format::Rerank, false),
        ("v1" | "openai", "responses") | ("responses", "compact") => (Format::Responses, true),
        ("images", "generations" | "edits")
        | ("audio", "transcriptions" | "translations" | "speech") => (Format::Media, true),
        ("v1", "messages") => (Format::Anthropic, true),
        ("api", "chat" | "generate") => (Format::Ollama, true),
        ("api", "embed") => (Format::Ollama, false),
        ("v1" | "v2", "chat") => (Format::Cohere, true),
        ("v1" | "v2", "embed") => (Format::Cohere, false),
        (_, "generate" | "generate_stream") => (Format::Tgi, true),
        (_, "completion" | "infill") => (Format::LlamaCpp, true),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Format and model.
    fn read(path: &str) -> Option<(Format, Option<String>)> {
        Target::of(path).map(|target| {
            (
                target.format,
                target.model.map(|model| model.as_str().to_owned()),
            )
        })
    }

    #[test]
    fn a_path_tells_its_api_by_its_end() {
        for (path, format, model) in [
            ("/model/a.b-v1:0/converse", Format::Converse, "a.b-v1:0"),
            ("/model/x/converse-stream", Format::Converse, "x"),
            (
                "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.v.m%3A0/invoke",
                Format::BedrockInvoke,
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.v.m:0",
            ),
            (
                "/model/x/invoke-with-response-stream",
                Format::BedrockInvoke,
                "x",
            ),
            ("/v1beta/models/g-x:generateContent", Format::Gemini, "g-x"),
            (
                "/v1/models/g-x:streamGenerateContent?alt=sse",
                Format::Gemini,
                "g-x",
            ),
            ("/v1beta/tunedModels/t:generateContent", Format::Gemini, "t"),
            (
                "/v1beta1/projects/p/locations/l/publishers/google/models/g:embedContent",
                Format::Gemini,
                "g",
            ),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/c@1:streamRawPredict",
                Format::Anthropic,
                "c@1",
            ),
            (
                "/v1/projects/p/locations/l/publishers/google/models/e:predict",
                Format::VertexPredict,
                "e",
            ),
            ("/v1/models/m:predict", Format::KServeV1, "m"),
            ("/v1/models/m:a:explain", Format::KServeV1, "m:a"),
            ("/v2/models/m/infer", Format::KServeV2, "m"),
            (
                "/v2/models/m/versions/3/generate_stream",
                Format::KServeV2,
                "m",
            ),
            ("/v1/interactions", Format::Interactions, ""),
            (
                "/openai/deployments/d/chat/completions?api-version=1",
                Format::OpenAi,
                "d",
            ),
            (
                "/openai/deployments/d/embeddings?api-version=1",
                Format::OpenAi,
                "d",
            ),
            (
                "/openai/deployments/d/audio/transcriptions",
                Format::Media,
                "d",
            ),
            ("/v1/chat/completions", Format::OpenAi, ""),
            ("/v1/chat/completions/", Format::OpenAi, ""),
            ("/v1/ch%61t/completions", Format::OpenAi, ""),
            ("/chat/completions", Format::OpenAi, ""),
            ("/v1/completions", Format::Completions, ""),
            ("/v1/embeddings", Format::OpenAi, ""),
            ("/v1/rerank", Format::Rerank, ""),
            ("/openai/responses?api-version=1", Format::Responses, ""),
            ("/v1/images/edits", Format::Media, ""),
            ("/v1/messages?beta=true", Format::Anthropic, ""),
            ("/api/chat", Format::Ollama, ""),
            ("/v2/chat", Format::Cohere, ""),
            ("/generate", Format::Tgi, ""),
            ("/completion", Format::LlamaCpp, ""),
        ] {
            let model = (!model.is_empty()).then(|| model.to_owned());
            assert_eq!(read(path), Some((format, model)), "{path}");
        }
    }

    #[test]
    fn a_path_in_which_a_server_could_find_a_model_is_told_from_one_of_an_api_alone() {
        for path in [
            "/v1beta/models/m:predictLongRunning",
            "/v1beta/models/m:predict",
            "/v1/projects/p/locations/l/publishers/google/models/m:predictLongRunning",
            "/v1/projects/p/locations/l/endpoints/7/chat/completions",
            "/v1/models/m/versions/1:predict",
            "/openai/deployments/d/extensions/chat/completions",
            "/aoai/deployments/d/chat/completions",
            "/aoai/Deployments/d/chat/completions?x=1",
            "/serving-endpoints/m/invocations",
            "/engines/m/chat/completions",
            "/engines/m/completions",
            "/v1/m%6fdels/m:x",
            "/model/m/async-invoke",
        ] {
            assert!(may_name_model(path), "{path}");
        }
        for path in [
            "/v1/chat/completions",
            "/openai/v1/chat/completions",
            "/v1beta/openai/chat/completions",
            "/v1/projects/p/locations/l/endpoints/openapi/chat/completions",
            "/serving-endpoints/chat/completions",
            "/serving-endpoints/embeddings",
            "/v1/messages?models/m",
            "/v1/models",
            "/generate",
            "/",
            "",
        ] {
            assert!(!may_name_model(path), "{path}");
        }
    }

    #[test]
    fn a_path_that_counts_tokens_or_is_for_something_else_tells_nothing() {
        for path in [
            "",
            "/",
            "*",
            "/v1/messages/count_tokens",
            "/v1/models/g:countTokens",
            "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
            "/model/x/count-tokens",
            "/model/x/async-invoke",
            "/v1/responses/input_tokens",
            "/v1/responses/resp_1",
            "/responses",
            "/tokenize",
            "/v1/threads/t/messages",
            "/v1/models",
            "/v1/models/m:chat/completions:x",
            "/v1/moderations",
            "/chat%2Fcompletions",
            "/v1/Chat/Completions",
        ] {
            assert_eq!(read(path), None, "{path}");
        }
    }
}
