//! Header maps as Envoy keeps them, and their form on the ABI.

use std::fmt;

/// Envoy joins a repeated header of these names with a comma; all others stay apart (observed: `authorization`, `accept`).
const JOINED: [&str; 12] = [
    "accept",
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "te",
    "transfer-encoding",
    "user-agent",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// A header map: names lower-cased, in the order of arrival, values any octets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    pub fn contains(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// What the host's getter gives: the first value only.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    pub fn all(&self, name: &str) -> Vec<Vec<u8>> {
        let name = name.to_ascii_lowercase();
        self.iter()
            .filter(|(other, _)| *other == name)
            .map(|(_, value)| value.to_vec())
            .collect()
    }

    pub fn add(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        if JOINED.contains(&name.as_str())
            && let Some((_, present)) = self.0.iter_mut().find(|(other, _)| *other == name)
        {
            present.push(b',');
            present.extend_from_slice(value);
            return;
        }
        self.0.push((name, value.to_vec()));
    }

    /// One value in the place of all of that name.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        let name = name.to_ascii_lowercase();
        let place = self.0.iter().position(|(other, _)| *other == name);
        self.0.retain(|(other, _)| *other != name);
        let place = place.unwrap_or(self.0.len()).min(self.0.len());
        self.0.insert(place, (name, value.to_vec()));
    }

    pub fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.0.retain(|(other, _)| *other != name);
    }

    /// What Envoy would refuse to send on, if anything: it fails the request with 503.
    pub fn unsendable(&self) -> Option<String> {
        self.iter().find_map(|(name, value)| {
            let token = name.strip_prefix(':').unwrap_or(name);
            let good_name = !token.is_empty()
                && token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
            let good_value = !value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0));
            (!good_name || !good_value).then(|| format!("invalid header value for: {name}"))
        })
    }

    /// `n`, then the sizes of `n` names and values, then each with a NUL behind it.
    pub fn serialize(&self) -> Vec<u8> {
        let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
        let mut bytes = size(self.0.len()).to_vec();
        for (name, value) in self.iter() {
            bytes.extend_from_slice(&size(name.len()));
            bytes.extend_from_slice(&size(value.len()));
        }
        for (name, value) in self.iter() {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(value);
            bytes.push(0);
        }
        bytes
    }

    /// The reverse; `None` for bytes that are cut short.
    pub fn deserialize(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let size = |at: usize| -> Option<usize> {
            let four = bytes.get(at..at + 4)?;
            usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
        };
        let count = size(0)?;
        let mut at = 4 + count.checked_mul(8)?;
        let mut headers = Self::default();
        for n in 0..count {
            let (name_size, value_size) = (size(4 + n * 8)?, size(8 + n * 8)?);
            let name = bytes.get(at..at + name_size)?;
            at += name_size + 1;
            let value = bytes.get(at..at + value_size)?;
            at += value_size + 1;
            headers.add(&String::from_utf8_lossy(name), value);
        }
        Some(headers)
    }
}

impl<N: AsRef<str>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self::default();
        for (name, value) in pairs {
            headers.add(name.as_ref(), value.as_ref());
        }
        headers
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            writeln!(f, "    {name}: {}", value.escape_ascii())?;
        }
        Ok(())
    }
}
