//! Requests that stand for all others: for every way in which the endpoints of some configurations can tell requests
//! apart, one that is told apart so. Native only; the filter has real ones.
//!
//! Two hosts, two methods or two segments of a path that the same patterns match are the same to every router. So a
//! sample is made of one text for each set of patterns that some text matches:
//! - a host that is named, one label below each wildcard, and a host of its own;
//! - a method that is named, and another;
//! - for a segment, each literal text, and for each pair of a prefix and a suffix the text that has something between,
//!   and those in which the two touch or overlap, where other patterns may match than between.
//!
//! `%2F` is left out: a path that holds it is taken by fewer endpoints, and by the same as if it held something else.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::host::HostPattern;
use super::pattern::{PathPattern, Segment};
use crate::request::RequestHead;

/// Matched by wildcards only: no pattern can hold it as text.
const FILLER: &str = "*";

/// What an endpoint answers on.
#[derive(Clone, Debug)]
pub struct Route {
    /// Hosts; none means any.
    pub hosts: Vec<HostPattern>,
    /// Paths.
    pub path: PathPattern,
    /// Methods; none means any.
    pub methods: Vec<String>,
    /// Whether samples are wanted that it could answer. Others are left out.
    pub wanted: bool,
}

/// A request that stands for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its host.
    pub host: String,
    /// Its path, encoded.
    pub path: String,
    /// Its method, or the one that it asks for.
    pub method: String,
    /// It is a CORS preflight for a request with that method.
    pub preflight: bool,
}

impl Sample {
    /// The request.
    pub fn head(&self) -> RequestHead {
        let field = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        let mut fields = vec![
            field(":authority", &self.host),
            field(":path", &self.path),
            field(":method", &self.method),
        ];
        if self.preflight {
            fields.pop();
            fields.push(field(":method", "OPTIONS"));
            fields.push(field("origin", "https://origin.example"));
            fields.push(field("access-control-request-method", &self.method));
        }
        RequestHead::new(fields)
    }
}

/// Shows a sample of every kind of request that a wanted route could answer, until `visit` breaks off.
///
/// # Errors
/// What `visit` broke off with.
pub fn samples<B>(
    routes: &[Route],
    mut visit: impl FnMut(&Sample) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let mut by_host: HashMap<&HostPattern, Vec<&Route>> = HashMap::new();
    for route in routes {
        let mut hosts: Vec<_> = route.hosts.iter().collect();
        if hosts.is_empty() {
            hosts.push(&HostPattern::Any);
        }
        for host in hosts {
            by_host.entry(host).or_default().push(route);
        }
    }
    let method = another(&["GET", "POST", "PUT"], "OTHER", |text| {
        routes
            .iter()
            .any(|route| route.methods.iter().any(|m| m == text))
    });
    for host in hosts(by_host.keys().copied()) {
        let live: Vec<Live<'_>> = patterns_of(&host)
            .iter()
            .filter_map(|pattern| by_host.get(pattern))
            .flatten()
            .map(|route| Live {
                route,
                left: route.path.segments(),
                in_rest: false,
            })
            .collect();
        let mut walk = Walk {
            host: &host,
            method: &method,
            visit: &mut visit,
        };
        walk.below("", live)?;
    }
    ControlFlow::Continue(())
}

/// A text of these that is not taken, or the last with a number.
fn another(texts: &[&str], last: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (0..).map(|number| match number {
        0 => last.to_owned(),
        number => format!("{last}{number}"),
    });
    texts
        .iter()
        .map(|text| (*text).to_owned())
        .chain(numbered)
        .find(|text| !taken(text))
        .unwrap_or_default()
}

/// Each host that is named, a label below each wildcard, and a host of its own.
fn hosts<'a>(patterns: impl Iterator<Item = &'a HostPattern>) -> BTreeSet<String> {
    let patterns: Vec<_> = patterns.collect();
    let first_label = |pattern: &&HostPattern, label: &str| match pattern {
        HostPattern::Exact(host) => host.split('.').next() == Some(label),
        HostPattern::Suffix(suffix) => suffix.split('.').nth(1) == Some(label),
        HostPattern::Any => false,
    };
    let label = another(&[], "host", |label| {
        patterns.iter().any(|pattern| first_label(pattern, label))
    });
    patterns
        .iter()
        .map(|pattern| match pattern {
            HostPattern::Exact(host) => host.clone(),
            HostPattern::Suffix(suffix) => format!("{label}{suffix}"),
            HostPattern::Any => label.clone(),
        })
        .collect()
}

/// All patterns that match a host.
fn patterns_of(host: &str) -> Vec<HostPattern> {
    let mut patterns = vec![HostPattern::Exact(host.to_owned()), HostPattern::Any];
    if !host.starts_with('[') {
        let suffixes = host
            .match_indices('.')
            .filter_map(|(dot, _)| host.get(dot..));
        patterns.extend(suffixes.map(|suffix| HostPattern::Suffix(suffix.to_owned())));
    }
    patterns
}

/// A route that matches what there is of a path.
#[derive(Clone, Copy)]
struct Live<'a> {
    route: &'a Route,
    left: &'a [Segment],
    /// It matches whatever follows.
    in_rest: bool,
}

impl Live<'_> {
    fn ends_here(&self) -> bool {
        self.in_rest || self.left.is_empty()
    }

    /// The same, a segment further on, if it matches that segment.
    fn after(self, text: &str) -> Option<Self> {
        if self.in_rest {
            return Some(self);
        }
        let (segment, left) = self.left.split_first()?;
        let matches = match segment {
            Segment::Literal(literal) => literal == text,
            Segment::One { prefix, suffix, .. } => text
                .strip_prefix(prefix.as_str())
                .and_then(|tail| tail.strip_suffix(suffix.as_str()))
                .is_some_and(|between| !between.is_empty()),
            Segment::Rest { .. } => true,
        };
        matches.then_some(Self {
            route: self.route,
            left,
            in_rest: matches!(segment, Segment::Rest { .. }),
        })
    }
}

struct Walk<'a, V> {
    host: &'a str,
    method: &'a str,
    visit: &'a mut V,
}

impl<B, V: FnMut(&Sample) -> ControlFlow<B>> Walk<'_, V> {
    /// Visits the samples whose path begins so. `live` has the routes that match it so far.
    fn below(&mut self, path: &str, live: Vec<Live<'_>>) -> ControlFlow<B> {
        let mut literal: BTreeMap<&str, Vec<Live<'_>>> = BTreeMap::new();
        let mut others = Vec::new();
        for live in live {
            match live.left.first() {
                Some(Segment::Literal(text)) => {
                    literal.entry(text.as_str()).or_default().push(live);
                }
                _ => others.push(live),
            }
        }
        let mut texts = wild_texts(&others);
        texts.extend(literal.keys().map(|text| (*text).to_owned()));
        for text in texts {
            let named = literal.get(text.as_str()).into_iter().flatten();
            let live: Vec<_> = named
                .chain(&others)
                .filter_map(|live| live.after(&text))
                .collect();
            if !live.iter().any(|live| live.route.wanted) {
                continue;
            }
            let path = format!("{path}/{}", utf8_percent_encode(&text, CONTROLS));
            self.ending(&path, &live)?;
            // An empty segment can only be the last.
            let goes_on = live.iter().any(|live| !live.ends_here());
            if goes_on && !text.is_empty() {
                self.below(&path, live)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits the samples with that very path.
    fn ending(&mut self, path: &str, live: &[Live<'_>]) -> ControlFlow<B> {
        let ending = || live.iter().filter(|live| live.ends_here());
        if !ending().any(|live| live.route.wanted) {
            return ControlFlow::Continue(());
        }
        let mut methods: BTreeSet<&str> = ending()
            .flat_map(|live| live.route.methods.iter().map(String::as_str))
            .collect();
        methods.insert(self.method);
        for (method, preflight) in methods
            .iter()
            .flat_map(|method| [(method, false), (method, true)])
        {
            (self.visit)(&Sample {
                host: self.host.to_owned(),
                path: path.to_owned(),
                method: (*method).to_owned(),
                preflight,
            })?;
        }
        ControlFlow::Continue(())
    }
}

/// Texts for a segment, so that whatever these routes' wildcards can tell apart is told apart by one of them.
fn wild_texts(live: &[Live<'_>]) -> BTreeSet<String> {
    let (mut prefixes, mut suffixes) = (BTreeSet::from([""]), BTreeSet::from([""]));
    let (mut texts, mut wild) = (BTreeSet::new(), false);
    for live in live {
        match live.left.first() {
            _ if live.in_rest => wild = true,
            Some(Segment::One { prefix, suffix, .. }) => {
                wild = true;
                prefixes.insert(prefix);
                suffixes.insert(suffix);
            }
            Some(Segment::Rest { .. }) => wild = true,
            Some(Segment::Literal(_)) | None => {}
        }
        if live.in_rest || matches!(live.left.first(), Some(Segment::Rest { .. })) {
            texts.insert(String::new());
        }
    }
    if !wild {
        return texts;
    }
    for prefix in &prefixes {
        for suffix in &suffixes {
            texts.insert(format!("{prefix}{FILLER}{suffix}"));
            texts.extend(overlaps(prefix, suffix));
        }
    }
    texts
}

/// The texts that begin and end so, and have nothing between.
fn overlaps<'a>(prefix: &'a str, suffix: &'a str) -> impl Iterator<Item = String> + 'a {
    let most = prefix.len().min(suffix.len());
    let both = !prefix.is_empty() && !suffix.is_empty();
    (0..=most).filter(move |_| both).filter_map(move |shared| {
        let (common, tail) = suffix.split_at_checked(shared)?;
        prefix.ends_with(common).then(|| format!("{prefix}{tail}"))
    })
}

#[cfg(test)]
mod tests;
