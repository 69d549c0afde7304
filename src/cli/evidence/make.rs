//! Makes a pack: reads, asks, tells, writes. The only part of the command that looks at a clock.

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::tz::Offset;
use jiff::{Timestamp, Unit};
use serde_json::json;
use ureq::Agent;

use super::exchange::{self, Exchange, Outcome as Answer};
use super::manifest::{self, Module, Versions};
use super::pack::{Drift, Pack, Proofs};
use super::source::{self, Source, Unusable};
use super::{MakeArgs, access_log, diff, http, probe, verified, words};
use crate::cli::{Outcome, Status};

pub(super) fn make(args: &MakeArgs) -> Outcome {
    match pack(args) {
        Ok((pack, files)) => tell(args, &pack, &files),
        Err(Unusable { status, lines }) => {
            let mut outcome = Outcome::default();
            for line in lines {
                outcome.complain(status, line);
            }
            outcome
        }
    }
}

type Files = Vec<(String, String)>;

fn pack(args: &MakeArgs) -> Result<(Pack, Files), Unusable> {
    let cannot = |line| Unusable {
        status: Status::Unusable,
        lines: vec![line],
    };
    manifest::check_free(&args.out, args.force).map_err(cannot)?;
    let addresses: Vec<&str> = args
        .url
        .iter()
        .chain(&args.admin)
        .map(String::as_str)
        .collect();
    let timeout = Duration::from_secs(args.timeout);
    let agent = http::agent(&addresses, timeout, args.cacert.as_deref()).map_err(cannot)?;
    let date = args
        .date
        .unwrap_or_else(|| Offset::UTC.to_datetime(now()).date());
    let Source {
        inventory,
        policy,
        module,
        envoy_version,
        mismatch,
    } = source::read(args, &date.to_string(), &agent)?;
    let changes = match &args.previous {
        Some(folder) => {
            let old = verified(folder).map_err(|(status, lines)| Unusable { status, lines })?;
            Some(Drift {
                list: diff::changes(&old, &inventory),
                since: old.date,
            })
        }
        None => None,
    };
    let attribution = match &args.access_log {
        Some(file) => Some(access_log::read(file, &inventory).map_err(cannot)?),
        None => None,
    };
    let module = match &args.module {
        Some(file) => {
            let told = |error| cannot(format!("--module {}: {error}", file.display()));
            Some(Module::read(file).map_err(told)?)
        }
        None => module.and_then(|file| Module::read(Path::new(&file)).ok()),
    };
    let proofs = match &args.url {
        Some(base) => {
            let (probes, left) =
                probe::plan(&policy, &inventory.configuration.endpoints, now()).map_err(cannot)?;
            Some(Proofs {
                base: base.clone(),
                exchanges: ask(&agent, base, args, probes).map_err(cannot)?,
                left,
            })
        }
        None => None,
    };
    let pack = Pack {
        inventory,
        proofs,
        attribution,
        changes,
        mismatch,
        versions: Versions {
            tenantgate: env!("CARGO_PKG_VERSION").to_owned(),
            module,
            envoy: envoy_version,
        },
    };
    let files = pack.files(now()).map_err(cannot)?;
    manifest::write(&args.out, &files).map_err(cannot)?;
    Ok((pack, files))
}

/// Makes the requests. If not even the first is answered, there is no gate to prove anything of.
fn ask(
    agent: &Agent,
    base: &str,
    args: &MakeArgs,
    probes: Vec<probe::Probe>,
) -> Result<Vec<Exchange>, String> {
    let options = match &args.cacert {
        Some(file) => format!(
            " --cacert {}",
            exchange::quoted(&file.display().to_string())
        ),
        None => String::new(),
    };
    // Nothing is drawn where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(
        u64::try_from(probes.len()).ok(),
        ProgressDrawTarget::stderr(),
    );
    if let Ok(style) = ProgressStyle::with_template("asking the gate {bar:30} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    let mut exchanges = Vec::new();
    for probe in probes {
        bar.set_message(format!("{} {}", probe.endpoint, probe.attempt.as_str()));
        let exchange = exchange::make(agent, base, &options, probe, now());
        if let (Answer::Failed(why), true) = (&exchange.outcome, exchanges.is_empty()) {
            bar.finish_and_clear();
            return Err(format!(
                "{base}: {why}; is the gate up, and is this its URL? Nothing was written"
            ));
        }
        exchanges.push(exchange);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(exchanges)
}

fn tell(args: &MakeArgs, pack: &Pack, files: &Files) -> Outcome {
    let mut outcome = Outcome::default();
    let is_proved = pack.undenied().next().is_none() && pack.mismatch.is_none();
    if !is_proved {
        outcome.status = Status::Wrong;
    }
    if args.json {
        let exchanges = pack.proofs.iter().flat_map(|proofs| &proofs.exchanges);
        let probes: Vec<_> = exchanges
            .map(|exchange| {
                let status = match &exchange.outcome {
                    Answer::Answered { status, .. } => Some(*status),
                    Answer::Failed(_) => None,
                };
                json!({
                    "endpoint": exchange.probe.endpoint,
                    "attempt": exchange.probe.attempt,
                    "denied": exchange.verdict.is_denied(),
                    "detail": exchange.verdict.detail(),
                    "status": status,
                })
            })
            .collect();
        let open: Vec<&str> = pack
            .inventory
            .open()
            .map(|endpoint| endpoint.name.as_str())
            .collect();
        outcome.say(json!({
            "out": args.out.display().to_string(),
            "date": pack.inventory.date,
            "config_id": pack.inventory.config_id,
            "alarms": pack.alarms(),
            "endpoints": pack.endpoints().len(),
            "open": open,
            "gaps": pack.inventory.gaps,
            "probes": probes,
            "changes": pack.changes.as_ref().map(|changes| &changes.list),
            "files": files.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        }));
        return outcome;
    }
    for alarm in pack.alarms() {
        outcome.complain(Status::Good, &alarm);
    }
    for exchange in pack.undenied() {
        outcome.complain(
            Status::Wrong,
            format_args!(
                "  {} {}: {}: {}",
                exchange.probe.endpoint,
                exchange.probe.attempt.as_str(),
                exchange.verdict.word(),
                exchange.verdict.detail(),
            ),
        );
    }
    let denied = match &pack.proofs {
        Some(proofs) => {
            let denied = proofs
                .exchanges
                .iter()
                .filter(|exchange| exchange.verdict.is_denied())
                .count();
            format!(
                "{denied} of {} denied",
                words::counted(proofs.exchanges.len(), "request")
            )
        }
        None => "no request made".to_owned(),
    };
    outcome.say(format_args!(
        "{}: {} files, config_id {}, {}, {} open, {}, {denied}",
        args.out.display(),
        files.len(),
        pack.inventory.config_id,
        words::counted(pack.endpoints().len(), "endpoint"),
        pack.inventory.open().count(),
        words::counted(pack.inventory.gaps.len(), "gap"),
    ));
    outcome
}

#[expect(
    clippy::disallowed_methods,
    reason = "here is where the command has its time from"
)]
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(Unit::Millisecond).unwrap_or(now)
}
