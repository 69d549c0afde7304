//! An access token for the provider, by the client credentials grant (RFC 6749 section 4.4).

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use thiserror::Error;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::document::{Document, Schedule, State};
use super::location::{Clusters, Location};
use super::source::{Form, Part, Question, Received, Source, Unfit};
use super::terms::{Life, Terms};
use crate::host::Answer;
use crate::json;
use crate::secret::Secret;
use crate::upstream::ProviderCredential;

/// How a client says who it is, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: Location,
    /// RFC 6749 section 2.2.
    pub client_id: Secret,
    /// RFC 6749 section 2.3.1.
    pub client_secret: Secret,
    /// RFC 6749 section 3.3; nothing leaves it to the server.
    pub scope: Option<String>,
    /// Where id and secret stand in the request.
    pub client_auth: ClientAuth,
    /// What else the form says, such as `audience`.
    pub parameters: Vec<(String, Secret)>,
    /// How long a token request may take.
    pub timeout: SignedDuration,
}

/// Where the client's id and secret stand in a token request (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the form.
    #[default]
    Body,
    /// In `Authorization: Basic`.
    Basic,
}

impl ClientCredentials {
    fn question(&self, clusters: &Clusters) -> Question {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        for (name, value) in &self.parameters {
            form.append_pair(name, value.reveal());
        }
        let authorization = match self.client_auth {
            ClientAuth::Body => {
                form.append_pair("client_id", self.client_id.reveal());
                form.append_pair("client_secret", self.client_secret.reveal());
                None
            }
            ClientAuth::Basic => Some(self.basic()),
        };
        let form = Form {
            authorization,
            body: Secret::new(form.finish()),
        };
        Question::post(self.token_url.clone(), form, clusters)
    }

    /// "The client identifier is encoded using the `application/x-www-form-urlencoded` encoding algorithm … and the
    /// encoded value is used as the username; the client password is encoded using the same algorithm."
    fn basic(&self) -> Secret {
        let encoded =
            |secret: &Secret| byte_serialize(secret.reveal().as_bytes()).collect::<String>();
        let pair = Secret::new(format!(
            "{}:{}",
            encoded(&self.client_id),
            encoded(&self.client_secret)
        ));
        Secret::new(format!("Basic {}", STANDARD.encode(pair.reveal())))
    }
}

/// For a server that does not say how long its token is good, as RFC 6749 section 5.1 recommends. Shorter than any in
/// use.
const EXPIRES_IN: SignedDuration = SignedDuration::from_mins(5);
/// A server may say what it likes, but a token is had anew every day.
const EXPIRES_IN_AT_MOST: SignedDuration = SignedDuration::from_hours(24);
/// A token travels for a while, and the clock of whoever looks at it may be ahead: it is not lent in the last tenth of
/// its life, or in so much of that.
const MARGIN_AT_MOST: SignedDuration = SignedDuration::from_mins(1);
/// Envoy's own bound on a whole head is 60 KiB.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why an answer is no token. It quotes nothing, since what is refused may be a token all the same.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TokenError {
    /// See the message.
    #[error("it is not a JSON object, or one with a member twice")]
    NotJson,
    /// See the message.
    #[error("it has no access_token")]
    NoToken,
    /// Such a token would be another header, or none (RFC 6750 section 2.1).
    #[error("its access_token is not 1 to {MAX_TOKEN_BYTES} visible ASCII characters")]
    UnfitToken,
    /// "The client MUST NOT use an access token if it does not understand the token type" (RFC 6749 section 7.1).
    #[error("its token_type is not bearer")]
    NotBearer,
    /// See the message.
    #[error("its expires_in is not a number of seconds, or none is left of them")]
    BadExpiry,
}

/// The codes of RFC 6749 section 5.2, which say what to mend. Anything else that stands there is not repeated.
const ERROR_CODES: [&str; 6] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
];

/// A token that is fetched and kept.
#[derive(Debug)]
pub(super) struct AccessToken {
    name: String,
    question: Question,
    token: Document<Rc<ProviderCredential>>,
}

impl AccessToken {
    pub fn new(credentials: &ClientCredentials, clusters: &Clusters) -> Self {
        Self {
            name: credentials.token_url.without_query(),
            question: credentials.question(clusters),
            token: Document::new(Terms {
                timeout: credentials.timeout,
                ..Terms::default()
            }),
        }
    }

    /// The token as it is lent, and when it was asked for; or why there is none.
    pub fn state(&self, now: Timestamp) -> State<(&Rc<ProviderCredential>, Timestamp)> {
        match (self.token.state(now), self.token.schedule.fetched_at()) {
            (State::Usable(token), Some(fetched_at)) => State::Usable((token, fetched_at)),
            (State::Unavailable { retry_after }, _) => State::Unavailable { retry_after },
            (State::Usable(_) | State::Coming, _) => State::Coming,
        }
    }
}

impl Source for AccessToken {
    fn name(&self) -> &str {
        &self.name
    }

    fn parts(&self) -> &'static [Part] {
        &[Part::AccessToken]
    }

    fn question(&self, _: Part) -> Option<&Question> {
        Some(&self.question)
    }

    fn schedule(&mut self, _: Part) -> Option<&mut Schedule> {
        Some(&mut self.token.schedule)
    }

    /// How long a response may be cached (`Received::fresh_for`) says nothing about the token in it.
    fn accept(&mut self, _: Part, received: Received<'_>, _: &Clusters) -> Result<(), Unfit> {
        let (token, expires_in) = read(received.body)?;
        let token = Rc::new(ProviderCredential::bearer(&token));
        self.token.succeeded(
            token,
            received.fetched_at,
            life(expires_in),
            received.random,
        );
        Ok(())
    }

    fn refusal(&self, answer: &Answer) -> String {
        let error = json::parse_object(&answer.body).ok();
        let code = error
            .as_ref()
            .and_then(|error| error.get("error")?.as_str())
            .and_then(|code| ERROR_CODES.into_iter().find(|known| *known == code));
        match code {
            Some(code) => format!("status {}, {code}", answer.status),
            None => format!("status {}", answer.status),
        }
    }
}

/// Had anew at between 72 and 81 hundredths of its life.
fn life(expires_in: SignedDuration) -> Life {
    let tenth = expires_in.checked_div(10).unwrap_or_default();
    Life {
        fresh_for: tenth.saturating_mul(9),
        serves_for: expires_in.saturating_sub(tenth.min(MARGIN_AT_MOST)),
        expires: true,
    }
}

/// RFC 6749 section 5.1.
fn read(body: &[u8]) -> Result<(Secret, SignedDuration), TokenError> {
    let mut response = json::parse_object(body).map_err(|_| TokenError::NotJson)?;
    let token_type = response.get("token_type").and_then(Value::as_str);
    if !token_type.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
        return Err(TokenError::NotBearer);
    }
    let expires_in = match response.get("expires_in") {
        None => EXPIRES_IN,
        Some(said) => seconds(said).ok_or(TokenError::BadExpiry)?,
    };
    let Some(Value::String(token)) = response.remove("access_token") else {
        return Err(TokenError::NoToken);
    };
    let token = Secret::new(token);
    let fits = (1..=MAX_TOKEN_BYTES).contains(&token.reveal().len());
    if !fits || !token.reveal().bytes().all(|b| b.is_ascii_graphic()) {
        return Err(TokenError::UnfitToken);
    }
    Ok((token, expires_in))
}

/// A lifetime of a second or more. Some servers send digits in quotes, some a fraction.
fn seconds(said: &Value) -> Option<SignedDuration> {
    let most = EXPIRES_IN_AT_MOST;
    let life = match said {
        Value::Number(number) => {
            let seconds = number.as_f64()?.min(most.as_secs_f64());
            SignedDuration::try_from_secs_f64(seconds).ok()?
        }
        // More digits than fit are a longer time than is taken.
        Value::String(digits) if is_digits(digits) => digits
            .parse()
            .map_or(most, SignedDuration::from_secs)
            .min(most),
        _ => return None,
    };
    (life >= SignedDuration::from_secs(1)).then_some(life)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
