//! The credential that the provider sees, in place of the client's.
//!
//! Knows nothing of how a client proved who it is. It clears away whatever a client sent that a provider might take for
//! a credential, and says which one is lent to the request: one that stands ready, or a token that is fetched.

mod credential;

use std::collections::HashMap;
use std::rc::Rc;

use jiff::{SignedDuration, Timestamp};

use crate::authorizer::Halt;
use crate::credential::Place;
use crate::denial::Denial;
use crate::fetch::{SourceId, State, TokenSourceId, TokensOf};
use crate::gate::{CLOCK_IS_SET, CLOCK_RETRY};
use crate::identity::Identifier;
use crate::lookalike::{canonical, looks_like};
use crate::request::{Edits, RequestHead};
pub use credential::{
    AUTHORIZATION, CredentialError, ProviderCredential, basic_username, bearer_token, header_name,
    header_value, plain_text,
};

/// How an endpoint's requests are let in where they go.
#[derive(Debug)]
pub struct UpstreamAuth {
    lending: Lending,
    /// The fields that our credentials stand in, in the form of [`canonical`].
    lent: Vec<String>,
    /// The fields that a client's request does not keep: these, and others. In the same form.
    cleared: Vec<String>,
    /// The query parameters that it does not keep.
    parameters: Vec<&'static str>,
}

/// The query parameters that some provider takes a credential from: Google's `key` and `access_token` (RFC 6750 section
/// 2.3), Azure's `api-key`.
const PARAMETERS: [&str; 4] = ["access_token", "api-key", "api_key", "key"];

/// Who is lent what.
#[derive(Debug)]
pub enum Lending {
    /// Everybody the same.
    ToAll(Method),
    /// Each tenant its own, and the others perhaps another one.
    ByTenant {
        /// By the name of the tenant.
        tenants: HashMap<String, Method>,
        /// For those who are not named.
        default: Option<Method>,
    },
}

/// Where a credential comes from.
#[derive(Clone, Debug)]
pub enum Method {
    /// It stands ready.
    Ready(Rc<ProviderCredential>),
    /// It is a token that is fetched.
    Token(TokenSourceId),
}

/// A token that a request went on with. The provider may refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loan {
    /// Where it came from.
    pub source: TokenSourceId,
    /// When it was asked for.
    pub fetched_at: Timestamp,
}

impl Method {
    /// The field that it stands in.
    fn header(&self) -> &str {
        match self {
            Self::Ready(credential) => credential.name(),
            Self::Token(_) => AUTHORIZATION,
        }
    }
}

impl Lending {
    fn methods(&self) -> impl Iterator<Item = &Method> {
        let (all, tenants, default) = match self {
            Self::ToAll(method) => (Some(method), None, None),
            Self::ByTenant { tenants, default } => (None, Some(tenants), default.as_ref()),
        };
        let tenants = tenants.into_iter().flat_map(HashMap::values);
        all.into_iter().chain(tenants).chain(default)
    }

    fn to(&self, tenant: Option<&Identifier>) -> Option<&Method> {
        match self {
            Self::ToAll(method) => Some(method),
            Self::ByTenant { tenants, default } => tenant
                .and_then(|tenant| tenants.get(tenant.as_str()))
                .or(default.as_ref()),
        }
    }
}

impl UpstreamAuth {
    /// `keeps` says in which places the client's own credential goes on, because the operator wants that.
    pub fn new(lending: Lending, keeps: impl Fn(&Place) -> bool) -> Self {
        let lent: Vec<String> = lending
            .methods()
            .map(|method| canonical(method.header()))
            .collect();
        let mut cleared = lent.clone();
        // What some SDK sends a credential in: a client's own would go to the provider beside ours, or in place of it.
        for place in Place::well_known() {
            if let Place::Header { name, .. } = &place
                && !keeps(&place)
            {
                cleared.push(canonical(name));
            }
        }
        let parameter = |name: &&str| Place::Query {
            name: (*name).to_owned(),
        };
        let parameters = PARAMETERS
            .into_iter()
            .filter(|name| !keeps(&parameter(name)))
            .collect();
        Self {
            lending,
            lent,
            cleared,
            parameters,
        }
    }

    /// The fields that our credentials stand in, in the form of [`canonical`].
    pub fn lent(&self) -> &[String] {
        &self.lent
    }

    /// The fields that a client's request does not keep, in the same form.
    pub fn cleared(&self) -> &[String] {
        &self.cleared
    }

    /// Whether what a client sends in that field is cleared away.
    pub fn clears(&self, field: &str) -> bool {
        self.cleared.iter().any(|name| looks_like(field, name))
    }

    /// Clears away what a client sent in place of our credential, or beside it.
    pub fn clear<'a>(&self, head: &'a RequestHead, edits: &mut Edits<'a>) {
        for (name, _) in head.fields() {
            if self.clears(name) && !edits.remove.contains(&name) {
                edits.remove.push(name);
            }
        }
        if head.query().is_some() {
            edits.parameters.extend(&self.parameters);
        }
    }

    /// Lends the credential that is for this tenant.
    ///
    /// # Errors
    /// Where there is none for it, or none right now.
    pub fn lend(
        &self,
        tenant: Option<&Identifier>,
        tokens: &impl TokensOf,
        now: Timestamp,
        edits: &mut Edits<'_>,
    ) -> Result<Option<Loan>, Halt> {
        let (credential, loan) = match self.lending.to(tenant).ok_or(Denial::TenantUnknown)? {
            Method::Ready(credential) => (credential, None),
            Method::Token(source) => {
                let (token, fetched_at) = valid_token(*source, tokens, now)?;
                let loan = Loan {
                    source: *source,
                    fetched_at,
                };
                (token, Some(loan))
            }
        };
        // To set it replaces whatever there is of that name.
        edits.remove.retain(|name| *name != credential.name());
        edits.credential = Some(Rc::clone(credential));
        Ok(loan)
    }
}

fn valid_token(
    source: TokenSourceId,
    tokens: &impl TokensOf,
    now: Timestamp,
) -> Result<(&Rc<ProviderCredential>, Timestamp), Halt> {
    let unavailable = |retry_after: SignedDuration| Denial::UpstreamAuthUnavailable { retry_after };
    if now < CLOCK_IS_SET {
        return Err(unavailable(CLOCK_RETRY).into());
    }
    match tokens.token(source, now) {
        State::Usable(token) => Ok(token),
        State::Coming => Err(Halt::Await(SourceId::Token(source))),
        State::Unavailable { retry_after } => Err(unavailable(retry_after).into()),
    }
}

#[cfg(test)]
mod tests;
