//! What the configuration says, in the words of the pages.

use jiff::Timestamp;

use super::inventory::{Authorizer, Endpoint, Inventory, Member, Method, UpstreamAuth};

impl Endpoint {
    /// The kind of credential that it asks for, in a word or two.
    pub fn authorizer_kind(&self) -> &'static str {
        let takes_keys = self
            .authorizers
            .iter()
            .any(|authorizer| matches!(authorizer, Authorizer::ApiKey { .. }));
        match (self.is_open(), takes_keys, self.issuers().is_empty()) {
            (true, _, _) => "open",
            (false, true, false) => "API key or token",
            (false, _, true) => "API key",
            (false, false, false) => "token",
        }
    }

    /// The same for a style sheet.
    pub fn authorizer_class(&self) -> &'static str {
        match self.authorizer_kind() {
            "open" => "open",
            "API key" => "key",
            "token" => "token",
            _ => "both",
        }
    }

    pub fn takes_any_method(&self) -> bool {
        self.methods == ["*"]
    }

    /// Who may call: an item for each authorizer.
    pub fn who(&self) -> Vec<String> {
        self.authorizers.iter().map(Authorizer::who).collect()
    }

    /// Which claims tokens need, one item each.
    pub fn required_claims(&self) -> Vec<String> {
        let issuers = self.issuers();
        let claims = issuers.iter().flat_map(|oidc| &oidc.required_claims);
        claims
            .map(|(claim, requirement)| format!("{claim}: {requirement}"))
            .collect()
    }

    pub fn sources(&self) -> String {
        match self.allow_from.as_deref() {
            None => "any address".to_owned(),
            Some([]) => "nobody (the list is empty)".to_owned(),
            Some(list) => list.join(", "),
        }
    }

    /// Where a request's tenant comes from: an item for each kind of credential.
    pub fn tenant_from(&self) -> Vec<String> {
        let mut sources = Vec::new();
        for authorizer in &self.authorizers {
            let source = match authorizer {
                Authorizer::None => "none: anyone may call".to_owned(),
                Authorizer::ApiKey { .. } => "tenant_id of the key's entry".to_owned(),
                Authorizer::Oidc { oidc, .. } => {
                    format!("claim {} of the token", oidc.tenant_claim)
                }
            };
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }

    /// How the model server is told who asks: an item for each credential.
    pub fn provider_credentials(&self) -> Vec<String> {
        match &self.upstream_auth {
            None => vec!["none".to_owned()],
            Some(UpstreamAuth::ToAll(method)) => vec![method.words()],
            Some(UpstreamAuth::ByTenant { by_tenant }) => by_tenant
                .iter()
                .map(|(tenant, method)| format!("tenant {tenant}: {}", method.words()))
                .collect(),
        }
    }

    /// Whether the client's own credential goes on.
    pub fn forwarding(&self) -> &'static str {
        let forwarded = self.forward_credential;
        let goes_on = |goes_on| if goes_on { "forwarded" } else { "removed" };
        match self.authorizer_class() {
            "key" => goes_on(forwarded.api_keys),
            "token" => goes_on(forwarded.tokens),
            "open" if self.upstream_auth.is_some() => goes_on(forwarded.tokens),
            "open" => "not looked at",
            _ => match (forwarded.api_keys, forwarded.tokens) {
                (false, false) => "removed",
                (true, true) => "forwarded",
                (false, true) => "API keys are removed, tokens are forwarded",
                (true, false) => "API keys are forwarded, tokens are removed",
            },
        }
    }

    /// Everywhere a credential is looked for.
    pub fn places(&self) -> Vec<String> {
        let mut places: Vec<String> = Vec::new();
        for authorizer in &self.authorizers {
            let from = match authorizer {
                Authorizer::ApiKey { from, .. } | Authorizer::Oidc { from, .. } => from.as_slice(),
                Authorizer::None => &[],
            };
            for place in from {
                if !places.contains(place) {
                    places.push(place.clone());
                }
            }
        }
        places
    }

    /// What bounds the use of its credentials.
    pub fn limits(&self) -> String {
        let mut limits = Vec::new();
        let keys = self.keys();
        if !keys.is_empty() {
            let ending = keys.len().saturating_sub(self.keys_without_end());
            limits.push(format!(
                "{ending} of {} end at a set time",
                counted(keys.len(), "key")
            ));
        }
        for (what, is_limited) in [
            (
                "endpoints",
                keys.iter().filter(|key| key.endpoints.is_some()).count(),
            ),
            (
                "models",
                keys.iter().filter(|key| key.models.is_some()).count(),
            ),
        ] {
            if is_limited > 0 {
                limits.push(format!(
                    "{} may call some {what} only",
                    counted(is_limited, "key")
                ));
            }
        }
        for name in self.key_sets() {
            limits.push(format!("those of the key set {name} are said there"));
        }
        if !self.issuers().is_empty() {
            limits.push("tokens end with their exp".to_owned());
        }
        limits.push("no quota of requests or tokens".to_owned());
        limits.join("; ")
    }

    /// The key sets whose keys are good for it.
    pub fn key_sets(&self) -> Vec<&str> {
        let sets = self.authorizers.iter().map(|authorizer| match authorizer {
            Authorizer::ApiKey { key_set, .. } => key_set.as_deref(),
            Authorizer::None | Authorizer::Oidc { .. } => None,
        });
        sets.flatten().collect()
    }

    /// Keys without an end.
    pub fn keys_without_end(&self) -> usize {
        self.keys()
            .iter()
            .filter(|key| key.expires_at.is_none())
            .count()
    }
}

impl Authorizer {
    pub fn who(&self) -> String {
        match self {
            Self::None => "anyone".to_owned(),
            Self::ApiKey {
                key_set: Some(name),
                ..
            } => format!("the API keys of the key set {name}, which the gate fetches"),
            Self::ApiKey { keys, .. } => {
                let endless = keys.iter().filter(|key| key.expires_at.is_none()).count();
                format!(
                    "{} ({endless} without an end)",
                    counted(keys.len(), "API key")
                )
            }
            Self::Oidc { oidc, .. } => format!(
                "tokens of {} for {}, signed with {}",
                oidc.issuer,
                oidc.audience.join(" or "),
                oidc.algorithms.join(", "),
            ),
        }
    }
}

impl Method {
    /// Its type, and where its secrets stand.
    fn words(&self) -> String {
        let kind = match self.kind.as_str() {
            "basic" => "user name and password (basic)",
            "bearer" => "bearer token",
            "header" => "header",
            "oauth2_client_credentials" => "access token (OAuth 2.0 client credentials)",
            other => other,
        };
        let members = self.members.iter().map(|(name, member)| match member {
            Member::Text(text) => format!("{name}: {text}"),
            Member::Parameters(parameters) => {
                let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
                format!("parameters: {}", names.join(" "))
            }
        });
        let members: Vec<String> = members.collect();
        if members.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}; {}", members.join(", "))
        }
    }
}

impl Inventory {
    /// Secrets that stand in the configuration itself, where Envoy's admin interface shows them: the endpoints.
    pub fn written_secrets(&self) -> Vec<&str> {
        let endpoints = self.configuration.endpoints.iter();
        let written = endpoints.filter(|endpoint| {
            let methods: Vec<&Method> = match &endpoint.upstream_auth {
                None => Vec::new(),
                Some(UpstreamAuth::ToAll(method)) => vec![method],
                Some(UpstreamAuth::ByTenant { by_tenant }) => by_tenant.values().collect(),
            };
            methods.iter().any(|method| method.holds_a_written_secret())
        });
        written.map(|endpoint| endpoint.name.as_str()).collect()
    }

    /// Keys that had ended on the pack's date.
    pub fn ended_keys(&self) -> usize {
        let Ok(day) = format!("{}T00:00:00Z", self.date).parse::<Timestamp>() else {
            return 0;
        };
        let keys = self.configuration.endpoints.iter().flat_map(Endpoint::keys);
        let ended = |end: &String| end.parse::<Timestamp>().is_ok_and(|end| end <= day);
        keys.filter(|key| key.expires_at.as_ref().is_some_and(ended))
            .count()
    }
}

impl Method {
    fn holds_a_written_secret(&self) -> bool {
        use super::inventory::Hidden;
        self.members.iter().any(|(name, member)| match member {
            // Neither of these is a secret by itself.
            Member::Text(_)
                if matches!(
                    name.as_str(),
                    "username" | "client_id" | "audience" | "resource"
                ) =>
            {
                false
            }
            Member::Text(text) => text == Hidden::REDACTED,
            Member::Parameters(_) => false,
        })
    }
}

/// `1 API key`, `2 API keys`.
pub(super) fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
