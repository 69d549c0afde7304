//! Hosts, paths and methods: the router finds what asking every endpoint finds, and no ambiguous path finds anything.
//!
//! The input, in lines: endpoints (`HOST PATH METHODS`; a `%2F` behind the path says that encoded slashes are allowed), an
//! empty line, requests (`METHOD AUTHORITY PATH`).

#![no_main]

#[path = "../../tests/properties/reference/routing.rs"]
mod reference;

use libfuzzer_sys::fuzz_target;
use reference::{Outcome, Written};
use tenantgate::authorizer::Authorizer;
use tenantgate::denial::Denial;
use tenantgate::endpoint::{Endpoint, Endpoints, HostPattern, Methods, PathPattern};
use tenantgate::request::RequestHead;
use tenantgate::usage::Metering;
use tenantgate_fuzz::input::lines;

/// More are another fuzzer's matter: of those, who asks every endpoint is too slow.
const MOST: usize = 16;

fuzz_target!(|input: &[u8]| {
    let (mut endpoints, mut kept) = (Endpoints::default(), Vec::new());
    let mut lines = lines(input);
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        if let Some(written) = std::str::from_utf8(line).ok().and_then(written)
            && kept.len() < MOST
        {
            let conflict = kept
                .iter()
                .any(|other| reference::conflict(other, &written));
            let added = add(&mut endpoints, kept.len(), &written);
            assert_eq!(added.is_err(), conflict, "{written:?} beside {kept:?}");
            if added.is_ok() {
                kept.push(written);
            }
        }
    }
    for line in lines.take(MOST) {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        if let (Some(method), Some(authority), Some(path)) =
            (words.next(), words.next(), words.next())
        {
            request(&endpoints, &kept, method, authority, path);
        }
    }
});

/// An endpoint that an operator could write, and that the slow matcher can read: it knows no addresses.
fn written(line: &str) -> Option<Written<'_>> {
    let mut words = line.split(' ');
    let (host, path) = (words.next()?, words.next()?);
    let (path, allow_encoded_slash) = match path.strip_suffix("%2F") {
        Some(path) => (path, true),
        None => (path, false),
    };
    HostPattern::parse(host).ok()?;
    PathPattern::parse(path).ok()?;
    let is_plain = !host.starts_with('[')
        && !host.ends_with('.')
        && !host.bytes().any(|byte| byte.is_ascii_uppercase());
    is_plain.then(|| Written {
        host,
        path: path.to_owned(),
        methods: words.filter(|word| !word.is_empty()).collect(),
        allow_encoded_slash,
    })
}

fn add(endpoints: &mut Endpoints, index: usize, written: &Written<'_>) -> Result<(), String> {
    let endpoint = Endpoint {
        place: 0,
        name: index.to_string(),
        path: PathPattern::parse(&written.path).expect("it was read before"),
        allow_from: None,
        authorizer: Authorizer::Open,
        preflight: false,
        allow_encoded_slash: written.allow_encoded_slash,
        forward_credential: None,
        usage: Metering::default(),
        upstream_auth: None,
    };
    let host = HostPattern::parse(written.host).expect("it was read before");
    let methods = written.methods.iter().map(|method| (*method).to_owned());
    endpoints.add(endpoint, &[host], &Methods::new(methods.collect()))
}

fn request(
    endpoints: &Endpoints,
    kept: &[Written<'_>],
    method: &[u8],
    authority: &[u8],
    path: &[u8],
) {
    let fields = [
        (":method", method),
        (":authority", authority),
        (":path", path),
    ];
    let head = RequestHead::new(
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_vec()))
            .collect(),
    );
    let found = match endpoints.find(&head) {
        Ok(Some(addressed)) => Outcome::Endpoint(addressed.endpoint.place),
        Ok(None) => Outcome::Unknown,
        Err(Denial::AmbiguousPath) => Outcome::AmbiguousPath,
        Err(Denial::AmbiguousHost) => Outcome::AmbiguousHost,
        Err(other) => panic!("{other:?}"),
    };
    let texts = (
        std::str::from_utf8(method),
        std::str::from_utf8(authority),
        std::str::from_utf8(path),
    );
    match texts {
        (Ok(method), Ok(authority), Ok(path)) if !authority.starts_with('[') => {
            assert_eq!(found, reference::find(kept, authority, path, method));
        }
        // A method that is no text, or an address for a host: the matcher knows neither.
        (_, Ok(_), Ok(_)) => {}
        _ => assert!(!matches!(found, Outcome::Endpoint(_) | Outcome::Unknown)),
    }
}
