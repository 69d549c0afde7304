//! An issuer for the demo: discovery, JWKS and a token endpoint that signs RS256 access tokens.
//!
//! `issuer [ADDRESS] [ISSUER-URL]`; port 0 takes a free one; it prints `ready http://ADDRESS`. Its key is made anew at each
//! start. It also signs what no honest issuer would (`expires_in=-60`, `forged=1`), so that a demo can show refusals.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use old_rsa::RsaPrivateKey;
use old_rsa::pkcs1::EncodeRsaPrivateKey;
use old_rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Failure = Box<dyn Error + Send + Sync>;

/// Who may have tokens, with which secret, for which tenant. `drifter` belongs to none.
const CLIENTS: [(&str, &str, Option<&str>); 3] = [
    ("acme-app", "acme-secret", Some("acme")),
    ("globex-app", "globex-secret", Some("globex")),
    ("drifter-app", "drifter-secret", None),
];
const AUDIENCE: &str = "api://models";

struct Issuer {
    url: String,
    published: RsaPrivateKey,
    /// Signs like the other one, and is in no JWK Set.
    unpublished: RsaPrivateKey,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8001".to_owned());
    let url = arguments
        .next()
        .unwrap_or_else(|| "https://issuer.example.com".to_owned());
    let key = || RsaPrivateKey::new(&mut old_rsa::rand_core::OsRng, 2048);
    let issuer = Arc::new(Issuer {
        url,
        published: key()?,
        unpublished: key()?,
    });
    let app = Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/keys", get(keys))
        .route("/token", post(token))
        .with_state(issuer);
    let listener = TcpListener::bind(address).await?;
    println!("ready http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn discovery(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let url = &issuer.url;
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/keys"),
        "token_endpoint": format!("{url}/token"),
        "grant_types_supported": ["client_credentials"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

async fn keys(State(issuer): State<Arc<Issuer>>) -> Json<Value> {
    let number = |number: &old_rsa::BigUint| BASE64_URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    let key = &issuer.published;
    Json(json!({ "keys": [{
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "demo",
        "n": number(key.n()), "e": number(key.e()),
    }] }))
}

async fn token(
    State(issuer): State<Arc<Issuer>>,
    Form(form): Form<HashMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    let field = |name: &str| form.get(name).map(String::as_str);
    let known = |(id, secret, _): &&(&str, &str, _)| {
        field("client_id") == Some(*id) && field("client_secret") == Some(*secret)
    };
    let (client, _, tenant) = CLIENTS.iter().find(known).ok_or(StatusCode::UNAUTHORIZED)?;
    let lifetime = field("expires_in")
        .and_then(|text| text.parse::<i64>().ok())
        .unwrap_or(300);
    let mut claims = json!({
        "iss": issuer.url,
        "aud": field("audience").unwrap_or(AUDIENCE),
        "sub": client,
        "exp": now().saturating_add(lifetime),
        "scope": "models.use",
    });
    if let (Some(tenant), Some(claims)) = (tenant, claims.as_object_mut()) {
        claims.insert("tenant".to_owned(), json!(tenant));
    }
    let key = if field("forged").is_some() {
        &issuer.unpublished
    } else {
        &issuer.published
    };
    let jwt = sign(key, &claims).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(
        json!({ "access_token": jwt, "token_type": "Bearer", "expires_in": lifetime }),
    ))
}

fn sign(key: &RsaPrivateKey, claims: &Value) -> Result<String, Failure> {
    let der = key.to_pkcs1_der()?;
    let header = Header {
        kid: Some("demo".to_owned()),
        ..Header::new(Algorithm::RS256)
    };
    Ok(jsonwebtoken::encode(
        &header,
        claims,
        &EncodingKey::from_rsa_der(der.as_bytes()),
    )?)
}

#[allow(
    clippy::disallowed_methods,
    reason = "an issuer has a clock of its own"
)]
fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
