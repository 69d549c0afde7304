//! Who reaches whom: containers, this machine, and another one on a cable.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::docker::{Docker, run};
use super::harness::process::repository;

/// Two ends of a cable to a machine that is no part of all this.
const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";

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
    assert!(reaches("envoy", "model-server", 8000) && reaches("envoy", &address, 8000));
    assert!(
        reaches("issuer", "envoy", 10000),
        "the twin: what the issuer may reach"
    );
    assert!(!reaches("issuer", "model-server", 8000) && !reaches("issuer", &address, 8000));
    assert!(!reaches("model-server", "issuer", 8001), "no way out");
    assert!(!reaches("model-server", HERE, 80), "no way out");

    // Nothing of this machine listens for it.
    let local: SocketAddr = "127.0.0.1:8000".parse().expect("an address");
    assert!(TcpStream::connect_timeout(&local, Duration::from_secs(1)).is_err());

    // Another machine on the same cable, with a route to all of Docker's networks by way of this one.
    for command in [
        "netns add elsewhere",
        "link add here type veth peer name there netns elsewhere",
        &format!("address add {HERE}/24 dev here"),
        "link set here up",
        &format!("-n elsewhere address add {ELSEWHERE}/24 dev there"),
        "-n elsewhere link set there up",
        &format!("-n elsewhere route add default via {HERE}"),
    ] {
        run("ip", &command.split(' ').collect::<Vec<_>>());
    }
    let reaches = |host: &str, port: u16| {
        let connect = format!("exec 3<>/dev/tcp/{host}/{port}");
        let elsewhere = [
            "netns",
            "exec",
            "elsewhere",
            "timeout",
            "3",
            "bash",
            "-c",
            &connect,
        ];
        Command::new("ip")
            .args(elsewhere)
            .output()
            .expect("ip")
            .status
            .success()
    };
    let listener = TcpListener::bind((HERE, 0)).expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    assert!(reaches(HERE, port), "the twin: the cable is plugged in");
    assert!(!reaches(&address, 8000));
    assert!(!reaches(HERE, 10000) && !reaches(HERE, 8000));
}
