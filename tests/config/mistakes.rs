//! What is wrong with one thing, where, and in which words: a case a line.

use serde_json::{Value, json};

use super::{check, compile, endpoint, from, guard, key, oidc};

#[test]
#[rustfmt::skip]
fn cfg_01_every_mistake_in_the_file_has_its_place_and_its_message() {
    let open = || json!([{"name": "e", "path": "/e", "authorizer": {"type": "none"}}]);
    let file = |name: &str, value: Value| json!({name: value, "endpoints": open()});
    for (document, path, message) in [
        (json!([]), "", "must be an object, not a list"),
        (json!("endpoints"), "", "must be an object, not a string"),
        (json!({}), "endpoints", "is required"),
        (json!({"endpoints": []}), "endpoints", "must not be empty; without an endpoint nothing can be called"),
        (json!({"endpoints": {}}), "endpoints", "must be a list, not an object"),
        (json!({"endpoints": [null]}), "endpoints[0]", "must be an object, not null"),
        (file("unmached", json!("deny")), "unmached", "unknown field; did you mean `unmatched`?"),
        (file("limits here", json!({})), r#"["limits here"]"#, "unknown field; known here are `clusters`, `identity_headers`, `source_address`, `unmatched`, `token_cache_size`, `key_sets`, `metrics` and `endpoints`"),
        (file("key_sets", json!({"a b": {"uri": "https://keys.test/a"}})), r#"key_sets["a b"]"#, "must be 1 to 128 letters, digits, dots, dashes and underscores"),
        (file("key_sets", json!({"a": {}})), "key_sets.a.uri", "is required"),
        (file("key_sets", json!({"a": {"uri": "keys.test/a"}})), "key_sets.a.uri", "is not an absolute URL"),
        (file("key_sets", json!({"a": {"uri": "https://keys.test/a", "refresh": "10ms"}})), "key_sets.a.refresh", "must be from 1s to 24h"),
        (file("key_sets", json!({"a": {"uri": "https://keys.test/a", "refresh_cooldown": "1s"}})), "key_sets.a.refresh_cooldown", "unknown field; known here are `uri`, `refresh`, `max_stale` and `fetch_timeout`"),
        (file("unmatched", json!("Deny")), "unmatched", "must be `deny` or `pass`; did you mean `deny`?"),
        (file("unmatched", json!(false)), "unmatched", "must be `deny` or `pass`, not true or false"),
        (file("source_address", json!("xff")), "source_address", "must be `peer` or `forwarded`"),
        (file("source_address", Value::Null), "source_address", "must be `peer` or `forwarded`, not null"),
        (file("token_cache_size", json!(-1)), "token_cache_size", "must be a whole number of 0 or more"),
        (file("token_cache_size", json!(1.5)), "token_cache_size", "must be a whole number of 0 or more, not a fraction"),
        (file("token_cache_size", json!("1")), "token_cache_size", "must be a whole number of 0 or more, not a string"),
        (file("token_cache_size", json!(1_000_001)), "token_cache_size", "must be at most 1000000"),
        (file("metrics", json!({"per_tenant": -1})), "metrics.per_tenant", "must be a whole number of 0 or more"),
        (file("metrics", json!({"per_tenant": 10_001})), "metrics.per_tenant", "must be at most 10000"),
        (file("metrics", json!({"tenants": 1})), "metrics.tenants", "unknown field; known here are `per_tenant`"),
        (file("identity_headers", json!("x-a")), "identity_headers", "must be an object, not a string"),
        (file("identity_headers", json!({"tenant": 1})), "identity_headers.tenant", "must be a string, not a number; put it in quotes"),
        (file("identity_headers", json!({"tenant": "x y"})), "identity_headers.tenant", r#""x y" is not a header name"#),
        (file("identity_headers", json!({"user": "Host"})), "identity_headers.user", "`host` has a meaning of its own in HTTP or Envoy and cannot carry the identity"),
        (file("identity_headers", json!({"user": "X_Tenant_Id"})), "identity_headers.user", "`x_tenant_id` already carries another part of the identity, or is spelled too much like a header that does"),
        (file("identity_headers", json!({"users": "x-user"})), "identity_headers.users", "unknown field; did you mean `user`?"),
        (file("clusters", json!(["a"])), "clusters", "must be an object, not a list"),
        (file("clusters", json!({"idp.test": 5})), r#"clusters["idp.test"]"#, "must be a string, not a number; put it in quotes"),
        (file("clusters", json!({"idp.test": ""})), r#"clusters["idp.test"]"#, "must be the name of an Envoy cluster"),
        (file("clusters", json!({"https://idp.test": "a"})), r#"clusters["https://idp.test"]"#, "must be a host or host:port, without scheme, path and wildcard"),
        (file("clusters", json!({"*.test": "a"})), r#"clusters["*.test"]"#, "must be a host or host:port, without scheme, path and wildcard"),
        (file("clusters", json!({"idp.test:443": "a"})), r#"clusters["idp.test:443"]"#, r#"a default port is not part of a host; write "idp.test""#),
        (file("clusters", json!({"idp.test:0": "a"})), r#"clusters["idp.test:0"]"#, "has a port that is not a number from 1 to 65535"),
        (file("clusters", json!({"a.test": "a", "A.test": "b"})), r#"clusters["a.test"]"#, r#"is the same host as "A.test""#),
    ] {
        check(&document, &[(path, message)]);
    }
    for document in [
        file("clusters", json!({"idp.test": "a", "idp.test:8443": "b", "127.0.0.1": "c", "[::1]:81": "d"})),
        file("clusters", json!({"idp.test": "outbound|443||idp.test"})),
        file("token_cache_size", json!(0)),
        file("token_cache_size", json!(4096.0)),
        file("identity_headers", json!({"tenant": "x-org", "user": "x-tenant-id"})),
    ] {
        check(&document, &[]);
    }
}

#[test]
#[rustfmt::skip]
fn every_mistake_in_an_endpoint_has_its_place_and_its_message() {
    for (member, value, place, message) in [
        ("name", json!(null), "name", "is required"),
        ("name", json!(""), "name", "must be 1 to 128 letters, digits, dots, dashes and underscores"),
        ("name", json!("a/b"), "name", "must be 1 to 128 letters, digits, dots, dashes and underscores"),
        ("name", json!("a".repeat(129)), "name", "must be 1 to 128 letters, digits, dots, dashes and underscores"),
        ("hosts", json!([]), "hosts", "must not be empty; leave it out for any host"),
        ("hosts", json!("a.test"), "hosts", "must be a list, not a string"),
        ("hosts", json!(["a.test:80"]), "hosts[0]", r#""a.test:80" is not a host: write `api.example.com`, `*.example.com` or `[2001:db8::1]`, without scheme, port and path"#),
        ("hosts", json!(["a.test", 1]), "hosts[1]", "must be a string, not a number; put it in quotes"),
        ("path", json!(null), "path", "is required"),
        ("path", json!("v1"), "path", "must begin with `/`"),
        ("path", json!("/a/**/b"), "path", r#"`**` must be the whole last segment, not "**""#),
        ("methods", json!([]), "methods", "must not be empty; leave it out for any method"),
        ("methods", json!(["post"]), "methods[0]", "methods are case-sensitive; write `POST`"),
        ("methods", json!(["POST "]), "methods[0]", "is no method"),
        ("methods", json!(["*"]), "methods[0]", "is no method; leave `methods` out for any method"),
        ("methods", json!(["GET", "TRACE"]), "methods[1]", "is never let through: its answer would tell the caller what was put into the request"),
        ("allow_from", json!("NULL"), "allow_from", "must be a list, not null"),
        ("allow_from", json!(["10.0.0.0/33"]), "allow_from[0]", r#""10.0.0.0/33" is not an address or a network in CIDR notation, such as 10.0.0.0/8"#),
        ("allow_from", json!(["10.0.0.1/8"]), "allow_from[0]", "10.0.0.1/8 has bits set outside of its prefix; write 10.0.0.0/8"),
        ("preflight", json!(true), "preflight", "must be `allow`, not true or false"),
        ("preflight", json!("deny"), "preflight", "must be `allow`"),
        ("forward_credential", json!("yes"), "forward_credential", "must be true or false, not a string"),
        ("allow_encoded_slash", json!(1), "allow_encoded_slash", "must be true or false, not a number"),
        ("upstream", json!({}), "upstream", "unknown field; known here are `name`, `hosts`, `path`, `methods`, `allow_from`, `authorizer`, `preflight`, `upstream_auth`, `forward_credential`, `usage` and `allow_encoded_slash`"),
        ("usage", json!("chat-gpt"), "usage", "must be `auto`, `off`, or one of the formats `openai`, `completions`, `rerank`, `responses`, `media`, `anthropic`, `gemini`, `interactions`, `vertex-predict`, `converse`, `bedrock-invoke`, `ollama`, `cohere`, `kserve-v1`, `kserve-v2`, `tgi`, `tei`, `llama.cpp`"),
        ("usage", json!(true), "usage", "must be `auto`, `off` or the name of a format, not true or false"),
        ("authoriser", json!({}), "authoriser", "unknown field; did you mean `authorizer`?"),
        ("authorizer", json!(null), "authorizer", "is required"),
        ("authorizer", json!("none"), "authorizer", "must be an object such as `{type: none}`, not a string"),
        ("authorizer", json!({}), "authorizer.type", "is required: `none`, `api_key` or `oidc`; or write `any_of`"),
        ("authorizer", json!({"type": "apikey"}), "authorizer.type", "must be `none`, `api_key`, `oidc` or `any_of`; did you mean `api_key`?"),
        ("authorizer", json!({"type": "jwt"}), "authorizer.type", "must be `none`, `api_key`, `oidc` or `any_of`"),
        ("authorizer", json!({"type": ["none"]}), "authorizer.type", "must be `none`, `api_key`, `oidc` or `any_of`, not a list"),
        ("authorizer", json!({"type": "none", "keys": []}), "authorizer.keys", "unknown field; known here are `type`"),
        ("authorizer", json!({"type": "api_key"}), "authorizer", "needs `keys` or `key_set`; nobody could call the endpoint"),
        ("authorizer", json!({"type": "api_key", "keys": [{"client_id": "c", "key": "k-1"}], "key_set": "a"}), "authorizer", "has both `keys` and `key_set`; for both write two alternatives under `any_of`"),
        ("authorizer", json!({"type": "api_key", "key_set": "a"}), "authorizer.key_set", "no key set has this name; they stand under `key_sets` at the top"),
        ("authorizer", json!({"type": "api_key", "keys": []}), "authorizer.keys", "must not be empty; nobody could call the endpoint"),
        ("authorizer", json!({"type": "oidc"}), "authorizer.oidc", "is required"),
        ("authorizer", json!({"any_of": []}), "authorizer.any_of", "must not be empty; nobody could call the endpoint"),
        ("authorizer", json!({"type": "any_of"}), "authorizer.any_of", "is required"),
        ("authorizer", json!({"any_of": [{"type": "none"}]}), "authorizer.any_of[0].type", "`none` beside others would open the endpoint to all; use it alone or not"),
        ("authorizer", json!({"any_of": [{"any_of": []}]}), "authorizer.any_of[0].any_of", "cannot stand inside another `any_of`; write all in one list"),
        ("authorizer", json!({"any_of": [{}]}), "authorizer.any_of[0].type", "is required: `none`, `api_key` or `oidc`; or write `any_of`"),
        ("authorizer", json!({"any_of": ["oidc"]}), "authorizer.any_of[0]", "must be an object with `type: api_key` or `type: oidc`, not a string"),
    ] {
        check(
            &endpoint(json!({ member: value })),
            &[(&format!("endpoints[0].{place}"), message)],
        );
    }
    for (member, value) in [
        ("hosts", json!(["*"])),
        ("allow_from", json!([])),
        ("methods", json!(["POST", "VERSION-CONTROL"])),
        ("preflight", json!("allow")),
        ("forward_credential", json!(false)),
        ("authorizer", json!({"type": "any_of", "any_of": [{"type": "api_key", "keys": [{"client_id": "c", "key": "k-1"}]}]})),
    ] {
        check(&endpoint(json!({ member: value })), &[]);
    }
}

#[test]
#[rustfmt::skip]
fn every_mistake_in_an_api_key_has_its_place_and_its_message() {
    const NOT_AN_IDENTIFIER: &str =
        "must be 1 to 255 visible ASCII characters without comma, with spaces only inside";
    const UNPRESENTABLE: &str = "must be visible ASCII characters without white space and comma";
    const PLACEHOLDER: &str = "is a placeholder, not a key; `tenantgate key new` makes one";
    const NOT_A_DIGEST: &str =
        "must be a SHA-256 digest in 64 hexadecimal digits; `tenantgate key hash` makes one";
    let of_nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (members, place, message) in [
        (json!({"client_id": null, "key": "k-1"}), ".client_id", "is required"),
        (json!({"client_id": "", "key": "k-1"}), ".client_id", NOT_AN_IDENTIFIER),
        (json!({"client_id": "a,b", "key": "k-1"}), ".client_id", NOT_AN_IDENTIFIER),
        (json!({"client_id": 12, "key": "k-1"}), ".client_id", "must be a string, not a number; put it in quotes"),
        (json!({"tenant_id": " a", "key": "k-1"}), ".tenant_id", NOT_AN_IDENTIFIER),
        (json!({"user_id": "a\nb", "key": "k-1"}), ".user_id", NOT_AN_IDENTIFIER),
        (json!({}), "", "needs `key_sha256` or `key`"),
        (json!({"key": "k-1", "key_sha256": "00"}), "", "has both `key` and `key_sha256`; keep one, best `key_sha256`"),
        (json!({"key": ""}), ".key", "must not be empty"),
        (json!({"key": "a b"}), ".key", UNPRESENTABLE),
        (json!({"key": "a,b"}), ".key", UNPRESENTABLE),
        (json!({"key": "k-1\n"}), ".key", UNPRESENTABLE),
        (json!({"key": "schl\u{fc}ssel"}), ".key", UNPRESENTABLE),
        (json!({"key": "changeme"}), ".key", PLACEHOLDER),
        (json!({"key": "CHANGE-ME"}), ".key", PLACEHOLDER),
        (json!({"key": "<your-api-key>"}), ".key", PLACEHOLDER),
        (json!({"key": "xxxx"}), ".key", PLACEHOLDER),
        (json!({"key": 1234}), ".key", "must be a string or `{env: NAME}`, not a number"),
        (json!({"key": {"env": "OTHER"}}), ".key.env", "OTHER is not set in the VM's environment (`vm_config.environment_variables`)"),
        (json!({"key": {"env": ""}}), ".key.env", "must be the name of an environment variable"),
        (json!({"key": {"env": "A=B"}}), ".key.env", "must be the name of an environment variable"),
        (json!({"key": {}}), ".key.env", "is required"),
        (json!({"key": {"env": "KEY", "default": "x"}}), ".key.default", "unknown field; known here are `env`"),
        (json!({"key_sha256": "00"}), ".key_sha256", NOT_A_DIGEST),
        (json!({"key_sha256": {"env": "KEY"}}), ".key_sha256", "must be a string, not an object"),
        (json!({"key_sha256": of_nothing}), ".key_sha256", "is the digest of the empty text"),
        (json!({"key": "k-1", "expires_at": "2027-01-01"}), ".expires_at", "must be a time such as `2027-01-01T00:00:00Z` (RFC 3339)"),
        (json!({"key": "k-1", "expires_at": "2027-13-01T00:00:00Z"}), ".expires_at", "must be a time such as `2027-01-01T00:00:00Z` (RFC 3339)"),
        (json!({"key": "k-1", "expires_at": 1_800_000_000}), ".expires_at", "must be a string, not a number; put it in quotes"),
        (json!({"key": "k-1", "not_before": "now"}), ".not_before", "must be a time such as `2027-01-01T00:00:00Z` (RFC 3339)"),
        (json!({"key": "k-1", "not_before": "2027-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"}), ".expires_at", "must be later than `not_before`, or the key never holds"),
        (json!({"key": "k-1", "endpoints": []}), ".endpoints", "must not be empty; leave it out for any endpoint"),
        (json!({"key": "k-1", "endpoints": ["e", "other"]}), ".endpoints[1]", "no endpoint has this name"),
        (json!({"key": "k-1", "models": []}), ".models", "must not be empty; leave it out for any model"),
        (json!({"key": "k-1", "models": ["gpt-4o", "gpt*4"]}), ".models[1]", "must be the name of a model, or the beginning of one and `*`"),
        (json!({"key": "k-1", "tenant": "acme"}), ".tenant", "unknown field; known here are `client_id`, `key`, `key_sha256`, `tenant_id`, `user_id`, `not_before`, `expires_at`, `endpoints` and `models`"),
    ] {
        check(
            &key(members),
            &[(&format!("endpoints[0].authorizer.keys[0]{place}"), message)],
        );
    }
    for members in [
        json!({"key": "secret-key-value"}),
        json!({"key": {"env": "KEY"}}),
        json!({"key": "k-1", "expires_at": "2027-01-01T00:00:00+02:00"}),
        json!({"key": "k-1", "tenant_id": "acme corp", "user_id": "auth0|1"}),
    ] {
        check(&key(members), &[]);
    }
}

#[test]
#[rustfmt::skip]
fn every_mistake_in_an_issuer_has_its_place_and_its_message() {
    const BELOW: &str = "; without `jwks_uri`, keys are looked for below it";
    const NOT_A_DURATION: &str = "must be a duration with its unit, such as `60s`, `1m` or `500ms`";
    const SCALAR_OR_LIST: &str =
        "must be a string, a number, true, false, a list of these, or `{any_of: [...]}`, not null";
    for (member, value, place, message) in [
        ("issuer", json!(null), "issuer", "is required"),
        ("issuer", json!(""), "issuer", "must not be empty"),
        ("issuer", json!("idp.test"), "issuer", &*format!("is not an absolute URL{BELOW}")),
        ("issuer", json!("https://idp.test?a=b"), "issuer", &*format!("must not have a query{BELOW}")),
        ("issuer", json!("https://idp.test/#a"), "issuer", &*format!("must not have a fragment{BELOW}")),
        ("audience", json!(null), "audience", "is required"),
        ("audience", json!(""), "audience", "must not be empty"),
        ("audience", json!([]), "audience", "must not be empty; no token could be meant for this endpoint"),
        ("audience", json!(["a", ""]), "audience[1]", "must not be empty"),
        ("audience", json!([1]), "audience[0]", "must be a string, not a number; put it in quotes"),
        ("audience", json!(1), "audience", "must be a string or a list of strings, not a number"),
        ("jwks_uri", json!("/keys"), "jwks_uri", "is not an absolute URL"),
        ("jwks_uri", json!("https://a:b@idp.test/keys"), "jwks_uri", "must not hold a user name or password"),
        ("jwks_uri", json!("file:///keys"), "jwks_uri", "must begin with https:// (or http://, where the mesh encrypts)"),
        ("algorithms", json!([]), "algorithms", "must not be empty; leave it out for RS256"),
        ("algorithms", json!("RS256"), "algorithms", "must be a list, not a string"),
        ("algorithms", json!(["RS256", "RS256"]), "algorithms[1]", "is listed twice"),
        ("algorithms", json!(["none"]), "algorithms[0]", "means that tokens carry no signature: anyone could write one"),
        ("required_claims", json!([]), "required_claims", "must be an object, not a list"),
        ("required_claims", json!({"scp": null}), "required_claims.scp", SCALAR_OR_LIST),
        ("required_claims", json!({"scp": []}), "required_claims.scp", "must not be empty; it would require nothing"),
        ("required_claims", json!({"scp": [[]]}), "required_claims.scp[0]", "must be a string, a number, true or false, not a list"),
        ("required_claims", json!({"scp": {}}), "required_claims.scp.any_of", "is required"),
        ("required_claims", json!({"scp": {"any_of": []}}), "required_claims.scp.any_of", "must not be empty; no token could meet it"),
        ("required_claims", json!({"scp": {"any_of": "a"}}), "required_claims.scp.any_of", "must be a list, not a string"),
        ("required_claims", json!({"scp": {"any_of": ["a"], "all_of": []}}), "required_claims.scp.all_of", "unknown field; known here are `any_of`"),
        ("required_claims", json!({"": "a"}), r#"required_claims[""]"#, "must be a claim's name or a dotted path of names, such as `realm_access.roles`"),
        ("required_claims", json!({"a.b": []}), r#"required_claims["a.b"]"#, "must not be empty; it would require nothing"),
        ("tenant_claim", json!(""), "tenant_claim", "must be a claim's name or a dotted path of names, such as `realm_access.roles`"),
        ("user_claim", json!(["sub"]), "user_claim", "must be a string, not a list"),
        ("clock_skew", json!(60), "clock_skew", "must be a duration with its unit, such as `60s`, not a number"),
        ("clock_skew", json!("60"), "clock_skew", NOT_A_DURATION),
        ("clock_skew", json!("-1s"), "clock_skew", "must not be negative"),
        ("clock_skew", json!("1s ago"), "clock_skew", "must not be negative"),
        ("clock_skew", json!("301s"), "clock_skew", "must be at most 300s: tokens would be taken long after they have expired"),
        ("clock_skew", json!("10y"), "clock_skew", NOT_A_DURATION),
        ("clock_skew", json!("18446744073709551615s"), "clock_skew", NOT_A_DURATION),
        ("refresh", json!(30), "refresh", "must be a duration with its unit, such as `60s`, not a number"),
        ("refresh", json!("999ms"), "refresh", "must be from 1s to 24h"),
        ("max_stale", json!("59s"), "max_stale", "must be from 1m to 168h"),
        ("max_stale", json!("169h"), "max_stale", "must be from 1m to 168h"),
        ("refresh_cooldown", json!("-1s"), "refresh_cooldown", "must be from 1s to 1h"),
        ("fetch_timeout", json!("0s"), "fetch_timeout", "must be from 100ms to 30s"),
        ("fetch_timeout", json!("5"), "fetch_timeout", NOT_A_DURATION),
        ("audiences", json!([]), "audiences", "unknown field; did you mean `audience`?"),
        ("key_set", json!("a"), "key_set", "unknown field; known here are `issuer`, `audience`, `jwks_uri`, `algorithms`, `required_claims`, `tenant_claim`, `user_claim`, `clock_skew`, `refresh`, `max_stale`, `refresh_cooldown` and `fetch_timeout`"),
    ] {
        check(
            &oidc(json!({ member: value })),
            &[(&format!("endpoints[0].authorizer.oidc.{place}"), message)],
        );
    }
    for (algorithm, part) in [
        ("HS256", "is symmetric"),
        ("ES512", "P-521"),
        ("rs256", "names are case-sensitive"),
    ] {
        let problems = compile(oidc(json!({"algorithms": [algorithm]}))).unwrap_err();
        assert!(problems.to_string().contains(part), "{problems}");
    }
    for (member, value) in [
        ("clock_skew", json!("0s")),
        ("clock_skew", json!("5m")),
        ("clock_skew", json!("500ms")),
        ("refresh", json!("1s")),
        ("max_stale", json!("168h")),
        ("refresh_cooldown", json!("1h")),
        ("fetch_timeout", json!("100ms")),
        ("required_claims", json!({"a.b": 5, "c": true, "d": ["x", 1], "e": {"any_of": [false]}, "f": ""})),
        ("audience", json!(["a", "b"])),
        ("jwks_uri", json!("http://idp.test/keys?a=b")),
    ] {
        check(&oidc(json!({ member: value })), &[]);
    }
    // Where the keys are is known, so the issuer need not be a place.
    check(
        &oidc(json!({"issuer": "accounts.test", "jwks_uri": "https://idp.test/keys"})),
        &[],
    );
}

#[test]
#[rustfmt::skip]
fn every_mistake_in_a_place_has_its_place_and_its_message() {
    for (place, member, message) in [
        (json!({}), "", "needs either `header` or `query`"),
        (json!({"header": "x-key", "query": "key"}), "", "needs either `header` or `query`"),
        (json!({"scheme": "Bearer", "query": "key"}), ".scheme", "goes with `header`, not with `query`"),
        (json!({"header": ":path"}), ".header", "is not a header name"),
        (json!({"header": "x key"}), ".header", "is not a header name"),
        (json!({"header": "Cookie"}), ".header", "`cookie` cannot carry a credential"),
        (json!({"header": "host"}), ".header", "`host` cannot carry a credential"),
        (json!({"header": "x-envoy-peer"}), ".header", "`x-envoy-peer` cannot carry a credential"),
        (json!({"header": "X_Tenant_ID"}), ".header", "carries the identity to the model server, so what clients send in it is removed"),
        (json!({"header": "authorization", "scheme": "Be arer"}), ".scheme", "is not an authentication scheme, such as `Bearer`"),
        (json!({"header": "authorization", "scheme": ""}), ".scheme", "is not an authentication scheme, such as `Bearer`"),
        (json!({"query": ""}), ".query", "is not the name of a query parameter"),
        (json!({"headers": "x-key", "header": "x-key"}), ".headers", "unknown field; did you mean `header`?"),
        (json!("x-key"), "", "must be an object, not a string"),
    ] {
        check(
            &from(place),
            &[(&format!("endpoints[0].authorizer.from[0]{member}"), message)],
        );
    }
    let many = |places: Value| {
        let authorizer =
            json!({"type": "api_key", "keys": [{"client_id": "c", "key": "k-1"}], "from": places});
        endpoint(json!({ "authorizer": authorizer }))
    };
    for (places, member, message) in [
        (json!([]), "", "must not be empty; leave it out for the well-known places"),
        (json!([{"header": "X-Key"}, {"header": "x-key"}]), "[1]", "is listed twice"),
        ((0..65) .map(|n| json!({"header": format!("x-{n}")})) .collect(), "", "names more than 64 places together with the other authorizers of the endpoint"),
    ] {
        check(
            &many(places),
            &[(&format!("endpoints[0].authorizer.from{member}"), message)],
        );
    }
    let policy = compile(many(
        json!([{"header": "X-Key"}, {"header": "Authorization", "scheme": "Key"}, {"query": "k"}]),
    ));
    assert_eq!(
        guard(&policy.unwrap(), 0)
            .places
            .header_names()
            .collect::<Vec<_>>(),
        ["x-key", "authorization"]
    );
}
