use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::authorizer::cache::TokenCache;
use crate::config;
use crate::fetch::fake::Held;
use crate::gate::Request;

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 500_000_000);
const PATH: &str = "/v1/chat/completions";
const CHUNK: &str = r#"data: {"model":"m1-2026","choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const USAGE: &str =
    r#"data: {"model":"m1-2026","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;

/// What the proxy knows of a stream that has shown nothing.
struct Proxy;

impl Otherwise for Proxy {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn request_id(&self) -> String {
        "made-here".to_owned()
    }

    fn status(&self) -> Option<u16> {
        Some(499)
    }
}

fn policy() -> Policy {
    let keys = json!({ "type": "api_key", "keys": [
        { "client_id": "acme", "key": "any-model", "user_id": "ada" },
        { "client_id": "acme", "key": "model-m1-only", "models": ["m1"] },
    ] });
    let issuer =
        json!({ "type": "oidc", "oidc": { "issuer": "https://idp.test", "audience": "a" } });
    let endpoint = |name: &str, path: &str, authorizer: &Value| json!({ "name": name, "path": path, "authorizer": authorizer });
    let open = json!({ "type": "none" });
    let metered = |name: &str, path: &str, usage: &str| {
        let mut endpoint = endpoint(name, path, &open);
        endpoint["usage"] = usage.into();
        endpoint
    };
    let document = json!({ "endpoints": [
        endpoint("chat", PATH, &keys),
        endpoint("tokens", "/tokens", &issuer),
        metered("unread", "/unread/v1/chat/completions", "off"),
        metered("told", "/ours", "openai"),
        metered("told-again", "/ours/v1/chat/completions", "openai"),
    ] });
    config::compile(document, &|_: &str| None).unwrap()
}

fn head(key: &str, more: &[(&str, &str)]) -> RequestHead {
    let mut fields = vec![
        (":method", "POST"),
        (":path", PATH),
        (":authority", "api.test"),
        ("content-type", "application/json"),
        ("x-api-key", key),
    ];
    fields.retain(|(name, value)| !value.is_empty() && more.iter().all(|(other, _)| other != name));
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
    RequestHead::new(fields.iter().chain(more).map(owned).collect())
}

/// A request that has arrived and was decided about.
fn decided(policy: &Policy, head: &RequestHead) -> Account {
    let mut account = Account::default();
    account.arrived(head, NOW);
    let request = Request {
        head,
        source_address: || None,
        has_body: true,
    };
    let (mut fetched, mut cache) = (Held::default(), TokenCache::new(0));
    let mut decision = policy.decide(&request, &mut fetched, &mut cache, NOW);
    account.decided(&mut decision, head);
    account
}

fn answered(account: &mut Account, content_type: &'static str) {
    account.response_head(Some(200), &|name| {
        (name == "content-type").then(|| content_type.as_bytes().to_vec())
    });
}

fn line(account: &Account, policy: &Policy) -> Value {
    let line = account.close(policy, &Proxy).line();
    assert!(!line.contains('\n'), "{line}");
    serde_json::from_str(&line).unwrap()
}

#[test]
fn a_request_is_told_from_its_arrival_to_its_end() {
    let policy = policy();
    let head = head("any-model", &[("x-request-id", "r1")]);
    let mut account = decided(&policy, &head);
    assert!(account.wants_request_body());
    assert_eq!(account.request_body(br#"{"model":"m1"}"#), Ok(()));
    assert!(!account.wants_request_body(), "the document has ended");
    assert_eq!(account.request_ends(), Ok(()));
    answered(&mut account, "application/json");
    assert!(account.wants_response_body());
    let answer = br#"{"model":"m1-2026","usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
    let first = account.response_body(answer, || panic!("it is no stream"));
    assert_eq!(first, None);
    account.completed();
    account.ends();
    let closing = account.close(&policy, &Proxy);
    assert!(closing.is_allowed() && !closing.is_counted_late());
    let config_id = policy.config_id.as_str();
    assert_eq!(
        line(&account, &policy),
        json!({
            "ts": "2027-01-15T08:00:00Z", "tenant_id": "acme", "user_id": "ada", "client_id": "acme",
            "endpoint": PATH, "endpoint_name": "chat", "model": "m1", "served_model": "m1-2026",
            "input_tokens": 3, "output_tokens": 5, "cached_input_tokens": null, "reasoning_tokens": null,
            "usage_source": "reported", "request_id": "r1", "decision": "allow", "reason": null,
            "status": 200, "config_id": config_id,
        })
    );
}

#[test]
fn a_refused_request_is_told_with_its_reason_and_nothing_of_its_body_is_read() {
    let policy = policy();
    for (key, path, endpoint, reason) in [
        ("no-such-key", PATH, Some("chat"), "invalid_credential"),
        ("any-model", "/elsewhere", None, "unknown_endpoint"),
    ] {
        let mut account = decided(&policy, &head(key, &[(":path", path)]));
        assert!(!account.wants_request_body() && !account.is_watched());
        account.response_head(Some(403), &|_| None);
        assert!(!account.wants_response_body());
        let told = line(&account, &policy);
        assert_eq!(told["endpoint_name"], json!(endpoint));
        assert_eq!(
            (&told["decision"], &told["reason"], &told["tenant_id"]),
            (&json!("deny"), &json!(reason), &Value::Null)
        );
        assert!(account.close(&policy, &Proxy).identity().is_none());
    }
}

#[test]
fn a_request_that_waits_is_not_decided_about_and_what_it_never_showed_is_asked_for() {
    let policy = policy();
    // Unsigned: its keys are looked for first, and they are not there yet.
    let token = "Bearer eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkcC50ZXN0In0.AAAA";
    let waits = head("", &[(":path", "/tokens"), ("authorization", token)]);
    let mut account = decided(&policy, &waits);
    account.ends();
    let told = line(&account, &policy);
    assert_eq!(
        (&told["decision"], &told["reason"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (&told["status"], &told["request_id"]),
        (&json!(499), &json!("made-here"))
    );
    assert_eq!(told["ts"], "2027-01-15T08:00:00Z");
    // A stream that ends before its head has no time of its own either.
    let told = line(&Account::default(), &policy);
    assert_eq!(told["ts"], "1970-01-01T00:00:00Z");
}

#[test]
fn a_request_id_is_told_as_long_as_it_is_no_longer_than_one() {
    let policy = policy();
    let long = "r".repeat(MAX_REQUEST_ID_BYTES);
    let longer = format!("{long}r");
    for (id, expected) in [
        (long.as_str(), long.as_str()),
        (longer.as_str(), "made-here"),
        ("", "made-here"),
    ] {
        let account = decided(&policy, &head("any-model", &[("x-request-id", id)]));
        assert_eq!(line(&account, &policy)["request_id"], expected);
    }
}

#[test]
fn the_first_bytes_of_a_stream_tell_how_long_it_took_and_no_others_do() {
    let policy = policy();
    let mut account = decided(&policy, &head("any-model", &[]));
    answered(&mut account, "text/event-stream");
    let later = || {
        NOW.saturating_add(SignedDuration::from_millis(250))
            .unwrap()
    };
    assert_eq!(account.response_body(b"", later), None);
    let first = account.response_body(CHUNK.as_bytes(), later);
    assert_eq!(first.map(|first| first.milliseconds), Some(250));
    assert_eq!(account.response_body(b"\n\n", later), None);
    // A clock that was set back meanwhile makes no time of it.
    let mut account = decided(&policy, &head("any-model", &[]));
    answered(&mut account, "text/event-stream");
    let first = account.response_body(CHUNK.as_bytes(), || Timestamp::UNIX_EPOCH);
    assert_eq!(first.map(|first| first.milliseconds), Some(0));
}

#[test]
fn what_a_call_uses_is_read_where_the_operator_wants_it_and_as_what_they_say() {
    let policy = policy();
    for (path, coding, expected) in [
        (PATH, None, (json!(5), json!("reported"))),
        (PATH, Some("br"), (Value::Null, json!("compressed"))),
        (
            "/unread/v1/chat/completions",
            None,
            (Value::Null, Value::Null),
        ),
        ("/ours", None, (json!(5), json!("reported"))),
        (
            "/ours/v1/chat/completions",
            None,
            (json!(5), json!("reported")),
        ),
    ] {
        let mut account = decided(&policy, &head("any-model", &[(":path", path)]));
        account.response_head(Some(200), &|name| match name {
            "content-type" => Some(b"application/json".to_vec()),
            "content-encoding" => coding.map(|coding| coding.as_bytes().to_vec()),
            _ => None,
        });
        let answer = br#"{"usage":{"prompt_tokens":3,"completion_tokens":5}}"#;
        account.response_body(answer, || NOW);
        account.completed();
        let told = line(&account, &policy);
        let found = (told["output_tokens"].clone(), told["usage_source"].clone());
        assert_eq!(found, expected, "{path} {coding:?}");
    }
}

#[test]
fn a_stream_that_was_cut_short_tells_what_had_been_reported() {
    let policy = policy();
    for (is_complete, expected) in [(true, ("reported", 5)), (false, ("partial", 2))] {
        let mut account = decided(&policy, &head("any-model", &[]));
        answered(&mut account, "text/event-stream");
        account.response_body(format!("{CHUNK}\n\n").as_bytes(), || NOW);
        if is_complete {
            account.response_body(format!("{USAGE}\n\ndata: [DONE]\n\n").as_bytes(), || NOW);
            account.completed();
        }
        let told = line(&account, &policy);
        let (source, output) = expected;
        assert_eq!(told["usage_source"], source);
        assert_eq!(told["output_tokens"], output);
    }
}

#[test]
fn a_body_that_names_a_model_out_of_reach_is_refused_and_counted_when_that_is_known() {
    let policy = policy();
    let limited = || decided(&policy, &head("model-m1-only", &[]));

    let mut account = limited();
    assert!(account.is_watched() && account.wants_request_body());
    assert_eq!(account.request_body(br#"{"model":"m1"}"#), Ok(()));
    assert_eq!(account.request_ends(), Ok(()));
    let closing = account.close(&policy, &Proxy);
    assert!(closing.is_allowed() && closing.is_counted_late());

    for body in [&br#"{"model":"m2"}"#[..], b"not JSON"] {
        let mut account = limited();
        let verdict = account
            .request_body(body)
            .and_then(|()| account.request_ends());
        assert_eq!(verdict, Err(Denial::ModelNotAllowed));
        assert!(!account.is_watched(), "it was judged");
        let closing = account.close(&policy, &Proxy);
        assert_eq!(closing.reason(), Some("model_not_allowed"));
        assert!(closing.is_counted_late());
    }

    // The client left before its body told: nobody decided.
    let mut account = limited();
    assert_eq!(account.request_body(br#"{"mod"#), Ok(()));
    account.ends();
    let closing = account.close(&policy, &Proxy);
    assert!(!closing.is_allowed() && !closing.is_counted_late());
    assert_eq!(closing.reason(), None);
}
