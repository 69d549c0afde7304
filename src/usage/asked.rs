//! The request's side: which model is asked for.

use super::Interest;
use super::format::Format;
use super::inflate::Coding;
use super::model::ModelName;
use super::multipart::{Form, is_multipart};
use super::scan::{Layout, Scanner};

/// What is known of the request's model. Of two, the last one counts, which is what servers in Python take: so a body is
/// read to the end of its document. Other spellings of `model` are other members.
pub(super) enum Asked {
    /// The path says it, or nothing does.
    Settled(Option<ModelName>),
    Json(Box<Scanner>),
    Form(Form),
}

impl Asked {
    pub(super) fn of(
        format: Format,
        content_type: Option<&[u8]>,
        content_encoding: Option<&[u8]>,
    ) -> Self {
        // No SDK compresses requests.
        if Coding::of(content_encoding) != Coding::Identity {
            return Self::Settled(None);
        }
        if content_type.is_some_and(is_multipart) {
            return content_type
                .and_then(Form::of)
                .map_or(Self::Settled(None), Self::Form);
        }
        // Many servers read JSON whatever its type is said to be, and many clients do not say it.
        Self::Json(Box::new(Scanner::new(format.request(), Layout::Document)))
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Interest {
        match self {
            Self::Settled(_) => return Interest::Nothing,
            Self::Json(scanner) => {
                // One document, or the end of what there is of it.
                let _ = scanner.push(bytes);
            }
            Self::Form(form) => form.push(bytes),
        }
        self.interest()
    }

    pub(super) fn interest(&self) -> Interest {
        let is_over = match self {
            Self::Settled(_) => true,
            Self::Json(scanner) => scanner.is_over(),
            Self::Form(form) => form.is_over(),
        };
        if is_over {
            Interest::Nothing
        } else {
            Interest::Body
        }
    }

    pub(super) fn model(&self) -> Option<&ModelName> {
        match self {
            Self::Settled(model) => model.as_ref(),
            Self::Json(scanner) if scanner.is_sound() => scanner.document().model(),
            Self::Json(_) => None,
            Self::Form(form) => form.model(),
        }
    }
}
