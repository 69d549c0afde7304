//! Clients that vanish at every stage, over HTTP/1 and HTTP/2: PRO-11.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::h2::{self, Fields};
use crate::harness::issuer::Issuer;
use crate::harness::line::{Fault, Line};
use crate::harness::provider::{Provider, TOKEN_PATH};
use crate::harness::wire::Wire;
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, by_key, by_token, comes_to_rest};

/// So many vanish together, every other one by a reset of HTTP/2.
const CROWD: u64 = 10;

/// Where clients vanish.
struct Stage {
    name: &'static str,
    path: &'static str,
    /// The beginning of a body of which the end never comes.
    body: Option<&'static str>,
    /// What has fallen silent meanwhile: a line's place, and how.
    silent: Option<(usize, Fault)>,
    /// The model server has been asked.
    is_upstream: bool,
    /// They have got a head.
    is_answered: bool,
    decision: Value,
}

const ISSUER: usize = 0;
const AUTH: usize = 1;
const MODEL: usize = 2;

fn stages() -> Vec<Stage> {
    let stage = |name, path, body, silent: Option<(usize, Fault)>| Stage {
        name,
        path,
        body,
        silent,
        is_upstream: path == "/chat",
        is_answered: silent == Some((MODEL, Fault::HeadOnly)),
        decision: if path == "/chat" {
            json!("allow")
        } else {
            Value::Null
        },
    };
    vec![
        stage("for keys", "/infer", None, Some((ISSUER, Fault::Mute))),
        stage(
            "for keys, in the body",
            "/infer",
            Some("{"),
            Some((ISSUER, Fault::Mute)),
        ),
        stage("for a token", "/lent", None, Some((AUTH, Fault::Mute))),
        stage("after the head", "/chat", Some(""), None),
        stage("in the body", "/chat", Some(r#"{"model": "#), None),
        stage("for an answer", "/chat", None, Some((MODEL, Fault::Mute))),
        stage(
            "in the answer",
            "/chat",
            None,
            Some((MODEL, Fault::HeadOnly)),
        ),
    ]
}

/// A client that has come as far as it will.
fn client(envoy: &Envoy, stage: &Stage, credential: &str, is_h2: bool) -> Wire {
    let bearer = format!("Bearer {credential}");
    let mut wire = if is_h2 {
        let mut fields: Fields<'_> = h2::get(stage.path);
        if stage.body.is_some() {
            fields[0] = (":method", b"POST");
        }
        fields.push(("authorization", bearer.as_bytes()));
        h2::begin(envoy, &fields, stage.body.map(str::as_bytes))
    } else {
        let mut wire = envoy.wire();
        let bearer = format!("authorization: {bearer}");
        let length = b"content-length: 1000".as_slice();
        match stage.body {
            None => wire.request("GET", stage.path, &[bearer.as_bytes()]),
            Some(body) => {
                wire.request("POST", stage.path, &[bearer.as_bytes(), length])
                    && wire.send(body.as_bytes())
            }
        };
        wire
    };
    if stage.is_answered && is_h2 {
        h2::until_head(&mut wire).expect("a head");
    } else if stage.is_answered {
        wire.until("\r\n\r\n").expect("a head");
    }
    wire
}

#[test]
fn pro_11_and_key_25_who_vanishes_at_whatever_stage_leaves_one_line_and_nothing_else() {
    let (issuer, provider, upstream) = (
        Issuer::start(),
        Provider::start(Duration::from_hours(1)),
        Upstream::start(),
    );
    let mut lines = [issuer.address(), provider.address(), upstream.address()].map(Line::to);
    let mut lent = by_key("/lent");
    lent["upstream_auth"] = json!({
        "type": "oauth2_client_credentials", "token_url": format!("https://auth.test{TOKEN_PATH}"),
        "client_id": "gate", "client_secret": "secret", "fetch_timeout": "30s",
    });
    let patient = json!({ "fetch_timeout": "30s" });
    let plugin =
        json!({ "endpoints": [by_key("/chat"), by_token("/infer", issuer.url(), patient), lent] });
    // What is waited for is silent from the start, or it would be there before anybody waits.
    lines[ISSUER].breaks(Fault::Mute);
    lines[AUTH].breaks(Fault::Mute);
    let setup = Setup::with(plugin)
        .model(lines[MODEL].address())
        .cluster("issuer.test", lines[ISSUER].address())
        .cluster("auth.test", lines[AUTH].address());
    let mut envoy = Envoy::start(setup);
    let mut logged = 0;

    let mut stages = stages().into_iter().peekable();
    while let Some(stage) = stages.next() {
        let name = stage.name;
        let resets = envoy.stat("cluster.model.upstream_cx_destroy_local_with_active_rq");
        if let Some((line, fault)) = stage.silent {
            lines[line].breaks(fault);
        }
        let credential = match stage.path {
            "/infer" => issuer.token("acme"),
            _ => KEY.to_owned(),
        };
        let crowd: Vec<_> = (0..CROWD)
            .map(|n| (n % 2 == 1, client(&envoy, &stage, &credential, n % 2 == 1)))
            .collect();
        let gauge = if stage.is_upstream {
            "cluster.model.upstream_rq_active"
        } else {
            "http.gate.downstream_rq_active"
        };
        envoy.wait_for_stat(gauge, CROWD);
        for (is_h2, mut wire) in crowd {
            if is_h2 {
                h2::cancel(&mut wire);
            }
        }
        comes_to_rest(&mut envoy);

        logged += usize::try_from(CROWD).expect("a few");
        let entries = envoy.access_log(logged);
        assert_eq!(entries.len(), logged, "{name}: one line each");
        for entry in &entries[entries.len() - usize::try_from(CROWD).expect("a few")..] {
            assert!(
                matches!(entry["flags"].as_str(), Some("DC" | "DR")),
                "{name}: {entry}"
            );
            let line: Value =
                serde_json::from_str(entry["log"].as_str().expect("a line")).expect("JSON");
            assert_eq!(line["decision"], stage.decision, "{name}: {line}");
            assert_eq!(line["reason"], Value::Null, "{name}: {line}");
        }
        // The model server is told, where it had been asked.
        let told = envoy.stat("cluster.model.upstream_cx_destroy_local_with_active_rq") - resets;
        assert_eq!(told, if stage.is_upstream { CROWD } else { 0 }, "{name}");

        println!("{name:<22} {CROWD} lines, {told} told upstream");
        // The worker serves, by what the others waited for as well.
        if stages
            .peek()
            .is_some_and(|next| next.silent == stage.silent && stage.silent.is_some())
        {
            continue;
        }
        if let Some((line, _)) = stage.silent {
            lines[line].mends();
        }
        let answer = envoy.get(stage.path).bearer(&credential).send();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        logged += 1;
    }
    assert_eq!((issuer.jwks_hits(), provider.asked().len()), (1, 1));
    comes_to_rest(&mut envoy);
}
