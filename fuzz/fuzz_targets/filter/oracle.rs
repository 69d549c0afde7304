//! What is right: whom a request may be let in as, and for what reasons it may be refused, by the configuration that it
//! came under and by what has happened since.
//!
//! Nothing in here is the filter's. Where only its timing would tell, both outcomes are right.

use super::event::{Body, From, Path, Request, Who};
use super::setting::{EARLY, EXPIRED, Edition, GOOD_FOR, LASTS_FOR, LENT, T1, start};

/// What has happened so far that may keep out a request that is good.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doubts {
    /// What a server says cannot always be had.
    pub issuer: bool,
    pub tokens: bool,
    pub key_set: bool,
    /// A server has said something else than at first.
    pub other_keys: bool,
    pub other_key_set: bool,
    /// The host does not verify signatures, or does not say so.
    pub signatures: bool,
    /// The host does not always tell an address.
    pub addresses: bool,
    /// A body cannot always be read.
    pub bodies: bool,
    /// The clock was set, a VM ended in mid-work, or others wrote to what workers share: a wait may be in vain.
    pub all_waits: bool,
}

/// Who is told upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub tenant: &'static str,
    pub user: Option<&'static str>,
    pub client: Option<String>,
}

/// What may come of a request.
#[derive(Debug)]
pub struct Right {
    /// That it is let in, as somebody or as nobody in particular.
    pub admitted: Option<Option<Identity>>,
    /// That it is refused.
    pub reasons: Vec<&'static str>,
}

impl Right {
    fn refused(reason: &'static str) -> Self {
        Self {
            admitted: None,
            reasons: vec![reason],
        }
    }

    fn anybody() -> Self {
        Self {
            admitted: Some(None),
            reasons: Vec::new(),
        }
    }

    fn key(name: &'static str) -> Self {
        let client = Some(format!("{name}-app"));
        Self {
            admitted: Some(Some(Identity {
                tenant: name,
                user: None,
                client,
            })),
            reasons: Vec::new(),
        }
    }

    fn or(mut self, reason: &'static str, doubtful: bool) -> Self {
        if doubtful {
            self.reasons.push(reason);
        }
        self
    }
}

/// What may come of a request that is decided about between two times of the wall clock, in seconds.
pub fn right(
    request: &Request,
    edition: Edition,
    doubts: &Doubts,
    (from, until): (i64, i64),
) -> Right {
    let no_keys = doubts.issuer || doubts.all_waits;
    match request.path {
        Path::Ambiguous => Right::refused("ambiguous_path"),
        Path::Nowhere if !edition.passes => Right::refused("unknown_endpoint"),
        Path::Nowhere | Path::Open => Right::anybody(),
        Path::Inside if request.from != From::Inside => Right::refused("source_not_allowed"),
        Path::Inside => key(request.who, edition).or("source_not_allowed", doubts.addresses),
        Path::Keyed => key(request.who, edition),
        Path::Models => model(request, key(request.who, edition), doubts),
        Path::Set => settled(request.who, doubts),
        Path::Chat => match request.who {
            Who::Two => Right::refused("multiple_credentials"),
            Who::Acme | Who::Beta | Who::Old | Who::Settled | Who::Wrong | Who::Twice => {
                Right::refused("invalid_credential")
            }
            who => token(who, edition, doubts, (from, until)).or("keys_unavailable", no_keys),
        },
        Path::Lent => match request.who {
            Who::Nobody
            | Who::Acme
            | Who::Beta
            | Who::Old
            | Who::Settled
            | Who::Wrong
            | Who::Two
            | Who::Twice => key(request.who, edition),
            who => token(who, edition, doubts, (from, until))
                .or("keys_unavailable", no_keys)
                .or(
                    "upstream_auth_unavailable",
                    doubts.tokens || doubts.all_waits,
                ),
        },
    }
}

/// What a tenant's requests are to be lent, or what that begins with.
pub fn loan(tenant: &str) -> String {
    format!("Bearer {LENT}{tenant}")
}

fn key(who: Who, edition: Edition) -> Right {
    match who {
        Who::Nobody => Right::refused("missing_credential"),
        Who::Two => Right::refused("multiple_credentials"),
        Who::Acme | Who::Twice => Right::key("acme"),
        Who::Beta if !edition.without_beta => Right::key("beta"),
        Who::Old => Right::refused("expired_credential"),
        _ => Right::refused("invalid_credential"),
    }
}

fn settled(who: Who, doubts: &Doubts) -> Right {
    let right = match who {
        Who::Nobody => return Right::refused("missing_credential"),
        Who::Two => return Right::refused("multiple_credentials"),
        Who::Settled => Right::key("settled").or("invalid_credential", doubts.other_key_set),
        _ => Right::refused("invalid_credential"),
    };
    right.or("keys_unavailable", doubts.key_set || doubts.all_waits)
}

fn model(request: &Request, right: Right, doubts: &Doubts) -> Right {
    if right.admitted.is_none() {
        return right;
    }
    match request.body {
        Body::Allowed | Body::Large => {
            right.or("model_not_allowed", doubts.bodies || request.in_steps)
        }
        // Its head goes on before its body has been seen, or that there is none.
        Body::Forbidden | Body::Nonsense | Body::Unnamed => right.or("model_not_allowed", true),
        Body::None if request.in_steps => right.or("model_not_allowed", true),
        Body::None => Right::refused("model_not_allowed"),
    }
}

fn token(who: Who, edition: Edition, doubts: &Doubts, (from, until): (i64, i64)) -> Right {
    /// What the clocks may differ by, and what the seconds of both may round to.
    const SKEW: i64 = 60;
    const ROUNDING: i64 = 2;
    let (begins, ends) = match who {
        Who::Nobody => return Right::refused("missing_credential"),
        Who::Garbage => return Right::refused("invalid_credential"),
        Who::Expired => (EXPIRED - 300, EXPIRED),
        Who::Early => (EARLY, LASTS_FOR),
        Who::Lasting | Who::Rotated => (0, LASTS_FOR),
        _ => (0, GOOD_FOR),
    };
    let (begins, ends) = (start() + begins - SKEW, start() + ends + SKEW);
    let is_known = match who {
        Who::Forged | Who::Stranger | Who::OtherAudience => false,
        Who::Rotated => doubts.other_keys,
        _ => true,
    };
    let may_hold =
        is_known && !edition.other_audience && from < ends + ROUNDING && until > begins - ROUNDING;
    let identity = Identity {
        tenant: T1,
        user: Some("u1"),
        client: None,
    };
    let may_fail = !may_hold || from < begins + ROUNDING || doubts.signatures || doubts.other_keys;
    Right {
        admitted: may_hold.then_some(Some(identity)),
        reasons: Vec::new(),
    }
    .or("invalid_credential", may_fail)
    .or("expired_credential", until > ends - ROUNDING)
}
