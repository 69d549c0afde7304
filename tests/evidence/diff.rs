//! What is said to have changed between two packs.

use super::GATE;
use super::command::{Desk, evidence};

#[test]
fn two_packs_of_one_configuration_differ_in_nothing() {
    let desk = Desk::new();
    let (old, new) = (
        desk.pack("old", GATE, "2026-02-15"),
        desk.pack("new", GATE, "2026-05-15"),
    );
    let said = evidence(&["diff", &old, &new, "--strict"]).good();
    assert!(
        said.contains("from 2026-02-15") && said.ends_with(": 0 changes\n"),
        "{said}"
    );
}

#[test]
fn what_was_lost_fails_and_what_only_changed_does_not() {
    let key =
        r#"keys: [{ client_id: app, key: sk-CANARY-key, expires_at: "2027-01-01T00:00:00Z" }]"#;
    let open = "authorizer: { type: none }\n  # ";
    for (what, from, to, status, said) in [
        (
            "opened",
            "authorizer: { type: api_key",
            open,
            1,
            "protection lost: endpoint chat was opened: anyone may call it",
        ),
        (
            "a new open one",
            "endpoints:",
            "endpoints:\n- { name: new, path: /new, authorizer: { type: none } }",
            1,
            "protection lost: new endpoint new (/new) is open: anyone may call it",
        ),
        (
            "a new guarded one",
            "endpoints:",
            "endpoints:\n- { name: new, path: /new, authorizer: { type: api_key, keys: [{ client_id: newcomer, key: n3w }] } }",
            0,
            "changed: new endpoint new (/new)",
        ),
        (
            "unmatched",
            "endpoints:",
            "unmatched: pass\nendpoints:",
            1,
            "protection lost: requests that address no endpoint now pass",
        ),
        (
            "a source more",
            "10.0.0.0/8, ",
            "10.0.0.0/8, 192.0.2.0/24, ",
            1,
            "protection lost: endpoint chat may now be called from 192.0.2.0/24",
        ),
        (
            "a wider source",
            "10.0.0.0/8",
            "0.0.0.0/0",
            1,
            "protection lost: endpoint chat may now be called from 0.0.0.0/0",
        ),
        (
            "a narrower source",
            "10.0.0.0/8",
            "10.1.0.0/16",
            0,
            "protection gained: endpoint chat may no longer be called from all of 10.0.0.0/8",
        ),
        (
            "no sources",
            "allow_from: [10.0.0.0/8, 127.0.0.0/8]",
            "preflight: allow",
            1,
            "protection lost: endpoint chat has no source list any more",
        ),
        (
            "preflights",
            "methods: [POST]",
            "methods: [POST]\n  preflight: allow",
            1,
            "protection lost: endpoint infer lets CORS preflights through",
        ),
        (
            "no end",
            ", expires_at: \"2027-01-01T00:00:00Z\"",
            "",
            1,
            "no longer expires",
        ),
        (
            "a later end",
            "2027-01",
            "2028-01",
            1,
            "holds longer than before",
        ),
        (
            "an earlier end",
            "2027-01",
            "2026-12",
            0,
            "protection gained: endpoint chat: key",
        ),
        (
            "the same end in another zone",
            "2027-01-01T00:00:00Z",
            "2027-01-01T01:00:00+01:00",
            0,
            ": 0 changes",
        ),
        (
            "another key",
            key,
            "keys: [{ client_id: app, key: other }]",
            0,
            "changed: endpoint chat: new key sha256:",
        ),
        (
            "no claim",
            ", required_claims: { scope: [use] }",
            "",
            1,
            "claim scope is not required any more",
        ),
        (
            "another claim",
            "[use]",
            "[use, write]",
            0,
            "claim scope must be [\"use\",\"write\"]; before: [\"use\"]",
        ),
        (
            "another audience",
            "audience: api",
            "audience: [api, more]",
            0,
            "audience is [\"api\",\"more\"]; before: [\"api\"]",
        ),
        (
            "another issuer",
            "https://issuer.example.com",
            "https://evil.example.com",
            0,
            "now takes tokens of https://evil.example.com",
        ),
        (
            "a credential for the provider",
            "methods: [POST]",
            "methods: [POST]\n  upstream_auth: { type: bearer, token: CANARY }",
            0,
            "upstream_auth.token is \"[redacted]\"; before: nothing",
        ),
        (
            "another path",
            "/v1/chat",
            "/v2/chat",
            0,
            "changed: endpoint chat: path is \"/v2/chat\"; before: \"/v1/chat\"",
        ),
    ] {
        let desk = Desk::new();
        assert!(GATE.contains(from), "{what}");
        let old = desk.pack("old", GATE, "2026-02-15");
        let new = desk.pack("new", &GATE.replacen(from, to, 1), "2026-05-15");
        let answer = evidence(&["diff", &old, &new]);
        assert_eq!(
            answer.status,
            Some(status),
            "{what}: {}{}",
            answer.stdout,
            answer.stderr
        );
        assert!(answer.stdout.contains(said), "{what}: {}", answer.stdout);
        assert!(
            !answer.stdout.contains("CANARY"),
            "{what}: {}",
            answer.stdout
        );
        if !said.contains(": 0 changes") {
            assert_eq!(
                evidence(&["diff", &old, &new, "--strict"]).status,
                Some(1),
                "{what}"
            );
        }
    }
}

#[test]
fn what_was_lost_comes_first_and_is_on_the_page() {
    let desk = Desk::new();
    let old = desk.pack("old", GATE, "2026-02-15");
    let edited = GATE
        .replace("/v1/models", "/v2/models")
        .replace("allow_from: [10.0.0.0/8, 127.0.0.0/8]", "usage: off");
    let config = desk.write("new.yaml", &edited);
    let out = desk.path("new");
    evidence(&["--config", &config, "--out", &out, "--previous", &old]).good();
    let said = evidence(&["diff", &old, &out]).stdout;
    let first = said.lines().nth(1).unwrap();
    assert!(
        first.starts_with("  protection lost: endpoint chat has no source list"),
        "{said}"
    );
    let pages = super::command::files(&out);
    let (_, page) = pages
        .iter()
        .find(|(name, _)| name.starts_with("report"))
        .unwrap();
    assert!(
        page.contains("<strong>protection lost</strong>: endpoint chat has no source list"),
        "{page}"
    );
}

#[test]
fn cfg_04_a_route_that_turns_the_gate_off_is_a_loss_and_its_end_a_gain() {
    let gate = include_str!("gate.yaml");
    let chat = "- match: { prefix: /v1/chat/ }\n                route: { cluster: openai }\n";
    assert!(gate.contains(chat));
    let off = "                typed_per_filter_config:\n                  gate: { \"@type\":                type.googleapis.com/envoy.config.route.v3.FilterConfig, disabled: true }\n";
    let around = gate.replace(chat, &format!("{chat}{off}"));
    let refused =
        "              - match: { prefix: /v2/ }\n                route: { cluster: vllm }\n";
    assert!(gate.contains(refused));
    let fewer = gate.replace(refused, "");
    let desk = Desk::new();
    let packs = [("gate", gate), ("around", &around), ("fewer", &fewer)].map(|(name, text)| {
        let (config, out) = (desk.write(&format!("{name}.yaml"), text), desk.path(name));
        // It says itself that there are ways around this gate.
        let _ = evidence(&["--config", &config, "--out", &out, "--date", "2026-05-15"]);
        out
    });
    let [gate, around, fewer] = packs;
    for (old, new, status, said) in [
        (
            &gate,
            &around,
            1,
            "protection lost: new gap: listener public",
        ),
        (
            &around,
            &gate,
            0,
            "protection gained: gap closed: listener public",
        ),
        (&gate, &fewer, 0, "changed: gap closed: listener public"),
        (&fewer, &gate, 0, "changed: new gap: listener public"),
    ] {
        let answer = evidence(&["diff", old, new]);
        assert_eq!(answer.status, Some(status), "{}", answer.stdout);
        assert!(answer.stdout.contains(said), "{said}: {}", answer.stdout);
    }
}

#[test]
fn a_pack_that_does_not_verify_is_not_compared() {
    let desk = Desk::new();
    let (old, new) = (
        desk.pack("old", GATE, "2026-02-15"),
        desk.pack("new", GATE, "2026-05-15"),
    );
    let name = "old/gateway-auth-config-2026-02-15.json";
    let text = std::fs::read_to_string(desk.at(name)).unwrap();
    desk.write(name, &text.replace("\"deny\"", "\"pass\""));
    evidence(&["diff", &old, &new]).ended(1, "was changed: its digest is not that of the manifest");
    evidence(&["diff", &desk.path("nowhere"), &new]).ended(2, "nowhere");
}
