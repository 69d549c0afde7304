//! A model provider with an authorization server of its own: it hands out numbered access tokens, and knows at each
//! request whether the one presented holds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::json;

use super::server::Server;

/// Where tokens are asked for. Every other path is the provider's.
pub const TOKEN_PATH: &str = "/oauth/token";

/// A token request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRequest {
    pub method: String,
    pub content_type: Option<String>,
    pub authorization: Option<String>,
    pub form: String,
}

struct Issued {
    token: String,
    until: Instant,
}

struct Book {
    expires_in: Duration,
    delay: Duration,
    asked: Vec<TokenRequest>,
    issued: Vec<Issued>,
    served: usize,
    refused: Vec<String>,
}

/// A running provider.
pub struct Provider {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl Provider {
    /// One whose tokens hold for that long.
    pub fn start(expires_in: Duration) -> Self {
        let book = Arc::new(Mutex::new(Book {
            expires_in,
            delay: Duration::ZERO,
            asked: Vec::new(),
            issued: Vec::new(),
            served: 0,
            refused: Vec::new(),
        }));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&book));
        Self {
            server: Server::start(app),
            book,
        }
    }

    /// Where Envoy reaches it, both of it.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// From now on a token takes so long.
    pub fn takes(&self, delay: Duration) {
        self.book().delay = delay;
    }

    /// No token that it handed out holds any more.
    pub fn revokes_all(&self) {
        self.book().issued.clear();
    }

    /// Every token request so far.
    pub fn asked(&self) -> Vec<TokenRequest> {
        self.book().asked.clone()
    }

    /// The tokens that hold, or did.
    pub fn tokens(&self) -> Vec<String> {
        let book = self.book();
        book.issued
            .iter()
            .map(|issued| issued.token.clone())
            .collect()
    }

    /// Whether that would do as `Authorization` right now.
    pub fn holds(&self, authorization: &str) -> bool {
        self.book().holds(authorization)
    }

    /// How many requests came with a good token.
    pub fn served(&self) -> usize {
        self.book().served
    }

    /// What the others came with in `Authorization`.
    pub fn refused(&self) -> Vec<String> {
        self.book().refused.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("the provider's book")
    }
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let form = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    let (status, body, delay) = {
        let mut book = book.lock().expect("the provider's book");
        if head.uri.path() == TOKEN_PATH {
            (
                200,
                book.hand_out(&head.method, &head.headers, form),
                book.delay,
            )
        } else {
            (book.judge(&head.headers), "{}".to_owned(), Duration::ZERO)
        }
    };
    tokio::time::sleep(delay).await;
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("cache-control", "no-store")
        .body(Body::from(body))
        .expect("a response")
}

impl Book {
    fn hand_out(&mut self, method: &Method, headers: &HeaderMap, form: String) -> String {
        self.asked.push(TokenRequest {
            method: method.to_string(),
            content_type: text(headers, "content-type"),
            authorization: text(headers, "authorization"),
            form,
        });
        let token = format!("access-token-{}", self.asked.len());
        self.issued.push(Issued {
            token: token.clone(),
            until: Instant::now() + self.expires_in,
        });
        json!({ "access_token": token, "token_type": "Bearer", "expires_in": self.expires_in.as_secs() }).to_string()
    }

    fn judge(&mut self, headers: &HeaderMap) -> u16 {
        let presented = text(headers, "authorization").unwrap_or_default();
        if self.holds(&presented) {
            self.served += 1;
            200
        } else {
            self.refused.push(presented);
            401
        }
    }

    fn holds(&self, authorization: &str) -> bool {
        let now = Instant::now();
        let token = authorization.strip_prefix("Bearer ");
        token.is_some_and(|token| {
            let mut issued = self.issued.iter();
            issued.any(|issued| token == issued.token && now < issued.until)
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
