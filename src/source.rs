//! Where a request comes from, and the lists of addresses that may call. Never replaces authentication.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use thiserror::Error;

/// Which address `allow_from` judges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceAddress {
    /// The TCP peer.
    #[default]
    Peer,
    /// Whatever Envoy takes for the caller, from `X-Forwarded-For` if it is so configured.
    Forwarded,
}

impl SourceAddress {
    /// The address to judge, from Envoy's `source.address` attribute: an address with a port.
    ///
    /// Envoy gives an address that it took from `X-Forwarded-For` port 0, which no TCP peer has; under `Peer` such an
    /// address is nobody's. So is one with a zone, a pipe's path, and anything else that is not an address and a port.
    pub fn read(self, attribute: &[u8]) -> Option<IpAddr> {
        let text = std::str::from_utf8(attribute).ok()?;
        let address: SocketAddr = text.parse().ok()?;
        if text.contains('%') || (self == Self::Peer && address.port() == 0) {
            return None;
        }
        Some(address.ip().to_canonical())
    }
}

/// The networks that may call an endpoint. An empty list lets nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<IpNet>);

/// Why a text is no network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// See the message.
    #[error("{0:?} is not an address or a network in CIDR notation, such as 10.0.0.0/8")]
    NotANetwork(String),
    /// See the message.
    #[error("{written} has bits set outside of its prefix; write {meant}")]
    HostBits {
        /// As it stands.
        written: IpNet,
        /// The network that it lies in.
        meant: IpNet,
    },
    /// See the message.
    #[error(
        "{0} is an IPv4 network in IPv6 clothes; write it as IPv4, which covers both spellings"
    )]
    Mapped(IpNet),
}

impl AllowList {
    /// Adds a network in CIDR notation, or a single address.
    ///
    /// # Errors
    /// [`NetworkError`] where it is not certain which addresses are meant.
    pub fn add(&mut self, text: &str) -> Result<(), NetworkError> {
        // `ipnet` alone would take `010.0.0.0/010`, which others read in octal.
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let network = address
            .parse::<IpAddr>()
            .ok()
            .and_then(|address| match prefix {
                Some(prefix) if prefix != "0" && prefix.starts_with('0') => None,
                Some(_) => text.parse().ok(),
                None => Some(IpNet::from(address)),
            })
            .ok_or_else(|| NetworkError::NotANetwork(text.to_owned()))?;
        if network.trunc() != network {
            return Err(NetworkError::HostBits {
                written: network,
                meant: network.trunc(),
            });
        }
        if network.addr().to_canonical() != network.addr() {
            return Err(NetworkError::Mapped(network));
        }
        self.0.push(network);
        Ok(())
    }

    /// Whether the address is on the list.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The networks, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = &IpNet> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &[&str], mode: SourceAddress, attribute: &str) -> bool {
        let mut allow = AllowList::default();
        for network in list {
            allow.add(network).unwrap();
        }
        mode.read(attribute.as_bytes())
            .is_some_and(|address| allow.contains(address))
    }

    #[test]
    fn an_address_is_on_the_list_of_its_network_however_it_is_spelled() {
        let list = ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"];
        for (attribute, expected) in [
            ("10.1.2.3:4444", true),
            ("11.1.2.3:4444", false),
            ("[::ffff:10.1.2.3]:4444", true),
            ("[2001:db8::1]:4444", true),
            ("[2001:db9::1]:4444", false),
            ("192.0.2.7:1", true),
            ("192.0.2.8:1", false),
            ("10.1.2.3", false),
            ("127.1:80", false),
            ("0x0a.1:80", false),
            ("010.0.0.1:80", false),
            ("[2001:db8::1%1]:80", false),
            ("[2001:db8::1%0]:80", false),
            ("/tmp/pipe", false),
            ("", false),
        ] {
            assert_eq!(
                allows(&list, SourceAddress::Peer, attribute),
                expected,
                "{attribute}"
            );
        }
    }

    #[test]
    fn an_address_from_a_header_counts_only_where_forwarded_addresses_are_believed() {
        for (mode, expected) in [
            (SourceAddress::Peer, false),
            (SourceAddress::Forwarded, true),
        ] {
            assert_eq!(
                allows(&["10.0.0.0/8"], mode, "10.1.2.3:0"),
                expected,
                "{mode:?}"
            );
        }
    }

    #[test]
    fn the_edges_of_a_list_hold() {
        assert!(!allows(&[], SourceAddress::Peer, "10.1.2.3:1"));
        assert!(allows(&["0.0.0.0/0"], SourceAddress::Peer, "10.1.2.3:1"));
        assert!(!allows(
            &["0.0.0.0/0"],
            SourceAddress::Peer,
            "[2001:db8::1]:1"
        ));
        assert!(!allows(&["::/0"], SourceAddress::Peer, "10.1.2.3:1"));
    }

    #[test]
    fn a_network_that_could_mean_two_things_is_refused() {
        for text in [
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.1/8",
            "010.0.0.0/8",
            "10.0.0.00/8",
            "10.0.0.0/08",
            "10.0.0.0/",
            "10.0.0",
            "::ffff:10.0.0.0/104",
            "fe80::1%eth0",
            "localhost",
        ] {
            assert!(AllowList::default().add(text).is_err(), "{text}");
        }
    }
}
