//! What the client presented, where it stood, and how it is taken off the request.
//!
//! Does not know whether a credential holds. Where two different ones are presented it is not certain who calls, so
//! that is an outcome of its own; the same value in two known places is one credential, as some SDKs send it.

use std::fmt;

use url::form_urlencoded;

use crate::request::{Edits, RequestHead};

/// A place where a credential may stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A header field (lower case), whose value may begin with an authentication scheme (RFC 9110 section 11.4).
    Header {
        /// Field name in lower case.
        name: String,
        /// Scheme in lower case; without one the whole value is the credential.
        scheme: Option<String>,
    },
    /// A query parameter.
    Query {
        /// Its decoded name.
        name: String,
    },
}

impl Place {
    /// Where a credential may stand unless the operator says otherwise: what the OpenAI, Anthropic, Azure and Google
    /// SDKs send.
    pub fn well_known() -> Vec<Self> {
        let header = |name: &str, scheme: Option<&str>| Self::Header {
            name: name.to_owned(),
            scheme: scheme.map(str::to_owned),
        };
        vec![
            header("authorization", Some("bearer")),
            header("x-api-key", None),
            header("api-key", None),
            header("x-goog-api-key", None),
        ]
    }
}

/// The places that an endpoint looks at, for all of its authorizers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(Vec<Place>);

/// Which of an endpoint's [`Places`] an authorizer reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaceSet(u64);

/// More places than a [`PlaceSet`] can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPlaces;

impl Places {
    /// Adds the places that one authorizer reads; the same place is kept once.
    ///
    /// # Errors
    /// [`TooManyPlaces`] for more than 64 in all.
    pub fn add(&mut self, places: Vec<Place>) -> Result<PlaceSet, TooManyPlaces> {
        let mut set = PlaceSet::default();
        for place in places {
            let index = self
                .0
                .iter()
                .position(|known| *known == place)
                .unwrap_or_else(|| {
                    self.0.push(place);
                    self.0.len().saturating_sub(1)
                });
            set = set.with(index).ok_or(TooManyPlaces)?;
        }
        Ok(set)
    }

    /// Finds the credential on a request.
    pub fn read(&self, head: &RequestHead) -> Presented {
        let mut reading = Reading::default();
        for (name, value) in head.fields() {
            reading.header(&self.0, name, value);
        }
        for (index, place) in self.0.iter().enumerate() {
            if let Place::Query { name } = place {
                for (_, value) in query_pairs(head).filter(|(key, _)| key == name) {
                    reading.value(index, value.as_bytes());
                }
            }
        }
        reading.outcome()
    }

    /// Takes whatever stands in these places off the request.
    pub fn remove<'a>(&'a self, head: &RequestHead, edits: &mut Edits<'a>) {
        for place in &self.0 {
            match place {
                Place::Header { name, .. } if head.has(name) => edits.remove.push(name),
                Place::Header { .. } | Place::Query { .. } => {}
            }
        }
        edits.parameters.extend(self.parameters());
    }

    /// Those of a set, in their order.
    pub fn among(&self, set: PlaceSet) -> impl Iterator<Item = &Place> {
        let is_in = move |index| {
            PlaceSet::default()
                .with(index)
                .is_some_and(|place| place.meets(set))
        };
        let numbered = self.0.iter().enumerate();
        numbered
            .filter(move |(index, _)| is_in(*index))
            .map(|(_, place)| place)
    }

    /// Whether one of the places is in that field, or that parameter.
    pub fn share_a_field(&self, place: &Place) -> bool {
        match place {
            Place::Header { name, .. } => self.header_names().any(|known| known == name),
            Place::Query { name } => self.parameters().any(|known| known == name),
        }
    }

    /// Names of the query parameters among the places.
    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|place| match place {
            Place::Query { name } => Some(name.as_str()),
            Place::Header { .. } => None,
        })
    }

    /// Names of the header fields among the places.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|place| match place {
            Place::Header { name, .. } => Some(name.as_str()),
            Place::Query { .. } => None,
        })
    }
}

impl PlaceSet {
    /// Whether a credential that stands in one of the `other` places stands in one of these.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, index: usize) -> Option<Self> {
        let bit = 1_u64.checked_shl(u32::try_from(index).ok()?)?;
        Some(Self(self.0 | bit))
    }
}

/// What a request presents.
#[derive(Debug, PartialEq, Eq)]
pub enum Presented {
    /// Nothing, or only a scheme that no place speaks ("attempted using an unsupported authentication method", which
    /// RFC 6750 section 3.1 puts beside no attempt at all).
    Nothing,
    /// A place is there, but what stands in it is no credential: empty, or not one word.
    Malformed,
    /// One credential.
    One(Credential),
    /// More than one, or one field twice.
    Several,
}

/// The one credential of a request. A secret: it prints as `[redacted]`.
#[derive(PartialEq, Eq)]
pub struct Credential {
    value: Vec<u8>,
    places: PlaceSet,
}

impl Credential {
    /// The text as presented, without scheme.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Where it stood.
    pub fn places(&self) -> PlaceSet {
        self.places
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A reading in progress.
#[derive(Default)]
struct Reading {
    found: Option<Credential>,
    malformed: bool,
    /// An `Authorization` of a scheme that is not read here: no credential alone, a second one beside another.
    foreign: bool,
    several: bool,
    /// The fields seen so far, for the one that comes twice.
    seen: PlaceSet,
}

impl Reading {
    /// A field has one reading: after a scheme that some place names, or as a whole where a place names none.
    fn header(&mut self, places: &[Place], name: &str, value: &[u8]) {
        let mut read_here = false;
        let mut reading = None;
        for (index, place) in places.iter().enumerate() {
            let Place::Header {
                name: field,
                scheme,
            } = place
            else {
                continue;
            };
            if field != name {
                continue;
            }
            read_here = true;
            let already = PlaceSet::default()
                .with(index)
                .is_none_or(|place| self.seen.meets(place));
            self.several |= already;
            self.seen = self.seen.with(index).unwrap_or(self.seen);
            match scheme {
                None => reading = reading.or(Some((index, value))),
                Some(scheme) => {
                    let after = after_scheme(value, scheme).map(|after| (index, after));
                    reading = after.or(reading);
                }
            }
        }
        if let Some((index, value)) = reading {
            self.value(index, value);
        } else if read_here {
            if is_scheme(value) {
                self.foreign = true;
            } else {
                self.malformed = true;
            }
            self.several |= value.contains(&b',');
        }
    }

    fn value(&mut self, index: usize, value: &[u8]) {
        // Envoy joins some repeated fields with a comma (RFC 9110 section 5.3); no credential holds one.
        if value.contains(&b',') {
            self.several = true;
        } else if value.is_empty() || !value.iter().all(u8::is_ascii_graphic) {
            self.malformed = true;
        } else {
            let place = PlaceSet::default().with(index).unwrap_or_default();
            match &mut self.found {
                None => {
                    self.found = Some(Credential {
                        value: value.to_vec(),
                        places: place,
                    });
                }
                Some(found) if found.value == value => found.places.0 |= place.0,
                Some(_) => self.several = true,
            }
        }
    }

    fn outcome(self) -> Presented {
        match self.found {
            _ if self.several => Presented::Several,
            Some(_) if self.foreign || self.malformed => Presented::Several,
            Some(credential) => Presented::One(credential),
            None if self.malformed => Presented::Malformed,
            None => Presented::Nothing,
        }
    }
}

/// What follows the scheme and at least one space (RFC 9110 section 11.4: `1*SP`, so no tab; the scheme is
/// case-insensitive).
fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (name, mut rest) = value.split_at_checked(scheme.len())?;
    if !name.eq_ignore_ascii_case(scheme.as_bytes()) || !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    while let Some(after) = rest.strip_prefix(b" ") {
        rest = after;
    }
    Some(rest)
}

/// Whether the value begins with a scheme: a token (RFC 9110 section 5.6.2) that ends here or before a space.
fn is_scheme(value: &[u8]) -> bool {
    let name = value.split(|byte| *byte == b' ').next().unwrap_or_default();
    !name.is_empty()
        && name
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

fn query_pairs(head: &RequestHead) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(head.query().unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests;
