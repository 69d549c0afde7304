//! The credentials that providers see.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Workshop;
use super::terms::fetch_timeout;
use crate::authorizer::Authorizer;
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;
use crate::fetch::{ClientAuth, ClientCredentials, Location};
use crate::identity::Identifier;
use crate::secret::Secret;
use crate::upstream::{
    Lending, Method, ProviderCredential, UpstreamAuth, basic_username, bearer_token, header_name,
    header_value, plain_text,
};

/// What Databricks calls a token that is good for all that its client may do.
const SCOPE: &str = "all-apis";
/// The entry for tenants that are not named.
const DEFAULT: &str = "default";
/// What a token request says by fields of their own.
const RESERVED_PARAMETERS: [&str; 4] = ["grant_type", "client_id", "client_secret", "scope"];

impl Workshop<'_> {
    /// `authorizer` is the endpoint's, if there is nothing wrong with it.
    pub(super) fn upstream_auth(
        &mut self,
        raw: Field<raw::UpstreamAuth>,
        authorizer: Option<&Authorizer>,
        forward_credential: Option<bool>,
        here: &Place<'_>,
    ) -> Option<UpstreamAuth> {
        let lending = match here.read(raw)? {
            raw::UpstreamAuth::ToAll(method) => Lending::ToAll(self.method(method, here)?),
            raw::UpstreamAuth::ByTenant(by_tenant) => {
                if matches!(authorizer, Some(Authorizer::Open)) {
                    here.member("by_tenant")
                        .complain("does not go with an open endpoint, which knows no tenant");
                }
                self.by_tenant(here.read(by_tenant)?, here)?
            }
        };
        let forwards = forward_credential == Some(true);
        Some(UpstreamAuth::new(lending, |place| {
            forwards
                && match authorizer {
                    Some(Authorizer::Guarded(guard)) => guard.places.share_a_field(place),
                    Some(Authorizer::Open) | None => true,
                }
        }))
    }

    fn by_tenant(&mut self, raw: raw::ByTenant, here: &Place<'_>) -> Option<Lending> {
        let here = here.member("by_tenant");
        let mut tenants = HashMap::new();
        let mut default = None;
        let mut members = here.members(raw.by_tenant)?.peekable();
        if members.peek().is_none() {
            here.complain("must not be empty; nobody could call the endpoint");
        }
        for (place, tenant, method) in members {
            if let Err(error) = Identifier::try_from(tenant.clone()) {
                place.complain(format_args!("is not the name of a tenant, which {error}"));
            }
            let method = place
                .read(method)
                .and_then(|method| self.method(method, &place));
            match method {
                Some(method) if tenant == DEFAULT => default = Some(method),
                Some(method) => {
                    tenants.insert(tenant, method);
                }
                None => {}
            }
        }
        Some(Lending::ByTenant { tenants, default })
    }

    fn method(&mut self, raw: raw::UpstreamMethod, here: &Place<'_>) -> Option<Method> {
        let credential = match raw {
            raw::UpstreamMethod::Basic(raw) => {
                let raw::BasicAuth {
                    kind,
                    username,
                    password,
                } = here.read(raw)?;
                here.member("type").read(kind);
                let username = self.sent_secret(username, &here.member("username"), basic_username);
                let password = self.sent_secret(password, &here.member("password"), plain_text);
                ProviderCredential::basic(&username?, &password?)
            }
            raw::UpstreamMethod::Bearer(raw) => {
                let raw::BearerAuth { kind, token } = here.read(raw)?;
                here.member("type").read(kind);
                let token = self.sent_secret(token, &here.member("token"), bearer_token);
                ProviderCredential::bearer(&token?)
            }
            raw::UpstreamMethod::Header(raw) => {
                let raw::HeaderAuth { kind, name, value } = here.read(raw)?;
                here.member("type").read(kind);
                let name = here
                    .member("name")
                    .parse(name, |name| self.provider_header(&name));
                let value = self.sent_secret(value, &here.member("value"), header_value);
                ProviderCredential::header(name?, value?)
            }
            raw::UpstreamMethod::ClientCredentials(raw) => {
                let credentials = self.client_credentials(here.read(raw)?, here)?;
                return Some(Method::Token(self.token_source(credentials)));
            }
            raw::UpstreamMethod::Unclear { member, message } => {
                here.member(member).complain(message);
                return None;
            }
        };
        Some(Method::Ready(Rc::new(credential)))
    }

    fn provider_header(&self, name: &str) -> Result<String, String> {
        let name = header_name(name).map_err(|error| error.to_string())?;
        if self.identity_headers.covers(&name) {
            return Err("carries the identity to the model server".to_owned());
        }
        Ok(name)
    }

    fn client_credentials(
        &self,
        raw: raw::ClientCredentialsAuth,
        here: &Place<'_>,
    ) -> Option<ClientCredentials> {
        here.member("type").read(raw.kind);
        let token_url = here
            .member("token_url")
            .parse(raw.token_url, |url| Location::parse(&url));
        let client_id = self.sent_secret(raw.client_id, &here.member("client_id"), plain_text);
        let client_secret =
            self.sent_secret(raw.client_secret, &here.member("client_secret"), plain_text);
        let scope = match raw.scope {
            Field::Absent => Some(Some(SCOPE.to_owned())),
            written => here.member("scope").parse(written, scope),
        };
        let client_auth = here.member("client_auth").read(raw.client_auth);
        let shorthands = [("audience", raw.audience), ("resource", raw.resource)];
        let parameters = self.parameters(raw.parameters, shorthands, here);
        let timeout = fetch_timeout(raw.fetch_timeout, here);
        Some(ClientCredentials {
            token_url: token_url?,
            client_id: client_id?,
            client_secret: client_secret?,
            scope: scope?,
            client_auth: match client_auth {
                None | Some(raw::ClientAuth::Body) => ClientAuth::Body,
                Some(raw::ClientAuth::Basic) => ClientAuth::Basic,
            },
            parameters,
            timeout,
        })
    }

    /// `shorthands` stand beside `parameters` and mean the same.
    fn parameters(
        &self,
        raw: Field<BTreeMap<String, Field<raw::SecretText>>>,
        shorthands: [(&'static str, Field<raw::SecretText>); 2],
        here: &Place<'_>,
    ) -> Vec<(String, Secret)> {
        let mut parameters: Vec<(String, Secret)> = Vec::new();
        for (name, value) in shorthands {
            if let Some(value) = self.sent_secret(value, &here.member(name), plain_text) {
                parameters.push((name.to_owned(), value));
            }
        }
        let here = here.member("parameters");
        for (place, name, value) in here.members(raw).into_iter().flatten() {
            let value = self.sent_secret(value, &place, plain_text);
            if name.is_empty() || name.contains(char::is_control) {
                place.complain("is not the name of a parameter");
            } else if RESERVED_PARAMETERS.contains(&name.as_str()) {
                place.complain(
                    "is said by a field of its own, or by the grant, and cannot be a parameter",
                );
            } else if parameters.iter().any(|(other, _)| *other == name) {
                place.complain(format_args!(
                    "is written as `{name}` beside `parameters` too; keep one"
                ));
            } else if let Some(value) = value {
                parameters.push((name, value));
            }
        }
        parameters
    }
}

/// RFC 6749 section 3.3: `scope-token *( SP scope-token )`. Nothing asks for none.
fn scope(text: String) -> Result<Option<String>, &'static str> {
    let fits = |token: &str| {
        !token.is_empty()
            && token
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
    };
    if text.is_empty() {
        Ok(None)
    } else if text.split(' ').all(fits) {
        Ok(Some(text))
    } else {
        Err("must be names of visible ASCII characters, separated by one space each")
    }
}
