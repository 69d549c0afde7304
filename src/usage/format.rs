//! The wire formats, one file each: what their documents say where, and what ends them.

mod anthropic;
mod bedrock;
mod cohere;
mod google;
mod kserve;
mod llama_cpp;
mod media;
mod ollama;
mod openai;
mod responses;
mod tgi;

pub(super) use bedrock::CHUNK;

use super::document::Document;
use super::tally::Arithmetic;
use super::tree::{Count, Node, OTHER, RANKS, model, object};

/// A model API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenAI's chat completions and embeddings, and what speaks like them.
    OpenAi,
    /// `/completions`: OpenAI's, or llama.cpp's own under the same path.
    Completions,
    /// Rerank and score: in the manner of vLLM and Jina, or Cohere's.
    Rerank,
    /// OpenAI's Responses.
    Responses,
    /// OpenAI's images and audio.
    Media,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini, its own API and on Vertex AI.
    Gemini,
    /// Google's Interactions.
    Interactions,
    /// Embeddings on Vertex AI.
    VertexPredict,
    /// AWS Bedrock's Converse.
    Converse,
    /// AWS Bedrock's `InvokeModel`.
    BedrockInvoke,
    /// Ollama's own API.
    Ollama,
    /// Cohere.
    Cohere,
    /// `KServe`'s v1 protocol: its answers say nothing.
    KServeV1,
    /// The open inference protocol of `KServe` and Triton.
    KServeV2,
    /// Text Generation Inference's own API.
    Tgi,
    /// Text Embeddings Inference's own API: its answers say it in a header. No path tells it.
    Tei,
    /// llama.cpp's own API.
    LlamaCpp,
}

/// How a format speaks.
pub(super) struct Wire {
    pub(super) name: &'static str,
    pub(super) answer: Node,
    pub(super) arithmetic: Arithmetic,
    /// An answer may be an array of documents.
    pub(super) rows: bool,
    /// What is added up over such an array.
    pub(super) sums_rows: &'static [Count],
    /// What is added up over all documents of an answer.
    pub(super) sums: &'static [Count],
    pub(super) last: Last,
    /// The event of Amazon's streams that has the counts.
    pub(super) event: &'static str,
    /// Response headers that tell the input and the output where the body does not.
    pub(super) headers: [Option<&'static str>; 2],
}

/// Which document of a stream says that its counts are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// One with a mark and any count.
    Marked,
    /// One with a mark and this count.
    MarkedWith(Count),
    /// One with a mark and this count, or one with the gateway's own measure.
    MarkedWithOrMeasured(Count),
    /// One with any count.
    Counted,
    /// None does: the body has to end by itself.
    CleanEnd,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::OpenAi,
        Self::Completions,
        Self::Rerank,
        Self::Responses,
        Self::Media,
        Self::Anthropic,
        Self::Gemini,
        Self::Interactions,
        Self::VertexPredict,
        Self::Converse,
        Self::BedrockInvoke,
        Self::Ollama,
        Self::Cohere,
        Self::KServeV1,
        Self::KServeV2,
        Self::Tgi,
        Self::Tei,
        Self::LlamaCpp,
    ];

    /// What an operator calls it.
    pub fn as_str(self) -> &'static str {
        self.wire().name
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// What a request says: its model. An agent has the place of a model where there is none.
    pub(super) fn request(self) -> &'static Node {
        const REQUEST: &Node = &object(&[("model", model(0))]);
        const INTERACTION: &Node = &object(&[("model", model(0)), ("agent", model(1))]);
        if self == Self::Interactions {
            INTERACTION
        } else {
            REQUEST
        }
    }

    pub(super) fn wire(self) -> &'static Wire {
        match self {
            Self::OpenAi => &openai::CHAT,
            Self::Completions => &openai::COMPLETIONS,
            Self::Rerank => &openai::RERANK,
            Self::Responses => &responses::WIRE,
            Self::Media => &media::WIRE,
            Self::Anthropic => &anthropic::WIRE,
            Self::Gemini => &google::GEMINI,
            Self::Interactions => &google::INTERACTIONS,
            Self::VertexPredict => &google::PREDICT,
            Self::Converse => &bedrock::CONVERSE,
            Self::BedrockInvoke => &bedrock::INVOKE,
            Self::Ollama => &ollama::WIRE,
            Self::Cohere => &cohere::WIRE,
            Self::KServeV1 => &kserve::V1,
            Self::KServeV2 => &kserve::V2,
            Self::Tgi => &tgi::WIRE,
            Self::Tei => &tgi::EMBEDDINGS,
            Self::LlamaCpp => &llama_cpp::WIRE,
        }
    }
}

impl Wire {
    /// Where a format is as most are.
    const PLAIN: Self = Self {
        name: "",
        answer: object(&[]),
        arithmetic: Arithmetic::Inclusive,
        rows: false,
        sums_rows: &[],
        sums: &[],
        last: Last::Marked,
        event: "",
        headers: [None, None],
    };

    /// Whether a count is the sum over the documents of an answer. Nearly all are cumulative, and the last one counts.
    pub(super) fn adds(&self, of: Count, in_row: bool) -> bool {
        self.sums.contains(&of) || (in_row && self.sums_rows.contains(&of))
    }

    /// Whether a document of a stream says that its counts are final.
    pub(super) fn ends_with(&self, document: &Document) -> bool {
        let has = |of| document.count(of, 0..OTHER).is_some();
        let is_measured = || {
            Count::ALL
                .iter()
                .any(|of| document.count(*of, OTHER..RANKS).is_some())
        };
        let is_counted = || {
            Count::ALL
                .iter()
                .any(|of| document.count(*of, 0..RANKS).is_some())
        };
        match self.last {
            Last::Marked => document.has_mark() && is_counted(),
            Last::MarkedWith(of) => document.has_mark() && has(of),
            Last::MarkedWithOrMeasured(of) => (document.has_mark() && has(of)) || is_measured(),
            Last::Counted => is_counted(),
            Last::CleanEnd => false,
        }
    }

    /// Whether there is anything to read in an answer's body.
    pub(super) fn has_answer(&self) -> bool {
        !self.answer.members.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Leaf, Pick};
    use super::*;

    fn arrays_that_add_up(node: &Node) -> usize {
        let members = node
            .members
            .iter()
            .map(|(_, node)| arrays_that_add_up(node));
        let elements = node
            .elements
            .iter()
            .flat_map(|(pick, node)| [usize::from(*pick == Pick::Each), arrays_that_add_up(node)]);
        members.chain(elements).sum()
    }

    fn each_leaf(node: &Node, see: &mut impl FnMut(Leaf)) {
        see(node.leaf);
        for (_, node) in node.members {
            each_leaf(node, see);
        }
        if let Some((_, node)) = node.elements {
            each_leaf(node, see);
        }
    }

    #[test]
    fn every_table_keeps_to_what_a_document_can_hold() {
        for format in Format::ALL {
            let node = &format.wire().answer;
            assert!(arrays_that_add_up(node) <= 1, "{format:?}");
            let mut places = Vec::new();
            each_leaf(node, &mut |leaf| match leaf {
                Leaf::Count(_, rank)
                | Leaf::OneOf(_, rank)
                | Leaf::Text(rank)
                | Leaf::True(rank)
                | Leaf::EmptyArray(rank) => {
                    assert!(rank < RANKS, "{format:?}: {leaf:?}");
                    places.push(match leaf {
                        Leaf::Count(of, rank) => format!("{of:?} {rank}"),
                        _ => format!("mark {rank}"),
                    });
                }
                Leaf::Model(rank) => {
                    assert!(rank < 2, "{format:?}: {leaf:?}");
                    places.push(format!("model {rank}"));
                }
                Leaf::Nothing | Leaf::Embedded => {}
            });
            let all = places.len();
            places.sort();
            places.dedup();
            // Only a count that may be a number or an array of numbers has two leaves in one place.
            let doubled = usize::from(format == Format::KServeV2);
            assert_eq!(places.len() + doubled, all, "{format:?}: {places:?}");
        }
    }

    #[test]
    fn every_format_has_a_name_of_its_own() {
        for format in Format::ALL {
            assert_eq!(Format::named(format.as_str()), Some(format));
        }
        assert_eq!(Format::named("grpc"), None);
    }
}
