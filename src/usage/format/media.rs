//! OpenAI's images and audio. Transcriptions that are charged by duration have no tokens.

use super::super::tree::Count::{Input, Output};
use super::super::tree::{Leaf, count, leaf, object};
use super::Wire;

pub(super) const WIRE: Wire = Wire {
    name: "media",
    answer: object(&[
        (
            "type",
            leaf(Leaf::OneOf(
                &[
                    "image_generation.completed",
                    "image_edit.completed",
                    "transcript.text.done",
                    "speech.audio.done",
                ],
                0,
            )),
        ),
        (
            "usage",
            object(&[
                ("input_tokens", count(Input, 0)),
                ("output_tokens", count(Output, 0)),
            ]),
        ),
    ]),
    ..Wire::PLAIN
};
