//! Who reaches whom: containers, this machine, and another one on a cable.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::docker::{Docker, run};
use super::eventually;
use super::harness::process::repository;

/// Two ends of a cable to a machine that is no part of all this.
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";
/// What listens at the far end.
const SERVED: u16 = 8080;

/// By no published port, from no other container, from no other machine; and it reaches nobody itself.
pub fn the_model_server_is_reached_by_envoy_only(docker: &Docker) {
    let inspect = |service: &str, what: &str| {
        let id = docker.compose(&["ps", "--quiet", service]);
        docker
            .run(&["inspect", "--format", what, id.trim()])
            .trim()
            .to_owned()
    };
    let networks = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    assert_eq!(inspect("model-server", networks), "tenantgate_models");
    assert_eq!(
        inspect("model-server", "{{.HostConfig.PortBindings}}"),
        "map[]"
    );
    let address = inspect(
        "model-server",
        "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
    );

    // Envoy does reach it: by its name, and at that address, which is what the others try. A container that waits for an
    // answer is not waited for.
    let reaches = |service: &str, host: &str, port: u16| {
        let connect = format!("exec 3<>/dev/tcp/{host}/{port}");
        let exec = [
            "compose",
            "-f",
            "envoy/docker-compose.yaml",
            "exec",
            "-T",
            service,
            "bash",
            "-c",
            &connect,
        ];
        let command = docker.command(&exec);
        let mut patient = Command::new("timeout");
        patient
            .arg("4")
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            patient.env(name, value.expect("a value"));
        }
        patient
            .current_dir(repository())
            .output()
            .expect("docker")
            .status
            .success()
    };
    let elsewhere = Machine::on_a_cable();
    let listener = TcpListener::bind((HERE, 0)).expect("a listener");
    let open = listener.local_addr().expect("its address").port();

    assert!(reaches("envoy", "model-server", 8000) && reaches("envoy", &address, 8000));
    assert!(reaches("issuer", "envoy", 10000), "the twin: its neighbour");
    assert!(!reaches("issuer", "model-server", 8000) && !reaches("issuer", &address, 8000));
    let _server = elsewhere.serve();
    assert!(
        reaches("issuer", ELSEWHERE, SERVED),
        "the twin: who has a way out"
    );
    assert!(
        !reaches("model-server", ELSEWHERE, SERVED) && !reaches("model-server", "issuer", 8001)
    );

    // Nothing of this machine listens for it.
    let local: SocketAddr = "127.0.0.1:8000".parse().expect("an address");
    assert!(TcpStream::connect_timeout(&local, Duration::from_secs(1)).is_err());

    assert!(
        elsewhere.reaches(HERE, open),
        "the twin: the cable is plugged in"
    );
    assert!(!elsewhere.reaches(&address, 8000));
    assert!(!elsewhere.reaches(HERE, 10000) && !elsewhere.reaches(HERE, 8000));
}

/// Another machine on the same cable as this one, with a route to all of Docker's networks by way of it: a process in a
/// network of its own.
struct Machine(Child);

impl Machine {
    fn on_a_cable() -> Self {
        let mut unshare = Command::new("unshare");
        let machine = Self(
            unshare
                .args(["--net", "sleep", "600"])
                .spawn()
                .expect("unshare"),
        );
        let network =
            |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/net")).expect("a network");
        let pid = machine.0.id().to_string();
        while network(&pid) == network("self") {
            std::thread::sleep(Duration::from_millis(10));
        }
        run(
            "ip",
            &[
                "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", &pid,
            ],
        );
        run(
            "ip",
            &["address", "add", &format!("{HERE}/24"), "dev", "here"],
        );
        run("ip", &["link", "set", "here", "up"]);
        for command in [
            format!("ip address add {ELSEWHERE}/24 dev there"),
            "ip link set lo up && ip link set there up".to_owned(),
            format!("ip route add default via {HERE}"),
        ] {
            assert!(machine.run(&command), "{command}");
        }
        machine
    }

    /// Listens there, until it is dropped.
    fn serve(&self) -> Machine {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--net", "--target", &self.0.id().to_string()]);
        nsenter.args([
            "python3",
            "-m",
            "http.server",
            &SERVED.to_string(),
            "--bind",
            ELSEWHERE,
        ]);
        nsenter.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(nsenter.spawn().expect("nsenter"));
        eventually("a server elsewhere", || {
            let here = self.run(&format!("exec 3<>/dev/tcp/{ELSEWHERE}/{SERVED}"));
            if here {
                Ok(())
            } else {
                Err("not yet".to_owned())
            }
        });
        server
    }

    fn run(&self, command: &str) -> bool {
        let mut nsenter = Command::new("nsenter");
        nsenter.args([
            "--net",
            "--target",
            &self.0.id().to_string(),
            "bash",
            "-c",
            command,
        ]);
        nsenter.output().expect("nsenter").status.success()
    }

    fn reaches(&self, host: &str, port: u16) -> bool {
        self.run(&format!(
            "timeout 3 bash -c 'exec 3<>/dev/tcp/{host}/{port}'"
        ))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
