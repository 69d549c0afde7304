//! What each request must become. Knows the request and the world, and nothing of the filter's code.

use crate::world::{Edition, Moment, Service, World};

/// How far the clocks of token and proxy are allowed to differ, in milliseconds: as configured.
pub const CLOCK_SKEW_MS: u64 = 1000;
/// Within so many milliseconds of the end of a credential it may be over or not.
const NEAR_ITS_END_MS: u64 = 250;

/// The answer to one question: may it pass, and as whom?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admit(Admission),
    /// By the gate, with this status and reason code.
    Refuse(u16, &'static str),
    /// By whoever reads it first, which may be Envoy: with one of these statuses, or without a word.
    TurnAway(&'static [u16]),
    /// Its head admits it, and its body turns out to be none: the upstream must see no end of it, and nobody is served.
    BreakOff(Admission),
    /// It is not there: bytes in the body of another request, which must never become one.
    Nothing,
}

/// How a request goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Whom the upstream is told; nobody, on an open endpoint.
    pub tenant: Option<String>,
    pub user: Option<String>,
    pub credential: Credential,
    /// What the log must say of tokens that went in and came out.
    pub usage: Option<(u64, u64)>,
}

/// What credential the upstream must see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    #[default]
    None,
    /// The client's own token.
    Own(String),
    /// This one, for the provider.
    Provider(&'static str),
    /// One that the token endpoint handed out and that holds.
    Lent,
}

/// What the right answer depends on. If that does not hold, it is the refusal named here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Always(Verdict),
    /// This key's standing in the configuration; else 401.
    KeyOfConfig(usize, Admission),
    /// This endpoint's; else 404.
    EndpointOfConfig(usize, Admission),
    /// The second audience's; else 401.
    SecondAudience(Admission),
    /// The tenant is called after the edition.
    TenantOfEdition(Admission),
    /// This key's standing in the key set; else 401.
    KeyOfSet(usize, Admission),
    /// This signing key's being the published one; else it is unknown.
    Published(u32, Admission),
    /// The signing key is unknown: 401, or 503 while the issuer cannot be asked.
    UnknownKey,
    /// The time's being before that; else 401.
    Until(Moment, Admission),
    /// The token endpoint; 502 while it has none.
    Lent(Admission),
}

const INVALID: Verdict = Verdict::Refuse(401, "invalid_credential");

impl Rule {
    /// Everything that would be right for a request that was on its way between these times and judged by this edition.
    pub fn verdicts(
        &self,
        world: &World,
        edition: &Edition,
        from: Moment,
        to: Moment,
    ) -> Vec<Verdict> {
        let either = |holds: bool, admission: &Admission, otherwise: Verdict| {
            if holds {
                vec![Verdict::Admit(admission.clone())]
            } else {
                vec![otherwise]
            }
        };
        let unknown_key = || {
            let mut verdicts = vec![INVALID];
            if world.may_be_in_trouble(Service::Issuer, from, to) {
                verdicts.push(Verdict::Refuse(503, "keys_unavailable"));
            }
            verdicts
        };
        match self {
            Self::Always(verdict) => vec![verdict.clone()],
            Self::KeyOfConfig(key, admission) => either(edition.keys[*key], admission, INVALID),
            Self::EndpointOfConfig(endpoint, admission) => {
                let unknown = Verdict::Refuse(404, "unknown_endpoint");
                either(edition.endpoints[*endpoint], admission, unknown)
            }
            Self::SecondAudience(admission) => either(edition.second_audience, admission, INVALID),
            Self::TenantOfEdition(admission) => {
                let tenant = Some(format!("edition-{}", edition.number));
                vec![Verdict::Admit(Admission {
                    tenant,
                    ..admission.clone()
                })]
            }
            Self::KeyOfSet(key, admission) => {
                let sets = world.key_set.possible(from, to);
                let verdicts = sets
                    .iter()
                    .flat_map(|set| either(set[*key], admission, INVALID));
                verdicts.collect()
            }
            Self::Published(generation, admission) => {
                let published = world.generation.possible(from, to);
                let mut verdicts = Vec::new();
                if published.iter().any(|published| **published == *generation) {
                    verdicts.push(Verdict::Admit(admission.clone()));
                }
                if published.iter().any(|published| **published != *generation) {
                    verdicts.extend(unknown_key());
                }
                verdicts
            }
            Self::UnknownKey => unknown_key(),
            Self::Until(end, admission) => {
                let mut verdicts = Vec::new();
                if from <= end.plus_ms(NEAR_ITS_END_MS) {
                    verdicts.push(Verdict::Admit(admission.clone()));
                }
                if to.plus_ms(NEAR_ITS_END_MS) >= *end {
                    verdicts.push(Verdict::Refuse(401, "expired_credential"));
                }
                verdicts
            }
            Self::Lent(admission) => {
                let mut verdicts = vec![Verdict::Admit(admission.clone())];
                if world.may_be_in_trouble(Service::TokenEndpoint, from, to) {
                    verdicts.push(Verdict::Refuse(502, "upstream_auth_unavailable"));
                }
                verdicts
            }
        }
    }
}

impl From<Verdict> for Rule {
    fn from(verdict: Verdict) -> Self {
        Self::Always(verdict)
    }
}

impl Admission {
    pub fn of(tenant: &str) -> Self {
        Self {
            tenant: Some(tenant.to_owned()),
            ..Self::default()
        }
    }
}
