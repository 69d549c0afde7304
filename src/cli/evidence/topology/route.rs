//! Routes: what they take, and where they lead.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cli::evidence::envoy::{Extension, RouteAction, RouteConfiguration, RouteMatch};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::cli::evidence) struct Route {
    pub virtual_host: String,
    pub domains: Vec<String>,
    pub path: PathMatch,
    /// Any, if none is named.
    pub methods: Vec<String>,
    /// The clusters that it leads to.
    pub to: Vec<String>,
    /// What Envoy answers by itself, where it leads nowhere.
    pub by_envoy: Option<String>,
    pub gate_off: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::cli::evidence) enum PathMatch {
    Prefix(String),
    Path(String),
    PathSeparatedPrefix(String),
    SafeRegex(String),
    UriTemplate(String),
    Connect,
    /// A way to match that is not known here.
    Unknown,
}

/// The routes of all virtual hosts. What is said about the filter nearest to a route holds (Envoy: "The most specific
/// configuration wins").
pub(super) fn flatten(config: &RouteConfiguration, ours: Option<&Extension>) -> Vec<Route> {
    let turned_off = |per_filter| ours.and_then(|ours| ours.is_turned_off_by(per_filter));
    let mut routes = Vec::new();
    for host in &config.virtual_hosts {
        for route in &host.routes {
            let off = turned_off(&route.typed_per_filter_config)
                .or_else(|| turned_off(&host.typed_per_filter_config))
                .or_else(|| turned_off(&config.typed_per_filter_config));
            let by_envoy = match (&route.redirect, &route.direct_response) {
                (Some(_), _) => Some("redirect".to_owned()),
                (None, Some(_)) => Some("direct response".to_owned()),
                (None, None) => None,
            };
            let action = route.route.as_ref();
            routes.push(Route {
                virtual_host: host.name.clone(),
                domains: host.domains.clone(),
                path: PathMatch::new(&route.matches),
                methods: methods(&route.matches),
                to: action.map(RouteAction::clusters).unwrap_or_default(),
                by_envoy,
                gate_off: off.unwrap_or(false),
            });
        }
    }
    routes
}

impl PathMatch {
    fn new(matches: &RouteMatch) -> Self {
        let template = matches.path_match_policy.as_ref().and_then(|policy| {
            let config = &policy.typed_config;
            let text = config
                .get("path_template")
                .or_else(|| config.get("pathTemplate"));
            text?.as_str().map(str::to_owned)
        });
        if let Some(prefix) = &matches.prefix {
            Self::Prefix(prefix.clone())
        } else if let Some(path) = &matches.path {
            Self::Path(path.clone())
        } else if let Some(prefix) = &matches.path_separated_prefix {
            Self::PathSeparatedPrefix(prefix.clone())
        } else if let Some(regex) = &matches.safe_regex {
            Self::SafeRegex(regex.regex.clone())
        } else if let Some(template) = template {
            Self::UriTemplate(template)
        } else if matches.connect_matcher.is_some() {
            Self::Connect
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(text) => write!(f, "prefix {text}"),
            Self::Path(text) => write!(f, "path {text}"),
            Self::PathSeparatedPrefix(text) => write!(f, "prefix {text} and below"),
            Self::SafeRegex(text) => write!(f, "regex {text}"),
            Self::UriTemplate(text) => write!(f, "template {text}"),
            Self::Connect => f.write_str("CONNECT"),
            Self::Unknown => f.write_str("a match that this command does not know"),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods = self.methods.join(", ");
        let space = if methods.is_empty() { "" } else { " " };
        write!(f, "{}: {methods}{space}{}", self.virtual_host, self.path)
    }
}

/// The methods that a route names by an exact match of `:method`; any other condition narrows it in a way that does not
/// matter here.
fn methods(matches: &RouteMatch) -> Vec<String> {
    let named = matches
        .headers
        .iter()
        .filter(|header| header.name == ":method" && !header.invert_match);
    named
        .filter_map(|header| {
            let exact = header
                .string_match
                .as_ref()
                .and_then(|text| text.exact.as_ref());
            exact.or(header.exact_match.as_ref()).cloned()
        })
        .collect()
}
