//! Discovery documents: they lead to keys on hosts that the operator named, of the very issuer that was asked, or nowhere.
//!
//! The input: a byte that picks the issuer and, if it is odd, has the rest stand as `jwks_uri` in a document that is otherwise
//! good; else the rest is the document.

#![no_main]

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tenantgate::fetch::{
    Clusters, Fetcher, KeySource, KeySourceId, KeysOf as _, State, Terms, Wanted,
};
use tenantgate_fuzz::proxy::{Proxy, SharedData, ok};
use tenantgate_fuzz::slow_json;
use tenantgate_fuzz::tokens::Key;

/// An issuer, and its origin.
const ISSUERS: [(&str, (&str, &str)); 5] = [
    ("https://idp.test", ("https", "idp.test")),
    ("https://idp.test/realms/a/", ("https", "idp.test")),
    ("https://idp.test:8443/a", ("https", "idp.test:8443")),
    ("http://mesh.test:8080", ("http", "mesh.test:8080")),
    ("https://[2001:db8::1]", ("https", "[2001:db8::1]")),
];

/// What the operator listed: a host, and the cluster that reaches it.
const LISTED: [(&str, &str); 3] = [
    ("keys.test", "keys"),
    ("keys.test:444", "others"),
    ("127.0.0.1", "local"),
];

const FIRST: KeySourceId = KeySourceId(0);

fuzz_target!(|input: &[u8]| {
    let Some((which, rest)) = input.split_first() else {
        return;
    };
    let (issuer, origin) = ISSUERS[usize::from(which / 2) % ISSUERS.len()];
    let document = if which % 2 == 0 {
        rest.to_vec()
    } else {
        let uri = String::from_utf8_lossy(rest);
        json!({"issuer": issuer, "jwks_uri": uri})
            .to_string()
            .into_bytes()
    };

    let mut proxy = Proxy::new(&SharedData::default());
    let mut clusters = Clusters::default();
    for (host, cluster) in LISTED {
        clusters.add(host, cluster.to_owned());
    }
    let source = KeySource {
        issuer: issuer.to_owned(),
        jwks_uri: None,
        terms: Terms::default(),
    };
    let wanted = Wanted {
        issuers: &[source],
        ..Wanted::default()
    };
    let mut fetcher = Fetcher::new(&wanted, clusters, None, &mut proxy);

    // Asked for the first time.
    let found = ask(&mut fetcher, &mut proxy, &document, origin);
    let expected = leads_to(&document, issuer);
    if found {
        assert!(expected.is_some(), "{}", document.escape_ascii());
    }
    // And once more, with good keys at hand: they stay, whatever it says.
    let good = json!({"issuer": issuer, "jwks_uri": format!("{}://{}/keys", origin.0, origin.1)});
    proxy.advance(SignedDuration::from_hours(2));
    if !found {
        assert!(
            ask(
                &mut fetcher,
                &mut proxy,
                good.to_string().as_bytes(),
                origin
            ),
            "a good one leads nowhere"
        );
    }
    assert!(matches!(fetcher.of(FIRST, proxy.now), State::Usable(_)));
    proxy.advance(SignedDuration::from_mins(50));
    let again = ask(&mut fetcher, &mut proxy, &document, origin);
    assert!(!again || expected.is_some());
    assert!(matches!(fetcher.of(FIRST, proxy.now), State::Usable(_)));
    let plain = expected.filter(|uri| is_plain_and_allowed(uri, origin));
    assert!(plain.is_none() || found, "{plain:?} was not asked");
});

/// Answers what was asked with the document, and what that leads to with keys; whether it led somewhere.
fn ask(fetcher: &mut Fetcher, proxy: &mut Proxy, document: &[u8], origin: (&str, &str)) -> bool {
    fetcher.drive(proxy);
    let mut led = false;
    for (id, callout) in std::mem::take(&mut proxy.waiting) {
        let is_discovery = callout.path.ends_with("/.well-known/openid-configuration");
        let body = if is_discovery {
            document.to_vec()
        } else {
            keys()
        };
        assert!(fetcher.answered(id, Some(ok(&body)), proxy));
    }
    fetcher.drive(proxy);
    for (id, callout) in std::mem::take(&mut proxy.waiting) {
        led = true;
        let at = (callout.scheme.as_str(), callout.authority.as_str());
        let listed = LISTED.iter().find(|(host, _)| *host == at.1);
        let encrypted = at.0 == "https" || origin.0 == "http";
        assert!(
            at == origin || (listed.is_some() && encrypted),
            "{at:?} was called"
        );
        assert_eq!((callout.method, &callout.body), ("GET", &None));
        let clean = callout.path.starts_with('/')
            && callout
                .path
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'#');
        assert!(clean && callout.path.len() < 8192, "{}", callout.path);
        if let Some((_, cluster)) = listed {
            assert_eq!(callout.cluster, *cluster);
        }
        assert!(fetcher.answered(id, Some(ok(&keys())), proxy));
    }
    led
}

fn keys() -> Vec<u8> {
    json!({"keys": [Key::D1.jwk()]}).to_string().into_bytes()
}

/// The `jwks_uri` of a document that names the very issuer.
fn leads_to(document: &[u8], issuer: &str) -> Option<String> {
    let document = slow_json::read(document)?;
    let uri = document.get("jwks_uri").and_then(Value::as_str)?;
    (document.get("issuer")? == issuer).then(|| uri.to_owned())
}

/// Whether it is one that nobody reads in two ways, on a host that may be called.
fn is_plain_and_allowed(uri: &str, (scheme, authority): (&str, &str)) -> bool {
    let homes = LISTED
        .iter()
        .map(|(host, _)| ("https", *host))
        .chain([(scheme, authority)]);
    homes.into_iter().any(|(scheme, host)| {
        let path = uri.strip_prefix(&format!("{scheme}://{host}/"));
        path.is_some_and(|path| {
            path.len() < 1024 && path.bytes().all(|b| b.is_ascii_alphanumeric())
        })
    })
}
