//! What a caller has to show.

use std::collections::HashMap;

use super::Workshop;
use crate::authorizer::api_key::KeyDigest;
use crate::authorizer::{Authorizer, Guard, KeysFrom};
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

impl<'a> Workshop<'a> {
    pub(super) fn authorizer(
        &mut self,
        raw: Field<raw::Authorizer>,
        here: &Place<'a>,
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

    fn alternative(&mut self, raw: raw::Alternative, here: &Place<'a>, making: &mut Making) {
        match raw {
            raw::Alternative::ApiKey(raw) => {
                let Some(raw) = here.read(raw) else { return };
                here.member("type").read(raw.kind);
                let keys = match (raw.keys, raw.key_set) {
                    (Field::Absent, Field::Absent) => {
                        here.complain("needs `keys` or `key_set`; nobody could call the endpoint");
                        None
                    }
                    (keys, Field::Absent) => {
                        let keys = self.api_keys(keys, &here.member("keys"), &mut making.keys);
                        Some(KeysFrom::Policy(keys))
                    }
                    (Field::Absent, name) => here
                        .member("key_set")
                        .parse(name, |name| self.key_set(&name))
                        .map(KeysFrom::KeySet),
                    (_, _) => {
                        here.complain(
                            "has both `keys` and `key_set`; for both write two alternatives under `any_of`",
                        );
                        None
                    }
                };
                let places = self.places(raw.from, &here.member("from"), &mut making.guard.places);
                if let Some(keys) = keys {
                    making.guard.api_keys.push((places, keys));
                }
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
