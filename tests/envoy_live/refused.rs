//! Edits that are bad, cut off, or come all at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::command::tenantgate;
use crate::harness::envoy::Edit;
use crate::harness::{Envoy, Setup};
use crate::{answered_by_envoy, applied, apply, chat};

fn live(configuration: Value) -> Envoy {
    let setup = Setup::with(configuration)
        .virtual_hosts(answered_by_envoy())
        .workers(2)
        .live();
    Envoy::start(setup)
}

fn of(keys: &[&str]) -> Value {
    json!({ "endpoints": [chat(keys)] })
}

/// A hundred endpoints, of which one is wrong in three places.
fn one_bad_among_a_hundred() -> Value {
    let mut endpoints: Vec<Value> = (0..99)
        .map(|number| {
            let mut endpoint = chat(&["another-key"]);
            endpoint["name"] = json!(format!("chat-{number}"));
            endpoint["path"] = json!(format!("/chat/{number}"));
            endpoint
        })
        .collect();
    endpoints.push(chat(&["another-key"]));
    endpoints[57]["path"] = json!("chat/57");
    endpoints[57]["methods"] = json!(["post"]);
    endpoints[57]["authorizer"]["keys"][0]["expires_at"] = json!("soon");
    json!({ "endpoints": endpoints })
}

const PLACES: [&str; 3] = [
    "endpoints[57].path: must begin with `/`",
    "endpoints[57].methods[0]: ",
    "endpoints[57].authorizer.keys[0].expires_at: must be a time such as",
];

#[test]
fn a_bad_edit_is_refused_by_the_command_before_envoy_sees_it() {
    let envoy = live(of(&["good-key"]));
    let before = std::fs::read(envoy.live_file()).expect("the file");
    let attempts = envoy.edits("update_attempt");
    let said = apply(&one_bad_among_a_hundred(), &envoy.live_file());
    assert_eq!((said.status, said.stdout.as_str()), (Some(1), ""));
    for place in PLACES {
        assert!(said.stderr.contains(place), "{place}\n{}", said.stderr);
    }
    assert_eq!(said.stderr.lines().count(), PLACES.len(), "{}", said.stderr);
    let half = one_bad_among_a_hundred().to_string();
    let half = tenantgate(
        &[
            "apply",
            "-",
            "--to",
            envoy.live_file().to_str().expect("a path"),
        ],
        half.get(..half.len() / 2).expect("ASCII"),
    );
    assert_eq!(half.status, Some(1), "{}", half.stderr);
    assert_eq!(std::fs::read(envoy.live_file()).expect("the file"), before);
    assert_eq!(envoy.edits("update_attempt"), attempts);
    envoy.get("/chat").bearer("good-key").send().admitted();
}

#[test]
fn vm_05_one_bad_endpoint_among_a_hundred_leaves_the_old_ones_serving_and_every_error_is_in_the_log()
 {
    let mut envoy = live(of(&["good-key"]));
    let counters = ["update_rejected", "config_fail"];
    let before = counters.map(|counter| envoy.edits(counter));
    assert_eq!(envoy.apply(one_bad_among_a_hundred()), Edit::Rejected);
    let after = counters.map(|counter| envoy.edits(counter));
    assert_eq!(after, before.map(|count| count + 1), "{counters:?}");
    let log = envoy.log();
    for place in PLACES {
        assert!(log.contains(place), "{place}\n{log}");
    }
    envoy.get("/chat").bearer("good-key").send().admitted();
    let refused = envoy.get("/chat").bearer("another-key").send();
    refused.refused(401, "invalid_credential");
    let unknown = envoy.get("/chat/1").bearer("another-key").send();
    unknown.refused(404, "unknown_endpoint");

    // What the command calls a configuration is what the access log calls it.
    let said = applied(&of(&["another-key"]), &envoy.live_file());
    in_force(&envoy, "another-key", "good-key");
    let asked = envoy.access_log(1).len();
    envoy.get("/chat").bearer("another-key").send().admitted();
    let lines = envoy.access_log(asked + 1);
    let id = lines[lines.len() - 1]["config_id"].as_str().expect("an id");
    assert!(
        said.stdout.contains(&format!(" → {id}\n")),
        "{id}: {}",
        said.stdout
    );
}

#[test]
fn vm_05_a_file_that_is_cut_off_anywhere_leaves_the_old_one_serving() {
    let envoy = live(of(&["good-key"]));
    let whole = std::fs::read_to_string(envoy.live_file()).expect("the file");
    for cut in [0, 1, whole.len() / 3, whole.len() / 2, whole.len() - 1] {
        let piece = whole.get(..cut).expect("ASCII");
        assert_eq!(envoy.replace_live_file(piece), Edit::Rejected, "{piece}");
        envoy.get("/chat").bearer("good-key").send().admitted();
    }
    let text = whole.replace("good-key", "better-key");
    assert_eq!(envoy.replace_live_file(&text), Edit::Applied);
    in_force(&envoy, "better-key", "good-key");
}

#[test]
fn of_edits_in_the_same_second_the_last_is_in_force() {
    let envoy = live(of(&["key-0"]));
    let file = envoy.live_file();
    for round in 1..=10 {
        let start = Instant::now();
        let (first, last) = (format!("first-{round}"), format!("last-{round}"));
        applied(&of(&[&first]), &file);
        applied(&of(&[&last]), &file);
        assert!(start.elapsed() < Duration::from_secs(1));
        in_force(&envoy, &last, &first);
    }
}

#[test]
fn of_edits_at_the_same_time_each_is_made_as_a_whole() {
    let envoy = live(of(&["key-0"]));
    let file = envoy.live_file();
    let keys: Vec<String> = (0..8).map(|number| format!("key-{number}")).collect();
    std::thread::scope(|scope| {
        for key in &keys {
            let file = &file;
            scope.spawn(move || applied(&of(&[key]), file));
        }
    });
    let text = std::fs::read_to_string(&file).expect("the file");
    let winners: Vec<_> = keys.iter().filter(|key| text.contains(*key)).collect();
    let [winner] = winners.as_slice() else {
        panic!("{winners:?} in {text}")
    };
    let loser = keys.iter().find(|key| key != winner).expect("another");
    in_force(&envoy, winner, loser);
    let folder = file.parent().expect("a folder");
    let left = std::fs::read_dir(folder)
        .expect("a folder")
        .filter(|entry| {
            let name = entry.as_ref().expect("an entry").file_name();
            name.to_string_lossy().starts_with(".tenantgate-")
        });
    assert_eq!(left.count(), 0);
}

/// Waits until one key is let in and the other is not, on many connections.
fn in_force(envoy: &Envoy, good: &str, bad: &str) {
    let start = Instant::now();
    for _ in 0..8 {
        let ask = |key: &str| envoy.get("/chat").bearer(key).send().status;
        while (ask(good), ask(bad)) != (200, 401) {
            assert!(start.elapsed() < Duration::from_secs(2), "{good}, {bad}");
        }
    }
}
