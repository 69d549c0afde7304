//! Ordinary requests, and what became of them.

use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Request};

/// An ordinary request to come.
pub struct Ask {
    request: ureq::http::request::Builder,
    body: Option<Vec<u8>>,
}

impl Ask {
    /// A request to anybody.
    pub fn to(method: &str, url: &str) -> Self {
        Self {
            request: Request::builder().method(method).uri(url),
            body: None,
        }
    }

    /// With a body of this type.
    #[must_use]
    pub fn body(mut self, content_type: &str, text: &str) -> Self {
        self.body = Some(text.as_bytes().to_vec());
        self.header("content-type", content_type)
    }

    /// Adds a header; the same name twice gives two lines.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Presents a bearer credential.
    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    /// Sends it. Every status is an answer, no redirect is followed, and no proxy of the environment is asked.
    pub fn send(self) -> Answer {
        self.attempt()
            .unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// The same, where there may be none.
    ///
    /// # Errors
    /// Why there is none.
    pub fn attempt(self) -> Result<Answer, ureq::Error> {
        let agent = ureq::Agent::new_with_config(
            ureq::Agent::config_builder()
                .proxy(None)
                .max_redirects(0)
                .http_status_as_error(false)
                .timeout_global(Some(Duration::from_secs(30)))
                .build(),
        );
        let mut response = match self.body {
            None => agent.run(self.request.body(()).expect("a request"))?,
            Some(body) => agent.run(self.request.body(body).expect("a request"))?,
        };
        let body = response.body_mut().read_to_vec()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
        })
    }
}

/// What the client got.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    /// The only value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        assert!(
            self.headers.get_all(name).iter().count() < 2,
            "{name} came more than once: {self:?}"
        );
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// Asserts that the request went through.
    pub fn admitted(&self) -> &Self {
        assert_eq!(self.status, 200, "{}", self.text());
        self
    }

    /// Asserts a refusal by the filter: a crash refuses too, but without a reason.
    pub fn refused(&self, status: u16, code: &str) -> &Self {
        assert_eq!(
            (self.status, self.reason().as_str()),
            (status, code),
            "{}",
            self.text()
        );
        self
    }

    /// The reason code in the body; empty if there is none.
    pub fn reason(&self) -> String {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json.pointer("/error/code")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}
