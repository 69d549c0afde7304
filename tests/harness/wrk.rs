//! `wrk`: as many requests as Envoy answers, on connections that stay open.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// A running load. It ends when stopped or dropped.
pub struct Wrk(Option<Child>);

/// What became of a load.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    pub requests: u64,
    /// Answers that were no success, and connections that failed or gave no answer.
    pub failures: u64,
}

impl Wrk {
    /// Asks for this path with this credential, on so many connections.
    pub fn start(address: SocketAddr, path: &str, credential: &str, connections: usize) -> Self {
        let child = Command::new("wrk")
            .args(["--threads", "1", "--duration", "3600s", "--timeout", "10s"])
            .args(["--connections", &connections.to_string()])
            .args(["--header", &format!("authorization: Bearer {credential}")])
            .arg(format!("http://{address}{path}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("wrk does not start: {error}; run scripts/setup"));
        Self(Some(child))
    }

    /// Ends it, and counts.
    pub fn stop(mut self) -> Tally {
        let child = self.0.take().expect("a running wrk");
        // It tells what it counted when it is interrupted.
        let id = child.id().to_string();
        let told = Command::new("kill").args(["-INT", &id]).status();
        assert!(told.expect("kill").success());
        let output = child.wait_with_output().expect("wrk's end");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let numbers = |text: &str| -> Vec<u64> {
            text.split(|c: char| !c.is_ascii_digit())
                .filter_map(|number| number.parse().ok())
                .collect()
        };
        let line = |start: &str| {
            said.lines()
                .find_map(|line| line.trim().strip_prefix(start))
        };
        let requests = said.lines().find(|line| line.contains(" requests in "));
        let requests = requests.unwrap_or_else(|| panic!("wrk told nothing:\n{said}"));
        let failed = |start| line(start).map_or(0, |rest| numbers(rest).iter().sum());
        Tally {
            requests: numbers(requests)[0],
            failures: failed("Socket errors:") + failed("Non-2xx or 3xx responses:"),
        }
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
