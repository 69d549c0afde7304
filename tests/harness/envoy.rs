//! A real Envoy with the filter in it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::ask::{Answer, Ask};
use super::envoy_config::{ACCESS_LOG, BESIDE, FILTER, GATE, Setup, TOLD};
use super::live::write_live_file;
use super::process::{Process, envoy_binary};
use super::wire::Wire;

/// A running Envoy. It ends when dropped.
pub struct Envoy {
    process: Process,
    setup: Setup,
    admin: SocketAddr,
    gate: SocketAddr,
}

/// What became of a configuration that was given to a running Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    Applied,
    Rejected,
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    pub fn start(setup: Setup) -> Self {
        let (folder, mut command) = prepare(&setup);
        command
            .arg("--admin-address-path")
            .arg(folder.path().join("admin"));
        let mut process = Process::start("envoy", folder, &mut command);
        let admin = process.wait_for("its admin address", |process| {
            process.read("admin").trim().parse().ok()
        });
        process.wait_for("its readiness", |_| {
            (fetch(admin, "/ready")?.status == 200).then_some(())
        });
        let gate = process.wait_for("its listener", |_| {
            listener_address(&fetch(admin, "/listeners?format=json")?, GATE)
        });
        Self {
            process,
            setup,
            admin,
            gate,
        }
    }

    /// What `envoy --mode validate` says: its log, `Err` if it refuses the configuration.
    pub fn validate(setup: &Setup) -> Result<String, String> {
        let (folder, mut command) = prepare(setup);
        command.args(["--mode", "validate"]);
        let mut process = Process::start("envoy", folder, &mut command);
        let end = process.finish();
        if end.success() {
            Ok(process.logs())
        } else {
            Err(process.logs())
        }
    }

    /// Where clients knock.
    pub fn address(&self) -> SocketAddr {
        self.gate
    }

    /// Where the listener beside ours is, if there is one.
    pub fn address_beside(&self) -> SocketAddr {
        self.listener(BESIDE)
    }

    /// Where a listener is.
    pub fn listener(&self, name: &str) -> SocketAddr {
        fetch(self.admin, "/listeners?format=json")
            .and_then(|answer| listener_address(&answer, name))
            .unwrap_or_else(|| panic!("no listener {name}"))
    }

    /// The same as the base of a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.gate)
    }

    /// The base of the admin interface's URLs.
    pub fn admin_url(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// A connection for raw bytes.
    pub fn wire(&self) -> Wire {
        Wire::connect(self.gate)
    }

    /// An ordinary request to come: add to it, then `send`.
    pub fn ask(&self, method: &str, path: &str) -> Ask {
        Ask::to(method, &format!("http://{}{path}", self.gate))
    }

    /// A GET to come.
    pub fn get(&self, path: &str) -> Ask {
        self.ask("GET", path)
    }

    /// A POST of JSON to come.
    pub fn post(&self, path: &str, body: &Value) -> Ask {
        self.ask("POST", path)
            .body("application/json", &body.to_string())
    }

    /// Replaces the plugin configuration of a live set-up, by rename, and waits for Envoy's verdict.
    pub fn apply(&mut self, plugin: Value) -> Edit {
        self.setup.plugin = plugin;
        self.publish()
    }

    /// The same for the whole filter, as somebody else configures it.
    pub fn replace(&mut self, filter: Value) -> Edit {
        self.setup.filter = Some(filter);
        self.publish()
    }

    fn publish(&self) -> Edit {
        let text = self.setup.discovery_response().to_string();
        self.replace_live_file(&text)
    }

    /// Replaces the file of a live set-up as a whole, whatever is in it, and waits for Envoy's verdict.
    pub fn replace_live_file(&self, text: &str) -> Edit {
        self.verdict_on(|| write_live_file(&self.setup, self.process.folder(), text))
    }

    /// What Envoy says to an edit that this makes.
    pub fn verdict_on(&self, edit: impl FnOnce()) -> Edit {
        assert!(self.setup.live, "this set-up is not live");
        let applied = |envoy: &Self| envoy.edits("update_success");
        let rejected =
            |envoy: &Self| envoy.edits("update_rejected") + envoy.edits("update_failure");
        let before = (applied(self), rejected(self));
        edit();
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if applied(self) > before.0 {
                // The main thread has it; the workers hear of it within milliseconds.
                std::thread::sleep(Duration::from_millis(100));
                return Edit::Applied;
            }
            if rejected(self) > before.1 {
                return Edit::Rejected;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!(
            "no verdict on the new configuration\n{}",
            self.process.logs()
        );
    }

    /// Puts a text in the place of the file of a live set-up, and does not wait.
    pub fn write_live_file(&self, text: &str) {
        write_live_file(&self.setup, self.process.folder(), text);
    }

    /// The file that Envoy watches in a live set-up.
    pub fn live_file(&self) -> PathBuf {
        self.setup.live_filter(self.process.folder())
    }

    /// How much memory the process takes, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(status).expect("the state of a process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("its memory")
    }

    /// A counter of the file's discovery.
    pub fn edits(&self, counter: &str) -> u64 {
        self.stat(&format!(
            "extension_config_discovery.http_filter.{FILTER}.{counter}"
        ))
    }

    /// A page of the admin interface.
    pub fn admin(&self, path: &str) -> String {
        fetch(self.admin, path).expect("the admin interface").text()
    }

    /// A counter or gauge; 0 if Envoy does not know it.
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.admin("/stats");
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok();
        stats.lines().find_map(value).unwrap_or(0)
    }

    /// Waits until a counter says so, and the workers have heard of what it counts.
    pub fn wait_for_stat(&self, name: &str, value: u64) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.stat(name) < value {
            assert!(
                Instant::now() < deadline,
                "{name}: {}\n{}",
                self.stat(name),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(100));
    }

    /// Waits until no stream is left, neither here nor towards the model server.
    pub fn comes_to_rest(&self) {
        let gauges = [
            "http.gate.downstream_rq_active",
            "cluster.model.upstream_rq_active",
        ];
        let deadline = Instant::now() + Duration::from_secs(20);
        while gauges.iter().any(|gauge| self.stat(gauge) > 0) {
            let active = gauges.map(|gauge| self.stat(gauge));
            assert!(Instant::now() < deadline, "{active:?} streams are left");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The configuration as Envoy shows it to whoever asks.
    pub fn config_dump(&self) -> String {
        self.admin("/config_dump?include_eds")
    }

    /// What Envoy and the filter logged so far.
    pub fn log(&self) -> String {
        self.process.read("stderr")
    }

    /// Waits for a line of Envoy's log.
    pub fn wait_for_log(&mut self, text: &str) {
        self.process.wait_for(text, |process| {
            process.read("stderr").contains(text).then_some(())
        });
    }

    /// A crash refuses requests, too: assert this where a test expects a refusal.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// The access log, once it has at least so many lines.
    pub fn access_log(&self, lines: usize) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).expect("a JSON line");
        self.lines(ACCESS_LOG, lines).iter().map(parse).collect()
    }

    /// What the loggers wrote that operators copy, once there are at least so many lines.
    pub fn told(&self, lines: usize) -> Vec<Value> {
        let parse = |line: &String| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.lines(TOLD, lines).iter().map(parse).collect()
    }

    /// What the loggers of containers wrote, to standard output, once there are at least so many lines.
    pub fn printed(&self, lines: usize) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).expect("a JSON line");
        self.lines("stdout", lines).iter().map(parse).collect()
    }

    fn lines(&self, file: &str, count: usize) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let text = self.process.read(file);
            // The last piece may be a line that is still being written.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            if lines.len() >= count {
                return lines;
            }
            assert!(
                Instant::now() < deadline,
                "{file} has {} of {count} lines:\n{text}",
                lines.len()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn prepare(setup: &Setup) -> (TempDir, Command) {
    let folder = tempfile::tempdir().expect("a folder");
    let (name, text) = match &setup.written {
        Some(text) => ("envoy.yaml", text.clone()),
        None => ("envoy.json", setup.bootstrap(folder.path()).to_string()),
    };
    let bootstrap = folder.path().join(name);
    fs::write(&bootstrap, text).expect("the bootstrap");
    if setup.live {
        let text = setup.discovery_response().to_string();
        write_live_file(setup, folder.path(), &text);
    }
    let mut command = Command::new(envoy_binary());
    command
        .arg("-c")
        .arg(bootstrap)
        .args(["--concurrency", &setup.concurrency.to_string()])
        // Tests run side by side, and read the access log while Envoy runs.
        .args(["--disable-hot-restart", "--file-flush-interval-msec", "50"])
        .args(["--log-level", setup.log, "--component-log-level"])
        .arg(format!("wasm:{}", setup.wasm_log))
        .envs(setup.environment.iter().map(|(name, value)| (name, value)));
    (folder, command)
}

fn listener_address(answer: &Answer, name: &str) -> Option<SocketAddr> {
    let json = answer.json();
    let listeners = json["listener_statuses"].as_array()?;
    let listener = listeners.iter().find(|listener| listener["name"] == name)?;
    let socket = listener.pointer("/local_address/socket_address")?;
    format!(
        "{}:{}",
        socket.get("address")?.as_str()?,
        socket.get("port_value")?
    )
    .parse()
    .ok()
}

fn fetch(address: SocketAddr, path: &str) -> Option<Answer> {
    Ask::to("GET", &format!("http://{address}{path}"))
        .attempt()
        .ok()
}
