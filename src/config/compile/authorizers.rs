//! What a caller has to show.

use std::collections::HashMap;

use super::Workshop;
use crate::authorizer::api_key::KeyDigest;
use crate::authorizer::{Authorizer, Guard};
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;

/// The authorizer of one endpoint in the making.
#[derive(Default)]
pub(super) struct Making {
    pub guard: Guard,
    /// Where each of its API keys was written.
    pub keys: HashMap<KeyDigest, String>,
}

impl Workshop<'_> {
    pub(super) fn authorizer(
        &mut self,
        raw: Field<raw::Authorizer>,
        here: &Place<'_>,
    ) -> Option<Authorizer> {
        let mut making = Making::default();
        match here.read(raw)? {
            raw::Authorizer::Open(open) => {
                here.member("type").read(here.read(open)?.kind)?;
                return Some(Authorizer::Open);
            }
            raw::Authorizer::One(alternative) => self.alternative(alternative, here, &mut making),
            raw::Authorizer::AnyOf(any_of) => {
                let raw::AnyOfAuthorizer { kind, any_of } = here.read(any_of)?;
                here.member("type").read(kind);
                let any_of = here
                    .member("any_of")
                    .filled_list(any_of, "nobody could call the endpoint");
                for (place, alternative) in any_of? {
                    self.alternative(alternative, &place, &mut making);
                }
            }
        }
        Some(Authorizer::Guarded(making.guard))
    }

    fn alternative(&mut self, raw: raw::Alternative, here: &Place<'_>, making: &mut Making) {
        match raw {
            raw::Alternative::ApiKey(raw) => {
                let Some(raw::ApiKeyAuthorizer { kind, keys, from }) = here.read(raw) else {
                    return;
                };
                here.member("type").read(kind);
                let keys = self.api_keys(keys, &here.member("keys"), &mut making.keys);
                let places = self.places(from, &here.member("from"), &mut making.guard.places);
                making.guard.api_keys.push((places, keys));
            }
            raw::Alternative::Oidc(raw) => {
                let Some(raw::OidcAuthorizer { kind, oidc, from }) = here.read(raw) else {
                    return;
                };
                here.member("type").read(kind);
                let place = here.member("oidc");
                let oidc = place.read(oidc).map(|oidc| self.oidc(oidc, &place));
                let places = self.places(from, &here.member("from"), &mut making.guard.places);
                if let Some(oidc) = oidc.flatten() {
                    making
                        .guard
                        .issuers
                        .push(crate::authorizer::Oidc { places, ..oidc });
                }
            }
            raw::Alternative::Unclear { member, message } => here.member(member).complain(message),
        }
    }
}
