//! An issuer that obeys: it publishes keys, counts who asks, and fails in whatever way a test says.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::server::Server;
use super::tokens::{Key, Token, with};

/// The audience that tokens are for unless a test says otherwise.
pub const AUDIENCE: &str = "api://models";

/// A key that signs with RS256, under the name that it is published by.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    key: Key,
}

impl SigningKey {
    /// A key by that name.
    pub fn named(kid: &str, key: Key) -> Self {
        Self {
            kid: kid.to_owned(),
            key,
        }
    }

    /// The public half, as it stands in a JWK Set.
    pub fn jwk(&self) -> Value {
        let more = json!({ "use": "sig", "alg": "RS256", "kid": self.kid });
        with(self.key.bare_jwk(), more)
    }

    /// A JWT with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let token = Token::good().key(self.key).header("kid", self.kid.as_str());
        token
            .claims_text(claims.to_string())
            .sign(Timestamp::UNIX_EPOCH)
    }
}

/// How one of the issuer's documents is answered.
#[derive(Clone, Debug)]
pub enum Mood {
    /// As it should be.
    Good,
    /// This status and no document.
    Status(u16),
    /// As it should be, but so much later.
    Slow(Duration),
    /// As it should be, padded to so many bytes.
    Huge(usize),
    /// Something else altogether.
    Wrong(String),
    /// "Look there."
    Redirect(String),
}

struct Document {
    mood: Mood,
    value: Value,
    headers: Vec<(String, String)>,
    hits: usize,
}

impl Document {
    fn good(value: Value) -> Self {
        Self {
            mood: Mood::Good,
            value,
            headers: Vec::new(),
            hits: 0,
        }
    }
}

struct Script {
    discovery: Document,
    jwks: Document,
}

/// A running issuer.
pub struct Issuer {
    url: String,
    key: SigningKey,
    script: Arc<Mutex<Script>>,
    server: Option<Server>,
    address: std::net::SocketAddr,
}

impl Issuer {
    /// An issuer that calls itself `https://issuer.test`. Envoy reaches it as the cluster of that host, in plain HTTP.
    pub fn start() -> Self {
        Self::named("https://issuer.test")
    }

    /// An issuer of this name.
    pub fn named(url: &str) -> Self {
        let key = SigningKey::named("first", Key::R1);
        let discovery = json!({
            "issuer": url,
            "jwks_uri": format!("{url}/keys"),
            "token_endpoint": format!("{url}/token"),
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        let script = Arc::new(Mutex::new(Script {
            discovery: Document::good(discovery),
            jwks: Document::good(json!({ "keys": [key.jwk()] })),
        }));
        let server = Server::start(app(&script));
        let address = server.address();
        Self {
            url: url.to_owned(),
            key,
            script,
            server: Some(server),
            address,
        }
    }

    /// What stands in `iss`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Claims that hold: this issuer, the usual audience, good for five minutes, and this tenant.
    pub fn claims(&self, tenant: &str) -> Value {
        let now = seconds_since_epoch();
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "user-1", "tenant_id": tenant,
            "iat": now, "exp": now.saturating_add(300),
        })
    }

    /// A token that holds, for this tenant.
    pub fn token(&self, tenant: &str) -> String {
        self.key.sign(&self.claims(tenant))
    }

    /// A token with these claims, signed by the key in use.
    pub fn sign(&self, claims: &Value) -> String {
        self.key.sign(claims)
    }

    /// From now on another key signs, and it alone is published.
    pub fn rotate_to(&mut self, kid: &str) {
        self.key = SigningKey::named(kid, Key::R2);
        let keys = json!({ "keys": [self.key.jwk()] });
        self.script().jwks.value = keys;
    }

    /// From now on this is the JWK Set.
    pub fn publishes(&self, jwks: Value) {
        self.script().jwks.value = jwks;
    }

    /// From now on this is the discovery document.
    pub fn describes_itself(&self, discovery: Value) {
        self.script().discovery.value = discovery;
    }

    /// From now on the JWK Set is answered so.
    pub fn jwks_mood(&self, mood: Mood) {
        self.script().jwks.mood = mood;
    }

    /// From now on the discovery document is answered so.
    pub fn discovery_mood(&self, mood: Mood) {
        self.script().discovery.mood = mood;
    }

    /// From now on the JWK Set carries this header.
    pub fn jwks_header(&self, name: &str, value: &str) {
        self.script()
            .jwks
            .headers
            .push((name.to_owned(), value.to_owned()));
    }

    /// How often the JWK Set was asked for.
    pub fn jwks_hits(&self) -> usize {
        self.script().jwks.hits
    }

    /// How often the discovery document was asked for.
    pub fn discovery_hits(&self) -> usize {
        self.script().discovery.hits
    }

    /// The port is closed: connections are refused.
    pub fn goes_away(&mut self) {
        self.server = None;
    }

    /// The same port is open again.
    pub fn comes_back(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the same port again");
        self.server = Some(Server::on(listener, app(&self.script)));
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().expect("the script")
    }
}

/// Wall-clock time, as Envoy sees it too.
#[allow(
    clippy::disallowed_methods,
    reason = "tokens for a real Envoy hold at the real time"
)]
pub fn seconds_since_epoch() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs()
}

fn app(script: &Arc<Mutex<Script>>) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Arc::clone(script))
}

async fn answer(State(script): State<Arc<Mutex<Script>>>, request: Request) -> Response {
    let (mood, value, headers) = {
        let mut script = script.lock().expect("the script");
        let document = match request.uri().path() {
            "/.well-known/openid-configuration" => &mut script.discovery,
            "/keys" => &mut script.jwks,
            _ => return reply(404, &[], String::new()),
        };
        document.hits += 1;
        (
            document.mood.clone(),
            document.value.clone(),
            document.headers.clone(),
        )
    };
    match mood {
        Mood::Good => reply(200, &headers, value.to_string()),
        Mood::Status(status) => reply(status, &headers, String::new()),
        Mood::Slow(delay) => {
            tokio::time::sleep(delay).await;
            reply(200, &headers, value.to_string())
        }
        Mood::Huge(size) => {
            let text = value.to_string();
            let padding = " ".repeat(size.saturating_sub(text.len()));
            reply(200, &headers, text + &padding)
        }
        Mood::Wrong(text) => reply(200, &headers, text),
        Mood::Redirect(location) => reply(302, &[("location".to_owned(), location)], String::new()),
    }
}

fn reply(status: u16, headers: &[(String, String)], body: String) -> Response {
    let mut response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(Body::from(body)).expect("a response")
}
