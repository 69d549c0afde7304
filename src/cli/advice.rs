//! What is no error, and still lets requests past the filter, shows secrets, or leaves it without the keys that it needs:
//! told with its place and its mend, like an error.
//!
//! Looks at what stands around a plugin configuration, and at what of it only makes sense together with that. Each
//! complaint's place is counted from the carrier, from the connection manager around it, or from the configuration.

mod clusters;
mod hosts;
mod mirrors;
mod secrets;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::find::{Carrier, Kind, Manager, object, text};
use crate::config::{Place, Problems, Report, is_near};
use crate::policy::Policy;
use clusters::Reach;

const PASSES: &str = "lets requests pass unjudged whenever the filter fails";
const STANDS_IN_CLEAR: &str = "stands in clear here and in Envoy's config dump";

/// What to say of a carrier, whose configuration takes these variables from the environment.
pub(super) fn of_carrier(carrier: &Carrier, asked: &BTreeSet<String>) -> Problems {
    let report = Report::default();
    let here = report.root();
    match carrier.kind {
        Kind::Envoy | Kind::EnvoyFilter => envoy(&carrier.members, asked, &here),
        Kind::Istio => istio(&carrier.members, asked, &here),
        Kind::EnvoyGateway => envoy_gateway(&carrier.members, asked, &here),
    }
    report.into_problems()
}

/// What to say of a configuration in a carrier, which is one of these documents.
pub(super) fn of_configuration(
    configuration: &Value,
    policy: &Policy,
    carrier: &Carrier,
    documents: &[Value],
) -> Problems {
    let report = Report::default();
    let here = report.root();
    clusters::check(
        configuration,
        policy,
        &Reach::of(carrier, documents),
        &here.member("clusters"),
    );
    secrets::check(configuration, &here);
    mirrors::check(configuration, documents, &here);
    report.into_problems()
}

/// What to say of the connection manager around a carrier, with this configuration in it.
pub(super) fn of_manager(configuration: &Value, manager: &Manager) -> Problems {
    let report = Report::default();
    hosts::check(configuration, manager, &report.root());
    report.into_problems()
}

/// An `envoy.extensions.wasm.v3.PluginConfig`.
fn envoy(config: &Map<String, Value>, asked: &BTreeSet<String>, here: &Place<'_>) {
    for name in ["failure_policy", "failurePolicy"] {
        // The enum's number is as good as its name.
        if matches!(config.get(name), Some(policy) if policy == "FAIL_OPEN" || policy == 3) {
            here.member(name)
                .complain(format_args!("{PASSES}; write FAIL_RELOAD"));
        }
    }
    for name in ["fail_open", "failOpen"] {
        if is_true(config.get(name)) {
            here.member(name).complain(format_args!(
                "{PASSES}; write `failure_policy: FAIL_RELOAD` in its place"
            ));
        }
    }
    for name in [
        "allow_on_headers_stop_iteration",
        "allowOnHeadersStopIteration",
    ] {
        if is_true(config.get(name)) {
            here.member(name).complain(
                "lets a request go on by its body while it still waits to be judged; leave it out",
            );
        }
    }
    let vm = object(config, &["vm_config", "vmConfig"]);
    let place = here.member("vm_config");
    if vm
        .and_then(|vm| text(vm, &["vm_id", "vmId"]))
        .is_none_or(str::is_empty)
    {
        place.member("vm_id").complain(
            "is missing: all plugins without one share their data, fetched access tokens included, and fall together; \
             write `vm_id: tenantgate`",
        );
    }
    let environment =
        vm.and_then(|vm| object(vm, &["environment_variables", "environmentVariables"]));
    let place = place.member("environment_variables");
    let values = environment.and_then(|env| object(env, &["key_values", "keyValues"]));
    let from_host = strings(environment.and_then(|environment| {
        environment
            .get("host_env_keys")
            .or_else(|| environment.get("hostEnvKeys"))
    }));
    for name in asked {
        if values.is_some_and(|values| values.contains_key(name)) {
            place
                .member("key_values")
                .member(name)
                .complain(format_args!(
                    "{STANDS_IN_CLEAR}; list its name under `host_env_keys`, and set it in Envoy's own environment"
                ));
        } else {
            expect(name, &from_host, &place.member("host_env_keys"));
        }
    }
}

/// `spec` of a `WasmPlugin`, `spec.wasm` of a `TrafficExtension`. Istio decides about VMs, and leaves `vm_id` out.
fn istio(spec: &Map<String, Value>, asked: &BTreeSet<String>, here: &Place<'_>) {
    if text(spec, &["failStrategy"]) == Some("FAIL_OPEN") {
        here.member("failStrategy")
            .complain(format_args!("{PASSES}; write FAIL_RELOAD"));
    }
    let variables = object(spec, &["vmConfig"])
        .and_then(|vm| vm.get("env"))
        .and_then(Value::as_array);
    let place = here.member("vmConfig").member("env");
    let mut given = Vec::new();
    for (index, variable) in variables.into_iter().flatten().enumerate() {
        let Some(name) = variable.get("name").and_then(Value::as_str) else {
            continue;
        };
        given.push(name);
        let from_host = variable.get("valueFrom").is_some_and(|from| from == "HOST");
        if asked.contains(name) && !from_host {
            place.index(index).complain(format_args!(
                "the value of `{name}` {STANDS_IN_CLEAR}; write `valueFrom: HOST`, and set it in the proxy's environment"
            ));
        }
    }
    for name in asked {
        expect(name, &given, &place);
    }
}

/// An entry of `spec.wasm` of an `EnvoyExtensionPolicy`. Envoy Gateway gives each a `vm_id` of its own.
fn envoy_gateway(filter: &Map<String, Value>, asked: &BTreeSet<String>, here: &Place<'_>) {
    if is_true(filter.get("failOpen")) {
        here.member("failOpen").complain(format_args!(
            "{PASSES}, and when its configuration is wrong; leave it out"
        ));
    }
    let given = strings(object(filter, &["env"]).and_then(|env| env.get("hostKeys")));
    for name in asked {
        expect(name, &given, &here.member("env").member("hostKeys"));
    }
}

/// A variable that is not handed to the VM is not set there, and the filter refuses its configuration.
fn expect(name: &str, given: &[&str], place: &Place<'_>) {
    if given.contains(&name) {
        return;
    }
    let meant = given
        .iter()
        .find(|given| is_near(given, name))
        .map(|given| format!("; is `{given}` meant to be it?"))
        .unwrap_or_default();
    place.complain(format_args!(
        "does not list `{name}`, which the configuration takes from the environment{meant}"
    ));
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&Value::Bool(true))
}

fn strings(list: Option<&Value>) -> Vec<&str> {
    let elements = list.and_then(Value::as_array).into_iter().flatten();
    elements.filter_map(Value::as_str).collect()
}
