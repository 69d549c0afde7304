//! The book of all requests that are not yet settled: what was sent, what the upstream saw, what the client got, and what
//! the access log says. Each is held against the oracle when all of that is in.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::Deserialize;

use crate::judge::{self, Case, Outcome};
use crate::oracle::Verdict;
use crate::shot::{Answer, Manner, Shot};
use crate::world::{Edition, Moment, World};

/// So long after it is over a request is settled: a stalled upstream may still be reached until then.
const SETTLED_AFTER_MS: u64 = 8_000;
/// The number of the requests that are sent before the soak begins, to see that all is up.
pub const BEFORE: u64 = 0;
/// With so many wrong decisions there is no point in going on.
const MOST_WRONG: usize = 50;

/// A request as the upstream saw it.
#[derive(Clone, Debug)]
pub struct Hit {
    pub tenants: Vec<String>,
    pub users: Vec<String>,
    pub authorization: Option<String>,
    /// Whether that is a token of the token endpoint that holds.
    pub is_lent: bool,
    /// Its body came to its end.
    pub is_whole: bool,
    /// What must not have reached it.
    pub leaks: Vec<String>,
}

/// A line of the access log.
#[derive(Clone, Debug)]
pub struct Logged {
    pub status: u16,
    pub details: String,
    pub flags: String,
    /// The filter's own line; nothing, where the filter did not see the request.
    pub line: Option<Line>,
}

/// What the filter says of a request.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    pub tenant_id: Option<String>,
    pub user_id: Option<String>,
    pub decision: Option<String>,
    pub reason: Option<String>,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub config_id: String,
}

/// Everything about one request.
pub struct Entry {
    pub kind: usize,
    pub shot: Shot,
    pub sent: Moment,
    /// When the client had its answer, or left.
    pub ended: Option<Moment>,
    pub answer: Option<Answer>,
    pub hits: Vec<Hit>,
    pub logged: Vec<Logged>,
}

/// What came of the requests of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub sent: u64,
    /// Answered as they must be, by client, upstream and log.
    pub right: u64,
    /// Of those, the ones that went on to the upstream.
    pub admitted: u64,
    /// The client left before there was an answer; what became of them was right all the same.
    pub left: u64,
    pub wrong: u64,
}

#[derive(Default)]
struct Book {
    open: HashMap<u64, Entry>,
    /// Those that are over, by when.
    over: VecDeque<(Moment, u64)>,
    tallies: Vec<Tally>,
    wrong: Vec<String>,
    editions: HashMap<String, Arc<Edition>>,
    log_lines: u64,
    nameless_lines: u64,
    hits: u64,
}

/// The book. Everybody writes into it.
pub struct Ledger {
    next: AtomicU64,
    book: Mutex<Book>,
    names: Vec<&'static str>,
}

/// What the whole run came to.
pub struct Totals {
    pub tallies: Vec<Tally>,
    pub wrong: Vec<String>,
    pub log_lines: u64,
    pub nameless_lines: u64,
    pub hits: u64,
}

impl Ledger {
    /// For requests of these kinds.
    pub fn of(names: Vec<&'static str>) -> Self {
        let tallies = vec![Tally::default(); names.len()];
        Self {
            next: AtomicU64::new(1),
            book: Mutex::new(Book {
                tallies,
                ..Book::default()
            }),
            names,
        }
    }

    /// A number that no request has had.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// An edition may come into force.
    pub fn knows(&self, edition: &Arc<Edition>) {
        let id = edition.config_id.clone();
        self.book().editions.insert(id, Arc::clone(edition));
    }

    /// A request is about to be sent.
    pub fn sends(&self, kind: usize, shot: &Shot) {
        let mut book = self.book();
        book.tallies[kind].sent += 1;
        let entry = |shot: Shot| Entry {
            kind,
            shot,
            sent: Moment::now(),
            ended: None,
            answer: None,
            hits: Vec::new(),
            logged: Vec::new(),
        };
        for id in &shot.smuggled {
            let inner = Shot::get(*id, "/smuggled", Verdict::Nothing);
            book.open.insert(*id, entry(inner));
        }
        book.open.insert(shot.id, entry(shot.clone()));
    }

    /// Its client got this, or left without.
    pub fn ends(&self, shot: &Shot, answer: Option<&Answer>) {
        let mut book = self.book();
        let now = Moment::now();
        for id in shot.smuggled.iter().chain([&shot.id]) {
            let answer = answer.filter(|_| *id == shot.id).cloned();
            if let Some(entry) = book.open.get_mut(id) {
                entry.ended = Some(now);
                entry.answer = answer;
            }
            book.over.push_back((now, *id));
        }
    }

    /// The upstream was reached.
    pub fn reached(&self, id: Option<u64>, hit: Hit) {
        if id == Some(BEFORE) {
            return;
        }
        let mut book = self.book();
        book.hits += 1;
        match id.and_then(|id| book.open.get_mut(&id)) {
            Some(entry) => entry.hits.push(hit),
            None => book.finds(format!(
                "the upstream was reached by a request that nobody sent, or that was long over: {id:?} {hit:?}"
            )),
        }
    }

    /// The access log has a line.
    pub fn logged(&self, id: Option<u64>, logged: Logged) {
        if id == Some(BEFORE) {
            return;
        }
        let mut book = self.book();
        book.log_lines += 1;
        let Some(id) = id else {
            // Envoy has read no head, so nobody can have been let in.
            book.nameless_lines += 1;
            let line = logged.line.as_ref();
            if line.is_some_and(|line| line.decision.is_some() || line.tenant_id.is_some()) {
                book.finds(format!(
                    "a request without a head was decided about: {logged:?}"
                ));
            }
            return;
        };
        match book.open.get_mut(&id) {
            Some(entry) => entry.logged.push(logged),
            None => book.finds(format!(
                "a line of a request that nobody sent: {id} {logged:?}"
            )),
        }
    }

    /// Something is wrong that is not about one request.
    pub fn finds(&self, what: String) {
        self.book().finds(what);
    }

    /// So much is wrong that the run should end.
    pub fn is_hopeless(&self) -> bool {
        self.book().wrong.len() >= MOST_WRONG
    }

    /// Judges what has been over for long enough; all that is over, at the end.
    pub fn settle(&self, world: &World, at_the_end: bool) {
        loop {
            let mut book = self.book();
            let is_ripe =
                |(over, _): &(Moment, u64)| at_the_end || over.age_ms() >= SETTLED_AFTER_MS;
            if !book.over.front().is_some_and(is_ripe) {
                return;
            }
            let Some((_, id)) = book.over.pop_front() else {
                return;
            };
            let Some(entry) = book.open.remove(&id) else {
                continue;
            };
            let case = Case {
                entry: &entry,
                world,
                editions: &book.editions,
            };
            let verdict = judge::judge(&case)
                .map_err(|why| format!("{}: {why}\n{}", self.names[entry.kind], case.shown()));
            book.counts(&entry, verdict);
        }
    }

    /// What it all came to. Whoever is still open then was never answered.
    pub fn close(&self) -> Totals {
        let mut book = self.book();
        let open: Vec<Entry> = book.open.drain().map(|(_, entry)| entry).collect();
        for entry in open {
            book.tallies[entry.kind].wrong += 1;
            let text = format!("never over: {}", entry.shot.shown());
            book.finds(text);
        }
        Totals {
            tallies: book.tallies.clone(),
            wrong: std::mem::take(&mut book.wrong),
            log_lines: book.log_lines,
            nameless_lines: book.nameless_lines,
            hits: book.hits,
        }
    }

    /// How many were sent so far.
    pub fn sent(&self) -> u64 {
        self.book().tallies.iter().map(|tally| tally.sent).sum()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("the book")
    }
}

impl Book {
    fn counts(&mut self, entry: &Entry, verdict: Result<Outcome, String>) {
        let tally = &mut self.tallies[entry.kind];
        match verdict {
            // What was smuggled is part of another request, which is counted.
            Ok(_) if entry.shot.rule == Verdict::Nothing.into() => {}
            Ok(outcome) => {
                let left = matches!(entry.shot.manner, Manner::Leaving(_));
                tally.right += u64::from(!left);
                tally.left += u64::from(left);
                tally.admitted += u64::from(outcome.was_admitted);
            }
            Err(why) => {
                tally.wrong += 1;
                self.finds(why);
            }
        }
    }

    fn finds(&mut self, what: String) {
        if self.wrong.len() < MOST_WRONG {
            eprintln!("WRONG {what}");
        }
        self.wrong.push(what);
    }
}
