//! Wycheproof through the real Envoy's `BoringSSL`: the same vectors as natively, asked of the host through the filter's own
//! adapter and of Rust in the same sandbox, by the module in `examples/verify_probe.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    reason = "a test that meets the unexpected should stop, and says what it counted"
)]

#[path = "wycheproof/corpus.rs"]
#[allow(dead_code, reason = "the native test asks more")]
mod corpus;
mod harness;

use std::collections::BTreeMap;

use corpus::{Case, Group, due};
use harness::module;
use harness::tokens::base64;
use harness::{Envoy, Setup, Upstream};
use serde_json::{Value, json};

/// A request's body has to fit in Envoy's buffer of 1 MiB, and its answer must come before the client tires: Rust in wasm
/// takes up to 10 ms for a vector.
const VECTORS_A_REQUEST: usize = 100;

/// What one verifier made of all vectors.
struct Verdicts {
    verdicts: Vec<bool>,
    host_calls: u64,
}

fn verdicts_by(verifier: &str, groups: &[Group]) -> Verdicts {
    let upstream = Upstream::start();
    let setup = Setup::with(json!(verifier))
        .carried_as_text()
        .running(module::probe().to_owned())
        .model(upstream.address());
    let envoy = Envoy::start(setup);
    let mut all = Verdicts {
        verdicts: Vec::new(),
        host_calls: 0,
    };
    // Many groups have a vector or two, some have hundreds.
    let mut batch: Vec<Value> = Vec::new();
    let mut vectors = 0;
    for group in groups {
        for cases in group.cases.chunks(VECTORS_A_REQUEST) {
            vectors += cases.len();
            batch.push(question(group, cases));
            if vectors >= VECTORS_A_REQUEST {
                all.ask(
                    &envoy,
                    std::mem::take(&mut batch),
                    std::mem::take(&mut vectors),
                );
            }
        }
    }
    all.ask(&envoy, batch, vectors);
    all
}

fn question(group: &Group, cases: &[Case]) -> Value {
    let case = |case: &Case| json!([base64(&case.message), base64(&case.signature)]);
    json!({
        "alg": group.algorithm.as_str(),
        "jwk": group.jwk,
        "cases": cases.iter().map(case).collect::<Vec<_>>(),
    })
}

impl Verdicts {
    fn ask(&mut self, envoy: &Envoy, groups: Vec<Value>, vectors: usize) {
        let answer = envoy.post("/", &Value::Array(groups)).send();
        let answer = answer.admitted().json();
        let verdicts = answer["verdicts"].as_array().expect("verdicts");
        assert_eq!(verdicts.len(), vectors, "each vector has a verdict");
        self.verdicts
            .extend(verdicts.iter().map(|verdict| verdict.as_bool().unwrap()));
        self.host_calls += answer["host_calls"].as_u64().unwrap();
    }
}

#[test]
fn boringssl_in_envoy_and_rust_in_wasm_agree_with_every_label() {
    let groups: Vec<Group> = corpus::rsa_pkcs1()
        .into_iter()
        .chain(corpus::ecdsa())
        .collect();
    let (host, rust) = std::thread::scope(|scope| {
        let host = scope.spawn(|| verdicts_by("host", &groups));
        let rust = verdicts_by("rust", &groups);
        (host.join().expect("the host's verdicts"), rust)
    });

    let cases = groups
        .iter()
        .flat_map(|group| group.cases.iter().map(move |case| (group, case)));
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut disagreements = Vec::new();
    for ((group, case), (by_host, by_rust)) in cases.zip(host.verdicts.iter().zip(&rust.verdicts)) {
        let count = counts.entry(&group.file).or_default();
        count.0 += 1;
        count.1 += usize::from(*by_host);
        let due = due(group, case);
        if (*by_host, *by_rust) != (due, due) {
            disagreements.push(format!(
                "{} tc {} ({}): {:?}, host {by_host}, Rust {by_rust}",
                group.file, case.id, case.comment, case.label
            ));
        }
    }
    for (file, (asked, held)) in &counts {
        println!("{file:<24} {asked:>4} vectors, {held:>3} held");
    }
    println!(
        "{} vectors, {} asked of BoringSSL (the rest had a wrong length or numbers out of range)",
        host.verdicts.len(),
        host.host_calls
    );
    assert!(disagreements.is_empty(), "{disagreements:#?}");

    // A corpus that shrank, or a host that was not asked, would prove nothing.
    assert_eq!((host.verdicts.len(), rust.verdicts.len()), (2872, 2872));
    assert_eq!(host.verdicts.iter().filter(|held| **held).count(), 434);
    assert!(host.host_calls > 2000, "{}", host.host_calls);
    assert_eq!(rust.host_calls, 0);
}
