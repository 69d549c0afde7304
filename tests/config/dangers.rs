//! CFG-01 to CFG-04: what is mistyped, what is dangerous, what holds where nothing is said, and what a narrower rule takes
//! away from a wider one.

use serde_json::{Value, json};
use tenantgate::config;
use tenantgate::denial::Denial;
use tenantgate::policy::Policy;
use tenantgate::request::RequestHead;

use super::{check, compile, endpoint, environment, oidc};

#[test]
fn cfg_01_a_typo_a_duplicate_and_a_wrong_type_are_each_refused_with_their_place() {
    check(
        &oidc(json!({"algoritms": ["RS256"]})),
        &[(
            "endpoints[0].authorizer.oidc.algoritms",
            "unknown field; did you mean `algorithms`?",
        )],
    );
    check(
        &oidc(json!({"clock_skew": "60"})),
        &[(
            "endpoints[0].authorizer.oidc.clock_skew",
            "must be a duration with its unit, such as `60s`, `1m` or `500ms`",
        )],
    );
    check(
        &endpoint(json!({"preflight": "allow", "allow_missing": true})),
        &[(
            "endpoints[0].allow_missing",
            "unknown field; known here are `name`, `hosts`, `path`, `methods`, `allow_from`, `authorizer`, `preflight`, `upstream_auth`, `forward_credential`, `usage` and `allow_encoded_slash`",
        )],
    );
    let twice = |second: &str| {
        format!(
            r#"{{"endpoints":[{{"name":"e","path":"/e","preflight":"allow",{second}"authorizer":{{"type":"none"}}}}]}}"#
        )
    };
    let refused = config::load(twice(r#""preflight":"allow","#).as_bytes(), &environment);
    let problems = refused.unwrap_err().to_string();
    assert!(problems.contains("a member is named twice"), "{problems}");
    assert!(config::load(twice("").as_bytes(), &environment).is_ok());
    for good in [
        json!({"clock_skew": "60s"}),
        json!({"algorithms": ["RS256"]}),
    ] {
        check(&oidc(good), &[]);
    }
}

/// Which of them are errors, and which are what they say: the latter are explicit, and `tenantgate check` warns.
#[test]
fn cfg_02_what_would_weaken_the_gate_is_refused_or_has_to_be_written_out() {
    for (members, place, part) in [
        (json!({"audience": null}), "audience", "is required"),
        (json!({"audience": []}), "audience", "must not be empty"),
        (json!({"issuer": null}), "issuer", "is required"),
        (
            json!({"algorithms": ["HS256"]}),
            "algorithms[0]",
            "is symmetric",
        ),
        (
            json!({"algorithms": ["none"]}),
            "algorithms[0]",
            "no signature",
        ),
        (json!({"algorithms": []}), "algorithms", "must not be empty"),
        (json!({"clock_skew": "301s"}), "clock_skew", "at most 300s"),
        (
            json!({"required_claims": {"scp": []}}),
            "required_claims.scp",
            "must not be empty",
        ),
    ] {
        let problems = compile(oidc(members)).unwrap_err();
        let place = format!("endpoints[0].authorizer.oidc.{place}");
        let found = problems
            .iter()
            .any(|problem| problem.path == place && problem.message.contains(part));
        assert!(found, "{place}: {problems}");
    }
    check(&oidc(json!({"clock_skew": "300s"})), &[]);
    let open = |members| compile(endpoint(members)).unwrap();
    // An empty list of sources lets nobody in.
    let nobody = open(json!({"allow_from": []}));
    let list = nobody.endpoints.iter().next().unwrap().allow_from.as_ref();
    assert!(!list.unwrap().contains("127.0.0.1".parse().unwrap()));
    // Beside a rule for everything and everybody, a guarded one stays guarded.
    let mut all = endpoint(json!({"path": "/**"}));
    let guarded = oidc(json!({}))["endpoints"][0].clone();
    all["endpoints"].as_array_mut().unwrap().push(guarded);
    all["endpoints"][1]["name"] = json!("guarded");
    let policy = compile(all).unwrap();
    assert_eq!(addressed(&policy, "/e").as_deref(), Some("guarded"));
    assert_eq!(addressed(&policy, "/f").as_deref(), Some("e"));
}

/// The name of the endpoint that a GET of that path addresses.
fn addressed(policy: &Policy, path: &str) -> Option<String> {
    let fields = [
        (":method", "GET"),
        (":authority", "a.test"),
        (":path", path),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let head = RequestHead::new(fields.into());
    let found: Result<_, Denial> = policy.endpoints.find(&head);
    found
        .unwrap()
        .map(|addressed| addressed.endpoint.name.clone())
}

/// Rules do not merge: the most specific one decides by itself, and has to say all that it wants.
#[test]
fn cfg_04_a_narrower_rule_inherits_nothing_and_cannot_leave_the_authorizer_out() {
    let api_key = json!({"type": "api_key", "keys": [{"client_id": "c", "key": "k-1"}]});
    let two = |narrower: Value| {
        json!({"endpoints": [
            {"name": "wide", "path": "/v1/**", "allow_from": ["10.0.0.0/8"], "authorizer": api_key},
            narrower,
        ]})
    };
    for (authorizer, place, message) in [
        (
            Value::Null,
            "endpoints[1].authorizer",
            "must be an object such as `{type: none}`, not null",
        ),
        (
            json!({}),
            "endpoints[1].authorizer.type",
            "is required: `none`, `api_key` or `oidc`; or write `any_of`",
        ),
        (
            json!({"type": "api_key", "keys": []}),
            "endpoints[1].authorizer.keys",
            "must not be empty; nobody could call the endpoint",
        ),
    ] {
        let narrower = json!({"name": "narrow", "path": "/v1/chat", "authorizer": authorizer});
        check(&two(narrower), &[(place, message)]);
    }
    check(
        &two(json!({"name": "narrow", "path": "/v1/chat"})),
        &[("endpoints[1].authorizer", "is required")],
    );
    // The same path twice: nothing tells which of them holds, so none does.
    check(
        &two(json!({"name": "narrow", "path": "/v1/**", "authorizer": {"type": "none"}})),
        &[(
            "endpoints[1]",
            "answers the same host, path and method as endpoint `wide`",
        )],
    );
    let policy = compile(two(
        json!({"name": "narrow", "path": "/v1/chat", "authorizer": api_key}),
    ));
    let policy = policy.unwrap();
    for (path, name) in [
        ("/v1/chat", "narrow"),
        ("/v1/chat/", "wide"),
        ("/v1/chat/x", "wide"),
        ("/v1/Chat", "wide"),
    ] {
        assert_eq!(addressed(&policy, path).as_deref(), Some(name), "{path}");
    }
    let narrow = policy
        .endpoints
        .iter()
        .find(|endpoint| endpoint.name == "narrow");
    assert!(narrow.unwrap().allow_from.is_none(), "it does not inherit");
}
