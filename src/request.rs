//! The head of a request as the proxy shows it: every header field, in order, as bytes.
//!
//! Knows nothing of what a field means. The whole list is kept because a field may come twice, and bytes because a
//! client may put any octet in a value (RFC 9110 section 5.5, obs-text).

use std::rc::Rc;

use url::form_urlencoded;

use crate::upstream::ProviderCredential;

/// The head of one request. Field names are lower case, as Envoy hands them over; pseudo-headers begin with a colon.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    fields: Vec<(String, Vec<u8>)>,
}

impl RequestHead {
    /// Takes the fields as the proxy lists them.
    pub fn new(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self { fields }
    }

    /// `:method`, or nothing where it is not plain ASCII.
    pub fn method(&self) -> Option<&str> {
        self.first(":method")
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// `:authority`: the host that Envoy decided on, whatever the request line and `Host` said.
    pub fn authority(&self) -> Option<&[u8]> {
        self.first(":authority")
    }

    /// `:path` with its query. A CONNECT request may have none.
    pub fn path(&self) -> Option<&[u8]> {
        self.first(":path")
    }

    /// What follows the `?` in `:path`, where that is text.
    pub fn query(&self) -> Option<&str> {
        path_and_query(self).map(|(_, query)| query)
    }

    /// All fields in order.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// Whether a field of that name (lower case) is there.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The first field of that name (lower case). Only for fields whose repetition decides nothing.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }
}

/// What is done to a head before it goes on: first the removals, then the settings, the credential last. Names are the
/// policy's or the head's own, and most values are at hand already, so that an edit copies nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits<'a> {
    /// Names to remove, each with all of its values.
    pub remove: Vec<&'a str>,
    /// Names to set, each to this one value in place of any it had.
    pub set: Vec<(&'a str, Rc<[u8]>)>,
    /// Query parameters to leave out, by their decoded names: see [`leave_out_parameters`](Self::leave_out_parameters).
    pub parameters: Vec<&'a str>,
    /// The credential to set for the provider, in place of any field of that name.
    pub credential: Option<Rc<ProviderCredential>>,
}

impl Edits<'_> {
    /// Makes of the parameters that are to be left out the path that is to be set.
    pub fn leave_out_parameters(&mut self, head: &RequestHead) {
        if !self.parameters.is_empty()
            && let Some(path) = path_without(head, &self.parameters)
        {
            self.set.push((":path", path.into_bytes().into()));
        }
        self.parameters.clear();
    }
}

/// Both, where both are there and are text, which Envoy sees to.
fn path_and_query(head: &RequestHead) -> Option<(&str, &str)> {
    std::str::from_utf8(head.path()?).ok()?.split_once('?')
}

/// `:path` without those parameters, everything else as it stood; `None` where there is nothing to remove.
fn path_without(head: &RequestHead, parameters: &[&str]) -> Option<String> {
    let (path, query) = path_and_query(head)?;
    let is_credential = |pair: &&str| {
        form_urlencoded::parse(pair.as_bytes()).any(|(name, _)| parameters.contains(&name.as_ref()))
    };
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| !is_credential(pair))
        .collect();
    if kept.len() == query.split('&').count() {
        return None;
    }
    Some(if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    })
}
