//! What the gate judges by, and what Envoy routes by: HST-01, and of paths PTH-04.

use serde_json::{Value, json};

use crate::harness::envoy_config::MODEL;
use crate::harness::{Envoy, Listener, Setup, Upstream};
use crate::{K, bearer, config, keys, lines, raw, word};

/// What an endpoint lends to its provider, and nobody else may see.
const LENT: &str = "lent-to-openai";

/// Hosts that Envoy routes for by name, and all others.
const PUBLIC: &str = "pub.test";
const OPENAI: &str = "openai.test";

/// What may stand behind a host, and is no other host's.
const ENDINGS: [&str; 8] = [
    "",
    ".",
    ":443",
    ":00443",
    ":",
    ".:1",
    ".:",
    ":99999999999999999999",
];

/// Envoy, and the servers that its routes lead to.
struct Routed {
    public: Upstream,
    openai: Upstream,
    models: Upstream,
    envoy: Envoy,
}

impl Routed {
    fn start(endpoints: &Value, hosts: Value, listener: Listener, merged: Option<Value>) -> Self {
        let [public, openai, models] = [(); 3].map(|()| Upstream::start());
        let mut setup = Setup::with(config(endpoints))
            .model(models.address())
            .cluster("public", public.address())
            .cluster("openai", openai.address())
            .listener(listener)
            .virtual_hosts(hosts);
        setup.merged = merged;
        let envoy = Envoy::start(setup);
        Self {
            public,
            openai,
            models,
            envoy,
        }
    }

    /// What became of a request to that host, and which servers it came to.
    fn host(&self, host: &str, fields: &[&str]) -> (String, Vec<&'static str>) {
        let head = format!("GET /v1/models HTTP/1.1\r\nHost: {host}");
        let head = [&[head.as_str()], fields, &["", ""]].concat();
        self.ask(head.join("\r\n").as_bytes())
    }

    fn ask(&self, head: &[u8]) -> (String, Vec<&'static str>) {
        let servers = [
            ("public", &self.public),
            ("openai", &self.openai),
            (MODEL, &self.models),
        ];
        for (_, server) in servers {
            server.forget();
        }
        let answer = raw(&self.envoy, head).map(|answer| word(&answer));
        let reached = servers
            .into_iter()
            .filter(|(_, server)| !server.seen().is_empty());
        (
            answer.unwrap_or_else(|| "closed".to_owned()),
            reached.map(|(name, _)| name).collect(),
        )
    }
}

/// The public host is open, OpenAI's is lent a credential, and the models want a key of their own.
fn hosts(listener: Listener, merged: Option<Value>) -> Routed {
    let endpoints = json!([
        {"name": "public", "path": "/**", "hosts": [PUBLIC], "authorizer": {"type": "none"}},
        {"name": "openai", "path": "/**", "hosts": [OPENAI], "authorizer": keys(),
         "upstream_auth": {"type": "bearer", "token": LENT}},
        {"name": "models", "path": "/**", "authorizer": keys()},
    ]);
    let hosts = json!([
        virtual_host("public", PUBLIC),
        virtual_host("openai", OPENAI),
        virtual_host(MODEL, "*"),
    ]);
    Routed::start(&endpoints, hosts, listener, merged)
}

fn virtual_host(cluster: &str, domain: &str) -> Value {
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": cluster}});
    json!({"name": cluster, "domains": [domain], "routes": [route]})
}

/// Where a request with each ending goes that is judged as one to the public host, and so needs no key.
fn astray(listener: Listener, merged: Option<Value>) -> Vec<&'static str> {
    let hosts = hosts(listener, merged);
    let astray = ENDINGS.into_iter().filter(|ending| {
        let (word, reached) = hosts.host(&format!("{PUBLIC}{ending}"), &[]);
        assert_eq!(
            (word.as_str(), reached.len()),
            ("200", 1),
            "{ending}: {reached:?}"
        );
        reached == [MODEL]
    });
    let astray = astray.collect();
    assert_eq!(
        hosts.host("other.test", &[]),
        ("401 missing_credential".to_owned(), vec![])
    );
    astray
}

#[test]
fn hst_01_without_both_settings_envoy_routes_by_another_host_than_the_gate_judges() {
    let listener = |ignore_port: bool, strip_final_dot: bool| Listener {
        ignore_port,
        strip_final_dot,
        ..Listener::HARDENED
    };
    for (ignore_port, strip_final_dot, merged, expected) in [
        (false, false, None, &ENDINGS[1..]),
        (true, false, None, &[".", ".:1", ".:"][..]),
        (
            false,
            true,
            None,
            &[":443", ":00443", ":", ".:1", ".:", ":99999999999999999999"],
        ),
        // What is no number, or too great for one, is no port to it.
        (
            false,
            true,
            Some(json!({"strip_any_host_port": true})),
            &[":", ".:", ":99999999999999999999"],
        ),
        (true, true, None, &[]),
    ] {
        let astray = astray(listener(ignore_port, strip_final_dot), merged);
        assert_eq!(astray, expected, "{ignore_port} {strip_final_dot}");
    }
}

#[test]
fn hst_01_with_them_every_spelling_of_a_host_goes_where_it_was_judged() {
    let hosts = hosts(Listener::HARDENED, None);
    let key = bearer();
    for ending in ENDINGS {
        for (public, openai) in [(PUBLIC, OPENAI), ("Pub.Test", "OPENAI.test")] {
            let (public, openai) = (format!("{public}{ending}"), format!("{openai}{ending}"));
            assert_eq!(
                hosts.host(&public, &[]),
                ("200".to_owned(), vec!["public"]),
                "{public}"
            );
            assert_eq!(
                hosts.host(&openai, &[]),
                ("401 missing_credential".to_owned(), vec![]),
                "{openai}"
            );
            assert_eq!(
                hosts.host(&openai, &[&key]),
                ("200".to_owned(), vec!["openai"]),
                "{openai}"
            );
            assert_eq!(
                hosts.openai.last().all("authorization"),
                [format!("Bearer {LENT}")]
            );
        }
        let other = format!("other.test{ending}");
        assert_eq!(
            hosts.host(&other, &[]),
            ("401 missing_credential".to_owned(), vec![]),
            "{other}"
        );
        assert_eq!(
            hosts.host(&other, &[&key]),
            ("200".to_owned(), vec![MODEL]),
            "{other}"
        );
        assert!(!hosts.models.last().contains(LENT), "{other}");
    }
    assert!(!hosts.models.last().contains(K));
}

#[test]
fn hst_01_an_address_in_another_spelling_is_another_host_to_envoy_and_none_to_the_gate() {
    let endpoints = json!([
        {"name": "public", "path": "/**", "hosts": ["[2001:db8::a]"], "authorizer": {"type": "none"}},
        {"name": "models", "path": "/**", "authorizer": keys()},
    ]);
    let virtual_hosts = json!([
        virtual_host("public", "[2001:db8::a]"),
        virtual_host(MODEL, "*")
    ]);
    let hosts = Routed::start(&endpoints, virtual_hosts, Listener::HARDENED, None);
    for spelling in [
        "[2001:db8::a]",
        "[2001:DB8::A]",
        "[2001:db8::a]:443",
        "[2001:db8::a]:",
    ] {
        assert_eq!(
            hosts.host(spelling, &[]),
            ("200".to_owned(), vec!["public"]),
            "{spelling}"
        );
    }
    for spelling in [
        "[2001:db8:0::a]",
        "[2001:db8::000a]",
        "[2001:db8:0:0:0:0:0:a]:443",
    ] {
        for fields in [&[][..], &[bearer().as_str()]] {
            assert_eq!(
                hosts.host(spelling, fields),
                ("400 ambiguous_host".to_owned(), vec![]),
                "{spelling}"
            );
        }
    }
    let good = hosts.host("[2001:db8::b]", &[&bearer()]);
    assert_eq!(good, ("200".to_owned(), vec![MODEL]));
}

#[test]
fn pth_04_envoy_routes_by_the_encoding_that_it_leaves_and_the_gate_judges_without_it() {
    let endpoints = json!([
        {"name": "open", "path": "/open/**", "authorizer": {"type": "none"}},
        {"name": "predict", "path": "/v1/{model}:predict", "authorizer": {"type": "none"}},
        {"name": "models", "path": "/**", "authorizer": keys()},
    ]);
    let predict = |colon: &str| {
        json!([{"name": "all", "domains": ["*"], "routes": [
            {"match": {"prefix": "/open/"}, "route": {"cluster": "public"}},
            {"match": {"safe_regex": {"regex": format!("/v1/[^/]+{colon}predict")}}, "route": {"cluster": "public"}},
            {"match": {"prefix": "/"}, "route": {"cluster": MODEL}},
        ]}])
    };
    for (listener, colon, astray) in [
        (
            Listener::RAW,
            ":",
            &["/%6fpen/a", "/v1/m%3Apredict", "/v1/m%3apredict"][..],
        ),
        // `normalize_path` decodes letters, and no `:`.
        (
            Listener::HARDENED,
            ":",
            &["/v1/m%3Apredict", "/v1/m%3apredict"],
        ),
        (Listener::HARDENED, "(:|%3[Aa])", &[]),
    ] {
        let routed = Routed::start(&endpoints, predict(colon), listener, None);
        for path in [
            "/open/a",
            "/%6fpen/a",
            "/v1/m:predict",
            "/v1/m%3Apredict",
            "/v1/m%3apredict",
        ] {
            let to = if astray.contains(&path) {
                MODEL
            } else {
                "public"
            };
            let ask = |fields: &[&str]| routed.ask(&lines(&format!("GET {path}"), fields));
            assert_eq!(ask(&[]), ("200".to_owned(), vec![to]), "{path} {colon}");
        }
        let models = |fields: &[&str]| routed.ask(&lines("GET /v1/models", fields));
        assert_eq!(models(&[]), ("401 missing_credential".to_owned(), vec![]));
        assert_eq!(models(&[&bearer()]), ("200".to_owned(), vec![MODEL]));
    }
}
