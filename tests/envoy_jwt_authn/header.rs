//! The JOSE header: extensions that must be understood, keys that a token brings, names of keys, kinds of token.

use serde_json::json;

use crate::catalogue::{Catalogue, Rfc, short};
use crate::harness::tokens::{Key, Token, base64};

pub fn write(catalogue: &mut Catalogue) {
    critical(catalogue);
    keys_that_a_token_brings(catalogue);
    names_of_keys(catalogue);
    kinds(catalogue);
    what_must_be_ignored(catalogue);
    spellings(catalogue);
}

fn critical(catalogue: &mut Catalogue) {
    for crit in [
        json!(["x-policy"]),
        json!([]),
        json!("x-policy"),
        json!(["alg"]),
        json!(["exp"]),
        json!(["absent"]),
        json!(["x-policy", "x-policy"]),
        json!([1]),
        json!(null),
        json!(false),
    ] {
        let name = format!("crit {crit}");
        let token = Token::good()
            .header("x-policy", "deny")
            .header("crit", crit);
        catalogue.add(Rfc::MustRefuse, "RFC 7515 4.1.11", name, &token);
    }
    let b64 = Token::good().header("b64", false);
    let name = "b64 false, said to be critical";
    let critical = b64.clone().header("crit", json!(["b64"]));
    catalogue.add(Rfc::MustRefuse, "RFC 7515 4.1.11", name, &critical);
    catalogue.add(Rfc::MayBeRefused, "RFC 7797 6, 7", "b64 false", &b64);
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 7797 6, 7",
        "b64 true",
        &Token::good().header("b64", true),
    );
}

fn keys_that_a_token_brings(catalogue: &mut Catalogue) {
    for (name, value) in [
        ("jwk", Key::R2.jwk()),
        ("jku", json!("https://evil.test/keys")),
        ("x5u", json!("https://evil.test/chain")),
        ("x5c", json!(["MIIBszCCAVmgAwIBAgIUe3"])),
        ("x5t", json!(base64(&[7; 20]))),
        ("x5t#S256", json!(base64(&[7; 32]))),
    ] {
        let token = Token::good().header(name, value);
        // They say which key it was, and it was ours.
        catalogue.add(
            Rfc::MayBeTaken,
            "RFC 7515 6",
            format!("{name} of another, signed by r1"),
            &token,
        );
        let forged = token.signed_by(Key::R2);
        let section = "RFC 8725 3.10";
        catalogue.add(
            Rfc::MustRefuse,
            section,
            format!("{name} and signature of another"),
            &forged,
        );
        let name = format!("{name} and signature of another, who is named");
        catalogue.add(Rfc::MustRefuse, section, name, &forged.header("kid", "r2"));
    }
}

fn names_of_keys(catalogue: &mut Catalogue) {
    let long = "k".repeat(4000);
    for kid in [
        "../../../../dev/null",
        "' OR 1=1--",
        "r1\r\nset-cookie: a=b",
        "\u{0}",
        "",
        "R1",
        "r1 ",
        "r1\u{200b}",
        "r1|https://other",
        "r2",
        "small",
        "enc",
        "e1exp",
        "short",
        "e1",
        &long,
    ] {
        // RFC 7515 has kid as a hint: who finds no key by it may look at all, or refuse.
        let token = Token::good().header("kid", kid);
        let name = format!("kid {:?}, signed by r1", short(kid));
        catalogue.add(Rfc::MayBeRefused, "RFC 7515 4.1.4", name, &token);
    }
    for kid in [
        json!(1),
        json!(null),
        json!(true),
        json!(["r1"]),
        json!({ "r1": 1 }),
    ] {
        let name = format!("kid {kid}");
        let token = Token::good().header("kid", kid);
        catalogue.add(Rfc::MustRefuse, "RFC 7515 4.1.4", name, &token);
    }
}

fn kinds(catalogue: &mut Catalogue) {
    for typ in [
        "jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "application/jwt",
    ] {
        let token = Token::good().header("typ", typ);
        catalogue.add(
            Rfc::MustAccept,
            "RFC 7515 4.1.9",
            format!("typ {typ}"),
            &token,
        );
    }
    catalogue.add(
        Rfc::MustAccept,
        "RFC 7519 5.1",
        "no typ",
        &Token::good().without_header("typ"),
    );
    for typ in [
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "application/secevent+jwt",
        "oauth-authz-req+jwt",
        "kb+jwt",
        "JWE",
        "JOSE+JSON",
        "",
    ] {
        let token = Token::good().header("typ", typ);
        catalogue.add(
            Rfc::MayBeRefused,
            "RFC 8725 3.11",
            format!("typ {typ:?}"),
            &token,
        );
    }
    for typ in [json!(1), json!(null), json!(["JWT"])] {
        let name = format!("typ {typ}");
        catalogue.add(
            Rfc::MayBeRefused,
            "RFC 7515 4.1.9",
            name,
            &Token::good().header("typ", typ),
        );
    }
    for cty in ["JWT", "jwt", "application/jwt"] {
        let token = Token::good().header("cty", cty);
        catalogue.add(
            Rfc::MayBeRefused,
            "RFC 7519 5.2",
            format!("cty {cty}"),
            &token,
        );
    }
    catalogue.add(
        Rfc::MustAccept,
        "RFC 7515 4.1.10",
        "cty json",
        &Token::good().header("cty", "json"),
    );
    for (name, value) in [("enc", "A256GCM"), ("zip", "DEF")] {
        let token = Token::good().header(name, value);
        catalogue.add(
            Rfc::MayBeRefused,
            "RFC 7516 9",
            format!("{name} {value}"),
            &token,
        );
    }
}

fn what_must_be_ignored(catalogue: &mut Catalogue) {
    for (name, value) in [
        ("x-policy", json!("deny")),
        ("nonce", json!("n")),
        ("number", json!(1.5)),
        ("nothing", json!(null)),
        ("list", json!([1, [2, { "alg": "none" }]])),
        ("object", json!({ "alg": "none", "kid": "r2" })),
        ("ALG", json!("none")),
        ("Crit", json!(["x"])),
        ("\u{e4}", json!("\u{1f511}")),
        ("iss", json!("https://evil.test")),
        ("exp", json!(1)),
    ] {
        let token = Token::good().header(name, value);
        catalogue.add(
            Rfc::MustAccept,
            "RFC 7515 4",
            format!("{name} in the header"),
            &token,
        );
    }
}

fn spellings(catalogue: &mut Catalogue) {
    for (name, text) in [
        (
            "in another order",
            r#"{"typ":"JWT","kid":"r1","alg":"RS256"}"#,
        ),
        (
            "with white space",
            "\r\n{ \"alg\" :\t\"RS256\" ,\n\"kid\":\"r1\" }\n ",
        ),
        ("with an escaped name", r#"{"\u0061lg":"RS256","kid":"r1"}"#),
        (
            "with an escaped value",
            r#"{"alg":"\u0052S256","kid":"\u00721"}"#,
        ),
    ] {
        let token = Token::good().header_text(text);
        catalogue.add(
            Rfc::MustAccept,
            "RFC 8259 2, 7",
            format!("a header {name}"),
            &token,
        );
    }
    for (rfc, text) in [
        (
            Rfc::MayBeRefused,
            r#"{"alg":"none","alg":"RS256","kid":"r1"}"#,
        ),
        (
            Rfc::MayBeRefused,
            r#"{"alg":"RS256","alg":"RS256","kid":"r1"}"#,
        ),
        (
            Rfc::MayBeRefused,
            r#"{"alg":"RS256","kid":"r2","kid":"r1"}"#,
        ),
        (
            Rfc::MayBeRefused,
            r#"{"alg":"RS256","kid":"r1","other":{"a":1,"a":1}}"#,
        ),
        (
            Rfc::MustRefuse,
            r#"{"alg":"RS256","alg":"none","kid":"r1"}"#,
        ),
        (
            Rfc::MustRefuse,
            r#"{"alg":"RS256","\u0061lg":"HS256","kid":"r1"}"#,
        ),
    ] {
        // To be refused, or the last one counts.
        let token = Token::good().header_text(text);
        catalogue.add(rfc, "RFC 7515 4", format!("the header {text}"), &token);
    }
    let good = r#"{"alg":"RS256","kid":"r1","x":"VALUE"}"#;
    for (name, text) in crate::form::not_json(good) {
        let token = Token::good().header_text(text);
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 7515 5.2 (3)",
            format!("a header that is {name}"),
            &token,
        );
    }
}
