//! Envoy's own `envoy.filters.http.jwt_authn` and this filter side by side, in one Envoy, on the same tokens of the same
//! issuer. Whatever the RFCs refuse, this filter must refuse; whatever they accept and we promise to take, it must admit.
//! Where the two filters differ is printed, with the section that decides.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::string_slice,
    reason = "a test that meets the unexpected should stop, and tells what it found"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod algorithms;
mod catalogue;
mod claims;
mod form;
mod header;
mod signatures;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use catalogue::{Catalogue, Rfc, Specimen};
use harness::issuer::seconds_since_epoch;
use harness::tokens::{AUDIENCE, ISSUER, TRUSTED, Token, jwks};
use harness::wire::{RawAnswer, Wire};
use harness::{Envoy, Issuer, Setup, Upstream};
use jiff::Timestamp;
use serde_json::{Value, json};

/// All that we verify: the two filters shall differ by judgement, not by setting.
const ALGORITHMS: [&str; 10] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519",
];

fn ours() -> Value {
    json!({
        "clusters": { "idp.test": "issuer" },
        "endpoints": [{ "name": "all", "path": "/", "authorizer": { "type": "oidc", "oidc": {
            "issuer": ISSUER, "audience": AUDIENCE, "algorithms": ALGORITHMS, "tenant_claim": "tenant",
            "clock_skew": "60s",
        } } }],
    })
}

fn envoys() -> Value {
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": { "idp": {
                "issuer": ISSUER, "audiences": [AUDIENCE], "clock_skew_seconds": 60,
                "local_jwks": { "inline_string": jwks(&TRUSTED).to_string() },
            } },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "idp" } }],
        },
    })
}

/// A client that keeps its connection as long as it may.
struct Client {
    address: SocketAddr,
    wire: Wire,
}

impl Client {
    fn of(address: SocketAddr) -> Self {
        Self {
            address,
            wire: Wire::connect(address),
        }
    }

    fn present(&mut self, token: &[u8]) -> RawAnswer {
        let field = [b"authorization: Bearer ", token].concat();
        assert!(self.wire.request("GET", "/", &[&field]));
        let answer = self.wire.answer().expect("an answer");
        if answer.header("connection") == Some("close") {
            self.wire = Wire::connect(self.address);
        }
        answer
    }
}

/// What the two filters made of a token.
struct Outcome<'a> {
    specimen: &'a Specimen,
    /// Status and reason code.
    ours: (u16, String),
    envoys: u16,
}

impl Outcome<'_> {
    fn line(&self) -> String {
        let Specimen {
            name, rfc, section, ..
        } = self.specimen;
        format!(
            "{rfc:<12} {section:<22} tenantgate {} {:<20} jwt_authn {}  {name}",
            self.ours.0, self.ours.1, self.envoys
        )
    }
}

#[test]
fn nothing_is_admitted_that_the_rfcs_refuse_and_nothing_refused_that_they_accept() {
    let now = Timestamp::from_second(i64::try_from(seconds_since_epoch()).unwrap()).unwrap();
    let catalogue = Catalogue::of_everything(now);
    let specimens = catalogue.specimens();
    all_are_distinct(specimens);

    let (issuer, upstream) = (Issuer::named(ISSUER), Upstream::start());
    issuer.publishes(jwks(&TRUSTED));
    let setup = Setup::with(ours())
        .beside(envoys())
        .model(upstream.address())
        .cluster("issuer", issuer.address());
    let mut envoy = Envoy::start(setup);
    let mut gate = Client::of(envoy.address());
    let mut beside = Client::of(envoy.address_beside());

    let mut outcomes = Vec::new();
    for (index, specimen) in specimens.iter().enumerate() {
        if index % 20 == 0 {
            // A filter that refuses everything would pass most of this.
            let control = Token::good()
                .claim("jti", format!("control {index}"))
                .sign(now);
            assert_eq!(gate.present(control.as_bytes()).status, 200, "the control");
            let answer = beside.present(control.as_bytes());
            assert_eq!(answer.status, 200, "jwt_authn: {}", answer.text());
        }
        let answer = gate.present(&specimen.token);
        outcomes.push(Outcome {
            specimen,
            ours: (answer.status, reason(&answer)),
            envoys: beside.present(&specimen.token).status,
        });
    }
    report(&outcomes);

    let wrong: Vec<_> = outcomes
        .iter()
        .filter(|outcome| !is_right(outcome))
        .map(Outcome::line)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(envoy.is_running());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
}

/// Admitted where we owe it; else refused by judgement, and not because something broke.
fn is_right(outcome: &Outcome<'_>) -> bool {
    let admitted = outcome.ours.0 == 200;
    let judged = matches!(outcome.ours.0, 400 | 401 | 403) && !outcome.ours.1.is_empty();
    match outcome.specimen.rfc {
        Rfc::MustAccept | Rfc::MayBeTaken => admitted,
        Rfc::MustRefuse | Rfc::MayBeRefused => judged,
    }
}

fn reason(answer: &RawAnswer) -> String {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    json.pointer("/error/code")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn report(outcomes: &[Outcome<'_>]) {
    let (mut same, mut differ) = (0, BTreeSet::new());
    for outcome in outcomes {
        if (outcome.ours.0 == 200) == (outcome.envoys == 200) {
            same += 1;
        } else {
            differ.insert(outcome.line());
        }
    }
    println!(
        "{} tokens: the filters agree on {same} and differ on {}",
        outcomes.len(),
        differ.len()
    );
    for line in differ {
        println!("{line}");
    }
}

fn all_are_distinct(specimens: &[Specimen]) {
    let (mut names, mut tokens) = (BTreeSet::new(), BTreeSet::new());
    let twice: Vec<_> = specimens
        .iter()
        .filter(|specimen| !names.insert(&specimen.name) | !tokens.insert(&specimen.token))
        .map(|specimen| &specimen.name)
        .collect();
    assert!(twice.is_empty(), "a name or a token twice: {twice:#?}");
    assert!(specimens.len() >= 300, "{}", specimens.len());
}
