//! What can happen, and how the input says it: a letter for what happens and one for each thing about it, so that a
//! person can write a run down. Any other byte means one of them as well, so that every input is a run.

use crate::harness::proxy::{HostCrypto, Status};

/// More than this makes a run slow, and not richer.
const MOST: usize = 100;

#[derive(Clone, Copy, Debug)]
pub enum Event {
    Request(Request),
    /// A request that goes in steps goes one further.
    Step(u8),
    /// It goes to its end.
    Run(u8),
    /// The upstream answers before the request has ended.
    AnswerEarly(u8),
    BreakOff(u8),
    Leave(u8),
    Pass(u64),
    Serve(Server, Mood),
    Edit(u8),
    NewVm(usize),
    /// Seconds.
    ClockStep(i64),
    Poison(u8),
    Fault(&'static str, Status),
    Crypto(HostCrypto),
}

#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub path: Path,
    pub who: Who,
    pub body: Body,
    /// The status that the upstream has for it.
    pub status: u32,
    pub from: From,
    pub worker: usize,
    /// Headers and trailers that claim to be the gate's.
    pub hostile: bool,
    pub in_steps: bool,
    /// Envoy refuses it by itself.
    pub malformed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A token is wanted.
    Chat,
    /// A key is wanted.
    Keyed,
    /// Either, and each tenant gets a credential of its own.
    Lent,
    /// A key of the set that is fetched.
    Set,
    /// A key, from inside.
    Inside,
    Open,
    /// A key that may call certain models only.
    Models,
    Nowhere,
    Ambiguous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Nobody,
    /// A token that is good for a quarter of an hour.
    Good,
    /// One that is good for a year.
    Lasting,
    Expired,
    Early,
    Forged,
    /// Of a key that nobody knows.
    Stranger,
    /// Of a key that the issuer changes to.
    Rotated,
    OtherAudience,
    Acme,
    /// Some configurations do not know this key.
    Beta,
    /// A key that has expired.
    Old,
    /// A key of the set that is fetched.
    Settled,
    Wrong,
    Garbage,
    /// A token and a key.
    Two,
    /// A key, in two headers.
    Twice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    None,
    Allowed,
    Forbidden,
    Nonsense,
    /// It asks for no model at all.
    Unnamed,
    /// Larger than what is looked at in one go.
    Large,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Outside,
    Inside,
    /// An address that Envoy has from a header.
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Issuer,
    Tokens,
    KeySet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Good,
    /// Another document than at first.
    Changed,
    Slow,
    Refuses,
    Down,
    Unknown,
    Hangs,
    Resets,
    Broken,
    Nonsense,
}

const PATHS: [(u8, Path); 9] = [
    (b'c', Path::Chat),
    (b'k', Path::Keyed),
    (b'l', Path::Lent),
    (b's', Path::Set),
    (b'i', Path::Inside),
    (b'o', Path::Open),
    (b'm', Path::Models),
    (b'n', Path::Nowhere),
    (b'a', Path::Ambiguous),
];

const CALLERS: [(u8, Who); 17] = [
    (b'-', Who::Nobody),
    (b'g', Who::Good),
    (b'l', Who::Lasting),
    (b'x', Who::Expired),
    (b'y', Who::Early),
    (b'f', Who::Forged),
    (b'u', Who::Stranger),
    (b'r', Who::Rotated),
    (b'd', Who::OtherAudience),
    (b'a', Who::Acme),
    (b'b', Who::Beta),
    (b'o', Who::Old),
    (b's', Who::Settled),
    (b'w', Who::Wrong),
    (b'q', Who::Garbage),
    (b'2', Who::Two),
    (b't', Who::Twice),
];

const BODIES: [(u8, Body); 6] = [
    (b'-', Body::None),
    (b'a', Body::Allowed),
    (b'f', Body::Forbidden),
    (b'n', Body::Nonsense),
    (b'u', Body::Unnamed),
    (b'l', Body::Large),
];

const STATUSES: [(u8, u32); 4] = [(b'2', 200), (b'3', 302), (b'4', 401), (b'5', 503)];

/// Worker, honesty, pace and address, in this order from the least: `a` is an honest one in one go, from outside, to
/// the first worker. The last is one that Envoy refuses.
const SHAPES: &[u8] = b"abcdefghijklmnopqrstuvwxM";

const SERVERS: [(u8, Server); 3] = [
    (b'i', Server::Issuer),
    (b't', Server::Tokens),
    (b's', Server::KeySet),
];

const MOODS: [(u8, Mood); 10] = [
    (b'g', Mood::Good),
    (b'c', Mood::Changed),
    (b's', Mood::Slow),
    (b'r', Mood::Refuses),
    (b'd', Mood::Down),
    (b'u', Mood::Unknown),
    (b'h', Mood::Hangs),
    (b'x', Mood::Resets),
    (b'b', Mood::Broken),
    (b'n', Mood::Nonsense),
];

/// In milliseconds: within a tick, a slow answer, a timeout, a wait, a document's life.
const TIMES: [(u8, u64); 14] = [
    (b'0', 1),
    (b'1', 2),
    (b'2', 7),
    (b'3', 60),
    (b'4', 250),
    (b'5', 999),
    (b'6', 1_700),
    (b'7', 5_000),
    (b'8', 6_000),
    (b'9', 10_100),
    (b'a', 31_000),
    (b'b', 61_000),
    (b'c', 601_000),
    (b'd', 1_900_000),
];

/// In seconds.
const CLOCK_STEPS: [(u8, i64); 6] = [
    (b'a', -5_400),
    (b'b', -61),
    (b'c', -1),
    (b'd', 1),
    (b'e', 61),
    (b'f', 5_400),
];

/// What Envoy answers on a bad day, as far as the SDK lives through it.
const FAULTS: [(u8, (&str, Status)); 9] = [
    (b'a', ("proxy_http_call", Status::BadArgument)),
    (b'b', ("proxy_http_call", Status::InternalFailure)),
    (b'c', ("proxy_get_property", Status::NotFound)),
    (b'd', ("proxy_get_property", Status::InternalFailure)),
    (b'e', ("proxy_set_shared_data", Status::CasMismatch)),
    (b'f', ("proxy_get_shared_data", Status::NotFound)),
    (b'g', ("proxy_get_metric", Status::NotFound)),
    (b'h', ("proxy_record_metric", Status::NotFound)),
    (b'i', ("proxy_get_buffer_bytes", Status::NotFound)),
];

const CRYPTO: [(u8, HostCrypto); 7] = [
    (b'w', HostCrypto::Works),
    (b'-', HostCrypto::Absent),
    (b'b', HostCrypto::BadArgument),
    (b'i', HostCrypto::InternalFailure),
    (b'e', HostCrypto::EmptyResult),
    (b't', HostCrypto::TruncatedResult),
    (b'f', HostCrypto::AlwaysFalse),
];

/// The letters of [`Event`]; requests are what most bytes mean.
const EVENTS: &[u8] = b"rRRRRseulbtpmvckfh";

/// What the input says.
pub fn read(input: &[u8]) -> Vec<Event> {
    let mut text = Text(input.iter().copied());
    std::iter::from_fn(|| text.event()).take(MOST).collect()
}

struct Text<'a>(std::iter::Copied<std::slice::Iter<'a, u8>>);

impl Text<'_> {
    fn event(&mut self) -> Option<Event> {
        let letter = loop {
            let letter = self.0.next()?;
            if !letter.is_ascii_whitespace() {
                break letter;
            }
        };
        Some(match EVENTS[place(letter, EVENTS)] {
            b's' => Event::Step(self.recent()?),
            b'e' => Event::Run(self.recent()?),
            b'u' => Event::AnswerEarly(self.recent()?),
            b'b' => Event::BreakOff(self.recent()?),
            b'l' => Event::Leave(self.recent()?),
            b't' => Event::Pass(self.one_of(&TIMES)?),
            b'p' => Event::Poison(self.0.next()?),
            b'm' => Event::Serve(self.one_of(&SERVERS)?, self.one_of(&MOODS)?),
            b'c' => Event::Edit(self.recent()?),
            b'v' => Event::NewVm(usize::from(self.recent()? % 2)),
            b'k' => Event::ClockStep(self.one_of(&CLOCK_STEPS)?),
            b'f' => {
                let (hostcall, status) = self.one_of(&FAULTS)?;
                Event::Fault(hostcall, status)
            }
            b'h' => Event::Crypto(self.one_of(&CRYPTO)?),
            _ => Event::Request(self.request()?),
        })
    }

    fn request(&mut self) -> Option<Request> {
        let (path, who, body) = (
            self.one_of(&PATHS)?,
            self.one_of(&CALLERS)?,
            self.one_of(&BODIES)?,
        );
        let status = self.one_of(&STATUSES)?;
        let shape = place(self.0.next()?, SHAPES);
        Some(Request {
            path,
            who,
            body,
            status,
            worker: shape % 2,
            hostile: shape / 2 % 2 == 1,
            in_steps: shape / 4 % 2 == 1,
            from: [From::Outside, From::Inside, From::Told][shape / 8 % 3],
            malformed: shape == 24,
        })
    }

    /// Which of the latest, or which of some.
    fn recent(&mut self) -> Option<u8> {
        self.0.next().map(|letter| letter.wrapping_sub(b'0'))
    }

    fn one_of<T: Copy>(&mut self, table: &[(u8, T)]) -> Option<T> {
        let letter = self.0.next()?;
        let named = table.iter().find(|(name, _)| *name == letter);
        Some(named.map_or_else(
            || table[usize::from(letter) % table.len()].1,
            |(_, thing)| *thing,
        ))
    }
}

fn place(letter: u8, letters: &[u8]) -> usize {
    let named = letters.iter().position(|name| *name == letter);
    named.unwrap_or(usize::from(letter) % letters.len())
}
