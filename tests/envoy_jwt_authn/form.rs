//! The text of a token: segments, base64url, size, other serializations; and texts that are no JSON object.

use serde_json::json;

use crate::catalogue::{Catalogue, Rfc};
use crate::harness::tokens::{Token, base64, from_base64};

pub fn write(catalogue: &mut Catalogue) {
    segments(catalogue);
    base64url(catalogue);
    unused_bits(catalogue);
    other_serializations(catalogue);
    sizes(catalogue);
}

/// Variants of a JSON object with `"VALUE"` in it that are none.
pub fn not_json(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let inside = |bytes: &[u8]| {
        let (before, after) = good.split_once("VALUE").expect("a place");
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let text = |text: String| text.into_bytes();
    vec![
        ("not UTF-8 (ff)", inside(&[0xff])),
        ("not UTF-8 (an overlong slash)", inside(&[0xc0, 0xaf])),
        ("not UTF-8 (a surrogate)", inside(&[0xed, 0xa0, 0x80])),
        ("broken by a NUL", inside(&[0])),
        ("broken by a newline in a string", inside(b"\n")),
        (
            "UTF-16",
            good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
        ("with a comment", text(good.replacen(',', "/**/,", 1))),
        ("with single quotes", text(good.replace('"', "'"))),
        ("with a comma too many", text(good.replace('}', ",}"))),
        ("without the last brace", text(good.replace('}', ""))),
        ("two objects", text(format!("{good}{{}}"))),
        ("an object and a NUL", text(format!("{good}\0"))),
        ("an object and a word", text(format!("{good} x"))),
        ("with NaN", text(good.replace("\"VALUE\"", "NaN"))),
        (
            "with a number that starts with 0",
            text(good.replace("\"VALUE\"", "01")),
        ),
        ("an array", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("a string", br#""x""#.to_vec()),
        ("a number", b"1".to_vec()),
        ("a space", b" ".to_vec()),
    ]
}

fn segments(catalogue: &mut Catalogue) {
    let [header, claims, signature] = catalogue.good_segments();
    for (name, token) in [
        ("one segment", header.clone()),
        ("two segments", format!("{header}.{claims}")),
        (
            "four segments",
            format!("{header}.{claims}.{signature}.{signature}"),
        ),
        (
            "five segments",
            format!("{header}.AAAA.AAAA.{claims}.{signature}"),
        ),
        ("a dot before", format!(".{header}.{claims}.{signature}")),
        ("a dot behind", format!("{header}.{claims}.{signature}.")),
        (
            "two dots behind",
            format!("{header}.{claims}.{signature}.."),
        ),
        (
            "an empty segment after the header",
            format!("{header}..{claims}.{signature}"),
        ),
        (
            "an empty segment before the signature",
            format!("{header}.{claims}..{signature}"),
        ),
        ("no claims", format!("{header}..{signature}")),
        ("no header", format!(".{claims}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("two dots", "..".to_owned()),
        ("a thousand dots", ".".repeat(1000)),
        ("a word", "token".to_owned()),
    ] {
        catalogue.add_text(Rfc::MustRefuse, "RFC 7515 7.1", name, token);
    }
    let good = format!("{header}.{claims}.{signature}");
    catalogue.add_text(Rfc::MustAccept, "RFC 7515 7.1", "three segments", good);
}

fn base64url(catalogue: &mut Catalogue) {
    let segments = catalogue.good_segments();
    let names = ["header", "claims", "signature"];
    for (index, name) in names.into_iter().enumerate() {
        for (what, between) in [
            ("a pad", "="),
            ("a space", " "),
            ("a tab", "\t"),
            ("an encoded pad", "%3D"),
            ("a question mark", "?"),
            ("a comma", ","),
            ("a star", "*"),
            ("two pads", "=="),
        ] {
            let mut altered = segments.clone();
            let middle = altered[index].len() / 2;
            // Pads stand behind, everything else in the middle.
            let at = if between.starts_with('=') {
                altered[index].len()
            } else {
                middle
            };
            altered[index].insert_str(at, between);
            let last = index == 2 && between.trim().is_empty();
            assert!(!last || middle > 0);
            let [header, claims, signature] = altered;
            // Signed as it stands, where that can be: then only the text is wrong.
            let token = if index == 2 {
                format!("{header}.{claims}.{signature}")
            } else {
                Catalogue::signed_as_it_stands(&header, &claims)
            };
            catalogue.add_text(
                Rfc::MustRefuse,
                "RFC 7515 2",
                format!("{what} in the {name}"),
                token,
            );
        }
    }
    // The two letters in which base64 and base64url differ.
    let claims = base64(
        r#"{"iss":"https://idp.test","aud":"api","tenant":"t1","exp":4102444800,"x":"???>>>~~~"}"#
            .as_bytes(),
    );
    assert!(claims.contains('_') || claims.contains('-'), "{claims}");
    let [header, _, signature] = &segments;
    let good = Catalogue::signed_as_it_stands(header, &claims);
    catalogue.add_text(Rfc::MustAccept, "RFC 7515 2", "claims with - or _", good);
    let plain = claims.replace('-', "+").replace('_', "/");
    let token = Catalogue::signed_as_it_stands(header, &plain);
    catalogue.add_text(Rfc::MustRefuse, "RFC 7515 2", "claims with + or /", token);
    let plain = signature.replace('-', "+").replace('_', "/");
    let token = format!("{header}.{}.{plain}", segments[1]);
    catalogue.add_text(
        Rfc::MustRefuse,
        "RFC 7515 2",
        "a signature with + or /",
        token,
    );
    let upper = segments.join(".").to_ascii_uppercase();
    catalogue.add_text(Rfc::MustRefuse, "RFC 7515 5.2", "all in capitals", upper);
}

/// The last letter of a segment may have bits that mean nothing, and must be zero.
fn unused_bits(catalogue: &mut Catalogue) {
    let [header, claims, signature] = catalogue.good_segments();
    let section = "RFC 4648 3.5";
    let padded = |segment: &str, filler: &str| {
        // White space in the JSON brings the segment to a length that leaves such bits.
        let mut bytes = from_base64(segment);
        while bytes.len().is_multiple_of(3) {
            bytes.extend_from_slice(filler.as_bytes());
        }
        let mut text = base64(&bytes).into_bytes();
        let last = text.last_mut().unwrap();
        *last += 1;
        String::from_utf8(text).unwrap()
    };
    let token = Catalogue::signed_as_it_stands(&padded(&header, " "), &claims);
    catalogue.add_text(
        Rfc::MayBeRefused,
        section,
        "unused bits in the header",
        token,
    );
    let token = Catalogue::signed_as_it_stands(&header, &padded(&claims, " "));
    catalogue.add_text(
        Rfc::MayBeRefused,
        section,
        "unused bits in the claims",
        token,
    );
    // 256 bytes leave four such bits.
    let token = format!("{header}.{claims}.{}", padded(&signature, ""));
    catalogue.add_text(
        Rfc::MayBeRefused,
        section,
        "unused bits in the signature",
        token,
    );
}

fn other_serializations(catalogue: &mut Catalogue) {
    let [header, claims, signature] = catalogue.good_segments();
    let good = format!("{header}.{claims}.{signature}");
    let flattened = json!({ "protected": header, "payload": claims, "signature": signature });
    let general = json!({ "payload": claims, "signatures": [{ "protected": header, "signature": signature }] });
    for (name, token) in [
        ("the flattened JSON serialization", flattened.to_string()),
        ("the general JSON serialization", general.to_string()),
        ("a token in quotes", format!("\"{good}\"")),
        ("a token and a comma", format!("{good},")),
        ("a token twice, with a comma", format!("{good},{good}")),
        ("a token twice, with a space", format!("{good} {good}")),
        ("a token and a parameter", format!("{good}; a=b")),
        ("a token that is percent-encoded", good.replace('.', "%2E")),
        ("a scheme twice", format!("Bearer {good}")),
        ("a token in base64", base64(good.as_bytes())),
    ] {
        catalogue.add_text(Rfc::MustRefuse, "RFC 7519 3", name, token);
    }
    let nested = Token::good().header("cty", "JWT").claims_text(&good);
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 7519 5.2",
        "a token in a token",
        &nested,
    );
    let jwe = base64(br#"{"alg":"RSA-OAEP","enc":"A256GCM","kid":"r1"}"#);
    let token = format!("{jwe}.AAAA.AAAA.AAAA.AAAA");
    catalogue.add_text(
        Rfc::MayBeRefused,
        "RFC 7519 7.2 (7)",
        "an encrypted token",
        token,
    );
}

fn sizes(catalogue: &mut Catalogue) {
    for (rfc, kilobytes) in [
        (Rfc::MustAccept, 8),
        (Rfc::MayBeTaken, 11),
        (Rfc::MayBeRefused, 16),
        (Rfc::MayBeRefused, 30),
    ] {
        let token = Token::good().claim("groups", "g".repeat(kilobytes * 1024));
        catalogue.add(
            rfc,
            "RFC 9110 5.4",
            format!("{kilobytes} KiB of claims"),
            &token,
        );
    }
}
