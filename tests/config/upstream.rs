//! The credentials that providers see: what makes one, and what does not.

use serde_json::{Value, json};
use tenantgate::fetch::ClientAuth;
use tenantgate::request::Edits;
use tenantgate::upstream::UpstreamAuth;

use super::{check, compile, endpoint, merge};

/// A whole file around one credential.
fn upstream(auth: &Value) -> Value {
    endpoint(json!({ "upstream_auth": auth }))
}

fn client_credentials(members: Value) -> Value {
    let mut auth = json!({
        "type": "oauth2_client_credentials",
        "token_url": "https://auth.test/token",
        "client_id": "id",
        "client_secret": "secret",
    });
    merge(&mut auth, members);
    auth
}

#[test]
#[rustfmt::skip]
fn every_mistake_in_a_credential_has_its_place_and_its_message() {
    let basic = |username: &str, password: &str| json!({"type": "basic", "username": username, "password": password});
    let bearer = |token: Value| json!({"type": "bearer", "token": token});
    let header = |name: &str, value: &str| json!({"type": "header", "name": name, "value": value});
    let by_tenant = |tenants: Value| json!({ "by_tenant": tenants });
    let token = |member: &str, value: Value| client_credentials(json!({ member: value }));
    let reserved = |name: &str| format!("`{name}` belongs to HTTP or to Envoy and cannot carry a credential");
    for (auth, place, message) in [
        (json!("sk"), "", "must be an object such as `{type: bearer, token: {env: NAME}}`, not a string"),
        (json!({}), ".type", "is required: `basic`, `bearer`, `header` or `oauth2_client_credentials`; or write `by_tenant`"),
        (json!({"type": "oauth2"}), ".type", "must be `basic`, `bearer`, `header` or `oauth2_client_credentials`"),
        (json!({"type": "bearer", "token": "a", "tokn": "a"}), ".tokn", "unknown field; did you mean `token`?"),
        (basic("a:b", "c"), ".username", "must not contain a colon, which separates the user name from the password"),
        (basic("", "c"), ".username", "must not be empty"),
        (basic("a", "\n"), ".password", "must not be empty"),
        (basic("a", "c\rd"), ".password", "must not contain control characters, such as a line break"),
        (json!({"type": "basic", "username": "a"}), ".password", "is required"),
        (bearer(json!("a b")), ".token", "must be visible ASCII characters without white space; `Bearer` is put before it"),
        (bearer(json!("a\n\n")), ".token", "must be visible ASCII characters without white space; `Bearer` is put before it"),
        (bearer(json!(1)), ".token", "must be a string or `{env: NAME}`, not a number"),
        (bearer(json!({"env": "NOT_SET"})), ".token.env", "NOT_SET is not set in the VM's environment (`vm_config.environment_variables`)"),
        (header("api key", "a"), ".name", "is not a header name"),
        (header("X-Tenant_Id", "a"), ".name", "carries the identity to the model server"),
        (header("api-key", " a"), ".value", "must not begin or end with white space"),
        (header("api-key", "a\r\nx: y"), ".value", "must not contain control characters, such as a line break"),
        (header("api-key", ""), ".value", "must not be empty"),
        (header(":path", "a"), ".name", &reserved(":path")),
        (header("Host", "a"), ".name", &reserved("host")),
        (header("Content-Length", "a"), ".name", &reserved("content-length")),
        (header("te", "a"), ".name", &reserved("te")),
        (header("x-envoy-retry-on", "a"), ".name", &reserved("x-envoy-retry-on")),
        (by_tenant(json!({})), ".by_tenant", "must not be empty; nobody could call the endpoint"),
        (by_tenant(json!([])), ".by_tenant", "must be an object, not a list"),
        (by_tenant(json!({"acme": "sk"})), ".by_tenant.acme", "must be an object such as `{type: bearer, token: {env: NAME}}`, not a string"),
        (by_tenant(json!({"a,b": bearer(json!("a"))})), r#".by_tenant["a,b"]"#, "is not the name of a tenant, which must be 1 to 255 visible ASCII characters without comma, with spaces only inside"),
        (by_tenant(json!({"acme": bearer(json!("a b"))})), ".by_tenant.acme.token", "must be visible ASCII characters without white space; `Bearer` is put before it"),
        (by_tenant(json!({"acme": by_tenant(json!({}))})), ".by_tenant.acme.by_tenant", "cannot stand inside another `by_tenant`"),
        (token("token_url", json!("auth.test/token")), ".token_url", "is not an absolute URL"),
        (token("token_url", json!("https://u:p@auth.test/token")), ".token_url", "must not hold a user name or password"),
        (token("token_url", json!("https://auth.test/token#x")), ".token_url", "must not have a fragment"),
        (token("client_id", json!("")), ".client_id", "must not be empty"),
        (token("client_secret", json!("a\nb")), ".client_secret", "must not contain control characters, such as a line break"),
        (token("scope", json!("a  b")), ".scope", "must be names of visible ASCII characters, separated by one space each"),
        (token("scope", json!("a\"")), ".scope", "must be names of visible ASCII characters, separated by one space each"),
        (token("scope", json!(["a"])), ".scope", "must be a string, not a list"),
        (token("client_auth", json!("header")), ".client_auth", "must be `body` or `basic`"),
        (token("fetch_timeout", json!("0s")), ".fetch_timeout", "must be from 100ms to 30s"),
        (token("parameters", json!({"scope": "a"})), ".parameters.scope", "is said by a field of its own, or by the grant, and cannot be a parameter"),
        (token("parameters", json!({"grant_type": "password"})), ".parameters.grant_type", "is said by a field of its own, or by the grant, and cannot be a parameter"),
        (token("parameters", json!({"": "a"})), r#".parameters[""]"#, "is not the name of a parameter"),
        (token("parameters", json!({"audience": ""})), ".parameters.audience", "must not be empty"),
        (client_credentials(json!({"audience": "a", "parameters": {"audience": "b"}})), ".parameters.audience", "is written as `audience` beside `parameters` too; keep one"),
    ] {
        // Nothing else can be said against them, so let them have a tenant.
        let guarded = json!({"type": "api_key", "keys": [{"client_id": "c", "key": "good-key"}]});
        let document = endpoint(json!({ "upstream_auth": auth, "authorizer": guarded }));
        check(&document, &[(&format!("endpoints[0].upstream_auth{place}"), message)]);
    }
    check(
        &upstream(&by_tenant(json!({"default": bearer(json!("a"))}))),
        &[("endpoints[0].upstream_auth.by_tenant", "does not go with an open endpoint, which knows no tenant")],
    );
}

#[test]
fn every_kind_of_credential_is_taken_and_one_line_break_at_its_end_is_not() {
    for (auth, name, value) in [
        (
            json!({"type": "basic", "username": "apiuser", "password": "secret123"}),
            "authorization",
            "Basic YXBpdXNlcjpzZWNyZXQxMjM=",
        ),
        (
            json!({"type": "basic", "username": "apiuser\n", "password": "secret123\r\n"}),
            "authorization",
            "Basic YXBpdXNlcjpzZWNyZXQxMjM=",
        ),
        (
            json!({"type": "bearer", "token": "sk-1\n"}),
            "authorization",
            "Bearer sk-1",
        ),
        (
            json!({"type": "bearer", "token": {"env": "KEY"}}),
            "authorization",
            "Bearer key-of-the-environment",
        ),
        (
            json!({"type": "header", "name": "Api-Key", "value": "a b"}),
            "api-key",
            "a b",
        ),
    ] {
        let policy = compile(upstream(&auth)).unwrap();
        let auth = policy
            .endpoints
            .iter()
            .next()
            .unwrap()
            .upstream_auth
            .as_ref();
        assert_eq!(lent(auth.unwrap()), (name.to_owned(), value.to_owned()));
    }
}

/// What everybody is lent.
fn lent(auth: &UpstreamAuth) -> (String, String) {
    struct NoTokens;
    impl tenantgate::fetch::TokensOf for NoTokens {
        fn token(
            &self,
            _: tenantgate::fetch::TokenSourceId,
            _: jiff::Timestamp,
        ) -> tenantgate::fetch::State<(
            &std::rc::Rc<tenantgate::upstream::ProviderCredential>,
            jiff::Timestamp,
        )> {
            panic!("none is fetched")
        }
    }
    let mut edits = Edits::default();
    auth.lend(None, &NoTokens, jiff::Timestamp::UNIX_EPOCH, &mut edits)
        .unwrap();
    let credential = edits.credential.unwrap();
    let value = credential.value().reveal().to_owned();
    (credential.name().to_owned(), value)
}

#[test]
fn what_an_access_token_is_asked_for_with_is_what_was_written_or_its_default() {
    let policy = compile(upstream(&client_credentials(json!({})))).unwrap();
    let source = &policy.token_sources[0];
    assert_eq!(source.token_url.to_string(), "https://auth.test/token");
    assert_eq!(source.scope.as_deref(), Some("all-apis"));
    assert_eq!(source.client_auth, ClientAuth::Body);
    assert!(source.parameters.is_empty());

    let written = client_credentials(json!({
        "scope": "", "client_auth": "basic", "audience": "https://api.test", "fetch_timeout": "2s",
        "parameters": {"resource": "urn:x", "assertion": {"env": "KEY"}},
    }));
    let policy = compile(upstream(&written)).unwrap();
    let source = &policy.token_sources[0];
    assert_eq!(source.scope, None);
    assert_eq!(source.client_auth, ClientAuth::Basic);
    assert_eq!(source.timeout, jiff::SignedDuration::from_secs(2));
    let parameters: Vec<_> = source
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.reveal()))
        .collect();
    assert_eq!(
        parameters,
        [
            ("audience", "https://api.test"),
            ("assertion", "key-of-the-environment"),
            ("resource", "urn:x")
        ]
    );
}

#[test]
fn upc_08_endpoints_that_ask_for_the_same_token_share_it_and_others_do_not() {
    let endpoint = |name: &str, auth: Value| json!({"name": name, "path": format!("/{name}"), "authorizer": {"type": "none"}, "upstream_auth": auth});
    let policy = compile(json!({"endpoints": [
        endpoint("a", client_credentials(json!({}))),
        endpoint("b", client_credentials(json!({"client_secret": "secret\n", "scope": "all-apis"}))),
        endpoint("c", client_credentials(json!({"scope": "other"}))),
        endpoint("d", client_credentials(json!({"audience": "x"}))),
        endpoint("e", client_credentials(json!({"parameters": {"audience": "x"}}))),
    ]}))
    .unwrap();
    assert_eq!(policy.token_sources.len(), 3);
}
