//! The questionnaire: what customers ask about access to model endpoints, answered from what the pack holds.
//!
//! A sentence says no more than the file beside it shows. Where nothing was shown, that is the answer.

mod network;

use super::pack::{Pack, Page};
use super::probe::Verdict;
use super::words::counted;
use crate::denial::Denial;

pub(super) struct Answer {
    pub question: &'static str,
    /// In a word or two.
    pub verdict: String,
    /// Whether it is what an auditor hopes to read.
    pub is_good: bool,
    pub sentences: Vec<Sentence>,
}

impl Answer {
    /// For a style sheet.
    pub fn class(&self) -> &'static str {
        match (self.is_good, self.verdict.as_str()) {
            (true, _) => "good",
            (false, "No" | "Yes") => "bad",
            (false, _) => "look",
        }
    }
}

pub(super) struct Sentence {
    pub text: String,
    /// The file that proves it.
    pub proof: String,
}

/// All questions with their answers.
pub(super) fn answers(pack: &Pack) -> Vec<Answer> {
    vec![
        authentication(pack),
        denial(pack),
        attribution(pack),
        credentials(pack),
        network::encryption(pack),
        network::exposure(pack),
        integrity(pack),
    ]
}

impl Pack {
    fn sentence(&self, page: Page, text: impl Into<String>) -> Sentence {
        Sentence {
            text: text.into(),
            proof: self.file(page),
        }
    }
}

fn authentication(pack: &Pack) -> Answer {
    let inventory = &pack.inventory;
    let all = inventory.configuration.endpoints.len();
    let open: Vec<&str> = inventory
        .open()
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    let gaps = inventory.open_gaps().count();
    let guarded = all.saturating_sub(open.len());
    let mut sentences = vec![pack.sentence(
        Page::Inventory,
        format!(
            "{guarded} of {} ask for an API key or a signed token.",
            counted(all, "endpoint")
        ),
    )];
    if !open.is_empty() {
        sentences.push(pack.sentence(
            Page::Inventory,
            format!(
                "Open to anyone, as the configuration says in so many words: {}.",
                open.join(", ")
            ),
        ));
    }
    sentences.push(match inventory.configuration.unmatched.as_str() {
        "pass" => pack.sentence(
            Page::Configuration,
            "A request that addresses no endpoint passes without a credential (unmatched: pass).",
        ),
        _ => pack.sentence(
            Page::Configuration,
            "A request that addresses no endpoint is refused with 404 (unmatched: deny).",
        ),
    });
    sentences.push(match (&inventory.envoy, gaps) {
        (None, _) => pack.sentence(
            Page::Inventory,
            "Which routes Envoy serves was not in what was read, so whether all of them lead through the gate is not proved.",
        ),
        (Some(_), 0) => pack.sentence(
            Page::Inventory,
            "No route that Envoy serves leads to a model server without the gate.",
        ),
        (Some(_), gaps) => pack.sentence(
            Page::Inventory,
            format!("{} to a model server without an endpoint's protection.", counted(gaps, "way")),
        ),
    });
    let closed = gaps == 0 && inventory.configuration.unmatched != "pass";
    let verdict = match (open.len(), closed, &inventory.envoy) {
        (_, false, _) => "No".to_owned(),
        (0, true, Some(_)) => "Yes".to_owned(),
        (0, true, None) => "Yes, as far as the plugin configuration tells".to_owned(),
        (open, true, _) => format!("All but {}", counted(open, "open endpoint")),
    };
    Answer {
        question: "Does every model-serving endpoint require authentication?",
        verdict,
        is_good: closed && inventory.envoy.is_some(),
        sentences,
    }
}

fn denial(pack: &Pack) -> Answer {
    let question = "Are unauthenticated requests denied?";
    let Some(proofs) = &pack.proofs else {
        return Answer {
            question,
            verdict: "Not proved".to_owned(),
            is_good: false,
            sentences: vec![pack.sentence(
                Page::Denials,
                "No request was made: the pack was written without the gate's URL.",
            )],
        };
    };
    let all = proofs.exchanges.len();
    let denied = proofs
        .exchanges
        .iter()
        .filter(|exchange| exchange.verdict.is_denied())
        .count();
    let through = proofs
        .exchanges
        .iter()
        .filter(|exchange| matches!(exchange.verdict, Verdict::NotDenied(_)))
        .count();
    let mut sentences = vec![pack.sentence(
        Page::Denials,
        format!(
            "{denied} of {} to {} (without a credential, with a wrong key, with forged and expired tokens, with a spoofed tenant header) were denied by the gate itself.",
            counted(all, "request"), proofs.base,
        ),
    )];
    let by_address = pack.denied_as(Denial::SourceNotAllowed);
    if by_address > 0 {
        sentences.push(pack.sentence(
            Page::Denials,
            format!(
                "For their source address alone, before any credential was looked at: {by_address}."
            ),
        ));
    }
    if through > 0 {
        sentences.push(pack.sentence(
            Page::Denials,
            format!("{} got through.", counted(through, "request")),
        ));
    }
    let unproved = all.saturating_sub(denied).saturating_sub(through);
    if unproved > 0 {
        sentences.push(pack.sentence(
            Page::Denials,
            format!(
                "{} failed in a way that proves nothing.",
                counted(unproved, "request")
            ),
        ));
    }
    Answer {
        question,
        verdict: if through > 0 {
            "No"
        } else if unproved > 0 || all == 0 {
            "Not proved"
        } else {
            "Yes"
        }
        .to_owned(),
        is_good: denied == all && all > 0,
        sentences,
    }
}

fn attribution(pack: &Pack) -> Answer {
    let header = pack.inventory.configuration.identity_headers.get("tenant");
    let header = header.map_or("x-tenant-id", String::as_str);
    let mut sentences = vec![pack.sentence(
        Page::Attribution,
        format!(
            "The tenant comes from the entry of the API key or from a claim of the verified token, never from what a client says: {header} of a client is removed, and set anew."
        ),
    )];
    let (verdict, is_good) = match &pack.attribution {
        None => {
            sentences.push(pack.sentence(
                Page::Attribution,
                "No access log was read, so no line is shown.",
            ));
            ("By configuration; no log was read".to_owned(), false)
        }
        Some(log) => {
            let total = log.total();
            sentences.push(pack.sentence(
                Page::Attribution,
                format!(
                    "{} of {} of the access log have the documented shape: {} let through, {} denied.",
                    log.in_shape(), counted(usize::try_from(log.lines).unwrap_or(usize::MAX), "line"), total.allowed, total.denied,
                ),
            ));
            if log.untied > 0 {
                sentences.push(pack.sentence(
                    Page::Attribution,
                    format!(
                        "{} let through by endpoints that ask for a credential name no tenant.",
                        log.untied
                    ),
                ));
            }
            match (log.untied, log.in_shape()) {
                (0, 0) => ("Not proved".to_owned(), false),
                (0, _) => ("Yes, as far as the log goes".to_owned(), true),
                _ => ("No".to_owned(), false),
            }
        }
    };
    Answer {
        question: "Is every request tied to a tenant?",
        verdict,
        is_good,
        sentences,
    }
}

fn credentials(pack: &Pack) -> Answer {
    let endpoints = &pack.inventory.configuration.endpoints;
    let keys: usize = endpoints.iter().map(|endpoint| endpoint.keys().len()).sum();
    let endless: usize = endpoints
        .iter()
        .map(super::inventory::Endpoint::keys_without_end)
        .sum();
    let written = pack.inventory.written_secrets();
    let mut sentences = vec![
        pack.sentence(Page::Configuration, "Of API keys the gate keeps SHA-256 digests only; this pack shows the beginning of each."),
        pack.sentence(
            Page::Configuration,
            format!("{} of {} of endpoints have no end (expires_at).", endless, counted(keys, "key entry").replace("entrys", "entries")),
        ),
    ];
    for (name, set) in &pack.inventory.configuration.key_sets {
        sentences.push(pack.sentence(
            Page::Configuration,
            format!("The keys of the key set {name} are kept at {}, where their ends are written; one that is taken out there goes on working for {} at most.", set.uri, set.refresh.as_deref().unwrap_or("one refresh")),
        ));
    }
    let ended = pack.inventory.ended_keys();
    if ended > 0 {
        sentences.push(pack.sentence(
            Page::Configuration,
            format!(
                "Refused, since their end came before {}: {ended}.",
                pack.inventory.date
            ),
        ));
    }
    let clear: Vec<&str> = endpoints
        .iter()
        .filter(|endpoint| endpoint.keys().iter().any(|key| key.in_clear))
        .map(|endpoint| endpoint.name.as_str())
        .collect();
    if !clear.is_empty() {
        sentences.push(pack.sentence(
            Page::Configuration,
            format!(
                "API keys stand in the configuration itself, in clear: {}.",
                clear.join(", ")
            ),
        ));
    }
    if !written.is_empty() {
        sentences.push(pack.sentence(
            Page::Configuration,
            format!("Secrets for providers stand in the configuration itself, where Envoy's admin interface shows them: {}.", written.join(", ")),
        ));
    }
    Answer {
        question: "How are credentials kept?",
        verdict: if written.is_empty() && clear.is_empty() {
            "As digests and references"
        } else {
            "Partly in the configuration"
        }
        .to_owned(),
        is_good: written.is_empty() && clear.is_empty(),
        sentences,
    }
}

fn integrity(pack: &Pack) -> Answer {
    Answer {
        question: "How can this be checked?",
        verdict: "By digests".to_owned(),
        is_good: true,
        sentences: vec![pack.sentence(
            Page::Manifest,
            "The manifest has the SHA-256 digest of every file, the digest of the configuration and, where it could be read, of the filter's module. The command tenantgate evidence verify compares them.",
        )],
    }
}
