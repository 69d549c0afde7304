//! The way of a request, with what is fetched under control.

mod tokens;

use serde_json::{Value, json};

use super::*;
use crate::config;
use crate::fetch::State;
use crate::fetch::fake::Held;
use crate::request::RequestHead;

pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const LOCAL: fn() -> Option<Vec<u8>> = || Some(b"10.1.2.3:4711".to_vec());
const REMOTE: fn() -> Option<Vec<u8>> = || Some(b"192.0.2.1:4711".to_vec());
const NOWHERE: fn() -> Option<Vec<u8>> = || None;

/// A policy, what was fetched for it, and the time.
pub(super) struct Gate {
    policy: Policy,
    pub held: Held,
    pub cache: TokenCache,
    pub now: Timestamp,
}

/// What was decided, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// `forward`, `wait`, or the reason of a refusal.
    pub step: &'static str,
    pub tenant: Option<String>,
    pub removed: Vec<String>,
    pub set: Vec<(String, String)>,
    pub credential: Option<String>,
    pub has_loan: bool,
    pub is_watched: bool,
}

impl Gate {
    pub fn new(configuration: Value) -> Self {
        let policy = config::compile(configuration, &|_: &str| None);
        Self {
            policy: policy.unwrap_or_else(|problems| panic!("{problems:?}")),
            held: Held::default(),
            cache: TokenCache::new(16),
            now: NOW,
        }
    }

    /// A policy of one endpoint, `/v1`.
    pub fn of(authorizer: &Value, more: &Value) -> Self {
        let mut endpoint = json!({ "name": "v1", "path": "/v1", "authorizer": authorizer });
        let members = endpoint.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        Self::new(json!({ "endpoints": [endpoint] }))
    }

    pub fn ask(&mut self, fields: &[(&str, &str)]) -> Told {
        self.ask_from(LOCAL, fields)
    }

    fn ask_from(
        &mut self,
        source_address: fn() -> Option<Vec<u8>>,
        fields: &[(&str, &str)],
    ) -> Told {
        let mut head = vec![(":authority", "api.test"), (":method", "POST")];
        if fields.iter().all(|(name, _)| *name != ":path") {
            head.push((":path", "/v1"));
        }
        head.retain(|(name, _)| fields.iter().all(|(field, _)| field != name));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        let head = RequestHead::new(head.iter().chain(fields).map(owned).collect());
        let request = Request {
            head: &head,
            source_address,
            has_body: true,
        };
        let decision = self
            .policy
            .decide(&request, &mut self.held, &mut self.cache, self.now);
        let (step, edits) = match decision.step {
            Step::Forward(edits) => ("forward", edits),
            Step::Await(_) => ("wait", Edits::default()),
            Step::Refuse(denial) => (denial.reason(), Edits::default()),
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Told {
            step,
            tenant: decision
                .identity
                .map(|identity| identity.tenant.as_str().to_owned()),
            removed: edits.remove.into_iter().map(str::to_owned).collect(),
            set: edits
                .set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), text(value)))
                .collect(),
            credential: edits
                .credential
                .map(|credential| credential.value().reveal().to_owned()),
            has_loan: decision.loan.is_some(),
            is_watched: decision.watch.is_some(),
        }
    }
}

fn keys() -> Value {
    json!({ "type": "api_key", "keys": [{ "client_id": "acme", "key": "a-good-key" }] })
}

const KEY: (&str, &str) = ("x-api-key", "a-good-key");

#[test]
fn an_open_endpoint_asks_for_nothing_and_takes_off_what_a_client_says_about_itself() {
    let mut gate = Gate::of(&json!({ "type": "none" }), &json!({}));
    let said = [
        ("x-tenant-id", "other"),
        ("x_tenant_id", "other"),
        ("x-original-url", "/admin"),
        ("x-forwarded-user", "root"),
        ("x-unrelated", "kept"),
    ];
    let told = gate.ask(&said);
    assert_eq!((told.step, &told.tenant), ("forward", &None));
    let names = said[..4].iter().map(|(name, _)| *name).collect::<Vec<_>>();
    assert_eq!(told.removed, names);
    assert_eq!(told.set, []);
}

#[test]
fn what_addresses_no_endpoint_is_refused_unless_such_requests_pass() {
    let endpoints = json!([{ "name": "v1", "path": "/v1", "authorizer": keys() }]);
    for (unmatched, expected) in [("deny", "unknown_endpoint"), ("pass", "forward")] {
        let mut gate = Gate::new(json!({ "unmatched": unmatched, "endpoints": endpoints }));
        let told = gate.ask(&[(":path", "/v2"), KEY, ("x-tenant-id", "other")]);
        assert_eq!(told.step, expected);
        assert_eq!((told.tenant, told.set), (None, vec![]));
        assert_eq!(told.removed.is_empty(), expected != "forward");
        assert_eq!(gate.ask(&[KEY]).step, "forward");
        // What two servers could read differently passes nowhere.
        assert_eq!(gate.ask(&[(":path", "//v2"), KEY]).step, "ambiguous_path");
    }
}

#[test]
fn a_caller_from_elsewhere_is_refused_whatever_it_presents() {
    let mut gate = Gate::of(&keys(), &json!({ "allow_from": ["10.0.0.0/8"] }));
    assert_eq!(gate.ask_from(LOCAL, &[KEY]).step, "forward");
    for source in [REMOTE, NOWHERE] {
        assert_eq!(gate.ask_from(source, &[KEY]).step, "source_not_allowed");
        assert_eq!(gate.ask_from(source, &[]).step, "source_not_allowed");
    }
}

#[test]
fn one_good_key_is_let_in_and_everything_else_says_why_not() {
    let mut gate = Gate::of(&keys(), &json!({}));
    for (fields, expected) in [
        (&[KEY][..], "forward"),
        (&[("authorization", "Bearer a-good-key")], "forward"),
        (&[KEY, ("api-key", "a-good-key")], "forward"),
        (&[], "missing_credential"),
        (&[("authorization", "Basic YTpi")], "missing_credential"),
        (&[("x-api-key", "a-bad-key")], "invalid_credential"),
        (&[("x-api-key", "")], "invalid_credential"),
        (&[KEY, ("api-key", "another-key")], "multiple_credentials"),
        (&[KEY, KEY], "multiple_credentials"),
    ] {
        let told = gate.ask(fields);
        assert_eq!(told.step, expected, "{fields:?}");
        let tenant = (expected == "forward").then(|| "acme".to_owned());
        assert_eq!(told.tenant, tenant, "{fields:?}");
    }
}

#[test]
fn a_key_goes_no_further_unless_the_operator_says_so() {
    for (forward, removed) in [
        (json!({}), vec!["x-api-key"]),
        (json!({ "forward_credential": true }), vec![]),
    ] {
        let told = Gate::of(&keys(), &forward).ask(&[KEY]);
        assert_eq!(told.step, "forward");
        assert_eq!(told.removed, removed);
        assert_eq!(told.set, [("x-tenant-id".to_owned(), "acme".to_owned())]);
    }
}

#[test]
fn a_key_is_good_only_where_its_own_authorizer_looks() {
    let authorizer = |client: &str, key: &str, header: &str| {
        let keys = json!([{ "client_id": client, "key": key }]);
        json!({ "type": "api_key", "keys": keys, "from": [{ "header": header }] })
    };
    let any_of = json!({ "any_of": [
        authorizer("acme", "key-of-acme", "x-acme"),
        authorizer("globex", "key-of-globex", "x-globex"),
    ] });
    let mut gate = Gate::of(&any_of, &json!({}));
    for (header, key, expected) in [
        ("x-acme", "key-of-acme", "forward"),
        ("x-globex", "key-of-globex", "forward"),
        ("x-acme", "key-of-globex", "invalid_credential"),
        ("x-globex", "key-of-acme", "invalid_credential"),
        ("x-api-key", "key-of-acme", "missing_credential"),
    ] {
        assert_eq!(gate.ask(&[(header, key)]).step, expected, "{header}: {key}");
    }
}

#[test]
fn an_open_endpoint_passes_a_credential_on_beside_ours_only_if_told_to() {
    let header = json!({ "type": "header", "name": "x-provider", "value": "ours" });
    for (forward, removed) in [(false, vec!["authorization"]), (true, vec![])] {
        let more = json!({ "upstream_auth": header, "forward_credential": forward });
        let mut gate = Gate::of(&json!({ "type": "none" }), &more);
        let told = gate.ask(&[("authorization", "Bearer of-the-client")]);
        assert_eq!(told.removed, removed);
        assert_eq!(told.credential.as_deref(), Some("ours"));
    }
}

#[test]
fn each_header_that_the_operator_names_tells_its_part_of_the_identity_and_no_other_does() {
    let named =
        json!({ "tenant": "x-org", "user": "x-who", "client": "x-app", "endpoint": "x-for" });
    let key =
        json!({ "client_id": "app", "tenant_id": "acme", "user_id": "ada", "key": "a-good-key" });
    let guarded = json!({ "type": "api_key", "keys": [key] });
    let mut gate = Gate::new(json!({
        "identity_headers": named,
        "endpoints": [{ "name": "v1", "path": "/v1", "authorizer": guarded }],
    }));
    let told = gate.ask(&[KEY, ("x-who", "root"), ("x-tenant-id", "kept")]);
    assert_eq!(told.removed, ["x-who", "x-api-key"]);
    let set = [
        ("x-org", "acme"),
        ("x-who", "ada"),
        ("x-app", "app"),
        ("x-for", "v1"),
    ];
    assert_eq!(
        told.set,
        set.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
}

#[test]
fn where_the_clock_is_not_set_no_credential_is_judged() {
    let mut gate = Gate::of(&keys(), &json!({}));
    gate.now = CLOCK_IS_SET;
    assert_eq!(gate.ask(&[KEY]).step, "forward");
    gate.now = Timestamp::UNIX_EPOCH;
    assert_eq!(gate.ask(&[KEY]).step, "keys_unavailable");
    assert_eq!(gate.ask(&[]).step, "missing_credential");
}

#[test]
fn a_set_of_keys_is_waited_for_and_refused_where_it_cannot_be_had() {
    let mut gate = Gate::new(json!({
        "key_sets": { "clients": { "uri": "https://keys.test/set" } },
        "endpoints": [{
            "name": "v1", "path": "/v1", "authorizer": { "type": "api_key", "key_set": "clients" }
        }],
    }));
    assert_eq!(gate.ask(&[KEY]).step, "wait");
    let retry_after = SignedDuration::from_secs(3);
    gate.held.api_keys = State::Unavailable { retry_after };
    assert_eq!(gate.ask(&[KEY]).step, "keys_unavailable");
    let set = r#"{"keys": [{ "client_id": "acme", "key": "a-good-key" },
        { "client_id": "acme", "key": "an-old-key", "expires_at": "2020-01-01T00:00:00Z" },
        { "client_id": "acme", "key": "a-new-key", "not_before": "2099-01-01T00:00:00Z" }]}"#;
    gate.held.api_keys =
        State::Usable(crate::authorizer::api_key::parse_key_set(set.as_bytes()).unwrap());
    for (key, expected) in [
        ("a-good-key", "forward"),
        ("an-old-key", "expired_credential"),
        ("a-new-key", "invalid_credential"),
        ("no-key", "invalid_credential"),
    ] {
        assert_eq!(gate.ask(&[("x-api-key", key)]).step, expected, "{key}");
    }
}

#[test]
fn a_key_reaches_what_it_was_given_for_and_where_the_body_says_the_model_that_is_watched() {
    let limited = json!({ "type": "api_key", "keys": [
        { "client_id": "elsewhere", "key": "key-for-v2", "endpoints": ["v2"] },
        { "client_id": "all-of-v1", "key": "key-for-v1", "endpoints": ["v1"] },
        { "client_id": "one-model", "key": "key-for-m1", "models": ["m1"] },
    ] });
    let endpoint =
        |name: &str, path: &str| json!({ "name": name, "path": path, "authorizer": limited });
    let endpoints = [endpoint("v1", "/v1"), endpoint("v2", "/v2/{model}")];
    let mut gate = Gate::new(json!({ "endpoints": endpoints }));
    for (key, path, expected) in [
        ("key-for-v1", "/v1", ("forward", false)),
        ("key-for-v1", "/v2/m1", ("endpoint_not_allowed", false)),
        ("key-for-v2", "/v1", ("endpoint_not_allowed", false)),
        ("key-for-v2", "/v2/any", ("forward", false)),
        ("key-for-m1", "/v1", ("forward", true)),
        ("key-for-m1", "/v2/m1", ("forward", false)),
        ("key-for-m1", "/v2/m2", ("model_not_allowed", false)),
        ("key-for-m1", "/v1?model=m2", ("model_not_allowed", false)),
        ("key-for-m1", "/v1?model=m1", ("forward", true)),
    ] {
        let told = gate.ask(&[(":path", path), ("x-api-key", key)]);
        assert_eq!((told.step, told.is_watched), expected, "{key} {path}");
    }
    let upgrade = [("x-api-key", "key-for-m1"), ("upgrade", "websocket")];
    assert_eq!(gate.ask(&upgrade).step, "model_not_allowed");
}

#[test]
fn a_preflight_passes_without_a_credential_and_is_lent_none() {
    let bearer = json!({ "type": "bearer", "token": "of-the-provider" });
    let mut gate = Gate::of(
        &keys(),
        &json!({ "preflight": "allow", "upstream_auth": bearer }),
    );
    let preflight = [
        (":method", "OPTIONS"),
        ("origin", "https://app.test"),
        ("access-control-request-method", "POST"),
        ("authorization", "Bearer of-the-browser"),
    ];
    let told = gate.ask(&preflight);
    assert_eq!((told.step, told.tenant), ("forward", None));
    assert_eq!((told.credential, told.set), (None, vec![]));
    assert_eq!(told.removed, ["authorization"]);
    assert_eq!(gate.ask(&preflight[..2]).step, "missing_credential");
    let told = gate.ask(&[KEY]);
    assert_eq!(told.credential.as_deref(), Some("Bearer of-the-provider"));
}

#[test]
fn what_came_round_again_with_a_credential_of_ours_is_let_in_nowhere() {
    let bearer = json!({ "type": "bearer", "token": "of-the-provider" });
    let endpoints = json!([
        { "name": "v1", "path": "/v1", "authorizer": keys(), "upstream_auth": bearer },
        { "name": "open", "path": "/open", "authorizer": { "type": "none" } },
    ]);
    let mut gate = Gate::new(json!({ "endpoints": endpoints }));
    let redirected = ("x-envoy-original-url", "https://api.test/v1");
    let lent = ("authorization", "Bearer of-the-provider");
    for (fields, expected) in [
        (&[redirected, lent][..], "invalid_credential"),
        (&[redirected], "forward"),
        (&[lent], "forward"),
    ] {
        let mut fields = fields.to_vec();
        fields.push((":path", "/open"));
        assert_eq!(gate.ask(&fields).step, expected, "{fields:?}");
    }
}

#[test]
fn an_upgrade_cannot_nominate_the_identity_away() {
    let mut gate = Gate::of(&keys(), &json!({}));
    let mended = ("connection".to_owned(), "upgrade".to_owned());
    for (connection, is_mended) in [
        ("upgrade, x-tenant-id", true),
        ("x-tenant-id", true),
        ("Upgrade", false),
    ] {
        let told = gate.ask(&[KEY, ("upgrade", "websocket"), ("connection", connection)]);
        assert_eq!(told.step, "forward");
        assert_eq!(told.set.contains(&mended), is_mended, "{connection}");
    }
}

#[test]
fn a_trailer_like_a_header_that_matters_is_taken_off() {
    let header = json!({ "type": "header", "name": "x-provider", "value": "v" });
    let gate = Gate::of(&keys(), &json!({ "upstream_auth": header }));
    for (name, taken) in [
        ("x-tenant-id", true),
        ("x_tenant_id", true),
        ("authorization", true),
        ("x-provider", true),
        ("grpc-status", false),
    ] {
        assert_eq!(gate.policy.takes_off_trailer(name), taken, "{name}");
    }
}
