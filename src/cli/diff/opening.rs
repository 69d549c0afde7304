//! Which requests get in without a credential that did not before. Asks both policies, and reads no configuration but
//! for what an endpoint answers on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::ops::ControlFlow;

use ipnet::IpNet;
use serde_json::Value;

use crate::authorizer::Authorizer;
use crate::cli::read::Plugin;
use crate::endpoint::{Endpoint, EndpointIndex, HostPattern, Route, Sample, samples};
use crate::policy::{Policy, Unmatched};
use crate::source::{AllowList, SourceAddress};

/// More kinds of request than the endpoints of any sensible configuration can tell apart: some seconds.
const MOST_SAMPLES: usize = 2_000_000;

/// Requests that an edit opens.
#[derive(Debug)]
pub(super) enum Opening {
    /// Those of this endpoint, or some of them.
    Of {
        endpoint: String,
        guarded_by: Guarded,
        /// The endpoint that takes them now; none where they address none, and pass.
        taken_by: Option<String>,
        example: Sample,
    },
    /// Those that address no endpoint.
    Unmatched,
    /// Nobody knows: there are more kinds of request than can be looked at.
    TooMany,
}

/// What kept requests out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guarded {
    /// Nobody was let in without a credential.
    ByCredential,
    /// Nobody was let in but from listed addresses.
    ByAddress,
}

/// What happens to a request that brings no credential.
struct Verdict<'a> {
    /// The endpoint that it addresses.
    endpoint: Option<&'a Endpoint>,
    admits: Sources<'a>,
}

/// Where a request without a credential may come from.
enum Sources<'a> {
    Nowhere,
    Listed(&'a AllowList, SourceAddress),
    Anywhere,
}

/// What an edit opens. Conservative: where it cannot be told, it is an opening.
pub(super) fn openings(old: &Plugin, new: &Plugin) -> Vec<Opening> {
    openings_among(old, new, MOST_SAMPLES)
}

fn openings_among(old: &Plugin, new: &Plugin, most: usize) -> Vec<Opening> {
    let (before, after) = (&old.policy, &new.policy);
    let mut routes = routes(old, true);
    routes.extend(self::routes(new, false));
    let (mut seen, mut found) = (0_usize, BTreeMap::new());
    let end = samples(&routes, |sample| {
        seen = seen.saturating_add(1);
        if seen > most {
            return ControlFlow::Break(());
        }
        if let Some((kind, opening)) = opening(before, after, sample) {
            // Where requests themselves get in, their preflights are not worth a word.
            match found.entry(kind) {
                Entry::Vacant(place) => {
                    place.insert(opening);
                }
                Entry::Occupied(mut place) if place.get().is_of_preflights() => {
                    place.insert(opening);
                }
                Entry::Occupied(_) => {}
            }
        }
        ControlFlow::Continue(())
    });
    let passes = (before.unmatched, after.unmatched) == (Unmatched::Deny, Unmatched::Pass);
    let others = [
        passes.then_some(Opening::Unmatched),
        end.is_break().then_some(Opening::TooMany),
    ];
    found
        .into_values()
        .chain(others.into_iter().flatten())
        .collect()
}

/// Whether the sample is let in that was not, and between which two endpoints that was.
fn opening(
    before: &Policy,
    after: &Policy,
    sample: &Sample,
) -> Option<((EndpointIndex, Option<EndpointIndex>), Opening)> {
    let was = guard_of(before, sample);
    let endpoint = was.endpoint?;
    let is = verdict(after, sample);
    if is.admits.lie_within(&was.admits) {
        return None;
    }
    let opening = Opening::Of {
        endpoint: endpoint.name.clone(),
        guarded_by: match was.admits {
            Sources::Nowhere => Guarded::ByCredential,
            Sources::Listed(..) | Sources::Anywhere => Guarded::ByAddress,
        },
        taken_by: is.endpoint.map(|endpoint| endpoint.name.clone()),
        example: sample.clone(),
    };
    let kind = (endpoint.place, is.endpoint.map(|endpoint| endpoint.place));
    Some((kind, opening))
}

/// Whether somebody gets in without a credential at all.
pub(in crate::cli) fn is_open_somewhere(plugin: &Plugin) -> bool {
    let open = |endpoint: &Endpoint| matches!(endpoint.authorizer, Authorizer::Open);
    plugin.policy.unmatched == Unmatched::Pass
        || plugin
            .policy
            .endpoints
            .iter()
            .any(|endpoint| open(endpoint) || endpoint.preflight)
}

fn verdict<'a>(policy: &'a Policy, sample: &Sample) -> Verdict<'a> {
    let Ok(addressed) = policy.endpoints.find(&sample.head()) else {
        return Verdict {
            endpoint: None,
            admits: Sources::Nowhere,
        };
    };
    let Some(addressed) = addressed else {
        return Verdict {
            endpoint: None,
            admits: match policy.unmatched {
                Unmatched::Deny => Sources::Nowhere,
                Unmatched::Pass => Sources::Anywhere,
            },
        };
    };
    let endpoint = addressed.endpoint;
    Verdict {
        endpoint: Some(endpoint),
        admits: match (&endpoint.authorizer, &endpoint.allow_from) {
            (Authorizer::Guarded(_), _) if !addressed.preflight => Sources::Nowhere,
            (_, Some(list)) => Sources::Listed(list, policy.source_address),
            (_, None) => Sources::Anywhere,
        },
    }
}

/// What guards a request. A preflight that nothing takes is guarded by what guards the request that it asks for.
fn guard_of<'a>(policy: &'a Policy, sample: &Sample) -> Verdict<'a> {
    let own = verdict(policy, sample);
    if sample.preflight && own.endpoint.is_none() && matches!(own.admits, Sources::Nowhere) {
        let asked_for = Sample {
            preflight: false,
            ..sample.clone()
        };
        return Verdict {
            endpoint: verdict(policy, &asked_for).endpoint,
            admits: Sources::Nowhere,
        };
    }
    own
}

impl Sources<'_> {
    fn lie_within(&self, others: &Self) -> bool {
        match (self, others) {
            (Self::Nowhere, _) | (_, Self::Anywhere) => true,
            (Self::Listed(list, _), _) if list.iter().next().is_none() => true,
            // An address that is judged another way is another address.
            (Self::Listed(list, mode), Self::Listed(other, other_mode)) => {
                mode == other_mode && lists_within(list, other)
            }
            (Self::Anywhere | Self::Listed(..), Self::Nowhere)
            | (Self::Anywhere, Self::Listed(..)) => false,
        }
    }
}

/// Whether every address of a list is on another.
pub(super) fn lists_within(list: &AllowList, other: &AllowList) -> bool {
    // Neighbours made one: a network that several cover together is covered by one of what comes out.
    let other = IpNet::aggregate(&other.iter().copied().collect());
    list.iter()
        .all(|network| other.iter().any(|wider| wider.contains(network)))
}

/// What the endpoints answer on, as the document has it: a policy keeps it in its router only.
fn routes(plugin: &Plugin, wanted: bool) -> Vec<Route> {
    let written = plugin.document.get("endpoints").and_then(Value::as_array);
    let texts = |endpoint: &Value, member: &str| -> Vec<String> {
        let list = endpoint.get(member).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    };
    plugin
        .policy
        .endpoints
        .iter()
        .zip(written.into_iter().flatten())
        .map(|(endpoint, written)| Route {
            hosts: texts(written, "hosts")
                .iter()
                .filter_map(|host| HostPattern::parse(host).ok())
                .collect(),
            path: endpoint.path.clone(),
            methods: texts(written, "methods"),
            wanted,
        })
        .collect()
}

impl Opening {
    fn is_of_preflights(&self) -> bool {
        matches!(self, Self::Of { example, .. } if example.preflight)
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of {
                endpoint,
                guarded_by,
                taken_by,
                example,
            } => {
                let kind = if example.preflight {
                    "a CORS preflight for "
                } else {
                    ""
                };
                let Sample {
                    host, path, method, ..
                } = example;
                write!(
                    f,
                    "endpoint `{endpoint}`: {kind}{method} {host}{path}, for example, "
                )?;
                f.write_str(match guarded_by {
                    Guarded::ByCredential => "needed a credential, and needs none any more",
                    Guarded::ByAddress => {
                        "was let in from listed addresses only, and is from others too, without a credential"
                    }
                })?;
                match taken_by {
                    Some(other) if other == endpoint => Ok(()),
                    Some(other) => write!(f, ": endpoint `{other}` takes it"),
                    None => f.write_str(": it addresses no endpoint, and `unmatched` is `pass`"),
                }
            }
            Self::Unmatched => {
                f.write_str("what addresses no endpoint was refused, and passes (`unmatched`)")
            }
            Self::TooMany => write!(
                f,
                "the endpoints tell more than {MOST_SAMPLES} kinds of request apart, too many to look at each"
            ),
        }
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::find::Configuration;
    use crate::cli::read::{StandIns, plugin};

    fn policy(endpoints: &Value) -> Plugin {
        let endpoints = Configuration::Document(json!({ "endpoints": endpoints }));
        plugin(&endpoints, &StandIns::default()).unwrap()
    }

    #[test]
    fn what_is_too_much_to_look_at_counts_as_opened() {
        let one = policy(&json!([
            { "name": "a", "path": "/a/*", "authorizer": { "type": "none" } },
        ]));
        assert!(openings_among(&one, &one, MOST_SAMPLES).is_empty());
        assert!(matches!(
            openings_among(&one, &one, 1)[..],
            [Opening::TooMany]
        ));
    }

    #[test]
    fn a_list_lies_within_another_that_covers_it_in_pieces() {
        let list = |networks: &[&str]| {
            let mut list = AllowList::default();
            for text in networks {
                list.add(text).unwrap();
            }
            list
        };
        for (inner, outer, expected) in [
            (
                &["10.0.0.0/8"][..],
                &["10.0.0.0/9", "10.128.0.0/9"][..],
                true,
            ),
            (&["10.0.0.0/8"], &["10.0.0.0/9"], false),
            (&[], &[], true),
            (&["10.1.2.3"], &["10.0.0.0/8"], true),
            (&["::1"], &["0.0.0.0/0"], false),
        ] {
            assert_eq!(
                lists_within(&list(inner), &list(outer)),
                expected,
                "{inner:?} {outer:?}"
            );
        }
    }
}
