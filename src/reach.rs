//! What a credential that holds may call: which endpoints, and which models.
//!
//! The model is told by the path or by the body. A body is not held for that, it streams by: but the end of its document goes
//! on only where that named a model that may be called, and no server reads an object that has not ended. Should one answer
//! all the same, its answer is kept back.

use std::rc::Rc;

use url::form_urlencoded;

use crate::authorizer::api_key::Restrictions;
use crate::denial::Denial;
use crate::endpoint::{Endpoint, RequestPath};
use crate::request::RequestHead;
use crate::usage::{ModelName, Named, NamedModel, is_like_model, may_name_model, model_in_path};

/// The capture of an endpoint's path that says the model.
const MODEL: &str = "model";

impl Restrictions {
    /// Whether a request to that endpoint is within them, as far as its head tells: where it is for its body to tell, what
    /// to watch that with. `has_body`: more than the head will come.
    ///
    /// # Errors
    /// It is not.
    pub fn admit(
        self: &Rc<Self>,
        endpoint: &Endpoint,
        head: &RequestHead,
        has_body: bool,
    ) -> Result<Option<ModelWatch>, Denial> {
        if !self.allow_endpoint(&endpoint.name) {
            return Err(Denial::EndpointNotAllowed);
        }
        if self.models.is_none() {
            return Ok(None);
        }
        // What is exchanged after an upgrade nobody reads here, and what the query says some servers take first.
        if head.has("upgrade") || !self.allow_query(head) {
            return Err(Denial::ModelNotAllowed);
        }
        if let Some(told) = told_by_path(endpoint, head) {
            // What is not the name of a model nobody has allowed.
            let model = ModelName::new(told.as_bytes());
            let is_allowed = model.is_some_and(|model| self.allow_model(&model));
            return is_allowed.then_some(None).ok_or(Denial::ModelNotAllowed);
        }
        let path = head.path().and_then(|path| std::str::from_utf8(path).ok());
        match (has_body, head.method()) {
            // Whoever takes it from there does not ask the body.
            (true, _) if path.is_none_or(may_name_model) => Err(Denial::ModelNotAllowed),
            (true, _) => Ok(Some(ModelWatch::new(Rc::clone(self), head))),
            // Runs no model (RFC 9110 section 9.2.1).
            (false, Some("GET" | "HEAD")) => Ok(None),
            (false, _) => Err(Denial::ModelNotAllowed),
        }
    }

    /// Whether a query names no model that may not be called.
    fn allow_query(&self, head: &RequestHead) -> bool {
        // Some servers split a query at semicolons, too.
        head.query()
            .unwrap_or_default()
            .split(['&', ';'])
            .flat_map(|parameter| form_urlencoded::parse(parameter.as_bytes()))
            .filter(|(name, _)| is_like_model(name.as_bytes()))
            .all(|(_, value)| {
                let model = ModelName::new(value.as_bytes());
                model.is_some_and(|model| self.allow_model(&model))
            })
    }
}

/// What the path says, where it says a model.
fn told_by_path(endpoint: &Endpoint, head: &RequestHead) -> Option<String> {
    let path = head.path()?;
    let captured = RequestPath::parse(path)
        .ok()
        .and_then(|path| endpoint.path.capture(MODEL, &path));
    captured.or_else(|| {
        let path = std::str::from_utf8(path).ok()?;
        model_in_path(path).map(|model| model.as_str().to_owned())
    })
}

/// Watches a body for the model that it names. To be told of all of it, and before it goes on.
pub struct ModelWatch {
    restrictions: Rc<Restrictions>,
    body: NamedModel,
}

impl ModelWatch {
    fn new(restrictions: Rc<Restrictions>, head: &RequestHead) -> Self {
        // Sent twice, it arrives twice or joined by a comma (RFC 9110 section 5.3), and servers choose one.
        let said = |name| {
            let mut values = head.fields().filter(|(field, _)| *field == name);
            match (values.next(), values.next()) {
                (value, None) => Ok(value.map(|(_, value)| value)),
                (_, Some(_)) => Err(()),
            }
        };
        let body = match (said("content-type"), said("content-encoding")) {
            (Ok(kind), Ok(coding)) => NamedModel::of(kind, coding),
            _ => NamedModel::unclear(),
        };
        Self { restrictions, body }
    }

    /// More of the body, before it goes on.
    ///
    /// # Errors
    /// It must not.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<(), Denial> {
        self.body.push(bytes);
        match self.body.named() {
            Named::NotYet => Ok(()),
            Named::Model(_) | Named::Unclear => self.settle(),
        }
    }

    /// That what has come is enough: there will be no more of it, or it has been answered.
    ///
    /// # Errors
    /// It is not.
    pub fn settle(&self) -> Result<(), Denial> {
        match self.body.named() {
            Named::Model(model) if self.restrictions.allow_model(model) => Ok(()),
            Named::Model(_) | Named::NotYet | Named::Unclear => Err(Denial::ModelNotAllowed),
        }
    }
}

impl std::fmt::Debug for ModelWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModelWatch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config;

    type Fields<'a> = &'a [(&'a str, &'a str)];

    /// What a key for the model `m1` may do with a request to `/v1`.
    fn admitted(fields: Fields<'_>, has_body: bool) -> Result<Option<ModelWatch>, Denial> {
        let open = json!({ "name": "v1", "path": "/v1", "authorizer": { "type": "none" } });
        let policy = config::compile(json!({ "endpoints": [open] }), &|_: &str| None).unwrap();
        let head = [(":authority", "api.test"), (":path", "/v1")];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), value.as_bytes().to_vec());
        let head = RequestHead::new(head.iter().chain(fields).map(owned).collect());
        let addressed = policy.endpoints.find(&head).unwrap().unwrap();
        let restrictions = Restrictions {
            models: Some(vec!["m1".to_owned().try_into().unwrap()]),
            ..Restrictions::default()
        };
        Rc::new(restrictions).admit(addressed.endpoint, &head, has_body)
    }

    #[test]
    fn without_a_body_only_what_runs_no_model_is_within_reach() {
        for (method, expected) in [
            ("GET", true),
            ("HEAD", true),
            ("POST", false),
            ("PUT", false),
        ] {
            let verdict = admitted(&[(":method", method)], false);
            assert_eq!(
                verdict.is_ok_and(|watch| watch.is_none()),
                expected,
                "{method}"
            );
        }
    }

    #[test]
    fn a_body_whose_kind_is_said_twice_names_no_model() {
        let json = ("content-type", "application/json");
        let plain = ("content-encoding", "identity");
        for (fields, expected) in [
            (&[json][..], Ok(())),
            (&[json, plain], Ok(())),
            (&[json, json], Err(Denial::ModelNotAllowed)),
            (&[json, plain, plain], Err(Denial::ModelNotAllowed)),
        ] {
            let mut watch = admitted(fields, true).unwrap().unwrap();
            let verdict = watch.pass(br#"{"model":"m1"}"#);
            assert_eq!(
                verdict.and_then(|()| watch.settle()),
                expected,
                "{fields:?}"
            );
        }
    }

    #[test]
    fn a_watch_lets_go_on_what_names_the_model_and_prints_nothing_of_it() {
        let start = || {
            admitted(&[("content-type", "application/json")], true)
                .unwrap()
                .unwrap()
        };
        let mut watch = start();
        assert_eq!(watch.pass(br#"{"mod"#), Ok(()));
        assert_eq!(watch.settle(), Err(Denial::ModelNotAllowed), "not yet");
        assert_eq!(watch.pass(br#"el":"m1"}"#), Ok(()));
        assert_eq!(watch.settle(), Ok(()));
        assert_eq!(format!("{watch:?}"), "ModelWatch { .. }");
        assert_eq!(
            start().pass(br#"{"model":"m2"}"#),
            Err(Denial::ModelNotAllowed)
        );
    }
}
