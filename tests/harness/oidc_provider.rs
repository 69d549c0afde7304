//! A provider that somebody else wrote: the npm package `oidc-provider`, with discovery, JWKS and `client_credentials`.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use super::process::{Process, repository};

/// What the provider calls itself; Envoy reaches it as the cluster of that host.
pub const ISSUER: &str = "https://idp.test";
/// What its access tokens are for.
pub const AUDIENCE: &str = "https://llm.example";

/// A running provider.
pub struct OidcProvider {
    process: Process,
    address: SocketAddr,
}

impl OidcProvider {
    /// Starts one with fresh keys. It takes a free port and tells which.
    pub fn start() -> Self {
        let home = repository().join("tests/oidc-provider");
        assert!(
            home.join("node_modules").exists(),
            "the provider is not installed: run scripts/setup"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let keys = folder.path().join("keys.json");
        let mut command = Command::new("node");
        command
            .arg(home.join("idp.mjs"))
            .arg("0")
            .arg(keys)
            .env("ISSUER", ISSUER);
        let mut process = Process::start("oidc-provider", folder, &mut command);
        let address = process.wait_for("its port", |process| {
            process
                .read("stdout")
                .lines()
                .find_map(|line| line.strip_prefix("ready http://")?.parse().ok())
        });
        Self { process, address }
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// An access token by `client_credentials`: `acme-app` with `acme-secret`, or `globex-app` with `globex-secret`.
    pub fn access_token(&self, client: &str, secret: &str) -> String {
        let form = format!(
            "grant_type=client_credentials&scope=llm.read&client_id={client}&client_secret={secret}"
        );
        let mut answer =
            ureq::Agent::new_with_config(ureq::Agent::config_builder().proxy(None).build())
                .post(format!("http://{}/token", self.address))
                .header("content-type", "application/x-www-form-urlencoded")
                .send(form)
                .expect("a token response");
        let text = answer.body_mut().read_to_string().expect("a body");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        json["access_token"]
            .as_str()
            .expect("an access token")
            .to_owned()
    }
}
