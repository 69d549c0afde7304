//! Official clients against the gate in a real Envoy, with the example's model server behind it: their users must get
//! answers with a good key and the client's own exception with a bad one.

mod harness;
#[path = "../examples/model_server.rs"]
#[allow(dead_code, reason = "its main function")]
mod model_server;

use harness::server::Server;
use harness::{Envoy, Setup, sdk};
use serde_json::{Value, json};

const KEY: &str = "sk-acme-0123456789";

fn gate() -> Value {
    let endpoint = |name: &str, path: &str| {
        json!({ "name": name, "path": path, "authorizer": { "type": "api_key", "keys": [
            { "client_id": "acme-app", "key": KEY, "tenant_id": "acme" },
        ] } })
    };
    json!({ "endpoints": [
        endpoint("chat", "/v1/chat/completions"),
        endpoint("azure", "/openai/deployments/{model}/chat/completions"),
        endpoint("models", "/v1/models"),
        endpoint("messages", "/v1/messages"),
    ] })
}

/// `generation`: the folder of `.tools` that holds the clients, `None` for those of the virtual environment.
fn run(script: &str, generation: Option<&str>) {
    let server = Server::start(model_server::app());
    let envoy = Envoy::start(Setup::with(gate()).model(server.address()));
    sdk::run(&envoy, script, &[KEY, "sk-acme-wrong"], generation);
}

#[test]
fn the_openai_client_works_and_fails_as_its_users_know_it() {
    run("openai_client.py", None);
}

#[test]
fn the_former_openai_client_works_and_fails_as_its_users_know_it() {
    run("openai_client.py", Some("old-clients"));
}

#[test]
fn the_anthropic_client_works_and_fails_as_its_users_know_it() {
    run("anthropic_client.py", None);
}

#[test]
fn the_former_anthropic_client_works_and_fails_as_its_users_know_it() {
    run("anthropic_client.py", Some("old-clients"));
}
