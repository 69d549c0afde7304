//! Where a credential may stand.

use http::{HeaderName, Method};

use super::Workshop;
use crate::config::field::Field;
use crate::config::problem::Place as At;
use crate::config::raw;
use crate::credential::{Place, PlaceSet, Places};

/// Fields that say how the message is framed, where it goes or where it came from. The gate takes credentials off the
/// request, and a request without one of these is another request. A cookie is sent by a browser whether its user
/// means it or not.
const NOT_FOR_CREDENTIALS: [&str; 16] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-request-id",
];
const NOT_FOR_CREDENTIALS_PREFIXES: [&str; 3] = ["x-envoy-", "x-forwarded-", "sec-"];

impl Workshop<'_> {
    /// Adds the places that one authorizer reads to those of its endpoint.
    pub(super) fn places(
        &self,
        raw: Field<Vec<Field<raw::From>>>,
        here: &At<'_>,
        places: &mut Places,
    ) -> PlaceSet {
        let listed = match raw {
            Field::Absent => Place::well_known(),
            written => self.listed_places(written, here),
        };
        places.add(listed).unwrap_or_else(|_| {
            here.complain(
                "names more than 64 places together with the other authorizers of the endpoint",
            );
            PlaceSet::default()
        })
    }

    fn listed_places(&self, raw: Field<Vec<Field<raw::From>>>, here: &At<'_>) -> Vec<Place> {
        let mut listed = Vec::new();
        for (at, raw) in here
            .filled_list(raw, "leave it out for the well-known places")
            .into_iter()
            .flatten()
        {
            let Some(place) = self.place(raw, &at) else {
                continue;
            };
            if listed.contains(&place) {
                at.complain("is listed twice");
            } else {
                listed.push(place);
            }
        }
        listed
    }

    fn place(&self, raw: raw::From, at: &At<'_>) -> Option<Place> {
        let is_written = |field: &Field<String>| !matches!(field, Field::Absent);
        let (has_header, has_scheme, has_query) = (
            is_written(&raw.header),
            is_written(&raw.scheme),
            is_written(&raw.query),
        );
        let header = at
            .member("header")
            .parse(raw.header, |name| self.header(&name));
        let scheme = at
            .member("scheme")
            .parse(raw.scheme, |scheme| scheme_name(&scheme));
        let query = at.member("query").parse(raw.query, parameter_name);
        match (has_header, has_query) {
            (true, false) if has_scheme => Some(Place::Header {
                name: header?,
                scheme: Some(scheme?),
            }),
            (true, false) => Some(Place::Header {
                name: header?,
                scheme: None,
            }),
            (false, true) if has_scheme => {
                at.member("scheme")
                    .complain("goes with `header`, not with `query`");
                None
            }
            (false, true) => Some(Place::Query { name: query? }),
            (true, true) | (false, false) => {
                at.complain("needs either `header` or `query`");
                None
            }
        }
    }

    fn header(&self, name: &str) -> Result<String, String> {
        let name = HeaderName::try_from(name).map_err(|_| "is not a header name".to_owned())?;
        let name = name.as_str();
        if self.identity_headers.covers(name) {
            return Err(
                "carries the identity to the model server, so what clients send in it is removed"
                    .to_owned(),
            );
        }
        let reserved = NOT_FOR_CREDENTIALS.contains(&name)
            || NOT_FOR_CREDENTIALS_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix));
        if reserved {
            Err(format!("`{name}` cannot carry a credential"))
        } else {
            Ok(name.to_owned())
        }
    }
}

/// RFC 9110 section 11.1: a token, and case-insensitive. A method is a token too.
fn scheme_name(text: &str) -> Result<String, &'static str> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_ascii_lowercase()),
        Err(_) => Err("is not an authentication scheme, such as `Bearer`"),
    }
}

fn parameter_name(name: String) -> Result<String, &'static str> {
    let visible = name.bytes().all(|b| b.is_ascii_graphic());
    if visible && !name.is_empty() {
        Ok(name)
    } else {
        Err("is not the name of a query parameter")
    }
}
