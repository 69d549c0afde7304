//! The pages of a pack: templates, and the one that is a record of requests and has a form of its own.

use std::fmt::Write as _;

use askama::Template;

use super::exchange::{Exchange, Outcome};
use super::inventory::Authorizer;
use super::pack::{Pack, Page};
use super::probe::Verdict;

#[derive(Template)]
#[template(
    path = "endpoint-inventory.md",
    config = "src/cli/evidence/askama.toml"
)]
pub(super) struct Inventory<'a> {
    pub pack: &'a Pack,
}

#[derive(Template)]
#[template(
    path = "tenant-attribution.md",
    config = "src/cli/evidence/askama.toml"
)]
pub(super) struct Attribution<'a> {
    pub pack: &'a Pack,
}

#[derive(Template)]
#[template(
    path = "model-endpoint-authentication.md",
    config = "src/cli/evidence/askama.toml"
)]
pub(super) struct Questionnaire<'a> {
    pub pack: &'a Pack,
}

#[derive(Template)]
#[template(path = "network-exposure.md", config = "src/cli/evidence/askama.toml")]
pub(super) struct Exposure<'a> {
    pub pack: &'a Pack,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/cli/evidence/askama.toml")]
pub(super) struct Report<'a> {
    pack: &'a Pack,
    /// Within the page, which has to be whole by itself.
    style: &'static str,
}

impl<'a> Report<'a> {
    pub fn of(pack: &'a Pack) -> Self {
        Self {
            pack,
            style: include_str!("templates/report.css").trim_ascii_end(),
        }
    }
}

/// The record of all requests, what was not denied first.
pub(super) fn denials(pack: &Pack) -> String {
    let mut text = format!(
        "Denied requests, {}, configuration {}\n",
        pack.inventory.date, pack.inventory.config_id
    );
    for alarm in pack.alarms() {
        let _ = write!(text, "\n!!! {alarm}\n");
    }
    let Some(proofs) = &pack.proofs else {
        text.push_str(
            "\nNo request was made: the pack was written without the gate's URL (--url).\n",
        );
        return text;
    };
    let denied = proofs
        .exchanges
        .iter()
        .filter(|exchange| exchange.verdict.is_denied())
        .count();
    let _ = write!(
        text,
        "\n{denied} of {} requests to {} were denied by the gate itself. Each was made by this command when it says, and is \
         shown as a command for a shell, with the answer that came. Keys and tokens in them were made up for the occasion: a \
         token has the issuer and audience that are asked for, and a signature by a key of nobody.\n",
        proofs.exchanges.len(),
        proofs.base
    );
    for exchange in proofs.bad_first() {
        let mark = if exchange.verdict.is_denied() {
            ""
        } else {
            "!!! "
        };
        let issuer = exchange
            .probe
            .issuer
            .as_ref()
            .map(|issuer| format!(" of {issuer}"))
            .unwrap_or_default();
        let _ = write!(
            text,
            "\n=== {mark}{}, {}{issuer}: {}, {}\n{}\n",
            exchange.probe.endpoint,
            exchange.probe.attempt.as_str(),
            exchange.verdict.word(),
            exchange.verdict.detail(),
            exchange.text(),
        );
    }
    for left in &proofs.left {
        let _ = write!(text, "\n=== {}: not asked, {}\n", left.endpoint, left.why);
    }
    text
}

impl Exchange {
    /// When, what was sent and what came back.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n$ {}\n", self.at, self.command);
        match &self.outcome {
            Outcome::Answered { head, body, .. } if body.is_empty() => text.push_str(head),
            Outcome::Answered { head, body, .. } => {
                let _ = write!(text, "{head}\n\n{body}");
            }
            Outcome::Failed(why) => {
                let _ = write!(text, "no answer: {why}");
            }
        }
        text
    }
}

impl Verdict {
    /// For people.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::NotDenied(_) => "NOT DENIED",
            Self::NoProof(_) => "NO PROOF",
        }
    }

    /// Why.
    pub fn detail(&self) -> &str {
        match self {
            Self::Denied(why) | Self::NotDenied(why) | Self::NoProof(why) => why,
        }
    }
}

/// What the templates call, in the form that they need.
#[expect(
    clippy::inline_always,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "the macro wants and writes it so"
)]
mod filters {
    use std::fmt::Display;

    use askama::filters::Safe;
    use askama::{Result, Values};

    use crate::cli::evidence::markdown;

    /// A code span of Markdown.
    #[askama::filter_fn]
    pub fn code(text: impl Display, _: &dyn Values) -> Result<Safe<String>> {
        Ok(Safe(markdown::code(text)))
    }

    /// A code span for each, or a word for none.
    #[askama::filter_fn]
    pub fn codes(texts: impl AsRef<[String]>, _: &dyn Values) -> Result<Safe<String>> {
        let spans: Vec<String> = texts
            .as_ref()
            .iter()
            .map(|text| {
                if text == "*" {
                    "any".to_owned()
                } else {
                    markdown::code(text)
                }
            })
            .collect();
        Ok(Safe(if spans.is_empty() {
            "none".to_owned()
        } else {
            spans.join(", ")
        }))
    }
}
