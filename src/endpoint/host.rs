//! The host that a request is for, and the host patterns of an endpoint.
//!
//! Envoy chooses a virtual host by the same bytes, and is to see the same host in them. It compares them without regard to
//! case, and with `ignore_port_in_host_matching` and `strip_trailing_host_dot` without port and final dot: this room relies
//! on both. Nothing makes it see one address in two spellings of it, so here there is but one.

use std::borrow::Cow;

use thiserror::Error;

/// RFC 1035 section 2.3.4: a name has at most 255 octets.
const MAX_HOST_BYTES: usize = 255;

/// The authority is not a plain host with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ambiguous;

/// A host as it is compared: lower case, without port and final dot (RFC 9110 section 4.2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a>(Cow<'a, str>);

impl<'a> Host<'a> {
    /// Reads `:authority`.
    ///
    /// # Errors
    /// [`Ambiguous`] where there is none, or where it holds anything but a name or an address and a port: what is not
    /// understood here may well be understood behind us. So it is for an IPv6 address that is not written as RFC 5952
    /// section 4 has it.
    pub fn parse(authority: Option<&'a [u8]>) -> Result<Self, Ambiguous> {
        let authority = authority
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .ok_or(Ambiguous)?;
        let host = match authority.rsplit_once(':') {
            Some((host, port))
                if port.bytes().all(|b| b.is_ascii_digit()) && !inside_brackets(host) =>
            {
                host
            }
            _ => authority,
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        canonical(host).map(Self).ok_or(Ambiguous)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The suffixes that a wildcard may cover, longest first: `.b.c` and `.c` for `a.b.c`.
    pub(super) fn suffixes(&self) -> impl Iterator<Item = &str> {
        self.0
            .match_indices('.')
            .filter_map(|(dot, _)| self.0.get(dot..))
            .filter(|_| !self.0.starts_with('['))
    }
}

/// Which hosts an endpoint answers on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(String),
    /// Any host that ends so: `.models.example.com` was written `*.models.example.com`. As Envoy's virtual hosts read
    /// it: any number of labels, at least one.
    Suffix(String),
    /// Any host.
    Any,
}

/// Why a text is no host pattern.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is not a host: write `api.example.com`, `*.example.com` or `[2001:db8::1]`, without scheme, port and path"
)]
pub struct HostPatternError(String);

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`HostPatternError`] for anything that no request's host could match.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let lower = text.to_ascii_lowercase();
        let lower = lower.strip_suffix('.').unwrap_or(&lower);
        match lower.strip_prefix('*') {
            Some("") if text != "*" => Err(HostPatternError(text.to_owned())),
            Some("") => Ok(Self::Any),
            Some(suffix) if suffix.strip_prefix('.').is_some_and(is_name) => {
                Ok(Self::Suffix(suffix.to_owned()))
            }
            None => canonical(lower)
                .map(|host| Self::Exact(host.into_owned()))
                .ok_or_else(|| HostPatternError(text.to_owned())),
            Some(_) => Err(HostPatternError(text.to_owned())),
        }
    }
}

fn inside_brackets(host: &str) -> bool {
    host.starts_with('[') && !host.ends_with(']')
}

fn is_name(host: &str) -> bool {
    let mut in_label = false;
    let plain = host.bytes().all(|byte| {
        let label_ends = byte == b'.';
        let fits = if label_ends {
            in_label
        } else {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
        };
        in_label = !label_ends;
        fits
    });
    plain && in_label && host.len() <= MAX_HOST_BYTES
}

/// The form that all spellings of a host share; `None` for what is neither a name nor an address in its canonical form.
fn canonical(host: &str) -> Option<Cow<'_, str>> {
    if is_name(host) {
        let lower = !host.bytes().any(|b| b.is_ascii_uppercase());
        return Some(if lower {
            host.into()
        } else {
            host.to_ascii_lowercase().into()
        });
    }
    let address = host.strip_prefix('[')?.strip_suffix(']')?;
    let address: std::net::Ipv6Addr = address.parse().ok()?;
    let canonical = format!("[{address}]");
    canonical
        .eq_ignore_ascii_case(host)
        .then(|| canonical.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_host_are_one_host() {
        for authority in [
            "api.test",
            "API.Test",
            "api.test.",
            "api.test:443",
            "api.test:00443",
            "api.test:",
            "api.test.:80",
        ] {
            assert_eq!(
                Host::parse(Some(authority.as_bytes())),
                Ok(Host("api.test".into())),
                "{authority}"
            );
        }
        for authority in [
            "[2001:db8::a]",
            "[2001:DB8::A]:8080",
            "[2001:db8::a]:",
            "[2001:db8::a].",
        ] {
            assert_eq!(
                Host::parse(Some(authority.as_bytes())),
                Ok(Host("[2001:db8::a]".into())),
                "{authority}"
            );
        }
        assert_eq!(
            HostPattern::parse("[2001:DB8::A]"),
            Ok(HostPattern::Exact("[2001:db8::a]".into()))
        );
        assert_eq!(
            Host::parse(Some(b"127.0.0.1:8080")),
            Ok(Host("127.0.0.1".into()))
        );
    }

    #[test]
    fn what_is_not_a_plain_host_is_ambiguous() {
        let long = "a".repeat(300);
        for authority in [
            "",
            ":80",
            ".",
            "user@api.test",
            "api.test/x",
            "api%2etest",
            "api.test:80:80",
            "a..b",
            "::1",
            "[::1",
            "[0:0::1]",
            "[0000:0:0:0:0:0:0:1]:80",
            "[2001:db8::0a]",
            "[::ffff:102:304]",
            "[::1%eth0]",
            "[v1.x]",
            "a b",
            long.as_str(),
        ] {
            assert_eq!(
                Host::parse(Some(authority.as_bytes())),
                Err(Ambiguous),
                "{authority}"
            );
        }
        assert_eq!(Host::parse(None), Err(Ambiguous));
        assert_eq!(Host::parse(Some(b"api\xff.test")), Err(Ambiguous));
    }

    #[test]
    fn a_wildcard_covers_any_number_of_labels_and_at_least_one() {
        let suffixes = |host: &str| {
            Host::parse(Some(host.as_bytes()))
                .unwrap()
                .suffixes()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(suffixes("a.b.test"), [".b.test", ".test"]);
        assert!(suffixes("test").is_empty());
        assert!(suffixes("[::1]").is_empty());
    }

    #[test]
    fn what_no_host_could_match_is_no_pattern() {
        for text in [
            "",
            "*.",
            "*a.test",
            "a.*.test",
            "https://a.test",
            "a.test:80",
            "a.test/x",
            "[0:0::1]",
            "a b",
        ] {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            HostPattern::parse("*.Test."),
            Ok(HostPattern::Suffix(".test".into()))
        );
        assert_eq!(HostPattern::parse("*"), Ok(HostPattern::Any));
    }
}
