//! The model server, killed and stalled with requests at it: Envoy answers for it, the line of the access log is whole, and
//! it is asked again as soon as it is back.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::line::{Fault, Line};
use crate::harness::upstream::Reply;
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, by_key, comes_to_rest};

/// How Envoy ends a call that is not answered; an operator with streams would bound their silence.
const TIMEOUT: Duration = Duration::from_secs(2);

#[test]
fn flo_01_a_model_server_that_is_killed_or_stalled_is_envoys_to_answer_for_and_nobody_elses_harm() {
    let upstream = Upstream::start();
    upstream.replies(Reply {
        body: Some(vec![b'x'; 4096]),
        ..Reply::default()
    });
    let mut line = Line::to(upstream.address());
    let routes = json!([{ "name": "all", "domains": ["*"], "routes": [{
        "match": { "prefix": "/" },
        "route": { "cluster": "model", "timeout": format!("{}s", TIMEOUT.as_secs()) },
    }] }]);
    let setup = Setup::with(json!({ "endpoints": [by_key("/chat")] }))
        .model(line.address())
        .virtual_hosts(routes);
    let mut envoy = Envoy::start(setup);
    let field = format!("authorization: Bearer {KEY}");
    let mut lines = 0;

    for (fault, status, flags) in [
        (Fault::Dead, 503, &["UF", "UC"][..]),
        (Fault::Mute, 504, &["UT"]),
        // The head is out already, so the client sees the end of the connection.
        (Fault::HeadOnly, 200, &["UT"]),
        (Fault::Drips, 504, &["UT"]),
    ] {
        envoy.get("/chat").bearer(KEY).send().admitted();
        line.breaks(fault);
        let since = Instant::now();
        let mut called: Vec<_> = (0..5).map(|_| envoy.wire()).collect();
        for wire in &mut called {
            assert!(wire.request("GET", "/chat", &[field.as_bytes()]));
        }
        // Who may not come is told so at once, whatever becomes of the others.
        envoy
            .get("/chat")
            .bearer("a-guess")
            .send()
            .refused(401, "invalid_credential");
        assert!(
            since.elapsed() < TIMEOUT,
            "{fault:?}: {:?}",
            since.elapsed()
        );
        for wire in &mut called {
            let answer = wire.answer();
            match answer {
                // No word of the filter's: the reason is Envoy's.
                Some(answer) => {
                    assert_eq!(answer.status, status, "{fault:?}: {}", answer.text());
                    for name in ["x-tenant-id", "authorization", "www-authenticate"] {
                        assert_eq!(answer.header(name), None, "{fault:?}");
                    }
                }
                None => assert_eq!(fault, Fault::HeadOnly),
            }
        }
        let took = since.elapsed();
        assert!(took < 5 * TIMEOUT, "{fault:?}: {took:?}");

        line.mends();
        let mended = Instant::now();
        let mut asked = 0;
        while envoy.get("/chat").bearer(KEY).send().status != 200 {
            asked += 1;
            assert!(mended.elapsed() < Duration::from_secs(10), "{fault:?}");
        }
        println!(
            "{fault:?}: told within {took:.1?}, served {:.1?} after it was mended",
            mended.elapsed()
        );

        let entries = envoy.access_log(lines + 8 + asked);
        let failed: Vec<_> = entries[lines..]
            .iter()
            .filter(|entry| flags.iter().any(|flag| entry["flags"] == *flag))
            .collect();
        assert!(failed.len() >= 5, "{fault:?}: {entries:#?}");
        for entry in failed {
            let line: Value =
                serde_json::from_str(entry["log"].as_str().expect("a line")).expect("JSON");
            assert_eq!(
                (&line["decision"], &line["tenant_id"], &line["reason"]),
                (&json!("allow"), &json!("acme"), &Value::Null),
                "{fault:?}: {line}"
            );
            assert_eq!(line["status"], entry["status"], "{fault:?}");
        }
        lines = entries.len();
    }
    comes_to_rest(&mut envoy);
}
