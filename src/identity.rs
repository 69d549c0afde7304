//! Verified principal to tenant, user and client, and how these are told to the model server.
//!
//! Only what was verified gets in here, and only what can stand in a header field as it is gets out.

use std::rc::Rc;

use http::HeaderName;
use thiserror::Error;

use crate::lookalike::{canonical, looks_like};
use crate::request::{Edits, RequestHead};

/// OpenID Connect Core section 2 caps `sub` at 255 characters; a tenant has no reason to be longer.
const MAX_IDENTIFIER_BYTES: usize = 255;

/// An identifier that can stand in a header field and in a log line as it is: 1 to 255 visible ASCII characters, with
/// spaces only inside. No comma, which lists of field values are joined by (RFC 9110 section 5.3). Cheap to clone, as
/// every request does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identifier(Rc<str>);

/// A text cannot stand in a header field unchanged.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "must be 1 to {MAX_IDENTIFIER_BYTES} visible ASCII characters without comma, with spaces only inside"
)]
pub struct NotAnIdentifier;

impl TryFrom<String> for Identifier {
    type Error = NotAnIdentifier;

    fn try_from(text: String) -> Result<Self, NotAnIdentifier> {
        let visible = text
            .bytes()
            .all(|b| (b.is_ascii_graphic() || b == b' ') && b != b',');
        let fits = !text.is_empty() && text.len() <= MAX_IDENTIFIER_BYTES;
        if visible && fits && text.trim() == text {
            Ok(Self(text.into()))
        } else {
            Err(NotAnIdentifier)
        }
    }
}

impl Identifier {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as the value of a header field.
    fn header_value(&self) -> Rc<[u8]> {
        Rc::from(Rc::clone(&self.0))
    }
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Whom the request is attributed to.
    pub tenant: Identifier,
    /// Who of that tenant, if known.
    pub user: Option<Identifier>,
    /// Through which client, if known.
    pub client: Option<Identifier>,
}

/// The header fields that carry the identity to the model server. Nobody but the gate may set them.
#[derive(Clone, Debug)]
pub struct IdentityHeaders {
    tenant: String,
    user: Option<String>,
    client: Option<String>,
    endpoint: Option<String>,
    /// The names in the form of [`canonical`]. A few, so that comparing is quicker than hashing.
    managed: Vec<String>,
}

/// Which part of the identity a header carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The tenant; always told.
    Tenant,
    /// The user.
    User,
    /// The client.
    Client,
    /// The endpoint's name.
    Endpoint,
}

/// Why a name cannot be that of an identity header.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HeaderNameError {
    /// See the message.
    #[error("{0:?} is not a header name")]
    NotAName(String),
    /// See the message.
    #[error("`{0}` has a meaning of its own in HTTP or Envoy and cannot carry the identity")]
    Reserved(String),
    /// See the message.
    #[error(
        "`{0}` already carries another part of the identity, or is spelled too much like a header that does"
    )]
    Taken(String),
}

/// Names that HTTP, Envoy or the credential itself needs.
const RESERVED: [&str; 17] = [
    "authorization",
    "api-key",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-api-key",
    "x-forwarded-for",
    "x-goog-api-key",
    "x-request-id",
];

impl Default for IdentityHeaders {
    fn default() -> Self {
        let tenant = "x-tenant-id".to_owned();
        Self {
            managed: vec![tenant.clone()],
            tenant,
            user: None,
            client: None,
            endpoint: None,
        }
    }
}

impl IdentityHeaders {
    /// Names the header of one part of the identity.
    ///
    /// # Errors
    /// [`HeaderNameError`] for a name that cannot do, or that another part has.
    pub fn name(&mut self, part: Part, name: &str) -> Result<(), HeaderNameError> {
        let parsed =
            HeaderName::try_from(name).map_err(|_| HeaderNameError::NotAName(name.to_owned()))?;
        let name = parsed.as_str().to_owned();
        if RESERVED.contains(&name.as_str()) || name.starts_with("x-envoy-") {
            return Err(HeaderNameError::Reserved(name));
        }
        if part == Part::Tenant {
            let old = canonical(&self.tenant);
            self.managed.retain(|managed| *managed != old);
        }
        if self.covers(&name) {
            return Err(HeaderNameError::Taken(name));
        }
        self.managed.push(canonical(&name));
        match part {
            Part::Tenant => self.tenant = name,
            Part::User => self.user = Some(name),
            Part::Client => self.client = Some(name),
            Part::Endpoint => self.endpoint = Some(name),
        }
        Ok(())
    }

    /// The names, as configured.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [
            Some(&self.tenant),
            self.user.as_ref(),
            self.client.as_ref(),
            self.endpoint.as_ref(),
        ]
        .into_iter()
        .flatten()
        .map(String::as_str)
    }

    /// Whether a field of that name would be taken for one of these headers by someone behind us. Many servers fold
    /// `_` and `.` to `-`.
    pub fn covers(&self, field: &str) -> bool {
        self.managed
            .iter()
            .any(|managed| looks_like(field, managed))
    }

    /// Takes off what a client sent under these names.
    pub fn strip<'a>(&self, head: &'a RequestHead, edits: &mut Edits<'a>) {
        edits.remove.extend(
            head.fields()
                .map(|(name, _)| name)
                .filter(|name| self.covers(name)),
        );
    }

    /// Sets each header that has something to say, once.
    pub fn set<'a>(&'a self, identity: &Identity, endpoint: &str, edits: &mut Edits<'a>) {
        let told = [
            (Some(&self.tenant), Some(&identity.tenant)),
            (self.user.as_ref(), identity.user.as_ref()),
            (self.client.as_ref(), identity.client.as_ref()),
        ];
        for (name, value) in told {
            if let (Some(name), Some(value)) = (name, value) {
                edits.set.push((name, value.header_value()));
            }
        }
        if let Some(name) = &self.endpoint {
            edits.set.push((name, endpoint.as_bytes().into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_in_a_header_unchanged_is_no_identifier() {
        for text in [
            "",
            " a",
            "a ",
            "a,b",
            "a\r\nx-admin: 1",
            "a\0",
            "a\u{7f}",
            "caf\u{e9}",
            "\u{202e}a",
            &"a".repeat(256),
        ] {
            assert!(Identifier::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        for text in ["a", "a b", "auth0|1:2/3@x", &"a".repeat(255)] {
            assert!(Identifier::try_from(text.to_owned()).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn every_spelling_of_a_managed_header_is_covered() {
        let mut headers = IdentityHeaders::default();
        headers.name(Part::User, "X-User_Id").unwrap();
        for field in [
            "x-tenant-id",
            "X-TENANT-ID",
            "x_tenant_id",
            "x.tenant.id",
            "x-tenant_id",
            "x-tenant-id_",
            "x-user-id",
        ] {
            assert!(headers.covers(field), "{field}");
        }
        for field in ["x-tenant", "x-tenant-id2", "tenant-id", "x-tenantid"] {
            assert!(!headers.covers(field), "{field}");
        }
    }

    #[test]
    fn a_name_that_others_need_or_that_is_taken_is_refused() {
        let mut headers = IdentityHeaders::default();
        headers.name(Part::Tenant, "x-org").unwrap();
        for name in [
            "",
            "x y",
            "Authorization",
            "host",
            "x-envoy-foo",
            "x_org",
            "X-Org",
            ":path",
        ] {
            assert!(headers.name(Part::User, name).is_err(), "{name}");
        }
        headers.name(Part::User, "x-tenant-id").unwrap();
        assert_eq!(
            headers.names().collect::<Vec<_>>(),
            ["x-org", "x-tenant-id"]
        );
    }

    #[test]
    fn the_copies_of_a_client_are_stripped_and_the_gates_own_is_set_once() {
        let headers = IdentityHeaders::default();
        let head = RequestHead::new(
            ["x-tenant-id", "x_tenant_id", "accept"]
                .map(|name| (name.to_owned(), b"t9".to_vec()))
                .to_vec(),
        );
        let mut edits = Edits::default();
        headers.strip(&head, &mut edits);
        let tenant = Identifier::try_from("t1".to_owned()).unwrap();
        headers.set(
            &Identity {
                tenant,
                user: None,
                client: None,
            },
            "chat",
            &mut edits,
        );
        assert_eq!(edits.remove, ["x-tenant-id", "x_tenant_id"]);
        assert_eq!(edits.set, [("x-tenant-id", Rc::from(*b"t1"))]);
    }
}
