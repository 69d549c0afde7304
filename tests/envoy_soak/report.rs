//! The page that tells what came of a soak.

use std::fmt::Write as _;
use std::process::Command;

use crate::client;
use crate::harness::process::envoy_binary;
use crate::plan::Plan;
use crate::result::Soaked;
use crate::watch::Plateau;
use crate::world::Service;

pub fn page(plan: &Plan, result: &Soaked) -> String {
    let totals = &result.totals;
    let sent: u64 = totals.tallies.iter().map(|tally| tally.sent).sum();
    let wrong = totals.wrong.len();
    let seconds = result.took.as_secs().max(1);
    let mut page = String::from("# Soak\n\n");
    let _ = writeln!(
        page,
        "Made by `scripts/soak`, which `CONTRIBUTING.md` introduces. Good and hostile requests, edits and outages, all at once; \
         an oracle that knows none of the filter's code says what each request must become, and the client's answer, what the \
         upstream saw and the line in the access log are held against it.\n"
    );
    let _ = writeln!(
        page,
        "**{} requests in {}:{:02} minutes, {} wrong decisions, {} traps.**\n",
        grouped(sent),
        seconds / 60,
        seconds % 60,
        wrong,
        result.health.vm_reloads
    );
    machine(&mut page, plan, seconds, sent, result);
    kinds(&mut page, result);
    disturbances(&mut page, result);
    memory(&mut page, result);
    checks(&mut page, result);
    let _ = writeln!(
        page,
        "## Again\n\n`SEED={} scripts/soak {}` repeats the requests of each client; when which edit meets which request is the \
         machine's.",
        plan.seed,
        plan.length.as_secs_f64() / 60.0
    );
    page
}

fn machine(page: &mut String, plan: &Plan, seconds: u64, sent: u64, result: &Soaked) {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let latencies = &result.latencies;
    let _ = writeln!(
        page,
        "| | |\n|---|---|\n| Envoy | {}, 2 workers |\n| machine | {} {}, {cores} cores for Envoy, clients and services together |\n\
         | clients | {} |\n| seed | {} |\n| requests a second | {} |\n\
         | good requests, from the first byte sent to the last received | p50 {:.1} ms, p99 {:.1} ms (with outages in it) |\n",
        envoy_version(),
        std::env::consts::OS,
        std::env::consts::ARCH,
        client::described(),
        plan.seed,
        grouped(sent / seconds),
        latencies.quantile(0.5),
        latencies.quantile(0.99),
    );
}

fn kinds(page: &mut String, result: &Soaked) {
    for (title, is_good) in [("Good, or good until an edit", true), ("Hostile", false)] {
        let _ = writeln!(
            page,
            "## {title}\n\n| kind | sent | passed, rightly | refused, rightly | left | wrong |\n|---|--:|--:|--:|--:|--:|"
        );
        let both = result.kinds.iter().zip(&result.totals.tallies);
        for ((name, _), tally) in both.filter(|((_, good), _)| *good == is_good) {
            let refused = (tally.right + tally.left).saturating_sub(tally.admitted);
            let _ = writeln!(
                page,
                "| {name} | {} | {} | {} | {} | {} |",
                grouped(tally.sent),
                grouped(tally.admitted),
                grouped(refused),
                grouped(tally.left),
                tally.wrong
            );
        }
        page.push('\n');
    }
}

fn disturbances(page: &mut String, result: &Soaked) {
    let edits = result.edits;
    let _ = writeln!(
        page,
        "## Edits and outages\n\n{} configurations came into force ({} through `tenantgate apply`, {} by a rename); {} bad ones \
         were refused by the command, {} by Envoy, and changed nothing. The key set was edited {} times, the signing key \
         rotated {} times.\n\n| service | cut off | stalled |\n|---|--:|--:|",
        edits.in_force(),
        edits.applied,
        edits.renamed,
        edits.refused_by_command,
        edits.refused_by_envoy,
        edits.key_set,
        edits.rotations,
    );
    for service in Service::ALL {
        let (cut, stalled) = result.outages.of(service);
        let _ = writeln!(page, "| {} | {cut} | {stalled} |", service.name());
    }
    page.push('\n');
}

fn memory(page: &mut String, result: &Soaked) {
    let plateau = Plateau::of(&result.samples);
    let _ = writeln!(
        page,
        "## Memory\n\n| after | Envoy, resident | largest VM | requests |\n|--:|--:|--:|--:|"
    );
    // By the minute, or by the fifth of what is shorter.
    let length = result.samples.last().map_or(0, |sample| sample.second);
    let step = (length / 5).clamp(1, 60);
    let mut next = 0;
    for sample in &result.samples {
        if sample.second >= next {
            let _ = writeln!(
                page,
                "| {}:{:02} | {:.1} MiB | {:.1} MiB | {} |",
                sample.second / 60,
                sample.second % 60,
                mebibytes(sample.resident_kib * 1024),
                mebibytes(sample.vm_bytes),
                grouped(sample.sent),
            );
            next = sample.second + step;
        }
    }
    let _ = writeln!(
        page,
        "\nPlateau: {}. Here {:.1} and {:.1} MiB.\n",
        Plateau::rule(),
        mebibytes(plateau.middle_kib * 1024),
        mebibytes(plateau.last_kib * 1024),
    );
}

fn checks(page: &mut String, result: &Soaked) {
    let totals = &result.totals;
    let _ = writeln!(page, "## What else had to hold\n\n| | found |\n|---|---|");
    for check in result.checks() {
        let mark = if check.holds { "" } else { " **no**" };
        let _ = writeln!(page, "| {} | {}{mark} |", check.name, check.found);
    }
    let _ = writeln!(
        page,
        "| lines in the access log, each held against the oracle | {}; {} of them of what had no head, none of which was decided \
         about |\n| requests at the upstream, each one that had to be admitted | {} |\n\
         | secrets in Envoy's log, the stats or the access log | 0 |\n",
        grouped(totals.log_lines),
        grouped(totals.nameless_lines),
        grouped(totals.hits),
    );
}

#[allow(clippy::cast_precision_loss, reason = "a page shows one decimal")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// With a comma at each third digit.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn envoy_version() -> String {
    let output = Command::new(envoy_binary()).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    // `envoy  version: <commit>/<version>/Clean/RELEASE/BoringSSL`
    let mut words = text
        .rsplit("version: ")
        .next()
        .unwrap_or_default()
        .split('/');
    words.nth(1).unwrap_or("of an unknown version").to_owned()
}
