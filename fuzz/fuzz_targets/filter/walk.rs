//! One run: what the events say happens, and after each of them what always holds is looked at.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::event::{self, Body, Event, From, Mood, Path, Request, Server};
use super::oracle::{self, Doubts, Identity, Right};
use super::setting::{self, AUTH, Edition, IDP, KEY_MARK, LENT, LENT_TOKEN, SETS, T1};
use crate::harness::proxy::{End, Hit, HostCrypto, Proxy, Status, Stream, StreamId, post};
use crate::harness::wasm::stream::Stage;

const WORKERS: usize = 2;
/// Longer than a request may wait.
const PATIENCE: Duration = Duration::from_millis(10_100);
/// Longer than anything that failed is left alone for.
const RECOVERY: Duration = Duration::from_secs(75);
/// As long as an issuer's keys count as fresh, and a little.
const KEYS_LIVE_FOR: Duration = Duration::from_secs(660);
/// What a client claims.
const EVIL: &str = "evil";

/// A request, and what is known of it.
struct Known {
    stream: StreamId,
    request: Request,
    edition: Edition,
    /// Since when it may be waiting, on the clock that nobody sets.
    since: Duration,
    /// The wall clock while it was undecided, in seconds.
    times: (i64, i64),
    decision: Option<(String, Option<String>)>,
    /// It is over, or its VM is: nothing will change any more.
    over: bool,
    /// Its VM is no more.
    lost: bool,
}

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

/// Whether a request stands as it may.
fn judge(
    known: &mut Known,
    stream: &Stream,
    hit: Option<&Hit>,
    doubts: &Doubts,
    waited: Duration,
) -> Result<(), String> {
    let state = |name: &str| {
        let bytes = stream
            .filter_state
            .get(&format!("wasm.tenantgate.{name}"))?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    };
    let decision = state("decision").map(|decision| (decision, state("reason")));
    let right = oracle::right(&known.request, known.edition, doubts, known.times);
    let is_late = known.request.path == Path::Models;
    if known.decision.is_some() && known.decision != decision && !is_late {
        return Err(format!(
            "decided twice: {:?}, then {decision:?}",
            known.decision
        ));
    }
    known.decision = decision;
    if known.request.malformed && (hit.is_some() || known.decision.is_some()) {
        return Err("it was never seen".to_owned());
    }
    match &known.decision {
        None if hit.is_some() => return Err("it went on undecided".to_owned()),
        None if stream.paused && waited > PATIENCE => {
            return Err(format!("it has waited for {waited:?}"));
        }
        None => {}
        Some((said, None)) if said == "allow" => {
            let Some(identity) = &right.admitted else {
                return Err(format!("let in, though {right:?}"));
            };
            if state("tenant_id").as_deref() != identity.as_ref().map(|identity| identity.tenant) {
                return Err(format!("attributed to {:?}", state("tenant_id")));
            }
        }
        Some((said, Some(reason))) if said == "deny" => {
            if !right.reasons.contains(&reason.as_str()) {
                return Err(format!("refused for {reason}, though {right:?}"));
            }
            if stream.end == End::Upstream || (hit.is_some() && !is_late) {
                return Err("refused, and sent on".to_owned());
            }
        }
        Some(other) => return Err(format!("no decision: {other:?}")),
    }
    if let Some(hit) = hit {
        judge_hit(known, hit, &right)?;
    }
    if stream
        .response_headers
        .contains(known.edition.tenant_header())
        && stream.stage > Stage::ResponseHeaders
    {
        return Err("the client is told whom it is taken for".to_owned());
    }
    known.over = stream.stage == Stage::Gone;
    if known.over {
        let is_partial = is_late && !hit.is_some_and(|hit| is_whole(known, hit));
        judge_line(known, state("log"), is_partial)?;
    }
    Ok(())
}

/// What the upstream got of it.
fn judge_hit(known: &Known, hit: &Hit, right: &Right) -> Result<(), String> {
    let canonical = |name: &str| {
        name.trim_end_matches(['-', '_', '.'])
            .replace(['_', '.'], "-")
    };
    let Some(identity) = &right.admitted else {
        return Err(format!("sent on, though {right:?}"));
    };
    let told = |pick: fn(&Identity) -> Option<&str>| identity.as_ref().and_then(pick);
    let managed = [
        (
            known.edition.tenant_header(),
            told(|identity| Some(identity.tenant)),
        ),
        ("x-user-id", told(|identity| identity.user)),
        ("x-client-id", told(|identity| identity.client.as_deref())),
        ("x-forwarded-user", None),
    ];
    for (name, value) in managed {
        let alike: Vec<_> = hit
            .headers
            .iter()
            .filter(|(other, _)| canonical(other) == name)
            .collect();
        let expected: Vec<_> = value.iter().map(|value| (name, value.as_bytes())).collect();
        if alike != expected {
            return Err(format!("{name} upstream: {alike:?}, not {expected:?}"));
        }
        if name != "x-forwarded-user"
            && hit
                .trailers
                .iter()
                .any(|(other, _)| canonical(other) == name)
        {
            return Err(format!("{name} in a trailer"));
        }
    }
    let says = |text: &str| {
        let all = hit.headers.iter().chain(hit.trailers.iter());
        all.filter(|(_, value)| String::from_utf8_lossy(value).contains(text))
            .count()
    };
    let is_allowed = matches!(known.request.body, Body::Allowed | Body::Large);
    if known.request.path == Path::Models && !is_allowed && is_whole(known, hit) {
        return Err("all of a body went on that asks for another model".to_owned());
    }
    let is_read = !matches!(known.request.path, Path::Open | Path::Nowhere);
    if is_read && says(KEY_MARK) > 0 {
        return Err("the client's key went on".to_owned());
    }
    if known.request.path != Path::Lent {
        return if says(LENT) == 0 {
            Ok(())
        } else {
            Err("a loan that is for others".to_owned())
        };
    }
    let tenant = identity.as_ref().map_or("", |identity| identity.tenant);
    let lent = hit.header("authorization");
    let is_right = match lent.as_slice() {
        [lent] if tenant == T1 => lent.starts_with(format!("Bearer {LENT_TOKEN}").as_bytes()),
        [lent] => *lent == oracle::loan(tenant).into_bytes(),
        _ => false,
    };
    if !is_right || says(LENT) != 1 || says("eyJ") != 0 {
        return Err(format!("{tenant} is lent {lent:?}"));
    }
    Ok(())
}

/// Whether all of its body went on.
fn is_whole(known: &Known, hit: &Hit) -> bool {
    hit.body == setting::body(known.request.body).concat()
}

/// What is told of it when it is over. What did not come to its end may not have been decided about.
fn judge_line(known: &Known, line: Option<String>, is_partial: bool) -> Result<(), String> {
    let line: Value = line
        .and_then(|line| serde_json::from_str(&line).ok())
        .ok_or_else(|| "no line in the access log".to_owned())?;
    let said = known.decision.as_ref();
    let is_undecided = is_partial && line["decision"].is_null();
    let told = (line["decision"].as_str(), line["reason"].as_str());
    if !is_undecided
        && told
            != (
                said.map(|(said, _)| said.as_str()),
                said.and_then(|(_, reason)| reason.as_deref()),
            )
    {
        return Err(format!("decided {said:?}, but told {line}"));
    }
    let tenants: BTreeSet<_> = ["acme", "beta", "settled", T1].into();
    let tenant = line["tenant_id"].as_str();
    if tenant.is_some_and(|tenant| !tenants.contains(tenant)) {
        return Err(format!("no such tenant: {line}"));
    }
    Ok(())
}
