//! Issuers and their tokens.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use jiff::SignedDuration;

use super::Workshop;
use super::terms::{Written, duration};
use crate::authorizer::Oidc;
use crate::authorizer::claim::{ClaimPath, RequiredClaims, Requirement, Scalar};
use crate::authorizer::jwt::{Algorithm, TokenRules};
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;
use crate::credential::PlaceSet;
use crate::fetch::{KeySource, Location, discovery_location};

/// What most providers sign with, and what `OpenID` Connect Core section 2 makes the default.
const ALGORITHMS: [Algorithm; 1] = [Algorithm::RS256];
/// Clocks that are kept by NTP differ by less.
const CLOCK_SKEW: Duration = Duration::from_mins(1);
/// A token that has been revoked by letting it expire must not live on for longer.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(300);
const TENANT_CLAIM: &str = "tenant_id";
const USER_CLAIM: &str = "sub";

impl Workshop<'_> {
    /// The rules for the tokens of one issuer. Where a token may stand is for the caller to fill in.
    pub(super) fn oidc(&mut self, raw: raw::Oidc, here: &Place<'_>) -> Option<Oidc> {
        let discovers = matches!(raw.jwks_uri, Field::Absent);
        let issuer = here
            .member("issuer")
            .parse(raw.issuer, |issuer| check_issuer(issuer, discovers));
        let audiences = audiences(raw.audience, &here.member("audience"));
        let jwks_uri = here
            .member("jwks_uri")
            .parse(raw.jwks_uri, |uri| Location::parse(&uri));
        let algorithms = algorithms(raw.algorithms, &here.member("algorithms"));
        let required_claims = required_claims(raw.required_claims, &here.member("required_claims"));
        let tenant_claim = claim(raw.tenant_claim, TENANT_CLAIM, &here.member("tenant_claim"));
        let user_claim = claim(raw.user_claim, USER_CLAIM, &here.member("user_claim"));
        let clock_skew = here.member("clock_skew").parse(raw.clock_skew, clock_skew);

        let written = Written {
            refresh: raw.refresh,
            max_stale: raw.max_stale,
            refresh_cooldown: raw.refresh_cooldown,
            fetch_timeout: raw.fetch_timeout,
        };
        let terms = written.terms(here);

        let issuer = issuer?;
        Some(Oidc {
            id: self.authorizer_id(),
            places: PlaceSet::default(),
            keys: self.key_source(KeySource {
                issuer: issuer.clone(),
                jwks_uri,
                terms,
            }),
            rules: TokenRules {
                issuer,
                audiences: audiences?,
                algorithms,
                clock_skew: clock_skew.unwrap_or(CLOCK_SKEW),
            },
            required_claims,
            tenant_claim: tenant_claim?,
            user_claim: user_claim?,
        })
    }
}

fn check_issuer(issuer: String, discovers: bool) -> Result<String, String> {
    if issuer.is_empty() {
        return Err("must not be empty".to_owned());
    }
    if discovers && let Err(error) = discovery_location(&issuer) {
        return Err(format!(
            "{error}; without `jwks_uri`, keys are looked for below it"
        ));
    }
    Ok(issuer)
}

/// RFC 8725 section 3.9: without an audience, a token for anybody would do.
fn audiences(raw: Field<raw::Audience>, here: &Place<'_>) -> Option<Vec<String>> {
    let listed = match here.read(raw)? {
        raw::Audience::One(audience) => vec![(here.clone(), audience)],
        raw::Audience::Several(list) => here
            .filled_list(list, "no token could be meant for this endpoint")?
            .collect(),
    };
    for (place, audience) in &listed {
        if audience.is_empty() {
            place.complain("must not be empty");
        }
    }
    Some(listed.into_iter().map(|(_, audience)| audience).collect())
}

fn algorithms(raw: Field<Vec<Field<String>>>, here: &Place<'_>) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    let Some(listed) = here.filled_list(raw, "leave it out for RS256") else {
        return ALGORITHMS.to_vec();
    };
    for (place, name) in listed {
        match name.parse::<Algorithm>() {
            Ok(algorithm) if algorithms.contains(&algorithm) => place.complain("is listed twice"),
            Ok(algorithm) => algorithms.push(algorithm),
            Err(error) => place.complain(error),
        }
    }
    algorithms
}

fn required_claims(
    raw: Field<BTreeMap<String, Field<raw::Requirement>>>,
    here: &Place<'_>,
) -> RequiredClaims {
    let mut required = RequiredClaims::default();
    for (place, path, requirement) in here.members(raw).into_iter().flatten() {
        let requirement = place
            .read(requirement)
            .and_then(|raw| self::requirement(raw, &place));
        let path = ClaimPath::try_from(path)
            .map_err(|error| place.complain(error))
            .ok();
        if let (Some(path), Some(requirement)) = (path, requirement) {
            required.add(path, requirement);
        }
    }
    required
}

fn requirement(raw: raw::Requirement, here: &Place<'_>) -> Option<Requirement> {
    Some(match raw {
        raw::Requirement::Equals(raw::Scalar(scalar)) => Requirement::Equals(scalar),
        raw::Requirement::All(list) => {
            Requirement::All(scalars(list, here, "it would require nothing")?)
        }
        raw::Requirement::AnyOf(any_of) => {
            let list = here.read(any_of)?.any_of;
            Requirement::AnyOf(scalars(
                list,
                &here.member("any_of"),
                "no token could meet it",
            )?)
        }
    })
}

fn scalars(
    raw: Field<Vec<Field<raw::Scalar>>>,
    here: &Place<'_>,
    instead: &str,
) -> Option<Vec<Scalar>> {
    here.each(here.filled(raw, instead)?, |raw::Scalar(scalar)| {
        Ok::<_, Infallible>(scalar)
    })
}

fn claim(raw: Field<String>, default: &str, here: &Place<'_>) -> Option<ClaimPath> {
    match raw {
        Field::Absent => ClaimPath::try_from(default.to_owned()).ok(),
        written => here.parse(written, ClaimPath::try_from),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a field hands over what it holds"
)]
fn clock_skew(text: raw::DurationText) -> Result<Duration, &'static str> {
    let duration = duration(&text)?;
    if duration > MAX_CLOCK_SKEW {
        return Err("must be at most 300s: tokens would be taken long after they have expired");
    }
    Duration::try_from(duration).map_err(|_| "must not be negative")
}
