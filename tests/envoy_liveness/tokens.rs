//! TOK and SIG: hostile tokens.

mod header;
mod signatures;
mod text;

use crate::harness::tokens::{Key, Token};
use crate::harness::wire::lines;
use crate::{Case, bearer, now, row};

pub const BAD: &str = "401 invalid_credential";

/// Requests to `/v1/chat` with these tokens; it takes RS256.
pub fn chat<W: Into<String>>(
    id: &'static str,
    outcome: &'static str,
    tokens: impl IntoIterator<Item = (W, Token)>,
) -> Vec<Case> {
    to("/v1/chat", id, outcome, tokens)
}

/// Requests to another endpoint.
pub fn to<W: Into<String>>(
    path: &str,
    id: &'static str,
    outcome: &'static str,
    tokens: impl IntoIterator<Item = (W, Token)>,
) -> Vec<Case> {
    let text = |(what, token): (W, Token)| (what, token.sign(now()));
    texts(path, id, outcome, tokens.into_iter().map(text))
}

/// The same where the token is no token.
fn texts<W: Into<String>>(
    path: &str,
    id: &'static str,
    outcome: &'static str,
    texts: impl IntoIterator<Item = (W, String)>,
) -> Vec<Case> {
    let head = format!("GET {path}");
    let request = |(what, text): (W, String)| (what, lines(&head, &[&bearer(&text)]));
    row(id, outcome, texts.into_iter().map(request))
}

fn es256() -> Token {
    Token::good().key(Key::E1)
}

pub fn rows() -> Vec<Case> {
    [header::rows(), text::rows(), signatures::rows()]
        .into_iter()
        .flatten()
        .collect()
}
