//! API keys: texts to digests, and the names of key sets to their sources. What was written is not kept.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Workshop;
use super::endpoints::endpoint_name;
use super::terms;
use crate::authorizer::api_key::{
    ApiKey, ApiKeys, KeyDigest, ModelPattern, Restrictions, digest_of_key, known_digest, moment,
};
use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw;
use crate::fetch::{ApiKeySetId, ApiKeySource, Location};
use crate::identity::{Identifier, Identity};

impl<'a> Workshop<'a> {
    /// The keys of one authorizer. `seen` has those of the others that the same endpoint takes.
    pub(super) fn api_keys(
        &mut self,
        raw: Field<Vec<Field<raw::ApiKey>>>,
        here: &Place<'a>,
        seen: &mut HashMap<KeyDigest, String>,
    ) -> ApiKeys {
        let mut keys = ApiKeys::default();
        for (place, raw) in here
            .filled_list(raw, "nobody could call the endpoint")
            .into_iter()
            .flatten()
        {
            let client = identifier(raw.client_id, &place.member("client_id"));
            let digest = self.key_digest(raw.key, raw.key_sha256, &place);
            let tenant_is_written = !matches!(raw.tenant_id, Field::Absent);
            let tenant = identifier(raw.tenant_id, &place.member("tenant_id"));
            let tenant = if tenant_is_written {
                tenant
            } else {
                client.clone()
            };
            let user = identifier(raw.user_id, &place.member("user_id"));
            let time = |member: &str, field| {
                place
                    .member(member)
                    .parse(field, |text: String| moment(&text))
            };
            let restrictions = Restrictions {
                not_before: time("not_before", raw.not_before),
                expires_at: time("expires_at", raw.expires_at),
                endpoints: self.callable(raw.endpoints, &place.member("endpoints")),
                models: models(raw.models, &place.member("models")),
            };
            if let Err(message) = restrictions.check_life() {
                place.member("expires_at").complain(message);
            }

            let Some(digest) = digest else { continue };
            // To write a key twice is to be in doubt about whose it is.
            if let Some(other) = seen.get(&digest) {
                place.complain(format_args!("is the same key as {other}"));
                continue;
            }
            seen.insert(digest, place.path().to_owned());
            if let Some(tenant) = tenant {
                let key = ApiKey {
                    identity: Identity {
                        tenant,
                        user,
                        client,
                    },
                    restrictions: (!restrictions.is_empty()).then(|| Rc::new(restrictions)),
                };
                // Cannot fail: what is in the set has been seen.
                let _ = keys.add(digest, key);
            }
        }
        keys
    }

    /// The endpoints that a key may call. Whether they exist is seen when all of them have been read.
    fn callable(
        &mut self,
        raw: Field<Vec<Field<String>>>,
        here: &Place<'a>,
    ) -> Option<Vec<String>> {
        let raw = here.filled(raw, "leave it out for any endpoint")?;
        let mut names = Vec::new();
        for (place, name) in here.list(raw)? {
            self.mentions.push((place, name.clone()));
            names.push(name);
        }
        Some(names)
    }

    /// The source of the key set of that name.
    pub(super) fn key_set(&mut self, name: &str) -> Result<ApiKeySetId, String> {
        let known = self.key_sets.iter().position(|source| source.name == name);
        known.map(ApiKeySetId).ok_or_else(|| {
            let names: Vec<_> = self
                .key_sets
                .iter()
                .map(|source| source.name.as_str())
                .collect();
            if names.is_empty() {
                "no key set has this name; they stand under `key_sets` at the top".to_owned()
            } else {
                format!(
                    "no key set has this name; there are `{}`",
                    names.join("`, `")
                )
            }
        })
    }

    fn key_digest(
        &self,
        key: Field<raw::SecretText>,
        key_sha256: Field<raw::Hidden>,
        here: &Place<'_>,
    ) -> Option<KeyDigest> {
        match (key, key_sha256) {
            (Field::Absent, Field::Absent) => {
                here.complain("needs `key_sha256` or `key`");
                None
            }
            (key, Field::Absent) => {
                let (place, key) = self.secret(key, &here.member("key"))?;
                digest_of_key(key.reveal())
                    .map_err(|error| place.complain(error))
                    .ok()
            }
            (Field::Absent, digest) => {
                here.member("key_sha256")
                    .parse(digest, |raw::Hidden(digest)| {
                        digest
                            .reveal()
                            .parse::<KeyDigest>()
                            .map_err(|error| error.to_string())
                            .and_then(known_digest)
                    })
            }
            (_, _) => {
                here.complain("has both `key` and `key_sha256`; keep one, best `key_sha256`");
                None
            }
        }
    }
}

/// The key sets that authorizers may name.
pub(super) fn key_sets(
    raw: Field<BTreeMap<String, Field<raw::KeySet>>>,
    here: &Place<'_>,
) -> Vec<ApiKeySource> {
    let mut sources = Vec::new();
    for (place, name, raw) in here.members(raw).into_iter().flatten() {
        let name = endpoint_name(name).map_err(|error| place.complain(error));
        let Some(raw) = place.read(raw) else { continue };
        let location = place
            .member("uri")
            .parse(raw.uri, |uri| Location::parse(&uri));
        let terms = terms::of_key_set(raw.refresh, raw.max_stale, raw.fetch_timeout, &place);
        if let (Ok(name), Some(location)) = (name, location) {
            sources.push(ApiKeySource {
                name,
                location,
                terms,
            });
        }
    }
    sources
}

fn models(raw: Field<Vec<Field<String>>>, here: &Place<'_>) -> Option<Vec<ModelPattern>> {
    here.each(
        here.filled(raw, "leave it out for any model")?,
        ModelPattern::try_from,
    )
}

fn identifier(raw: Field<String>, here: &Place<'_>) -> Option<Identifier> {
    here.parse(raw, Identifier::try_from)
}
