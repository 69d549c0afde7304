//! The command: arguments in, an `Outcome` out. Thin over what the filter itself is made of.
//!
//! A command returns what it has to say and never writes itself, so that a reader who goes away (`| head`) is met in
//! one place.

mod advice;
mod apply;
mod check;
mod diff;
mod evidence;
mod find;
mod key;
mod read;
mod replace;
mod rotate;
mod schema;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use jiff::{SignedDuration, Timestamp};

/// Who may call which model-serving endpoint, decided inside Envoy.
///
/// tenantgate is a filter that Envoy (or Istio, or Envoy Gateway) loads. This command checks its configuration with
/// the very code that the filter uses, makes API keys, and writes evidence for auditors.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 all is well, 1 something is wrong with a configuration or a key, \
                           2 wrong usage or a file that cannot be read.";

const CHECK_HELP: &str = "\
Examples:
  tenantgate check tenantgate.yaml                # plugin configuration alone
  tenantgate check envoy.yaml                     # the wasm filter of a whole Envoy configuration
  tenantgate check --strict mesh.yaml             # in CI: what is only unwise is wrong, too
  kubectl get wasmplugin -A -o yaml | tenantgate check -

In a whole file it also warns of what lets requests past the filter (fail-open policies,
`allow_on_headers_stop_iteration`), shows secrets (written in clear, or shared by plugins without a `vm_id`), or leaves
the filter without keys (clusters and variables that are not there). Each warning says what to write in its place.

A variable that the configuration takes from the environment (`{env: NAME}`) need not be set here; the answer lists
those that the proxy will need.

Exit status: 0 all is well, 1 something is wrong with a configuration, 2 wrong usage or a file that cannot be read.";

const APPLY_HELP: &str = "\
Examples:
  tenantgate apply tenantgate.yaml --to /etc/envoy/ecds/tenantgate.yaml

Exit status: 0 it is there, or was before, 1 something is wrong with a configuration, or the edit opens what was guarded,
2 wrong usage or a file that cannot be read or replaced. With 1 and 2, FILE is as it was.";

const ROTATE_HELP: &str = "\
Examples:
  tenantgate key rotate keys.json --client batch                  # both keys hold for a day
  tenantgate key rotate keys.json --client batch --overlap 0s     # the old one has leaked

Exit status: 0 done, 1 something is wrong with the file, or it has no such client, 2 wrong usage or a file that cannot be
read or replaced. With 1 and 2, FILE is as it was.";

const DIFF_HELP: &str = "\
Examples:
  tenantgate diff old.yaml new.yaml
  git show main:gate.yaml | tenantgate diff - gate.yaml      # guards a pull request

Exit status: 0 nothing that was guarded is opened, 1 something is, 2 wrong usage or a configuration that cannot be used.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Check configuration files and say all that is wrong with them.
    ///
    /// A file is JSON or YAML, and holds plugin configuration, or a resource that carries it: an Envoy bootstrap, a
    /// file of Envoy resources (ECDS), an Istio `WasmPlugin`, `TrafficExtension` or `EnvoyFilter`, or an Envoy Gateway
    /// `EnvoyExtensionPolicy`; or it is a key set. Where a file has several wasm filters, those are checked that have `tenantgate` in their
    /// `name`, `root_id`, `vm_id` or the name of their code.
    #[command(after_help = CHECK_HELP)]
    Check {
        /// Files; `-` for standard input.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Warnings are errors.
        #[arg(long)]
        strict: bool,
    },
    /// Put a configuration into the file that a running Envoy watches.
    ///
    /// FILE holds the wasm filter as an Envoy resource (ECDS by file; envoy/ecds/ has a set-up). CONFIG is the new plugin
    /// configuration, in any file that `check` reads, and all else in FILE stays as it is; or it is a whole file of
    /// resources, which replaces FILE. Both are checked with the filter's own code first, and FILE is replaced by a
    /// rename, or not touched at all. Its comments are lost, but for those at its beginning.
    ///
    /// An edit that opens an endpoint that was guarded is refused, as `diff` would tell it, unless it is meant.
    #[command(after_help = APPLY_HELP)]
    Apply {
        /// The new configuration; `-` for standard input.
        config: PathBuf,
        /// The file of Envoy resources.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// The edit may open what was guarded.
        #[arg(long)]
        allow_opening: bool,
    },
    /// Say in words what an edit changes, and whether it opens an endpoint that was guarded.
    ///
    /// OLD and NEW are files as `check` reads them. Open is what gets in without a credential. An edit opens an endpoint if
    /// some request that needed a credential for it needs none any more, whichever endpoint takes the request then; if an
    /// open endpoint lets in more addresses; if it lets in CORS preflights; and if requests that address no endpoint were
    /// refused and pass. A new endpoint for requests that were refused opens nothing. Keys are told by their client and the
    /// beginning of their digest.
    #[command(after_help = DIFF_HELP)]
    Diff {
        /// The file before the edit.
        old: PathBuf,
        /// The file after it; one of the two may be `-`, standard input.
        new: PathBuf,
    },
    /// Print the JSON Schema of the plugin configuration, for editors and CI.
    Schema {
        /// Of a whole file that carries one, such as `check` reads: an Envoy bootstrap, a `WasmPlugin` and so on.
        #[arg(long)]
        whole_file: bool,
    },
    /// Make API keys and the entries that admit them.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Write a pack of evidence: which endpoints there are, who may call them, and that others are denied.
    ///
    /// The pack tells auditors what the configuration protects, with secrets left out; proves with real requests that
    /// callers without a good credential are denied; and shows by the access log that requests are tied to tenants.
    #[command(after_help = evidence::HELP)]
    Evidence(Box<evidence::EvidenceArgs>),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a new random key, and the entry for the configuration.
    ///
    /// The key is shown this once: the entry holds its digest only, and nobody can tell the key from that. Give the key
    /// to the client, and paste the entry under `keys` of an authorizer with `type: api_key`.
    New {
        #[command(flatten)]
        entry: Entry,
        /// What the key begins with, so that it is known for what it is where it turns up.
        #[arg(long, default_value = "tg", value_parser = key::prefix)]
        prefix: String,
    },
    /// Give a client in a file of keys a new key, and the ones that it has an end.
    ///
    /// FILE is a key set as proxies fetch it: `{"version": 1, "keys": [...]}`. The new key takes over tenant, user,
    /// endpoints and models of the client's newest one; until the overlap ends, all of them hold. An end that is nearer
    /// stays. FILE is replaced by a rename, or not touched at all; the key is shown this once.
    #[command(after_help = ROTATE_HELP)]
    Rotate {
        /// The file of keys.
        file: PathBuf,
        /// Whose key: a `client_id` in the file.
        #[arg(long, value_name = "ID", value_parser = key::client)]
        client: String,
        /// How long the old keys still hold.
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = key::overlap)]
        overlap: SignedDuration,
        /// What the key begins with, so that it is known for what it is where it turns up.
        #[arg(long, default_value = "tg", value_parser = key::prefix)]
        prefix: String,
    },
    /// Read a key from standard input, and print the entry for the configuration.
    ///
    /// One key, on one line. It is not printed. Example: `printf %s "$KEY" | tenantgate key hash --client batch`
    Hash {
        #[command(flatten)]
        entry: Entry,
    },
}

#[derive(Debug, Args)]
struct Entry {
    /// Who will call with the key: its `client_id`, and its tenant unless the entry says otherwise.
    #[arg(long, value_name = "ID", default_value = "my-client", value_parser = key::client)]
    client: String,
}

/// What a command has to say.
#[derive(Debug, Default)]
struct Outcome {
    stdout: String,
    stderr: String,
    status: Status,
}

/// In order of weight: of several files, the worst decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    #[default]
    Good = 0,
    Wrong = 1,
    Unusable = 2,
}

impl Outcome {
    fn say(&mut self, line: impl std::fmt::Display) {
        self.stdout += &line.to_string();
        self.stdout.push('\n');
    }

    fn complain(&mut self, status: Status, line: impl std::fmt::Display) {
        self.stderr += &line.to_string();
        self.stderr.push('\n');
        self.status = self.status.max(status);
    }
}

/// Runs the command that the arguments of this process ask for.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check { files, strict } => check::check(&files, strict),
        Command::Apply {
            config,
            to,
            allow_opening,
        } => apply::apply(&config, &to, allow_opening),
        Command::Diff { old, new } => diff::diff(&old, &new),
        Command::Schema { whole_file } => schema::schema(whole_file),
        Command::Key(KeyCommand::New { entry, prefix }) => key::new(&entry.client, &prefix),
        Command::Key(KeyCommand::Rotate {
            file,
            client,
            overlap,
            prefix,
        }) => rotate::rotate(&file, &client, overlap, &prefix, now()),
        Command::Key(KeyCommand::Hash { entry }) => key::hash(&entry.client, io::stdin().lock()),
        Command::Evidence(args) => evidence::evidence(*args),
    };
    let written =
        write(&mut io::stdout(), &outcome.stdout).and(write(&mut io::stderr(), &outcome.stderr));
    let status = if written.is_ok() {
        outcome.status
    } else {
        Status::Unusable
    };
    ExitCode::from(status as u8)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command has no host to ask for the time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// A reader that has seen enough is no failure.
fn write(stream: &mut dyn Write, text: &str) -> io::Result<()> {
    match stream
        .write_all(text.as_bytes())
        .and_then(|()| stream.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
