//! The page for people, in a browser.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::harness::envoy::Edit;
use super::harness::evidence::{Desk, evidence};
use super::harness::issuer::AUDIENCE;
use super::harness::process::repository;
use super::harness::{Envoy, Issuer, Upstream};
use super::{KEY, cors, endpoints, log, pack, plugin, setup};

/// Pictures go to `target/evidence-page/`, for eyes.
#[test]
fn the_page_is_read_by_everybody_wide_narrow_dark_printed_and_without_scripts() {
    let (issuer, upstream, desk) = (Issuer::start(), Upstream::start(), Desk::new());
    let mut envoy = Envoy::start(setup(&issuer, &upstream).live().beside(cors()));
    let question = json!({ "model": "gpt-4o", "messages": [] });
    envoy
        .post("/v1/chat/completions", &question)
        .bearer(KEY)
        .send()
        .admitted();
    envoy
        .post("/v1/chat/completions", &question)
        .send()
        .refused(401, "missing_credential");
    let log = log(&envoy, &desk, 2);
    pack(&envoy, &desk, "before", &[]).ended(0, "3 ways lead");
    let mut edited = endpoints();
    edited[0]["path"] = json!("/health");
    edited[2]["allow_from"] = json!(["127.0.0.0/8", "10.0.0.0/8"]);
    edited.as_array_mut().expect("endpoints").push(json!({
        "name": "either-a-key-or-a-token-of-somebody", "hosts": ["*.models.example.com"], "path": "/v1/either/{model=**}",
        "allow_from": ["10.0.0.0/8", "127.0.0.0/8", "2001:db8::/32"],
        "authorizer": { "any_of": [
            { "type": "api_key", "keys": [{ "client_id": "<b>app</b>", "key": "another" }] },
            { "type": "oidc", "oidc": { "issuer": "https://issuer.test", "audience": AUDIENCE, "required_claims": { "scope": ["use"] } } },
        ] },
    }));
    assert_eq!(envoy.apply(plugin(&edited)), Edit::Applied);
    // Half of what is asked gets through, for the page to say so.
    let old = desk.write("edited.json", &plugin(&edited).to_string());
    let before = desk.path("before");
    let url = format!("http://{}", envoy.address_beside());
    let answer = evidence(&[
        "--config",
        &old,
        "--admin",
        &envoy.admin_url(),
        "--url",
        &url,
        "--access-log",
        &log,
        "--previous",
        &before,
        "--out",
        &desk.path("pack"),
        "--date",
        "2026-05-15",
    ]);
    assert_eq!(answer.status, Some(1), "{}", answer.stderr);

    let pictures = repository().join("target/evidence-page");
    let output = Command::new("node")
        .arg(repository().join("tests/evidence-page/page.mjs"))
        .arg(desk.at("pack/report-2026-05-15.html"))
        .arg(&pictures)
        .output()
        .expect("node: run scripts/setup");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seen: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for what in ["complaints", "violations", "outside"] {
        assert_eq!(seen[what], json!([]), "{what}");
    }
    assert!(
        seen["checked"].as_u64() > Some(60),
        "axe-core found nothing to check: {seen}"
    );
    let requests = seen["requests"].as_array().expect("requests");
    assert!(
        requests
            .iter()
            .all(|url| url.as_str().expect("a URL").starts_with("file:")),
        "{requests:?}"
    );
    let text = seen["text"].as_str().expect("the text of the page");
    for said in [
        "requests were NOT denied.",
        "listener beside, all: prefix /v1/",
        "protection lost",
        "either-a-key-or-a-token-of-somebody",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    for picture in [
        "wide.png",
        "narrow.png",
        "dark.png",
        "printed.png",
        "printed.pdf",
    ] {
        assert!(
            fs::metadata(pictures.join(picture)).expect(picture).len() > 10_000,
            "{picture}"
        );
    }
}
