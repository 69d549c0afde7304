//! What the filter is set up with: its configuration in some editions, the credentials that callers show, and what the
//! servers that it asks have to say.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::{Body, Path, Who};
use crate::harness::proxy::START;
use crate::harness::tokens::{AUDIENCE, ISSUER, Key, TRUSTED, Token, jwks};

/// The clusters of the issuer, of the token endpoint and of the key set.
pub const IDP: &str = "idp";
pub const AUTH: &str = "auth";
pub const SETS: &str = "sets";

/// How long [`Who::Good`] is good, in seconds.
pub const GOOD_FOR: i64 = 900;
/// How long [`Who::Lasting`] is.
pub const LASTS_FOR: i64 = 366 * 86_400;
/// From when on [`Who::Early`] is good, and until when [`Who::Expired`] was.
pub const EARLY: i64 = 5_000;
pub const EXPIRED: i64 = -3_000;

/// What no client can send, and no endpoint but one sends on.
pub const LENT: &str = "lent-to-";
/// What the provider's token begins with, which tenant [`T1`] is lent.
pub const LENT_TOKEN: &str = "lent-to-t1-";
/// The tenant of every token.
pub const T1: &str = "t1";
/// In every API key.
pub const KEY_MARK: &str = "-secret-key";

/// An edition of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edition {
    /// Tokens are for somebody else.
    pub other_audience: bool,
    /// The key of [`Who::Beta`] is not in it.
    pub without_beta: bool,
    /// Requests that address no endpoint go on.
    pub passes: bool,
    /// The tenant is told under another name.
    pub renamed: bool,
    /// Hardly a token is remembered.
    pub forgets: bool,
    /// It is refused.
    pub broken: bool,
}

impl Edition {
    pub fn numbered(number: u8) -> Self {
        let is = |bit: u32| number >> bit & 1 == 1;
        Self {
            other_audience: is(0),
            without_beta: is(1),
            passes: is(2),
            renamed: is(3),
            forgets: is(4),
            broken: is(5),
        }
    }

    pub fn tenant_header(self) -> &'static str {
        if self.renamed {
            "x-team"
        } else {
            "x-tenant-id"
        }
    }

    pub fn text(self) -> Value {
        let audience = if self.other_audience {
            "another"
        } else {
            AUDIENCE
        };
        let oidc = json!({ "type": "oidc", "oidc": {
            "issuer": ISSUER, "audience": audience, "jwks_uri": "https://idp.test/keys", "tenant_claim": "tenant" } });
        let key = |name: &str| json!({ "client_id": format!("{name}-app"), "tenant_id": name, "key": format!("{name}{KEY_MARK}") });
        let mut old = key("old");
        old["expires_at"] = "2026-05-01T00:00:00Z".into();
        let mut keys = vec![key("acme"), old];
        if !self.without_beta {
            keys.push(key("beta"));
        }
        let keyed = json!({ "type": "api_key", "keys": keys });
        let mut limited = keyed.clone();
        for key in limited["keys"].as_array_mut().into_iter().flatten() {
            key["models"] = json!(["good-*"]);
        }
        let bearer = |name: &str| json!({ "type": "bearer", "token": format!("{LENT}{name}") });
        let lent = json!({ "by_tenant": { "acme": bearer("acme"), "beta": bearer("beta"), T1: {
            "type": "oauth2_client_credentials", "token_url": "https://auth.test/token", "client_id": "gate", "client_secret": "s" } } });
        json!({
            "clusters": { "idp.test": IDP, "auth.test": AUTH, "sets.test": SETS },
            "identity_headers": { "tenant": self.tenant_header(), "user": "x-user-id", "client": "x-client-id" },
            "unmatched": if self.passes { "pass" } else { "deny" },
            "token_cache_size": if self.forgets { 1 } else { 64 },
            "key_sets": { "settled": { "uri": "https://sets.test/set", "max_stale": "10m" } },
            "endpoints": [
                { "name": "chat", "path": path(Path::Chat), "authorizer": oidc },
                { "name": "keyed", "path": path(Path::Keyed), "authorizer": keyed },
                { "name": "lent", "path": path(Path::Lent), "authorizer": { "type": "any_of", "any_of": [oidc, keyed] }, "upstream_auth": lent },
                { "name": "set", "path": path(Path::Set), "authorizer": { "type": "api_key", "key_set": "settled" } },
                { "name": "inside", "path": path(Path::Inside), "allow_from": ["10.0.0.0/8"], "authorizer": keyed },
                { "name": "open", "path": path(Path::Open), "authorizer": { "type": if self.broken { "open" } else { "none" } } },
                { "name": "models", "path": path(Path::Models), "authorizer": limited },
            ],
        })
    }
}

pub fn path(path: Path) -> &'static str {
    match path {
        Path::Chat => "/v1/chat",
        Path::Keyed => "/v1/keyed",
        Path::Lent => "/v1/lent",
        Path::Set => "/v1/set",
        Path::Inside => "/v1/inside",
        Path::Open => "/v1/open",
        Path::Models => "/v1/chat/completions",
        Path::Nowhere => "/v2/nowhere",
        Path::Ambiguous => "/v1/open/../keyed",
    }
}

/// The headers in which a caller shows what it has.
pub fn credentials(who: Who) -> Vec<(&'static str, String)> {
    let key = |name: &str| format!("{name}{KEY_MARK}");
    match who {
        Who::Nobody => Vec::new(),
        Who::Acme => vec![("authorization", format!("Bearer {}", key("acme")))],
        Who::Beta => vec![("x-api-key", key("beta"))],
        Who::Old => vec![("api-key", key("old"))],
        Who::Settled => vec![("x-goog-api-key", key("settled"))],
        Who::Wrong => vec![("x-api-key", key("wrong"))],
        Who::Garbage => vec![("authorization", "Bearer e30.e30.e30".to_owned())],
        Who::Two => vec![
            ("authorization", bearer(Who::Good)),
            ("x-api-key", key("acme")),
        ],
        Who::Twice => vec![
            ("authorization", format!("Bearer {}", key("acme"))),
            ("api-key", key("acme")),
        ],
        _ => vec![("authorization", bearer(who))],
    }
}

/// Each token is signed once.
fn bearer(who: Who) -> String {
    static TOKENS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let name = |who: Who| format!("{who:?}");
    let tokens = TOKENS.get_or_init(|| {
        let start = start();
        let good = Token::good().claim("exp", start + GOOD_FOR);
        let tokens = [
            (Who::Lasting, good.clone().claim("exp", start + LASTS_FOR)),
            (
                Who::Expired,
                good.clone()
                    .claim("iat", start + EXPIRED - 300)
                    .claim("exp", start + EXPIRED),
            ),
            (
                Who::Early,
                good.clone()
                    .claim("nbf", start + EARLY)
                    .claim("exp", start + LASTS_FOR),
            ),
            (Who::Forged, good.clone().signed_by(Key::R2)),
            (Who::Stranger, good.clone().header("kid", "nobody")),
            (
                Who::Rotated,
                good.clone().key(Key::R2).claim("exp", start + LASTS_FOR),
            ),
            (Who::OtherAudience, good.clone().claim("aud", "third")),
            (Who::Good, good),
        ];
        let signed_at = Timestamp::from_second(start).expect("a time");
        tokens
            .map(|(who, token)| (name(who), format!("Bearer {}", token.sign(signed_at))))
            .into()
    });
    tokens.get(&name(who)).cloned().unwrap_or_default()
}

/// When a run begins, in seconds.
pub fn start() -> i64 {
    i64::try_from(START.as_secs()).unwrap_or_default()
}

pub fn body(body: Body) -> Vec<Vec<u8>> {
    match body {
        Body::None => Vec::new(),
        Body::Allowed => vec![
            br#"{"messages":[],"mod"#.to_vec(),
            br#"el":"good-1"}"#.to_vec(),
        ],
        Body::Forbidden => vec![
            br#"{"model":"bad"#.to_vec(),
            br#"-1","messages":[]}"#.to_vec(),
        ],
        Body::Nonsense => vec![b"\xff\x00{".to_vec()],
        Body::Unnamed => vec![br#"{"messages":[]}"#.to_vec()],
        Body::Large => {
            let padding = " ".repeat(70_000);
            vec![format!(r#"{{"model":"good-1",{padding}"a":1}}"#).into_bytes()]
        }
    }
}

/// What the issuer says, before and after it changes its keys.
pub fn keys(changed: bool) -> String {
    static SETS: OnceLock<[String; 2]> = OnceLock::new();
    let sets = SETS.get_or_init(|| [jwks(&TRUSTED).to_string(), jwks(&[Key::R2]).to_string()]);
    sets[usize::from(changed)].clone()
}

/// What the token endpoint says, at one time and at another.
pub fn token(changed: bool) -> String {
    json!({ "access_token": format!("{LENT_TOKEN}{changed}"), "token_type": "Bearer", "expires_in": 3600 }).to_string()
}

/// The key set, with the key of [`Who::Settled`] and without.
pub fn key_set(changed: bool) -> String {
    let name = if changed { "newer" } else { "settled" };
    json!({ "version": 1, "keys": [
        { "client_id": format!("{name}-app"), "tenant_id": name, "key": format!("{name}{KEY_MARK}") } ] })
    .to_string()
}
