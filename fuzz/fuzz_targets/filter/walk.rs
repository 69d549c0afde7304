//! One run: what the events say happens, and after each of them what always holds is looked at.

use std::time::Duration;

use super::event::{self, Event, From, Mood, Path, Request, Server};
use super::judge::{Known, PATIENCE, judge};
use super::oracle::Doubts;
use super::setting::{self, AUTH, Edition, IDP, SETS};
use crate::harness::proxy::{HostCrypto, Proxy, Status, Stream, StreamId, post};

const WORKERS: usize = 2;
/// Longer than anything that failed is left alone for.
const RECOVERY: Duration = Duration::from_secs(75);
/// As long as an issuer's keys count as fresh, and a little.
const KEYS_LIVE_FOR: Duration = Duration::from_secs(660);
/// What a client claims.
const EVIL: &str = "evil";

struct Walk {
    proxy: Proxy,
    edition: Edition,
    doubts: Doubts,
    elapsed: Duration,
    known: Vec<Known>,
}

pub fn run(events: &[Event]) {
    let mut walk = Walk::start();
    for event in events {
        walk.perform(*event);
        walk.check();
    }
    walk.finish();
}

impl Walk {
    fn start() -> Self {
        let setup = Proxy::workers(WORKERS);
        setup.cluster(IDP).serves("/keys", setting::keys(false));
        setup.cluster(AUTH).serves("/token", setting::token(false));
        setup.cluster(SETS).serves("/set", setting::key_set(false));
        let edition = Edition::default();
        Self {
            proxy: setup.with(edition.text()),
            edition,
            doubts: Doubts::default(),
            elapsed: Duration::ZERO,
            known: Vec::new(),
        }
    }

    fn perform(&mut self, event: Event) {
        match event {
            Event::Request(request) => self.request(request),
            Event::Step(which) => {
                self.with_recent(which, |proxy, stream| proxy.step(stream, Some(1)))
            }
            Event::Run(which) => self.with_recent(which, |proxy, stream| proxy.step(stream, None)),
            Event::AnswerEarly(which) => self.with_recent(which, Proxy::answer_early),
            Event::BreakOff(which) => self.with_recent(which, Proxy::break_off),
            Event::Leave(which) => self.with_recent(which, Proxy::disconnect),
            Event::Pass(milliseconds) => self.pass(Duration::from_millis(milliseconds)),
            Event::Serve(server, mood) => self.serve(server, mood),
            Event::Edit(number) => self.edit(Edition::numbered(number)),
            Event::NewVm(worker) => self.new_vm(worker),
            Event::ClockStep(seconds) => self.set_clock(seconds),
            Event::Poison(byte) => {
                self.doubts.all_waits = true;
                for key in self.proxy.shared_keys() {
                    self.proxy
                        .set_shared_data(&key, vec![byte; usize::from(byte)]);
                }
            }
            Event::Fault(hostcall, status) => self.fault(hostcall, status),
            Event::Crypto(crypto) => {
                self.doubts.signatures |= !matches!(crypto, HostCrypto::Works | HostCrypto::Absent);
                self.proxy.set_host_crypto(crypto);
            }
        }
    }

    fn request(&mut self, request: Request) {
        let mut sent = post(setting::path(request.path))
            .on_worker(request.worker)
            .from(match request.from {
                From::Outside => "127.0.0.1:44102",
                From::Inside => "10.1.2.3:44102",
                From::Told => "10.1.2.3:0",
            })
            .header("content-type", "application/json")
            .chunks(setting::body(request.body))
            .response_status(request.status)
            .response_header(self.edition.tenant_header(), EVIL)
            .response_body(
                r#"{"model":"served-1","usage":{"prompt_tokens":11,"completion_tokens":7}}"#,
            );
        for (name, value) in setting::credentials(request.who) {
            sent = sent.header(name, value);
        }
        if request.hostile {
            for name in [
                "x-tenant-id",
                "X-Tenant_Id",
                "x-team",
                "x.team",
                "x-user-id",
                "x-user-id",
                "x_client_id",
                "x-forwarded-user",
            ] {
                sent = sent.header(name, EVIL).trailer(name, EVIL);
            }
            sent = sent
                .header("x-bytes", b"\xff\xfe")
                .trailer("authorization", EVIL);
        }
        if request.in_steps {
            sent = sent.in_steps();
        }
        if request.malformed {
            sent = sent.malformed();
        }
        let now = self.now();
        let stream = self.proxy.start(sent);
        self.known.push(Known {
            stream,
            request,
            edition: self.edition,
            since: self.elapsed,
            times: (now, now),
            decision: None,
            over: false,
            lost: false,
        });
    }

    fn with_recent(&mut self, which: u8, happens: impl FnOnce(&mut Proxy, StreamId)) {
        let mut recent = self.known.iter().rev().filter(|known| !known.over);
        if let Some(known) = recent.nth(usize::from(which % 8)) {
            happens(&mut self.proxy, known.stream);
        }
    }

    fn pass(&mut self, time: Duration) {
        // In steps, because the proxy counts what happens in one.
        let end = self.elapsed + time;
        while self.elapsed < end {
            let step = end
                .saturating_sub(self.elapsed)
                .min(Duration::from_secs(60));
            self.proxy.advance(step);
            self.elapsed += step;
        }
    }

    fn serve(&mut self, server: Server, mood: Mood) {
        let doubts = &mut self.doubts;
        let is_told_otherwise = !matches!(mood, Mood::Good | Mood::Slow);
        let (name, path, says) = match server {
            Server::Issuer => {
                doubts.issuer |= is_told_otherwise;
                doubts.other_keys |= mood == Mood::Changed;
                (IDP, "/keys", setting::keys as fn(bool) -> String)
            }
            Server::Tokens => {
                doubts.tokens |= is_told_otherwise && mood != Mood::Changed;
                (AUTH, "/token", setting::token as fn(bool) -> String)
            }
            Server::KeySet => {
                doubts.key_set |= is_told_otherwise;
                doubts.other_key_set |= mood == Mood::Changed;
                (SETS, "/set", setting::key_set as fn(bool) -> String)
            }
        };
        let cluster = self.proxy.cluster(name);
        cluster
            .takes(Duration::ZERO)
            .serves(path, says(mood == Mood::Changed));
        match mood {
            Mood::Good | Mood::Changed => &cluster,
            Mood::Slow => cluster.takes(Duration::from_millis(1_700)),
            Mood::Refuses => cluster.refuses(),
            Mood::Down => cluster.down(),
            Mood::Unknown => cluster.unknown(),
            Mood::Hangs => cluster.hangs(),
            Mood::Resets => cluster.resets(),
            Mood::Broken => cluster.answers(path, 500, &[], ""),
            Mood::Nonsense => cluster.serves(path, "<html>"),
        };
    }

    fn edit(&mut self, edition: Edition) {
        // A VM that Envoy cannot hand its configuration has none: not what is looked at here.
        self.proxy.world().faults.clear();
        let accepted = self.proxy.try_reconfigure(edition.text());
        assert_eq!(accepted.is_ok(), !edition.broken, "{accepted:?}");
        if !edition.broken {
            self.edition = edition;
        }
    }

    fn new_vm(&mut self, worker: usize) {
        self.doubts.all_waits = true;
        self.proxy.world().faults.clear();
        self.proxy.reload(worker);
        for known in self
            .known
            .iter_mut()
            .filter(|known| known.stream.worker == worker && !known.over)
        {
            (known.over, known.lost) = (true, true);
        }
    }

    fn set_clock(&mut self, seconds: i64) {
        self.doubts.all_waits = true;
        let step = Duration::from_secs(seconds.unsigned_abs());
        let now = self.proxy.now();
        self.proxy
            .set_time(if seconds < 0 { now - step } else { now + step });
        // A wait begins anew at most, and is looked at again within a fetch.
        for known in &mut self.known {
            known.since = self.elapsed + Duration::from_secs(7);
        }
    }

    fn fault(&mut self, hostcall: &'static str, status: Status) {
        match hostcall {
            "proxy_http_call" => {
                (self.doubts.issuer, self.doubts.tokens, self.doubts.key_set) = (true, true, true)
            }
            "proxy_get_property" => self.doubts.addresses = true,
            // The answer to a callout is a body, too.
            "proxy_get_buffer_bytes" => {
                (self.doubts.issuer, self.doubts.tokens, self.doubts.key_set) = (true, true, true);
                self.doubts.bodies = true;
            }
            "proxy_set_shared_data" | "proxy_get_shared_data" => self.doubts.all_waits = true,
            _ => {}
        }
        self.proxy.fail_next(hostcall, 1, status);
    }

    fn now(&self) -> i64 {
        i64::try_from(self.proxy.world().clock.wall.as_secs()).unwrap_or(i64::MAX)
    }

    /// What always holds.
    fn check(&mut self) {
        let now = self.now();
        for place in 0..self.known.len() {
            let known = &mut self.known[place];
            if known.over {
                continue;
            }
            if known.decision.is_none() {
                known.times = (known.times.0.min(now), known.times.1.max(now));
            }
            let stream = self.proxy.exchange(known.stream).expect("its VM lives");
            let stream = std::mem::replace(stream, Stream::new(0, post("")));
            let hit = stream
                .hit
                .and_then(|place| self.proxy.world().upstream.get(place).cloned());
            let waited = self.elapsed.saturating_sub(known.since);
            let judged = judge(known, &stream, hit.as_ref(), &self.doubts, waited);
            *self.proxy.exchange(known.stream).expect("its VM lives") = stream;
            if let Err(complaint) = judged {
                let (request, edition) = (known.request, known.edition);
                let answer = self.proxy.answer(known.stream);
                panic!(
                    "{complaint}\n{request:?}\n{edition:?}\n{:?}\n{answer:#?}",
                    self.doubts
                );
            }
        }
        self.check_counts();
    }

    /// Each decision is counted once.
    fn check_counts(&self) {
        let world = self.proxy.world();
        let of_requests = world
            .metrics
            .iter()
            .filter(|(name, _)| name.ends_with("requests_total") && name.contains("decision"));
        let counted: u64 = of_requests.map(|(_, count)| count).sum();
        let is_certain = |known: &&Known| {
            known.decision.is_some() && known.request.path != Path::Models && !known.lost
        };
        let at_least = self.known.iter().filter(is_certain).count() as u64;
        let at_most = self
            .known
            .iter()
            .filter(|known| known.decision.is_some() || known.lost)
            .count() as u64;
        assert!(
            (at_least..=at_most).contains(&counted),
            "{at_least} to {at_most} decisions, {counted} counted"
        );
    }

    /// Everything is well again: every wait ends, nothing is left over, and everybody is served.
    fn finish(mut self) {
        for server in [Server::Issuer, Server::Tokens, Server::KeySet] {
            self.serve(server, Mood::Good);
        }
        self.proxy.set_host_crypto(HostCrypto::Works);
        self.proxy.world().faults.clear();
        for place in 0..self.known.len() {
            if !self.known[place].over {
                self.proxy.step(self.known[place].stream, None);
            }
        }
        self.check();
        self.pass(RECOVERY);
        self.check();
        assert!(
            self.known.iter().all(|known| known.over),
            "not every request came to an end"
        );
        assert_eq!(
            (self.proxy.live_streams(), self.proxy.live_roots()),
            (0, WORKERS),
            "(streams, roots)"
        );
        self.serve_again();
    }

    fn serve_again(&mut self) {
        if self.edition != Edition::default() {
            self.edit(Edition::default());
        }
        if self.now() < setting::start() {
            // No token is good before it was made.
            self.set_clock(setting::start() - self.now());
        }
        // Documents that seem to be of tomorrow are believed until then.
        self.pass(if self.doubts.all_waits {
            Duration::from_secs(3_700)
        } else {
            RECOVERY
        });
        // What was not there when the run began is there now.
        self.doubts = Doubts::default();
        self.all_are_told("rcl-2_ rkaa2_ rll-2_ rss-2_ rmba2_", "allow");
        // A key that the issuer has taken back lives no longer than its document, whoever remembers what it signed.
        self.serve(Server::Issuer, Mood::Changed);
        self.pass(KEYS_LIVE_FOR);
        self.all_are_told("rcr-2_", "allow");
        self.all_are_told("rcl-2_", "deny");
    }

    /// These requests come to the workers, in place of the `_`, and are decided about so.
    fn all_are_told(&mut self, requests: &str, decision: &str) {
        let before = self.known.len();
        for worker in ["a", "b"] {
            for event in event::read(requests.replace('_', worker).as_bytes()) {
                self.perform(event);
            }
        }
        self.pass(PATIENCE);
        self.check();
        for Known {
            request,
            decision: told,
            ..
        } in &self.known[before..]
        {
            let is_told = told.as_ref().is_some_and(|(said, _)| said == decision);
            assert!(
                is_told,
                "{request:?} in the end: {told:?}, not {decision}\n{}",
                self.proxy.log_text()
            );
        }
    }
}
