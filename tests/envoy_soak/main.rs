//! A soak: good and hostile requests of every kind, edits and outages, all at once, on a real Envoy with two workers, and
//! an oracle that knows what each request must become. Holds for each of them that client, upstream and access log were
//! told just that; and at the end that nothing trapped, nothing grew, nothing leaked and nothing is left over.
//!
//! Half a minute of it runs with the other tests. `scripts/soak MINUTES` runs more, and writes what came of it.
//!
//! ```text
//!   traffic ─ shot ──> client ──> Envoy ──> line ──> upstream      what is sent: `traffic/`, how: `client/`
//!                │        │         │                    │
//!                v        v         v (access log)       v
//!              ledger <───┴─────────┴────────────────────┘         what became of it
//!                │
//!              judge <── oracle <── world <── edits, outages       what had to
//! ```
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unreachable,
    reason = "a test fails by panicking, waits by the real clock, and says what it found"
)]

mod access;
mod client;
mod contexts;
mod edits;
mod gate;
#[path = "../harness/mod.rs"]
mod harness;
mod judge;
mod latency;
mod ledger;
mod line;
mod oracle;
mod outages;
mod plan;
mod report;
mod result;
mod services;
mod shot;
mod soak;
mod tokens;
mod traffic;
mod upstream;
mod watch;
mod world;

use plan::Plan;

#[test]
fn every_request_becomes_what_it_must_whatever_is_edited_and_whoever_is_down() {
    let plan = Plan::of_the_environment();
    println!("seed {}", plan.seed);
    let result = soak::soak(&plan);
    let page = report::page(&plan, &result);
    println!("{page}");
    if let Some(file) = &plan.report {
        std::fs::write(file, &page).expect("a place for the report");
    }
    let wrong = &result.totals.wrong;
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for check in result.checks() {
        assert!(check.holds, "{}: {}", check.name, check.found);
    }
}
