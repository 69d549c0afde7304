//! An address is on a list if its first bits are those of a network on it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use tenantgate::source::{AllowList, SourceAddress};

use crate::cases;
use crate::reference::source::{bits, from_bits};

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| IpAddr::V6(Ipv6Addr::from_bits(bits))),
    ]
}

/// A network, by the bits that its addresses begin with.
fn network() -> impl Strategy<Value = (IpAddr, usize)> {
    (address(), 0_usize..=128).prop_map(|(address, length)| {
        let mut all = bits(address);
        let length = length % (all.len() + 1);
        all[length..].fill(false);
        (from_bits(&all), length)
    })
}

/// `source.address` as Envoy writes it.
fn attribute(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        IpAddr::V6(_) => address,
    }
}

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn membership_is_a_comparison_of_leading_bits(
        networks in prop::collection::vec(network(), 0..4),
        near in 0_usize..4, flips in prop::collection::vec(0_usize..128, 0..3), far in address(), port in 1_u16..,
    ) {
        // A few flipped bits away from a network: half of these addresses are inside.
        let caller = networks.get(near).map_or(far, |(base, _)| {
            let mut all = bits(*base);
            let count = all.len();
            for flip in &flips {
                all[flip % count] ^= true;
            }
            from_bits(&all)
        });
        let mut list = AllowList::default();
        for (base, length) in &networks {
            prop_assume!(base.to_canonical() == *base);
            list.add(&format!("{base}/{length}")).unwrap();
        }
        prop_assume!(caller.to_canonical() == caller);
        let expected = networks.iter().any(|(base, length)| {
            let (base, caller) = (bits(*base), bits(caller));
            base.len() == caller.len() && base[..*length] == caller[..*length]
        });
        for spelled in [caller, mapped(caller)] {
            for (mode, port, counts) in [
                (SourceAddress::Peer, port, true),
                (SourceAddress::Peer, 0, false),
                (SourceAddress::Forwarded, port, true),
                (SourceAddress::Forwarded, 0, true),
            ] {
                let read = mode.read(attribute(spelled, port).as_bytes());
                prop_assert_eq!(read.is_some_and(|address| list.contains(address)), counts && expected, "{} {} {:?}", spelled, port, mode);
            }
        }
    }

    #[test]
    fn a_network_with_bits_behind_its_prefix_is_refused(address in address(), length in 0_usize..=140) {
        let all = bits(address);
        let meant = length <= all.len() && all[length..].iter().all(|bit| !bit) && address.to_canonical() == address;
        prop_assert_eq!(AllowList::default().add(&format!("{address}/{length}")).is_ok(), meant);
    }

    #[test]
    fn only_an_address_with_a_port_is_an_address(attribute in "([0-9a-fx.:%/\\[\\] -]{0,24}|\\PC{0,8})(:[0-9]{1,6})?") {
        let plain = attribute.rsplit_once(':').and_then(|(host, port)| {
            let host = host.strip_prefix('[').map_or(Some(host), |v6| v6.strip_suffix(']').filter(|v6| v6.contains(':')))?;
            let host: IpAddr = host.parse().ok()?;
            Some((host, port.parse::<u16>().ok()?))
        });
        let read = SourceAddress::Forwarded.read(attribute.as_bytes());
        if let Some(address) = read {
            prop_assert_eq!(Some(address), plain.map(|(address, _)| address.to_canonical()));
        }
    }
}
