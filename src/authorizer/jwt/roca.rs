//! Is this modulus of the shape that the ROCA flaw left behind (CVE-2017-15361)? Its factors can be found, so that
//! anybody can sign with such a key.
//!
//! M. Nemec et al., "The Return of Coppersmith's Attack" (2017): the flawed library made each prime as `k * M + (65537^a
//! mod M)`, where `M` is the product of the first primes: at least of those up to 167, and of more for longer keys. So
//! by each of them the modulus leaves a remainder that is a power of 65537. One in 2^27.8 other moduli does that, too.

use std::iter::successors;
use std::num::NonZeroU32;

/// What the remainders are powers of.
const GENERATOR: u32 = 65_537;

/// The odd primes in `M`, whatever the length of the key.
const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether the modulus, written with its highest octet first, has that shape.
pub(super) fn left_its_shape(modulus: &[u8]) -> bool {
    let mut primes = PRIMES.into_iter().filter_map(NonZeroU32::new);
    primes.all(|prime| is_power(remainder(modulus, prime), prime))
}

/// Of the number by the prime.
fn remainder(number: &[u8], prime: NonZeroU32) -> u32 {
    number
        .iter()
        .fold(0, |rest, octet| (rest << 8 | u32::from(*octet)) % prime)
}

/// Whether the remainder is one that a power of 65537 leaves. There are at most `prime - 1` of them before they repeat.
fn is_power(rest: u32, prime: NonZeroU32) -> bool {
    let step = GENERATOR % prime;
    let mut powers = successors(Some(1), |power: &u32| {
        Some(power.saturating_mul(step) % prime).filter(|next| *next != 1)
    });
    powers.any(|power| power == rest)
}
