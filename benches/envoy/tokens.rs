//! Signs tokens for `scripts/bench` beforehand, so that no signing is measured: `bench_tokens FOLDER COUNT` writes
//! `jwks.json` and, an algorithm a file and a token a line, `RS256.txt` and its siblings.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a tool of the benches stops where it cannot go on"
)]

#[path = "../../tests/harness/tokens.rs"]
mod tokens;

use std::fs;
use std::path::Path;

use jiff::Timestamp;
use serde_json::json;
use tokens::{Key, Token};

/// So long that a folder of tokens serves many runs.
const ISSUED: &str = "2025-01-01T00:00:00Z";
const EXPIRES: &str = "2100-01-01T00:00:00Z";
const KINDS: [(Key, &str); 4] = [
    (Key::R1, "RS256"),
    (Key::E1, "ES256"),
    (Key::R1, "PS256"),
    (Key::D1, "EdDSA"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, count] = arguments.as_slice() else {
        eprintln!("usage: bench_tokens FOLDER COUNT");
        std::process::exit(2);
    };
    let (folder, count) = (Path::new(folder), count.parse().expect("a count"));
    fs::create_dir_all(folder).expect("a folder");
    // A thread for each kind: an RSA signature takes milliseconds.
    std::thread::scope(|scope| {
        for (key, alg) in KINDS {
            scope.spawn(move || {
                let lines: Vec<String> = (0..count).map(|n| token(key, alg, n)).collect();
                let file = folder.join(format!("{alg}.txt"));
                fs::write(file, lines.join("\n") + "\n").expect("a file of tokens");
            });
        }
    });
    let keys = [Key::R1, Key::E1, Key::D1].map(Key::jwk);
    let key_set = json!({ "keys": keys }).to_string();
    fs::write(folder.join("jwks.json"), key_set).expect("the key set");
}

/// What an issuer's access token looks like. Each names another user, so that no two are the same.
fn token(key: Key, alg: &str, number: u32) -> String {
    let [issued, expires]: [Timestamp; 2] = [ISSUED, EXPIRES].map(|time| time.parse().unwrap());
    Token::good()
        .key(key)
        .alg(alg)
        .claim("sub", format!("user-{number}"))
        .claim("jti", format!("5c6a1f0e-9d0b-4d0f-8f5e-{number:012}"))
        .claim("tenant_id", "acme")
        .claim("client_id", "acme-app")
        .claim("scope", "openid models.use models.read")
        .claim("exp", expires.as_second())
        .sign(issued)
}
