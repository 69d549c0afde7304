//! Host, path and method to endpoint, at a cost that does not grow with the number of endpoints.
//!
//! The most specific host decides first, as with Envoy's virtual hosts (exact, then the longest suffix, then any);
//! within it the most specific path, segment by segment: literal text, text around a wildcard, a wildcard, the rest. A
//! capture and `*` match the same, so capture before `*` decides only between paths that are otherwise alike
//! (`pattern::precedence`). Within that, an endpoint that names the method comes before one that takes any. Where no
//! endpoint of a host takes the request, those of the next less specific host are asked.
//!
//! A trie of whole segments. `matchit` was tried first: it refuses `/{a}` beside `/**` and `/a{x}` beside `/{x}b`,
//! both of which the template syntax allows.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::host::{Host, HostPattern};
use super::path::RequestPath;
use super::pattern::{self, PathPattern, Segment};

/// The paths of model APIs have no more: room for them is made at once.
const USUAL_SEGMENTS: usize = 8;

/// Index of an endpoint in the list that the router was built from.
pub type EndpointIndex = usize;

/// What the operator wrote, by its text. Requests only look things up, so nobody can fill one with texts that collide,
/// and the quickest hash will do.
type Table<T> = HashMap<String, T, FixedState>;

/// Finds the endpoint that a request addresses.
#[derive(Debug, Default)]
pub struct Router {
    exact: Table<Node>,
    suffix: Table<Node>,
    any: Node,
}

/// The methods that an endpoint takes: all of them where none is named. Case-sensitive (RFC 9110 section 9.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Methods(Vec<String>);

/// Another endpoint answers the same hosts, paths and methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The endpoint that was there before.
    pub with: EndpointIndex,
}

/// One place in the trie: the segments that may follow, and the endpoints that may end here.
#[derive(Debug, Default)]
struct Node {
    literal: Table<Node>,
    /// Prefix, then suffix, of segments with text around a wildcard.
    around: Table<Table<Node>>,
    /// The lengths of prefix and suffix that occur in `around`, the longest together first.
    around_lengths: Vec<(usize, usize)>,
    /// A wildcard alone.
    one: Option<Box<Node>>,
    end: Vec<Candidate>,
    rest: Vec<Candidate>,
}

/// An endpoint that may be meant. A list of them is kept in order of precedence.
#[derive(Debug)]
struct Candidate {
    endpoint: EndpointIndex,
    pattern: PathPattern,
    methods: Methods,
}

impl Methods {
    /// Takes the listed methods; none listed means any.
    pub fn new(methods: Vec<String>) -> Self {
        Self(methods)
    }

    fn admit(&self, method: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|m| m == method)
    }

    /// Neither is preferred for some method that both take.
    fn clash(&self, other: &Self) -> bool {
        match (self.0.is_empty(), other.0.is_empty()) {
            (true, true) => true,
            (false, false) => self.0.iter().any(|m| other.0.contains(m)),
            _ => false,
        }
    }
}

impl Router {
    /// Adds an endpoint.
    ///
    /// # Errors
    /// [`Conflict`] where nothing tells it apart from one that is there.
    pub fn insert(
        &mut self,
        endpoint: EndpointIndex,
        hosts: &[HostPattern],
        pattern: &PathPattern,
        methods: &Methods,
    ) -> Result<(), Conflict> {
        // An endpoint may name a host twice in two spellings; that is no conflict with itself.
        let hosts: HashSet<&HostPattern> = if hosts.is_empty() {
            HashSet::from([&HostPattern::Any])
        } else {
            hosts.iter().collect()
        };
        for host in hosts {
            let root = match host {
                HostPattern::Exact(name) => self.exact.entry(name.clone()).or_default(),
                HostPattern::Suffix(suffix) => self.suffix.entry(suffix.clone()).or_default(),
                HostPattern::Any => &mut self.any,
            };
            let candidate = Candidate {
                endpoint,
                pattern: pattern.clone(),
                methods: methods.clone(),
            };
            root.candidates_mut(pattern.segments()).add(candidate)?;
        }
        Ok(())
    }

    /// The endpoint that is addressed, if any.
    pub fn find(
        &self,
        host: &Host<'_>,
        path: &RequestPath<'_>,
        method: &str,
    ) -> Option<EndpointIndex> {
        let mut segments = Vec::with_capacity(USUAL_SEGMENTS);
        segments.extend(path.segments());
        let exact = self.exact.get(host.as_str());
        let suffixes = host
            .suffixes()
            .take_while(|_| !self.suffix.is_empty())
            .filter_map(|suffix| self.suffix.get(suffix));
        exact
            .into_iter()
            .chain(suffixes)
            .chain([&self.any])
            .find_map(|root| root.find(&segments, method))
            .map(|candidate| candidate.endpoint)
    }
}

trait Candidates {
    fn add(&mut self, candidate: Candidate) -> Result<(), Conflict>;
    fn first_for(&self, method: &str) -> Option<&Candidate>;
}

impl Candidates for Vec<Candidate> {
    fn add(&mut self, candidate: Candidate) -> Result<(), Conflict> {
        let clash = self.iter().find(|other| {
            pattern::precedence(&candidate.pattern, &other.pattern).is_eq()
                && candidate.methods.clash(&other.methods)
        });
        if let Some(other) = clash {
            return Err(Conflict {
                with: other.endpoint,
            });
        }
        let place = self.partition_point(|other| {
            pattern::precedence(&other.pattern, &candidate.pattern)
                .then(
                    other
                        .methods
                        .0
                        .is_empty()
                        .cmp(&candidate.methods.0.is_empty()),
                )
                .is_le()
        });
        self.insert(place, candidate);
        Ok(())
    }

    fn first_for(&self, method: &str) -> Option<&Candidate> {
        self.iter()
            .find(|candidate| candidate.methods.admit(method))
    }
}

impl Node {
    /// The list that a pattern of these segments ends in; the way there is made where it is missing.
    fn candidates_mut(&mut self, segments: &[Segment]) -> &mut Vec<Candidate> {
        let Some((segment, following)) = segments.split_first() else {
            return &mut self.end;
        };
        let next = match segment {
            Segment::Literal(text) => self.literal.entry(text.clone()).or_default(),
            Segment::One { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty() => {
                self.one.get_or_insert_default()
            }
            Segment::One { prefix, suffix, .. } => {
                let lengths = (prefix.len(), suffix.len());
                if !self.around_lengths.contains(&lengths) {
                    let rank = |&(p, s): &(usize, usize)| Reverse((p.saturating_add(s), p));
                    let at = self
                        .around_lengths
                        .partition_point(|other| rank(other) < rank(&lengths));
                    self.around_lengths.insert(at, lengths);
                }
                self.around
                    .entry(prefix.clone())
                    .or_default()
                    .entry(suffix.clone())
                    .or_default()
            }
            Segment::Rest { .. } => return &mut self.rest,
        };
        next.candidates_mut(following)
    }

    /// Depth first in order of precedence, so that the first candidate found is the most specific.
    fn find<'a>(&'a self, segments: &[&str], method: &str) -> Option<&'a Candidate> {
        let Some((segment, following)) = segments.split_first() else {
            return self.end.first_for(method);
        };
        self.literal
            .get(*segment)
            .and_then(|node| node.find(following, method))
            .or_else(|| {
                self.around(segment)
                    .find_map(|node| node.find(following, method))
            })
            .or_else(|| {
                let one = self.one.as_ref().filter(|_| !segment.is_empty())?;
                one.find(following, method)
            })
            .or_else(|| self.rest.first_for(method))
    }

    /// The nodes whose prefix and suffix stand around something in this segment.
    fn around<'a>(&'a self, segment: &str) -> impl Iterator<Item = &'a Self> {
        self.around_lengths
            .iter()
            .filter_map(move |(prefix, suffix)| {
                let tail = segment
                    .len()
                    .checked_sub(*suffix)
                    .filter(|tail| tail > prefix)?;
                self.around
                    .get(segment.get(..*prefix)?)?
                    .get(segment.get(tail..)?)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(endpoints: &[(&[&str], &str, &[&str])]) -> Result<Router, Conflict> {
        let mut router = Router::default();
        for (index, (hosts, path, methods)) in endpoints.iter().enumerate() {
            let hosts: Vec<_> = hosts
                .iter()
                .map(|h| HostPattern::parse(h).unwrap())
                .collect();
            let methods = Methods::new(methods.iter().map(|m| (*m).to_owned()).collect());
            router.insert(index, &hosts, &PathPattern::parse(path).unwrap(), &methods)?;
        }
        Ok(router)
    }

    fn find(router: &Router, method: &str, host: &str, path: &str) -> Option<EndpointIndex> {
        let host = Host::parse(Some(host.as_bytes())).unwrap();
        router.find(&host, &RequestPath::parse(path.as_bytes()).unwrap(), method)
    }

    #[test]
    fn the_most_specific_path_wins_segment_by_segment() {
        let router = router(&[
            (&[], "/v1/**", &[]),
            (&[], "/v1/*/infer", &[]),
            (&[], "/v1/{model}/infer", &[]),
            (&[], "/v1/llama/infer", &[]),
            (&[], "/v1/{model}:generate", &[]),
            (&[], "/v1/{model}:streamGenerate", &[]),
            (&[], "/v1/gpt-{version}", &[]),
            (&[], "/v1/", &[]),
        ])
        .unwrap();
        for (path, expected) in [
            ("/v1/llama/infer", Some(3)),
            ("/v1/other/infer", Some(2)),
            ("/v1/llama/explain", Some(0)),
            ("/v1/gemini:generate", Some(4)),
            ("/v1/gemini:streamGenerate", Some(5)),
            ("/v1/a:b:generate", Some(4)),
            ("/v1/:generate", Some(0)),
            ("/v1/gpt-4", Some(6)),
            ("/v1/gpt-", Some(0)),
            ("/v1/gpt-4:streamGenerate", Some(5)),
            ("/v1/x/y/z", Some(0)),
            ("/v1/", Some(7)),
            ("/v1", None),
            ("/V1/x", None),
            ("/", None),
        ] {
            assert_eq!(find(&router, "POST", "h", path), expected, "{path}");
        }
    }

    #[test]
    fn the_most_specific_host_decides_before_the_path() {
        let router = router(&[
            (&[], "/health", &[]),
            (&["*.test"], "/**", &[]),
            (&["*.b.test"], "/**", &[]),
            (&["a.b.test"], "/v1", &[]),
        ])
        .unwrap();
        for (host, path, expected) in [
            ("a.b.test", "/v1", Some(3)),
            ("a.b.test", "/v2", Some(2)),
            ("x.b.test", "/v1", Some(2)),
            ("x.y.test", "/health", Some(1)),
            ("test", "/health", Some(0)),
            ("test", "/v1", None),
            ("eviltest", "/v1", None),
        ] {
            assert_eq!(find(&router, "GET", host, path), expected, "{host}{path}");
        }
    }

    #[test]
    fn an_endpoint_that_names_the_method_comes_before_one_that_takes_any() {
        let router = router(&[
            (&[], "/v1", &[]),
            (&[], "/v1", &["POST", "PUT"]),
            (&[], "/v2", &["POST"]),
            (&[], "/**", &["GET"]),
        ])
        .unwrap();
        for (method, path, expected) in [
            ("POST", "/v1", Some(1)),
            ("GET", "/v1", Some(0)),
            ("post", "/v1", Some(0)),
            ("GET", "/v2", Some(3)),
            ("PUT", "/v2", None),
        ] {
            assert_eq!(
                find(&router, method, "h", path),
                expected,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn two_endpoints_that_nothing_tells_apart_are_a_conflict() {
        let conflict =
            |endpoints: &[(&[&str], &str, &[&str])]| router(endpoints).err().map(|c| c.with);
        assert_eq!(
            conflict(&[(&[], "/v1/{a}", &[]), (&[], "/v1/{b}", &[])]),
            Some(0)
        );
        assert_eq!(
            conflict(&[(&[], "/v1/{a=**}", &[]), (&[], "/v1/{b=**}", &[])]),
            Some(0)
        );
        assert_eq!(
            conflict(&[
                (&["a.test", "b.test"], "/v1", &[]),
                (&["B.test"], "/v1", &[])
            ]),
            Some(0)
        );
        assert_eq!(
            conflict(&[(&[], "/v1", &["GET", "POST"]), (&[], "/v1", &["POST"])]),
            Some(0)
        );
        assert_eq!(
            conflict(&[(&[], "/v1/{a}", &[]), (&[], "/v1/*", &[])]),
            None
        );
        assert_eq!(
            conflict(&[(&[], "/v1", &["GET"]), (&[], "/v1", &["POST"])]),
            None
        );
        assert_eq!(conflict(&[(&["a.test", "A.test."], "/v1", &[])]), None);
    }
}
