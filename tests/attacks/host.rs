//! VM-09: a host whose calls fail, each of them with each status at each of its places in the life of the plugin and of a
//! request. Nobody is let in by that who would not have been, and nothing goes upstream that should not.
//!
//! The SDK has a panic for every status that Envoy does not give to that call; what that costs is a VM, never a decision.
//! What Envoy does where a VM ends at an edit is not here but in `tests/envoy_traps/second_lock.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::proxy::{Answer, Proxy, Request, Status, post};
use crate::harness::tokens::{Key, TRUSTED, Token, jwks};
use crate::{API_KEY, Gate, IDP, KEYS, issuer, policy_with};

/// The calls that the filter makes, and the statuses of each that it lives with beside the good one.
const SURVIVED: [(&str, &[Status]); 21] = {
    use Status::{BadArgument, CasMismatch, InternalFailure, NotFound, SerializationFailure};
    [
        // Without the function, or where it fails, the token is refused or verified in here.
        (
            "proxy_call_foreign_function",
            &[NotFound, BadArgument, SerializationFailure, InternalFailure],
        ),
        ("proxy_continue_stream", &[]),
        ("proxy_define_metric", &[]),
        ("proxy_get_buffer_bytes", &[NotFound]),
        ("proxy_get_current_time_nanoseconds", &[]),
        ("proxy_get_header_map_pairs", &[]),
        ("proxy_get_header_map_value", &[NotFound]),
        ("proxy_get_metric", &[NotFound, BadArgument]),
        (
            "proxy_get_property",
            &[NotFound, SerializationFailure, InternalFailure],
        ),
        ("proxy_get_shared_data", &[NotFound]),
        ("proxy_http_call", &[BadArgument, InternalFailure]),
        ("proxy_increment_metric", &[NotFound, BadArgument]),
        ("proxy_log", &[]),
        ("proxy_record_metric", &[NotFound]),
        ("proxy_remove_header_map_value", &[]),
        ("proxy_replace_header_map_value", &[]),
        ("proxy_send_local_response", &[]),
        // A stream that has left is lived with; the SDK insists on the context that a callback is for.
        ("proxy_set_effective_context", &[]),
        ("proxy_set_property", &[]),
        ("proxy_set_shared_data", &[CasMismatch]),
        ("proxy_set_tick_period_milliseconds", &[]),
    ]
};

/// What happens before a request.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// Keys are had anew: a tick, a call, its answer.
    ASecond,
    AnEdit,
    /// The VM is new, and has no keys yet: the request waits, and is gone on with.
    ANewVm,
}

/// What may come of a request, whatever fails.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    LetIn,
    /// Nothing of it goes upstream.
    Refused,
    /// Its head goes upstream, and no answer comes back.
    RefusedLate,
}

struct Scene {
    name: &'static str,
    before: Before,
    request: Request,
    due: Due,
}

fn config() -> Value {
    let mut config = policy_with(issuer(json!({ "audience": "api", "refresh": "1s" })));
    let keys = &mut config["endpoints"][2]["authorizer"]["keys"];
    let first = keys[0].clone();
    *keys = json!([first, { "client_id": "some", "key": "k-some", "tenant_id": "acme", "models": ["small"] }]);
    config
}

fn scenes(gate: &Gate) -> Vec<Scene> {
    use Before::{ANewVm, ASecond, AnEdit, Nothing};
    use Due::{LetIn, Refused, RefusedLate};
    let full = |request: Request, model: &str| {
        request
            .header("x-tenant-id", "evil")
            .header("content-type", "application/json")
            .body(json!({ "model": model }))
            .trailer("x-tenant-id", "evil")
            .response_header("x-tenant-id", "echoed")
            .response_trailer("x-end", "1")
    };
    let keyed = |key: &str, model: &str| full(post("/v1/keyed").bearer(key), model);
    let token = |token: &Token| full(gate.chat(token), "small");
    let good = || token(&Token::good().claim("exp", FAR));
    let forged = || token(&Token::good().claim("exp", FAR).signed_by(Key::R2));
    let scenes = [
        ("a key", Nothing, keyed(API_KEY, "small"), LetIn),
        ("a guess", Nothing, keyed("a-guess", "small"), Refused),
        ("its model", Nothing, keyed("k-some", "small"), LetIn),
        ("another's", Nothing, keyed("k-some", "large"), RefusedLate),
        ("a token", Nothing, good(), LetIn),
        ("a forged token", Nothing, forged(), Refused),
        ("a token, keys anew", ASecond, good(), LetIn),
        ("a forged one, keys anew", ASecond, forged(), Refused),
        ("a token that waits", ANewVm, good(), LetIn),
        ("a forged one that waits", ANewVm, forged(), Refused),
        ("an edit", AnEdit, keyed("a-guess", "small"), Refused),
    ];
    let scene = |(name, before, request, due)| Scene {
        name,
        before,
        request,
        due,
    };
    scenes.map(scene).into()
}

/// Whatever time passes here, no token expires.
const FAR: u64 = 4_102_444_800;
/// So many calls alike are failed one after the other.
const MANY: u64 = 16;

fn gate() -> Gate {
    let mut gate = Gate::with(Proxy::setup(), &config());
    gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
    gate.seconds_pass(1);
    gate
}

fn prepare(gate: &mut Gate, scene: &Scene) {
    if matches!(scene.before, Before::ANewVm) {
        // Nothing that another worker might have fetched either.
        for key in gate.shared_keys() {
            gate.set_shared_data(&key, "");
        }
        gate.reload(0);
    }
}

fn play(gate: &mut Gate, scene: &Scene) -> Answer {
    match scene.before {
        Before::Nothing => {}
        Before::ANewVm => {
            let stream = gate.start(scene.request.clone());
            gate.advance(Duration::from_millis(100));
            return gate.answer(stream);
        }
        Before::ASecond => gate.advance(Duration::from_secs(1)),
        // It may be refused, by the host's failure.
        Before::AnEdit => drop(gate.try_reconfigure(config())),
    }
    let answer = gate.send(scene.request.clone());
    gate.settle();
    gate.answer(answer.stream)
}

/// What may not be, whichever call failed.
fn judge(scene: &Scene, fault: &str, answer: &Answer) {
    let what = format!("{}, {fault}", scene.name);
    if scene.due != Due::LetIn {
        assert!(!answer.is_admitted(), "{what}: let in");
    }
    if scene.due == Due::Refused {
        assert!(answer.upstream.is_none(), "{what}: went upstream");
    }
    let Some(hit) = &answer.upstream else { return };
    for (name, value) in hit.headers.iter() {
        let value = String::from_utf8_lossy(value);
        assert!(!value.contains("evil"), "{what}: {name}: {value}");
        assert!(!value.contains(API_KEY), "{what}: {name}: {value}");
    }
}

#[test]
fn vm_09_no_status_of_any_call_lets_anybody_in_and_those_that_envoy_gives_cost_no_vm() {
    let survived: BTreeMap<_, BTreeSet<_>> = SURVIVED
        .iter()
        .map(|(call, of)| (*call, of.iter().map(|status| *status as u32).collect()))
        .collect();
    let imports = include_str!("../../scripts/wasm-imports.txt");
    let imports = imports.lines().filter_map(|line| line.strip_prefix("env."));
    let imports: Vec<_> = imports.collect();
    let (mut met, mut failures, mut ended) = (BTreeSet::new(), 0, 0);
    for scene in scenes(&gate()) {
        let mut gate = gate();
        // Once more than it takes, so that what is remembered is.
        play(&mut gate, &scene);
        let count =
            |gate: &Gate| -> Vec<_> { imports.iter().map(|call| gate.hostcalls(call)).collect() };
        prepare(&mut gate, &scene);
        let before = count(&gate);
        well(&mut gate, &scene);
        let after = count(&gate);
        for (call, calls) in imports.iter().zip(before.iter().zip(after)) {
            // Of many calls alike, such as those that define a metric, the first ones stand for all.
            for place in 0..(calls.1 - calls.0).min(MANY) {
                met.insert(*call);
                for status in Status::FAILURES {
                    let may_live = survived
                        .get(call)
                        .is_some_and(|of| of.contains(&(status as u32)));
                    // What the SDK ends the VM for it ends it for everywhere: once is enough.
                    if place > 0 && !may_live && status != Status::Unimplemented {
                        continue;
                    }
                    prepare(&mut gate, &scene);
                    let fault = format!("{call} {} fails with {status:?}", place + 1);
                    gate.fail_after(call, place, status);
                    let answer = play(&mut gate, &scene);
                    gate.fail_no_more();
                    judge(&scene, &fault, &answer);
                    failures += 1;
                    if !answer.crashed() {
                        continue;
                    }
                    ended += 1;
                    assert!(!may_live, "{}, {fault}: the VM has ended", scene.name);
                    gate.reload(0);
                    gate.settle();
                    play(&mut gate, &scene);
                }
            }
        }
        prepare(&mut gate, &scene);
        well(&mut gate, &scene);
    }
    println!(
        "{failures} failures of {} calls: {ended} ended the VM, none let anybody in",
        met.len()
    );
    let known: BTreeSet<_> = survived.keys().copied().collect();
    assert_eq!(met, known, "a call that is new, or is not made any more");
}

/// It goes as it should where nothing fails.
fn well(gate: &mut Gate, scene: &Scene) {
    let answer = play(gate, scene);
    let is_due = scene.due == Due::LetIn;
    assert_eq!(answer.is_admitted(), is_due, "{}: {answer:?}", scene.name);
    gate.alive();
}
