//! Addresses and networks, against a reading of their texts and a comparison of their bits by hand.
//!
//! The input, in lines: the networks of a list, an empty line, and what Envoy says of the caller (`source.address`).

#![no_main]

#[path = "../../tests/properties/reference/source.rs"]
mod reference;

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use reference::{bits, from_bits};
use tenantgate::source::{AllowList, SourceAddress};
use tenantgate_fuzz::input::lines;

/// The bits that the addresses of a network begin with.
type Network = Vec<bool>;

fuzz_target!(|input: &[u8]| {
    let (mut list, mut networks) = (AllowList::default(), Vec::new());
    let mut lines = lines(input);
    for line in lines.by_ref().take_while(|line| !line.is_empty()).take(16) {
        let Ok(text) = std::str::from_utf8(line) else {
            continue;
        };
        let expected = network(text);
        assert_eq!(list.add(text).is_ok(), expected.is_some(), "{text}");
        networks.extend(expected);
    }
    assert_eq!(list.iter().count(), networks.len());
    for line in lines.take(16) {
        for mode in [SourceAddress::Peer, SourceAddress::Forwarded] {
            let expected = caller(line, mode);
            let read = mode.read(line);
            assert_eq!(read, expected, "{} {mode:?}", line.escape_ascii());
            let Some(address) = read else { continue };
            let caller = bits(address);
            // Networks of the other family have another length, and none is so short that it does not matter.
            let inside = networks.iter().any(|network| {
                network.len() <= caller.len() + 1
                    && network[0] == (caller.len() == 32)
                    && network[1..] == caller[..network.len() - 1]
            });
            assert_eq!(list.contains(address), inside, "{address} in {networks:?}");
        }
    }
});

/// A network: whether it is of IPv4, then its bits. Nothing where bits behind its prefix are set, or where it is one of
/// IPv4 in IPv6 clothes.
fn network(text: &str) -> Option<Network> {
    let (text, length) = match text.split_once('/') {
        Some((text, length)) => (text, Some(plain_number(length)?)),
        None => (text, None),
    };
    let address = address(text)?;
    let all = bits(address);
    let length = length.map_or(all.len(), |length| {
        usize::try_from(length).unwrap_or(usize::MAX)
    });
    let is_mapped =
        all.len() == 128 && all[..80].iter().all(|bit| !bit) && all[80..96].iter().all(|bit| *bit);
    let behind = all.get(length..)?;
    (!behind.contains(&true) && !is_mapped).then(|| [&[all.len() == 32], &all[..length]].concat())
}

/// The caller, where it is an address with a port, and under `Peer` a port that a peer can have.
fn caller(attribute: &[u8], mode: SourceAddress) -> Option<IpAddr> {
    let (host, port) = std::str::from_utf8(attribute).ok()?.rsplit_once(':')?;
    let address = match host.strip_prefix('[') {
        Some(host) => address(host.strip_suffix(']')?).filter(IpAddr::is_ipv6)?,
        None => address(host).filter(IpAddr::is_ipv4)?,
    };
    let port = number(port).filter(|port| *port <= 65_535)?;
    if port == 0 && mode == SourceAddress::Peer {
        return None;
    }
    let all = bits(address);
    let is_mapped =
        all.len() == 128 && all[..80].iter().all(|bit| !bit) && all[80..96].iter().all(|bit| *bit);
    Some(if is_mapped {
        from_bits(&all[96..])
    } else {
        address
    })
}

/// Decimal digits.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let digits = text.bytes().map(|digit| u64::from(digit - b'0'));
    is_number.then(|| {
        digits.fold(0_u64, |value, digit| {
            value.saturating_mul(10).saturating_add(digit)
        })
    })
}

/// Digits without a zero in front, which some read in octal.
fn plain_number(text: &str) -> Option<u64> {
    number(text).filter(|_| text == "0" || !text.starts_with('0'))
}

/// RFC 4291 section 2.2: eight groups, `::` for as many zeros as are missing, the last two as an IPv4 address.
fn address(text: &str) -> Option<IpAddr> {
    if !text.contains(':') {
        return octets(text).map(IpAddr::from);
    }
    let groups = |text: &str| -> Option<Vec<u16>> {
        let mut groups = Vec::new();
        let mut parts = text.split(':').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() && part.contains('.') {
                let [a, b, c, d] = octets(part)?;
                groups.extend([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]);
            } else {
                let is_group =
                    (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
                groups.push(u16::from_str_radix(is_group.then_some(part)?, 16).ok()?);
            }
        }
        Some(groups)
    };
    let side = |text: &str| {
        if text.is_empty() {
            Some(Vec::new())
        } else {
            groups(text)
        }
    };
    let all = match text.split_once("::") {
        None => groups(text)?,
        Some((before, _)) if before.contains('.') => return None,
        Some((before, after)) => {
            let (before, after) = (side(before)?, side(after)?);
            let missing = 8_usize
                .checked_sub(before.len() + after.len())
                .filter(|n| *n > 0)?;
            [before, vec![0; missing], after].concat()
        }
    };
    <[u16; 8]>::try_from(all).ok().map(IpAddr::from)
}

/// Four numbers.
fn octets(text: &str) -> Option<[u8; 4]> {
    let octet = |part| u8::try_from(plain_number(part)?).ok();
    let octets: Vec<u8> = text.split('.').map(octet).collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok()
}
