//! KEY-22 and 23: what the workers of a process tell each other, and what somebody else might write in its place.

use std::time::Duration;

use blake2::digest::consts::U8;
use blake2::{Blake2b, Digest};
use prost::Message;
use serde_json::json;

use crate::harness::proxy::{Body, Proxy, Status};
use crate::harness::tokens::{Key, TRUSTED, Token, decoys, jwks};
use crate::{Gate, IDP, KEYS, policy};

/// What is told of a shared document, as another plugin could find it out. The document is an entry of its own.
#[derive(Clone, PartialEq, Message)]
struct Note {
    #[prost(int64, tag = "1")]
    fetched_at_ms: i64,
    #[prost(int64, tag = "2")]
    fresh_for_ms: i64,
    #[prost(int64, tag = "3")]
    hurried_at_ms: i64,
    #[prost(fixed64, tag = "4")]
    id: u64,
}

impl Note {
    /// Of a document that was fetched then.
    fn of(body: &str, fetched_at_ms: i64) -> Self {
        Self {
            fetched_at_ms,
            fresh_for_ms: 600_000,
            hurried_at_ms: 0,
            id: u64::from_le_bytes(Blake2b::<U8>::digest(body).into()),
        }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Lease {
    #[prost(int64, tag = "1")]
    until_ms: i64,
    #[prost(bool, tag = "2")]
    failed: bool,
}

impl Gate {
    fn key(&self, kind: &str) -> String {
        let keys = self.shared_keys();
        let mut of_kind = keys.into_iter().filter(|key| key.contains(kind));
        let key = of_kind.next().expect("there is one");
        assert_eq!(of_kind.next(), None);
        key
    }

    /// Puts a document where the workers share theirs.
    fn plant(&mut self, note: Vec<u8>, body: impl Into<Body>) {
        let entries = (self.key("/note/"), self.key("/body/"));
        self.set_shared_data(&entries.0, note);
        self.set_shared_data(&entries.1, body);
    }

    fn milliseconds(&self) -> i64 {
        self.timestamp().as_millisecond()
    }
}

#[test]
fn key_22_what_is_shared_stands_under_names_that_say_nothing_and_are_nobody_elses() {
    let gate = Gate::open();
    for key in gate.shared_keys() {
        assert!(key.starts_with("tenantgate/"), "{key}");
        assert!(!key.contains("idp"), "{key}");
    }
}

#[test]
fn key_22_a_sound_document_spares_a_new_worker_the_fetch_and_any_other_does_not_harm_it() {
    let mut gate = Gate::open();
    let now = gate.milliseconds();
    let sound = gate
        .shared_data(&gate.key("/note/"))
        .expect("it was shared");
    let good = jwks(&TRUSTED).to_string();
    let at = |milliseconds| Note::of(&good, milliseconds).encode_to_vec();
    let issuer = r#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/keys"}"#;
    let kept = 25 * 3_600_000;
    let notes = [
        ("nothing", Vec::new()),
        ("noise", vec![0xff; 64]),
        ("a cut one", sound[..sound.len() / 2].to_vec()),
        ("text", b"{\"keys\":[]}".to_vec()),
        ("wrong types", vec![0x0a, 0x03, 1, 2, 3]),
        ("from the future", at(now + 3_600_000)),
        ("from the beginning of time", at(i64::MIN)),
        ("older than is kept", at(now - kept)),
        (
            "about another document",
            Note::of("{}", now).encode_to_vec(),
        ),
    ]
    .map(|(what, note)| (what, note, good.clone()));
    let bodies = [
        ("a document of another kind", issuer.to_owned()),
        ("decoys alone", json!({ "keys": decoys() }).to_string()),
        ("no document", "<html>".to_owned()),
        ("too long", format!("{good}{}", " ".repeat(300_000))),
        ("a megabyte of nothing", " ".repeat(1 << 20)),
    ]
    .map(|(what, body)| (what, Note::of(&body, now).encode_to_vec(), body));
    for (what, note, body) in notes.into_iter().chain(bodies) {
        eprintln!("case: {what}");
        gate.plant(note, body);
        let before = gate.callouts();
        gate.reload(0);
        gate.settle();
        gate.lives(what);
        assert_eq!(gate.callouts(), before + 1, "{what}: it fetched for itself");
    }
    // Its twin.
    let before = gate.callouts();
    let note = at(gate.milliseconds());
    gate.plant(note, good.clone());
    gate.reload(0);
    gate.settle();
    gate.lives("a sound one");
    assert_eq!(gate.callouts(), before);
}

#[test]
fn key_22_what_is_shared_replaces_no_keys_that_a_worker_has() {
    let mut gate = Gate::open();
    for bytes in [Vec::new(), vec![0xff; 64], b"[]".to_vec()] {
        gate.plant(bytes.clone(), bytes);
        gate.lives("a poisoned shelf");
        gate.seconds_pass(601);
        gate.lives("a refresh beside a poisoned shelf");
    }
}

#[test]
fn key_22_a_poisoned_lease_holds_up_nobody_for_longer_than_a_sound_one() {
    let gate = Gate::open();
    let (lease, note) = (gate.key("/lease/"), gate.key("/note/"));
    drop(gate);
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("noise", vec![0xff; 64]),
        (
            "for ever",
            Lease {
                until_ms: i64::MAX,
                failed: false,
            }
            .encode_to_vec(),
        ),
        (
            "failed for ever",
            Lease {
                until_ms: i64::MAX,
                failed: true,
            }
            .encode_to_vec(),
        ),
        (
            "since ever",
            Lease {
                until_ms: i64::MIN,
                failed: true,
            }
            .encode_to_vec(),
        ),
        (
            "an hour",
            Lease {
                until_ms: 1_778_857_200_000,
                failed: true,
            }
            .encode_to_vec(),
        ),
    ] {
        eprintln!("case: {what}");
        let setup = Proxy::setup();
        setup.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
        let mut gate = Gate(setup.with(policy()));
        assert_eq!(gate.key("/lease/"), lease, "the same in every process");
        gate.set_shared_data(&lease, bytes);
        gate.set_shared_data(&note, "");
        gate.settle();
        gate.lives(what);
        assert_eq!(gate.callouts(), 1);
    }
    // One that looks like another worker's is waited for, as that would be.
    let setup = Proxy::setup();
    setup.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
    let mut gate = Gate(setup.with(policy()));
    let until_ms = gate.milliseconds() + 5000;
    gate.set_shared_data(
        &lease,
        Lease {
            until_ms,
            failed: false,
        }
        .encode_to_vec(),
    );
    let request = gate.chat(&Token::good());
    let stream = gate.start(request);
    gate.seconds_pass(4);
    gate.answer(stream).pending();
    gate.seconds_pass(2);
    gate.answer(stream).admitted();
}

#[test]
fn key_22_a_shared_document_cannot_forbid_refreshes() {
    for hurried_at_ms in [i64::MAX, i64::MIN, 4_102_444_800_000] {
        let mut gate = Gate::open();
        gate.seconds_pass(1);
        let body = jwks(&TRUSTED).to_string();
        let note = Note {
            fresh_for_ms: i64::MAX,
            hurried_at_ms,
            ..Note::of(&body, gate.milliseconds())
        };
        gate.plant(note.encode_to_vec(), body);
        gate.reload(0);
        gate.seconds_pass(60);
        gate.lives("a shared document");
        gate.cluster(IDP).serves(KEYS, jwks(&[Key::R1, Key::R2]));
        let request = gate.chat(&Token::good().key(Key::R2));
        gate.send(request).admitted();
        // Nor does it stay fresh for ever.
        gate.cluster(IDP).serves(KEYS, jwks(&[Key::R2]));
        gate.seconds_pass(3601);
        let request = gate.chat(&Token::good());
        gate.refuses_calling("a withdrawn key", request, 401, "invalid_credential");
    }
}

/// That the older of two answers is not put in the newer one's place is held in `fetch::tests`, where answers can come in
/// any order.
#[test]
fn key_23_a_lost_race_for_the_lease_is_waited_out_and_no_status_of_it_crashes() {
    for lost in 1..4 {
        let setup = Proxy::workers(2);
        setup
            .cluster(IDP)
            .serves(KEYS, jwks(&TRUSTED))
            .takes(Duration::from_millis(300));
        let mut gate = Gate(setup.with(policy()));
        gate.fail_next("proxy_set_shared_data", lost, Status::CasMismatch);
        let waiting: Vec<_> = (0..2)
            .map(|worker| {
                let request = gate.chat(&Token::good()).on_worker(worker);
                gate.start(request)
            })
            .collect();
        gate.seconds_pass(9);
        for answer in gate.answers(&waiting) {
            answer.admitted();
        }
        assert!(gate.callouts() <= 2, "{} calls", gate.callouts());
        gate.lives("lost races");
    }
}
