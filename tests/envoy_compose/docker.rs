//! A Docker engine of the test's own, and images for it out of programs of this machine.
//!
//! Engine and containers live in namespaces that the test has made: their bridges, rules, mounts and processes end with
//! it, whatever happens.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::harness::process::{Process, repository};

/// Debian's, whatever else is called so.
const CLIENT: &str = "/usr/bin/docker";
const ENGINE: &str = "/usr/sbin/dockerd";
/// Every group that a container is in is below this one, so that it can be taken away.
pub const CGROUP: &str = "tenantgate-compose";

/// A running engine. It ends when dropped.
pub struct Docker {
    process: Process,
    socket: String,
}

impl Docker {
    /// Starts an engine and waits until it answers.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let within = |name: &str| folder.path().join(name);
        let socket = format!("unix://{}", within("docker.sock").display());
        let mut command = Command::new(ENGINE);
        command
            .arg("--data-root")
            .arg(within("data"))
            .arg("--exec-root")
            .arg(within("exec"))
            .arg("--pidfile")
            .arg(within("pid"))
            .args(["--host", &socket, "--cgroup-parent", &format!("/{CGROUP}")]);
        let process = Process::start("dockerd", folder, &mut command);
        let mut docker = Self { process, socket };
        let (socket, process) = (docker.socket.clone(), &mut docker.process);
        process.wait_for("its answer", |_| {
            let output = client(&socket).args(["info"]).output().expect("docker");
            output.status.success().then_some(())
        });
        docker
    }

    /// A command to come: `docker` with these arguments, at the root of the repository.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = client(&self.socket);
        command.args(arguments).current_dir(repository());
        command
    }

    /// `docker` with these arguments; what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("docker");
        succeeded(&format!("docker {arguments:?}"), &output)
    }

    /// `docker compose` on the file that operators copy; what it printed.
    pub fn compose(&self, arguments: &[&str]) -> String {
        let file = [
            "compose",
            "--ansi",
            "never",
            "-f",
            "envoy/docker-compose.yaml",
        ];
        self.run(&[&file, arguments].concat())
    }

    /// Makes an image: each program at its place, with the libraries that it needs, and some files.
    pub fn import(
        &self,
        tag: &str,
        changes: &[&str],
        programs: &[(&Path, &str)],
        scripts: &[(&str, &str)],
    ) {
        let root = tempfile::tempdir().expect("a folder");
        for (program, place) in programs {
            copy(program, root.path(), Path::new(place));
            for library in libraries(program) {
                copy(&library, root.path(), &library);
            }
        }
        for library in ["libnss_files.so.2", "libnss_dns.so.2"] {
            let library = Path::new("/lib/x86_64-linux-gnu").join(library);
            copy(&library, root.path(), &library);
        }
        for (place, text) in scripts {
            let file = within(root.path(), Path::new(place));
            fs::write(&file, text).expect("a file");
            run("chmod", &["755", file.to_str().expect("a name")]);
        }
        for folder in ["etc", "tmp", "prometheus"] {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).expect("a folder");
            run("chmod", &["1777", folder.to_str().expect("a name")]);
        }
        run("chmod", &["755", root.path().to_str().expect("a name")]);
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(root.path())
            .args(["--owner=0", "--group=0", "--numeric-owner", "-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar");
        let mut import = self.command(&["import"]);
        for change in changes {
            import.args(["-c", change]);
        }
        import
            .args(["-", tag])
            .stdin(tar.stdout.take().expect("a pipe"));
        succeeded(tag, &import.output().expect("docker import"));
        assert!(tar.wait().expect("tar").success());
    }

    /// Ends the engine as an operator would, and waits for it.
    pub fn stop(mut self) {
        run("kill", &["-TERM", self.process.read("pid").trim()]);
        self.process.finish();
    }
}

fn client(socket: &str) -> Command {
    let mut command = Command::new(CLIENT);
    command
        .env("DOCKER_HOST", socket)
        // Where scripts/setup has put Compose; nobody's credentials are there.
        .env("DOCKER_CONFIG", repository().join(".tools/docker"))
        // Nothing that another builder could fetch is needed.
        .env("DOCKER_BUILDKIT", "0");
    command
}

fn copy(file: &Path, root: &Path, place: &Path) {
    let target = within(root, place);
    fs::copy(file, &target).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

fn within(root: &Path, place: &Path) -> PathBuf {
    let target = root.join(place.strip_prefix("/").expect("an absolute place"));
    fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
    target
}

/// What a program is linked with, its loader included; nothing for a static one.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .filter(|word| word.starts_with('/') && word.contains(".so"))
        .map(PathBuf::from)
        .collect()
}

/// Runs a program of this machine that has to succeed; what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    succeeded(
        &format!("{program} {arguments:?}"),
        &output.unwrap_or_else(|error| panic!("{program}: {error}")),
    )
}

fn succeeded(what: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{what}: {stdout}{stderr}");
    stdout
}
