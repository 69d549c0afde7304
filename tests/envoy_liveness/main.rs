//! The catalogue at the door: every row of `docs/attacks.md` that one client can send as a request, to a real Envoy, one
//! after the other, and after each a good request, on the same connection where it is still open and on a new one. Once
//! with one worker, once with two. What each row is refused for is what the catalogue says; in the end no VM has died,
//! and the upstream has seen what was to be admitted and nothing else.
//!
//! What a row is about in all its breadth is shown by the tests that are named after it. Here it is shown that the same
//! worker, with one thing after another thrown at it, goes on to serve.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking, waits by the real clock, and says how much it sent"
)]
#![allow(
    clippy::semicolon_if_nothing_returned,
    clippy::too_many_lines,
    clippy::type_complexity,
    reason = "tables, one line a row as far as it goes"
)]

mod claims;
mod credentials;
mod gate;
#[path = "../harness/mod.rs"]
mod harness;
mod keys;
mod protocols;
mod targets;
mod tokens;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gate::{Gate, K};
use harness::wire::{Wire, lines, word};
use harness::{Envoy, Upstream};
use jiff::Timestamp;

/// The catalogue itself: what a row is refused with here must stand in its line there.
const CATALOGUE: &str = include_str!("../../docs/attacks.md");

/// A request of a row, byte for byte, and what must come of it.
pub struct Case {
    row: &'static str,
    what: String,
    bytes: Vec<u8>,
    outcome: &'static str,
}

impl Case {
    /// Whether that is what must come of it.
    fn comes_to(&self, outcome: &str) -> bool {
        let is_refusal = self
            .outcome
            .starts_with(|first: char| first.is_ascii_digit());
        if self.outcome.contains(' ') {
            outcome == self.outcome
        } else if is_refusal {
            outcome == "closed" || outcome.starts_with(self.outcome)
        } else {
            outcome == "200"
        }
    }
}

/// A row with one outcome for several requests. The outcome is the tenant that the upstream is told, or `nobody`; status
/// and reason of a refusal by the filter; how the status begins where it may be Envoy that refuses, which hangs up at
/// times without a word; and `left` where the client does.
pub fn row<W: Into<String>>(
    row: &'static str,
    outcome: &'static str,
    requests: impl IntoIterator<Item = (W, Vec<u8>)>,
) -> Vec<Case> {
    let case = |(what, bytes): (W, Vec<u8>)| Case {
        row,
        what: what.into().chars().take(80).collect(),
        bytes,
        outcome,
    };
    requests.into_iter().map(case).collect()
}

/// The same for heads of requests with these lines.
pub fn heads(id: &'static str, outcome: &'static str, heads: &[(&str, &[&str])]) -> Vec<Case> {
    let head = |(first, fields): &(&str, &[&str])| {
        (
            format!("{first} {}", fields.join(" | ")),
            lines(first, fields),
        )
    };
    row(id, outcome, heads.iter().map(head))
}

/// The same for one head with each of these lines in turn, beside those that always stand there.
pub fn each(
    id: &'static str,
    outcome: &'static str,
    first: &str,
    in_turn: &[&str],
    always: &[&str],
) -> Vec<Case> {
    let head = |line: &&str| {
        let fields = [&[*line], always].concat();
        (format!("{first} {line}"), lines(first, &fields))
    };
    row(id, outcome, in_turn.iter().map(head))
}

fn table() -> Vec<Case> {
    [
        tokens::rows(),
        claims::rows(),
        keys::rows(),
        credentials::rows(),
        targets::rows(),
        protocols::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn after_every_row_the_only_worker_serves_a_good_request() {
    let mut gate = Gate::open(1);
    endure(&mut gate);
}

#[test]
fn two_workers_stand_as_one_does() {
    let mut gate = Gate::open(2);
    endure(&mut gate);
}

/// Sends the whole table, and holds everything against it.
#[track_caller]
fn endure(gate: &mut Gate) {
    let table = table();
    let mut visit = Visit::default();
    for case in &table {
        visit.pay(&gate.envoy, case);
    }
    let rows: BTreeSet<_> = table.iter().map(|case| case.row).collect();
    println!(
        "liveness: {} rows, {} hostile requests, {} good ones behind them, {} of those on the same connection",
        rows.len(),
        table.len(),
        visit.good,
        visit.same_connection
    );
    visit.hold_against(&gate.upstream);
    for case in &table {
        visit.hold_against_the_catalogue(case);
    }
    assert!(
        visit.complaints.is_empty(),
        "{}",
        visit.complaints.join("\n")
    );
    gate.has_never_reloaded();
}

/// What was sent, and what is to be seen of it.
#[derive(Default)]
struct Visit {
    /// What the upstream must have been told, in order: which request, which tenant.
    admitted: Vec<(String, &'static str)>,
    good: usize,
    same_connection: usize,
    complaints: Vec<String>,
}

impl Visit {
    fn pay(&mut self, envoy: &Envoy, case: &Case) {
        let name = format!("{} {}", case.row, case.what);
        println!("case: {name}");
        let mut wire = envoy.wire();
        wire.send(&case.bytes);
        if case.outcome != "left" {
            let (outcome, is_open) = outcome(&mut wire);
            if !case.comes_to(&outcome) {
                let complaint = format!("{name}: {outcome}, not {}", case.outcome);
                self.complaints.push(complaint);
            }
            if outcome == "200" {
                self.admitted.push((name.clone(), case.outcome));
            }
            if is_open && self.serves(&mut wire, &name, "t2", &gate::good_key(), true) {
                self.same_connection += 1;
            }
        }
        self.serves(&mut envoy.wire(), &name, "t1", &gate::good_token(), false);
    }

    /// A good request is answered; `true` if the connection was open for it.
    fn serves(
        &mut self,
        wire: &mut Wire,
        after: &str,
        tenant: &'static str,
        request: &[u8],
        may_be_closed: bool,
    ) -> bool {
        let came = if wire.send(request) {
            outcome(wire).0
        } else {
            "closed".to_owned()
        };
        if came == "200" {
            self.good += 1;
            self.admitted
                .push((format!("a good one after {after}"), tenant));
            return true;
        }
        if !(may_be_closed && came == "closed") {
            self.complaints
                .push(format!("a good one after {after}: {came}"));
        }
        false
    }

    fn hold_against(&mut self, upstream: &Upstream) {
        let seen = upstream.seen();
        let told = seen
            .iter()
            .map(|seen| match seen.all("x-tenant-id").as_slice() {
                [] => "nobody".to_owned(),
                [one] => one.clone(),
                several => format!("{several:?}"),
            });
        let told: Vec<String> = told.collect();
        for (place, (name, tenant)) in self.admitted.iter().enumerate() {
            let told = told.get(place).map_or("nothing", String::as_str);
            if told != *tenant {
                self.complaints.push(format!(
                    "{name}: the upstream was told {told}, not {tenant}"
                ));
                return;
            }
        }
        if seen.len() != self.admitted.len() {
            let stray = &seen[self.admitted.len()];
            self.complaints
                .push(format!("the upstream saw what was not admitted: {stray:?}"));
        }
    }

    fn hold_against_the_catalogue(&mut self, case: &Case) {
        let start = format!("| {} |", case.row);
        let line = CATALOGUE.lines().find(|line| line.starts_with(&start));
        let by_the_filter = case.outcome.contains('_');
        match line {
            None => self.complaints.push(format!("{} is no row", case.row)),
            Some(line) if by_the_filter && !line.contains(&format!("`{}`", case.outcome)) => {
                self.complaints.push(format!(
                    "{}: {} is not what the catalogue says: {line}",
                    case.row, case.outcome
                ));
            }
            Some(_) => {}
        }
    }
}

/// What came, and whether the connection is for more.
fn outcome(wire: &mut Wire) -> (String, bool) {
    loop {
        match wire.answer() {
            None => return ("closed".to_owned(), false),
            Some(answer) if answer.status == 100 => {}
            Some(answer) => {
                let grpc = answer.header("grpc-status");
                let outcome = grpc.map_or_else(|| word(&answer), |status| format!("grpc {status}"));
                return (outcome, answer.header("connection") != Some("close"));
            }
        }
    }
}

/// The time at which tokens are made: one for all, so that a signature goes with the claims that it was made for.
pub fn now() -> Timestamp {
    static NOW: LazyLock<Timestamp> = LazyLock::new(|| {
        let seconds = harness::issuer::seconds_since_epoch();
        Timestamp::from_second(seconds.try_into().unwrap()).unwrap()
    });
    *NOW
}

/// A line with a bearer credential.
pub fn bearer(credential: &str) -> String {
    format!("Authorization: Bearer {credential}")
}

/// A line with the key of tenant t2.
pub fn keyed() -> String {
    bearer(K)
}
