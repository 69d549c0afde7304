//! Endpoints.

use std::collections::HashMap;

use http::Method;

use super::Workshop;
use crate::authorizer::{Authorizer, Guard};
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;
use crate::endpoint::{Endpoint, EndpointIndex, Endpoints, HostPattern, Methods, PathPattern};
use crate::source::AllowList;
use crate::usage::{Format, Metering};

const MAX_NAME_BYTES: usize = 128;

impl<'a> Workshop<'a> {
    pub(super) fn endpoints(
        &mut self,
        raw: Field<Vec<Field<raw::Endpoint>>>,
        here: &Place<'a>,
    ) -> Endpoints {
        let mut endpoints = Endpoints::default();
        let mut names: HashMap<String, String> = HashMap::new();
        for (place, raw) in here
            .filled_list(raw, "without an endpoint nothing can be called")
            .into_iter()
            .flatten()
        {
            let name = place
                .member("name")
                .parse(raw.name, |name| match names.get(&name) {
                    Some(other) => Err(format!("{other} has the same name")),
                    None => endpoint_name(name),
                });
            if let Some(name) = &name {
                names.insert(name.clone(), place.path().to_owned());
            }
            let hosts = hosts(raw.hosts, &place.member("hosts"));
            let path = place
                .member("path")
                .parse(raw.path, |path| PathPattern::parse(&path));
            let methods = methods(raw.methods, &place.member("methods"));
            let allow_from = allow_from(raw.allow_from, &place.member("allow_from"));
            let authorizer = self.authorizer(raw.authorizer, &place.member("authorizer"));
            let preflight = place.member("preflight").read(raw.preflight);
            let forward_credential = place
                .member("forward_credential")
                .read(raw.forward_credential);
            let allow_encoded_slash = place
                .member("allow_encoded_slash")
                .read(raw.allow_encoded_slash);
            let usage = place.member("usage").parse(raw.usage, metering);
            let upstream_auth = self.upstream_auth(
                raw.upstream_auth,
                authorizer.as_ref(),
                forward_credential,
                &place.member("upstream_auth"),
            );

            // Added although its authorizer may be broken, for conflicts to show. Such a policy never leaves this
            // room, and the guard in it lets nobody in.
            if let (Some(hosts), Some(path), Some(methods)) = (hosts, path, methods) {
                let endpoint = Endpoint {
                    place: EndpointIndex::default(),
                    name: name.unwrap_or_else(|| place.path().to_owned()),
                    path,
                    allow_from,
                    authorizer: authorizer.unwrap_or_else(|| Authorizer::Guarded(Guard::default())),
                    preflight: matches!(preflight, Some(raw::Preflight::Allow)),
                    allow_encoded_slash: allow_encoded_slash.unwrap_or(false),
                    forward_credential,
                    usage: usage.unwrap_or_default(),
                    upstream_auth,
                };
                if let Err(other) = endpoints.add(endpoint, &hosts, &methods) {
                    place.complain(format_args!(
                        "answers the same host, path and method as endpoint `{other}`"
                    ));
                }
            }
        }
        for (place, name) in self.mentions.drain(..) {
            if !names.contains_key(&name) {
                place.complain("no endpoint has this name");
            }
        }
        endpoints
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a field hands over what it holds"
)]
fn metering(text: raw::UsageText) -> Result<Metering, String> {
    match text.0.as_str() {
        "auto" => Ok(Metering::ByPath),
        "off" => Ok(Metering::Off),
        name => Format::named(name).map(Metering::As).ok_or_else(|| {
            let names = Format::ALL.map(Format::as_str).join("`, `");
            format!("must be `auto`, `off`, or one of the formats `{names}`")
        }),
    }
}

/// A name that can stand in a metric.
pub(super) fn endpoint_name(name: String) -> Result<String, String> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if plain && (1..=MAX_NAME_BYTES).contains(&name.len()) {
        Ok(name)
    } else {
        Err(format!(
            "must be 1 to {MAX_NAME_BYTES} letters, digits, dots, dashes and underscores"
        ))
    }
}

/// No hosts mean any; `None` where it is not certain which are meant.
fn hosts(raw: Field<Vec<Field<String>>>, here: &Place<'_>) -> Option<Vec<HostPattern>> {
    if matches!(raw, Field::Absent) {
        return Some(Vec::new());
    }
    here.each(here.filled(raw, "leave it out for any host")?, |host| {
        HostPattern::parse(&host)
    })
}

/// As with [`hosts`].
fn methods(raw: Field<Vec<Field<String>>>, here: &Place<'_>) -> Option<Methods> {
    if matches!(raw, Field::Absent) {
        return Some(Methods::default());
    }
    here.each(here.filled(raw, "leave it out for any method")?, method)
        .map(Methods::new)
}

/// RFC 9110 section 9.1: a token, and case-sensitive. None in use has lower-case letters.
fn method(text: String) -> Result<String, String> {
    let token = Method::from_bytes(text.as_bytes()).is_ok()
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    if text == "*" {
        Err("is no method; leave `methods` out for any method".to_owned())
    } else if !token {
        Err("is no method".to_owned())
    } else if text.contains(|c: char| c.is_ascii_lowercase()) {
        Err(format!(
            "methods are case-sensitive; write `{}`",
            text.to_ascii_uppercase()
        ))
    } else if text == "TRACE" {
        Err(
            "is never let through: its answer would tell the caller what was put into the request"
                .to_owned(),
        )
    } else {
        Ok(text)
    }
}

fn allow_from(raw: Field<Vec<Field<String>>>, here: &Place<'_>) -> Option<AllowList> {
    let mut list = AllowList::default();
    here.each(raw, |network| list.add(&network))?;
    Some(list)
}
