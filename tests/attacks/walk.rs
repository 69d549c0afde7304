//! The whole filter in random order: requests, answers, failures, time, clients that leave, edits, traps. Whatever
//! comes, each request is decided once, nothing is forwarded before that or without a good token, nothing crashes, and
//! every wait ends.

use std::time::Duration;

use proptest::prelude::*;

use crate::harness::proxy::{Answer, Proxy, StreamId, post};
use crate::harness::tokens::{Key, TRUSTED, Token, jwks};
use crate::harness::wasm::stream::End;
use crate::{API_KEY, CHAT, Gate, IDP, KEYS, policy};

const WORKERS: usize = 2;
/// Longer than a request may wait.
const PATIENCE: Duration = Duration::from_millis(10_100);

#[derive(Clone, Copy, Debug)]
enum Event {
    Request { who: Who, worker: usize },
    Leave { which: usize },
    Milliseconds(u64),
    Seconds(u64),
    Issuer(Issuer),
    Edit { audience: bool },
    NewVm { worker: usize },
    ClockStep { minutes: i64 },
    Poison { byte: u8 },
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Good,
    Rotated,
    Forged,
    Stranger,
    Expired,
    Key,
    Nobody,
}

#[derive(Clone, Copy, Debug)]
enum Issuer {
    Good,
    Rotated,
    Slow,
    Refuses,
    Down,
    Hangs,
    Resets,
    Broken,
    Nonsense,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    use Issuer::{Broken, Down, Good, Hangs, Nonsense, Refuses, Resets, Rotated, Slow};
    let who = prop::sample::select(vec![
        Who::Good,
        Who::Good,
        Who::Rotated,
        Who::Forged,
        Who::Stranger,
        Who::Expired,
        Who::Key,
        Who::Nobody,
    ]);
    let issuer = prop::sample::select(vec![
        Good, Good, Rotated, Slow, Slow, Refuses, Down, Hangs, Resets, Broken, Nonsense,
    ]);
    let event = prop_oneof![
        8 => (who, 0..WORKERS).prop_map(|(who, worker)| Event::Request { who, worker }),
        2 => (0..20_usize).prop_map(|which| Event::Leave { which }),
        3 => (0..400_u64).prop_map(Event::Milliseconds),
        2 => (1..40_u64).prop_map(Event::Seconds),
        1 => (500..4000_u64).prop_map(Event::Seconds),
        4 => issuer.prop_map(Event::Issuer),
        1 => any::<bool>().prop_map(|audience| Event::Edit { audience }),
        1 => (0..WORKERS).prop_map(|worker| Event::NewVm { worker }),
        1 => (-90..90_i64).prop_map(|minutes| Event::ClockStep { minutes }),
        1 => any::<u8>().prop_map(|byte| Event::Poison { byte }),
    ];
    prop::collection::vec(event, 1..60)
}

/// A request, and what is known of it.
struct Known {
    stream: StreamId,
    who: Who,
    /// On the monotonic clock.
    since: Duration,
    decided: Option<End>,
    /// Its VM is no more.
    lost: bool,
}

struct Walk {
    gate: Gate,
    elapsed: Duration,
    known: Vec<Known>,
}

impl Walk {
    fn start() -> Self {
        let setup = Proxy::workers(WORKERS).with_main_thread();
        setup.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
        Self {
            gate: Gate(setup.with(policy())),
            elapsed: Duration::ZERO,
            known: Vec::new(),
        }
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::Request { who, worker } => self.request(who, worker),
            Event::Leave { which } => {
                if let Some(known) = self
                    .known
                    .iter()
                    .rev()
                    .nth(which)
                    .filter(|known| !known.lost)
                {
                    self.gate.disconnect(known.stream);
                }
            }
            Event::Milliseconds(milliseconds) => self.pass(Duration::from_millis(milliseconds)),
            Event::Seconds(seconds) => self.pass(Duration::from_secs(seconds)),
            Event::Issuer(issuer) => self.issuer(issuer),
            Event::Edit { audience } => {
                let mut edited = policy();
                if audience {
                    edited["endpoints"][0]["authorizer"]["oidc"]["audience"] = "another".into();
                }
                self.gate.reconfigure(&edited);
            }
            Event::NewVm { worker } => {
                self.gate.reload(worker);
                for known in self
                    .known
                    .iter_mut()
                    .filter(|known| known.stream.worker == worker)
                {
                    known.lost = true;
                }
            }
            Event::ClockStep { minutes } => {
                let step = Duration::from_secs(minutes.unsigned_abs() * 60);
                let now = self.gate.now();
                let now = if minutes < 0 { now - step } else { now + step };
                self.gate.set_time(now);
                // A wait begins anew at most, and is looked at again within a fetch.
                for known in &mut self.known {
                    known.since = self.elapsed + Duration::from_secs(7);
                }
            }
            Event::Poison { byte } => {
                for key in self.gate.shared_keys() {
                    self.gate
                        .set_shared_data(&key, vec![byte; usize::from(byte)]);
                }
            }
        }
    }

    fn request(&mut self, who: Who, worker: usize) {
        let now = self.gate.timestamp().as_second();
        let good = Token::good();
        let token = match who {
            Who::Good | Who::Key | Who::Nobody => good,
            Who::Rotated => good.key(Key::R2),
            Who::Forged => good.signed_by(Key::R2),
            Who::Stranger => good.header("kid", format!("kid-{}", self.known.len())),
            // Long enough ago that no step of the clock brings it back.
            Who::Expired => good
                .claim("exp", now - 1_000_000)
                .claim("iat", now - 1_000_300),
        };
        let request = match who {
            Who::Key => post("/v1/keyed").bearer(API_KEY),
            Who::Nobody => post(CHAT),
            _ => self.gate.chat(&token),
        };
        let stream = self.gate.start(request.on_worker(worker));
        self.known.push(Known {
            stream,
            who,
            since: self.elapsed,
            decided: None,
            lost: false,
        });
    }

    fn pass(&mut self, time: Duration) {
        // In steps: while one worker fetches, the others look every few milliseconds, and the proxy counts events.
        let end = self.elapsed + time;
        while self.elapsed < end {
            let step = end.saturating_sub(self.elapsed).min(Duration::from_mins(1));
            self.gate.advance(step);
            self.elapsed += step;
        }
    }

    fn issuer(&mut self, issuer: Issuer) {
        let idp = self.gate.cluster(IDP);
        idp.serves(KEYS, jwks(&TRUSTED)).takes(Duration::ZERO);
        match issuer {
            Issuer::Good => &idp,
            Issuer::Rotated => idp.serves(KEYS, jwks(&[Key::R2])),
            Issuer::Slow => idp.takes(Duration::from_millis(1700)),
            Issuer::Refuses => idp.refuses(),
            Issuer::Down => idp.down(),
            Issuer::Hangs => idp.hangs(),
            Issuer::Resets => idp.resets(),
            Issuer::Broken => idp.answers(KEYS, 500, &[], ""),
            Issuer::Nonsense => idp.serves(KEYS, "<html>"),
        };
    }

    fn check(&mut self) {
        self.gate.alive();
        for known in self.known.iter_mut().filter(|known| !known.lost) {
            let answer = self.gate.answer(known.stream);
            if let Some(end) = &known.decided {
                assert_eq!(*end, answer.end, "decided twice: {:?}", known.who);
                continue;
            }
            if answer.is_pending() {
                answer.pending();
                let waited = self.elapsed.saturating_sub(known.since);
                assert!(waited <= PATIENCE, "{:?} waits for {waited:?}", known.who);
            } else {
                judge(known.who, &answer);
                known.decided = Some(answer.end);
            }
        }
        let admitted = self
            .known
            .iter()
            .filter(|known| known.decided == Some(End::Upstream));
        let lost = self
            .known
            .iter()
            .filter(|known| known.lost && known.decided.is_none());
        let hits = self.gate.upstream().hits().len();
        assert!(hits >= admitted.clone().count() && hits <= admitted.count() + lost.count());
    }

    /// Everything is well again, and everybody is served.
    fn finish(mut self) {
        self.issuer(Issuer::Good);
        self.pass(Duration::from_secs(75));
        self.check();
        assert!(
            self.known
                .iter()
                .all(|known| known.lost || known.decided.is_some())
        );
        assert_eq!(
            (self.gate.live_streams(), self.gate.live_roots()),
            (0, WORKERS + 1)
        );
        self.gate.reconfigure(policy());
        self.pass(Duration::from_secs(3601));
        for worker in 0..WORKERS {
            let request = self.gate.chat(&Token::good()).on_worker(worker);
            let stream = self.gate.start(request);
            self.pass(PATIENCE);
            self.gate
                .answer(stream)
                .admitted()
                .upstream_saw("x-tenant-id", "t1");
        }
    }
}

/// Whatever the moment, some outcomes are out of the question.
fn judge(who: Who, answer: &Answer) {
    let reason = answer.filter_state("tenantgate.reason");
    let fits = match (&answer.end, who) {
        (End::Disconnected, _) => true,
        (End::Upstream, Who::Good | Who::Rotated) => {
            answer.upstream_header("x-tenant-id") == [b"t1"]
        }
        (End::Upstream, Who::Key) => answer.upstream_header("x-tenant-id") == [b"acme"],
        (End::LocalReply, Who::Key) => false,
        (End::LocalReply, Who::Nobody) => reason.as_deref() == Some("missing_credential"),
        (End::LocalReply, Who::Expired) => reason.as_deref() != Some("claim_mismatch"),
        (End::LocalReply, _) => matches!(
            reason.as_deref(),
            Some("invalid_credential" | "expired_credential" | "keys_unavailable")
        ),
        _ => false,
    };
    assert!(fits, "{who:?} ended as {:?} ({reason:?})", answer.end);
    if answer.end != End::Upstream {
        answer.reached_nothing();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn flo_02_whatever_happens_in_whatever_order_every_request_is_decided_once(events in events()) {
        let mut walk = Walk::start();
        for event in events {
            walk.perform(event);
            walk.check();
        }
        walk.finish();
    }
}
