//! KEY-03: moduli that the library with the ROCA flaw made, and others.

use old_rsa::BigUint;
use old_sha2::{Digest as _, Sha256};
use serde_json::{Value, json};
use tenantgate::authorizer::jwt::UnusableKey;

use crate::key_set;
use crate::keys::{is_used, rsa, why_skipped};
use crate::tokens::from_base64;

/// Wycheproof, `json_web_key_test.json`, test 7: a key that such a library made.
const WYCHEPROOF: &str = "AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r11CqRw09yBFuW79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQWOOzl1S9OhwAfSiiOwz6efnXEaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtKUsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQVZ-QYyE";

const F4: [u8; 3] = [1, 0, 1];

#[test]
fn key_03_a_modulus_of_the_shape_that_roca_leaves_is_skipped() {
    let mut flawed = vec![("Wycheproof".to_owned(), from_base64(WYCHEPROOF))];
    // By length of the key, in bits: the last prime in M (Nemec et al., table 1).
    for (bits, last) in [(2048, 701), (3072, 701), (4096, 1427)] {
        let prime = |name| like_infineon(name, bits / 16, last);
        flawed.push((
            format!("{bits} bits"),
            (prime("p") * prime("q")).to_bytes_be(),
        ));
    }
    for (what, modulus) in flawed {
        assert_eq!(
            why_skipped(&rsa(&modulus, &F4)),
            UnusableKey::RsaRoca,
            "{what}"
        );
        let twin = (BigUint::from_bytes_be(&modulus) + 2_u8).to_bytes_be();
        is_used(&entry(&twin));
    }
}

#[test]
fn key_03_no_ordinary_modulus_is_taken_for_one() {
    for round in 0..10 {
        let modulus = |key: usize| {
            let prime = |name| without_small_factors(number(&format!("{round} {key} {name}"), 128));
            (prime("p") * prime("q")).to_bytes_be()
        };
        let entries: Vec<Value> = (0..100).map(|key| entry(&modulus(key))).collect();
        let (keys, skipped) = key_set(&json!({ "keys": entries }));
        assert_eq!((keys.len(), skipped), (100, vec![]));
    }
}

fn entry(modulus: &[u8]) -> Value {
    serde_json::from_str(&rsa(modulus, &F4)).unwrap()
}

/// `k * M + (65537^a mod M)`. It need not be prime: what is looked at is its shape.
fn like_infineon(name: &str, octets: usize, last: u32) -> BigUint {
    let product: BigUint = (2..=last).filter(|number| is_prime(*number)).product();
    let k = number(&format!("k of {name}"), octets) / &product;
    let a = number(&format!("a of {name}"), 32);
    k * &product + BigUint::from(65_537_u32).modpow(&a, &product)
}

/// To a check by small primes a number that none of them divides is like a prime.
fn without_small_factors(mut number: BigUint) -> BigUint {
    let small: Vec<u32> = (2..=167).filter(|number| is_prime(*number)).collect();
    while small
        .iter()
        .any(|prime| &number % prime == BigUint::from(0_u8))
    {
        number += 1_u8;
    }
    number
}

fn is_prime(number: u32) -> bool {
    number > 1 && (2..number).all(|divisor| !number.is_multiple_of(divisor))
}

/// So many octets, the two highest bits set, the same ones for the same name.
fn number(name: &str, octets: usize) -> BigUint {
    let block = |block: usize| Sha256::digest(format!("{name} {block}")).to_vec();
    let mut bytes: Vec<u8> = (0..octets.div_ceil(32))
        .flat_map(block)
        .take(octets)
        .collect();
    bytes[0] |= 0xc0;
    BigUint::from_bytes_be(&bytes)
}
