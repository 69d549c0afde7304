//! `tenantgate evidence`: a pack of files that an auditor accepts, made of what the gate itself is made of.
//!
//! `source` finds the configuration and makes it the filter's own policy; `effective` says what is in force, `envoy`,
//! `topology` and `coverage` what Envoy serves around it. `probe`, `forge` and `exchange` ask the gate and record what it
//! says. `access_log` reads who called. `answers`, `words` and the templates of `pages` tell all that, `manifest` writes
//! and verifies the folder, and `diff` compares two.

mod access_log;
mod answers;
mod coverage;
mod diff;
mod effective;
mod envoy;
mod exchange;
mod forge;
mod http;
mod inventory;
mod make;
mod manifest;
mod markdown;
mod pack;
mod pages;
mod probe;
mod source;
mod topology;
mod words;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::civil::Date;
use serde_json::json;

use super::{Outcome, Status};
use diff::Weight;

pub(super) const HELP: &str = "\
Examples:
  tenantgate evidence --config envoy.yaml --url https://gate.example.com --out packs/2026-q2
  tenantgate evidence --admin http://127.0.0.1:9901 --url http://127.0.0.1:10000 --access-log access.log --out pack
  tenantgate evidence verify pack
  tenantgate evidence diff packs/2026-q1 packs/2026-q2

Exit status: 0 all is well, 1 a request was not denied, a configuration is wrong, a pack does not verify or protection was
lost, 2 wrong usage or something that cannot be read or reached.";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct EvidenceArgs {
    #[command(subcommand)]
    command: Option<EvidenceCommand>,
    #[command(flatten)]
    make: Option<MakeArgs>,
}

#[derive(Debug, Subcommand)]
enum EvidenceCommand {
    /// Say what has changed between two packs, and fail if protection was lost.
    Diff {
        /// The folder of the earlier pack.
        #[arg(value_name = "OLD_DIR")]
        old: PathBuf,
        /// The folder of the later pack.
        #[arg(value_name = "NEW_DIR")]
        new: PathBuf,
        /// Fail at any change.
        #[arg(long)]
        strict: bool,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare the files of a pack with its manifest.
    Verify {
        /// The folder of the pack.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Answer in JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct MakeArgs {
    /// The configuration: plugin configuration alone, a whole Envoy configuration or config dump, or a Kubernetes resource
    /// that carries it; `-` for standard input. Default: what the Envoy of `--admin` runs.
    #[arg(long, value_name = "FILE", required_unless_present = "admin")]
    config: Option<PathBuf>,
    /// Which filter is meant, where there are several: its name, or a part of its place.
    #[arg(long, value_name = "PLACE")]
    filter: Option<String>,
    /// Where the gate listens. Requests that it must deny are sent there; without it, nothing is sent.
    #[arg(long, value_name = "URL", value_parser = http::base)]
    url: Option<String>,
    /// Envoy's admin interface, for listeners, routes and clusters as they are.
    #[arg(long, value_name = "URL", value_parser = http::base)]
    admin: Option<String>,
    /// A file of the filter's access log lines.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// The folder of an earlier pack, to tell what has changed since.
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
    /// The filter's module, for its digest. Default: the file that the Envoy configuration names, if it is here.
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Certificates, in PEM form, that the gate's and the admin interface's own are checked by. Default: those of the web.
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// How long a request may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// The folder to write, which must not be there yet.
    #[arg(long, value_name = "DIR", required = true)]
    out: PathBuf,
    /// Replace the pack that is in the folder.
    #[arg(long)]
    force: bool,
    /// The date that the pack is named by. Default: today, in UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<Date>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn evidence(args: EvidenceArgs) -> Outcome {
    match (args.command, args.make) {
        (
            Some(EvidenceCommand::Diff {
                old,
                new,
                strict,
                json,
            }),
            _,
        ) => compare(&old, &new, strict, json),
        (Some(EvidenceCommand::Verify { folder, json }), _) => verify(&folder, json),
        (None, Some(args)) => make::make(&args),
        // clap asks for one of the two.
        (None, None) => unusable("nothing to do; see --help"),
    }
}

fn unusable(line: impl std::fmt::Display) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.complain(Status::Unusable, line);
    outcome
}

fn verify(folder: &Path, in_json: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let (manifest, wrong) = match manifest::verify(folder) {
        Ok(verified) => verified,
        Err(error) => return unusable(error),
    };
    if !wrong.is_empty() {
        outcome.status = Status::Wrong;
    }
    if in_json {
        outcome.say(json!({ "verified": wrong.is_empty(), "config_id": manifest.config_id, "date": manifest.date, "wrong": wrong }));
        return outcome;
    }
    for line in &wrong {
        outcome.complain(Status::Wrong, format_args!("{}: {line}", folder.display()));
    }
    if wrong.is_empty() {
        outcome.say(format_args!(
            "{}: ok: {} files of {}, config_id {}",
            folder.display(),
            manifest.files.len(),
            manifest.date,
            manifest.config_id
        ));
    }
    outcome
}

/// A pack that may be believed: one that is as it was written.
fn verified(folder: &Path) -> Result<inventory::Inventory, (Status, Vec<String>)> {
    let unusable = |error| (Status::Unusable, vec![error]);
    let (manifest, wrong) = manifest::verify(folder).map_err(unusable)?;
    if wrong.is_empty() {
        return manifest::inventory(folder, &manifest).map_err(unusable);
    }
    let lines = wrong
        .iter()
        .map(|line| format!("{}: {line}", folder.display()));
    Err((Status::Wrong, lines.collect()))
}

fn compare(old: &Path, new: &Path, strict: bool, in_json: bool) -> Outcome {
    let mut outcome = Outcome::default();
    let mut packs = Vec::new();
    for folder in [old, new] {
        match verified(folder) {
            Ok(inventory) => packs.push(inventory),
            Err((status, lines)) => lines.iter().for_each(|line| outcome.complain(status, line)),
        }
    }
    let [before, after] = packs.as_slice() else {
        return outcome;
    };
    let changes = diff::changes(before, after);
    let lost = changes.iter().any(|change| change.weight == Weight::Lost);
    if lost || (strict && !changes.is_empty()) {
        outcome.status = Status::Wrong;
    }
    if in_json {
        outcome.say(json!({
            "from": { "date": before.date, "config_id": before.config_id },
            "to": { "date": after.date, "config_id": after.config_id },
            "lost": lost,
            "changes": changes,
        }));
        return outcome;
    }
    outcome.say(format_args!(
        "from {} (config_id {}) to {} (config_id {}): {}",
        before.date,
        before.config_id,
        after.date,
        after.config_id,
        words::counted(changes.len(), "change")
    ));
    for change in &changes {
        outcome.say(format_args!(
            "  {}: {}",
            change.weight.as_str(),
            change.what
        ));
    }
    outcome
}
