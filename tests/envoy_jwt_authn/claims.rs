//! The claims: issuer, audience, times, and what is none of our business.

use serde_json::{Value, json};

use crate::catalogue::{Catalogue, Rfc, short};
use crate::harness::tokens::Token;

pub fn write(catalogue: &mut Catalogue) {
    audience(catalogue);
    issuer(catalogue);
    times(catalogue);
    people(catalogue);
    what_must_be_ignored(catalogue);
    spellings(catalogue);
}

fn audience(catalogue: &mut Catalogue) {
    let section = "RFC 7519 4.1.3";
    let mut claim = |rfc, aud: Value| {
        let name = format!("aud {}", short(&aud.to_string()));
        catalogue.add(rfc, section, name, &Token::good().claim("aud", aud));
    };
    for aud in [
        json!(["api"]),
        json!(["x", "api"]),
        json!(["api", "api"]),
        json!(["api", "https://x"]),
    ] {
        claim(Rfc::MustAccept, aud);
    }
    for aud in [
        json!([]),
        json!(["x", "y"]),
        json!([7, "api"]),
        json!(["api", null]),
        json!([["api"]]),
        json!([7]),
        json!(7),
        json!(true),
        json!(null),
        json!({ "api": 1 }),
    ] {
        claim(Rfc::MustRefuse, aud);
    }
    for aud in [
        "API",
        "api/",
        "api//",
        "api2",
        "xapi",
        "ap",
        "",
        " api",
        "api ",
        "api\u{0}",
        "https://api",
        "http://api/",
        "a\u{440}i",
        "api,x",
        "x api",
    ] {
        claim(Rfc::MustRefuse, json!(aud));
        claim(Rfc::MustRefuse, json!(["x", aud]));
    }
    catalogue.add(
        Rfc::MayBeRefused,
        section,
        "no aud",
        &Token::good().without("aud"),
    );
}

fn issuer(catalogue: &mut Catalogue) {
    for iss in [
        json!(null),
        json!(1),
        json!({}),
        json!(["https://idp.test"]),
        json!(true),
    ] {
        let name = format!("iss {iss}");
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 7519 4.1.1",
            name,
            &Token::good().claim("iss", iss),
        );
    }
    for iss in [
        "",
        "https://idp.test/",
        "https://idp.test:443",
        "HTTPS://idp.test",
        "https://IDP.test",
        "https://idp.test.evil",
        "https://idp.test@evil",
        "https://idp.test#",
        "https://idp.test?",
        "https://idp%2etest",
        "https://idp.tes",
        "https://\u{456}dp.test",
        "https://idp.test\u{0}",
        " https://idp.test",
        "http://idp.test",
        "idp.test",
    ] {
        let token = Token::good().claim("iss", iss);
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 9068 4",
            format!("iss {iss:?}"),
            &token,
        );
    }
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 9068 2.2",
        "no iss",
        &Token::good().without("iss"),
    );
}

fn times(catalogue: &mut Catalogue) {
    let hour = 3600;
    for (rfc, section, claim, offset) in [
        (Rfc::MustAccept, "RFC 7519 4.1.4", "exp", hour),
        (Rfc::MayBeTaken, "RFC 7519 4.1.4", "exp", -20),
        (Rfc::MustRefuse, "RFC 7519 4.1.4", "exp", -90),
        (Rfc::MustRefuse, "RFC 7519 4.1.4", "exp", -hour),
        (Rfc::MustAccept, "RFC 7519 4.1.5", "nbf", -1),
        (Rfc::MustAccept, "RFC 7519 4.1.5", "nbf", -hour),
        (Rfc::MayBeTaken, "RFC 7519 4.1.5", "nbf", 40),
        (Rfc::MustRefuse, "RFC 7519 4.1.5", "nbf", 200),
        (Rfc::MustRefuse, "RFC 7519 4.1.5", "nbf", hour),
        (Rfc::MustAccept, "RFC 7519 4.1.6", "iat", -hour),
        (Rfc::MayBeTaken, "RFC 7519 4.1.6", "iat", 40),
        (Rfc::MayBeRefused, "RFC 7519 4.1.6", "iat", 200),
    ] {
        let token = Token::good().claim(claim, catalogue.in_seconds(offset));
        catalogue.add(rfc, section, format!("{claim} at {offset:+} s"), &token);
    }
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 7519 4.1.4",
        "no exp",
        &Token::good().without("exp"),
    );
    catalogue.add(
        Rfc::MustAccept,
        "RFC 7519 4.1.6",
        "no iat",
        &Token::good().without("iat"),
    );

    for (rfc, name, text) in [
        (Rfc::MustAccept, "exp", "4102444800.0"),
        (Rfc::MustAccept, "exp", "4102444800.9"),
        (Rfc::MustAccept, "exp", "41024448e2"),
        (Rfc::MayBeTaken, "exp", "9007199254740993"),
        (Rfc::MayBeTaken, "exp", "18446744073709551615"),
        (Rfc::MustAccept, "iat", "1700000000.25"),
        (Rfc::MustAccept, "nbf", "17e8"),
        (Rfc::MustAccept, "nbf", "0"),
        (Rfc::MustRefuse, "exp", "0"),
        (Rfc::MustRefuse, "exp", "-1"),
        (Rfc::MustRefuse, "exp", "-0.5"),
        (Rfc::MayBeRefused, "exp", "1e30"),
        (Rfc::MayBeRefused, "exp", "18446744073709551616"),
        (Rfc::MayBeRefused, "nbf", "-1"),
        (Rfc::MayBeRefused, "iat", "-1"),
        (Rfc::MustRefuse, "nbf", "1e30"),
    ] {
        raw_time(catalogue, rfc, name, text);
    }
    for name in ["exp", "nbf", "iat"] {
        for text in [
            r#""4102444800""#,
            r#""""#,
            "true",
            "null",
            "[4102444800]",
            "{}",
            r#""tomorrow""#,
        ] {
            raw_time(catalogue, Rfc::MustRefuse, name, text);
        }
    }
}

/// The JSON text of a time as it is.
fn raw_time(catalogue: &mut Catalogue, rfc: Rfc, name: &str, text: &str) {
    let exp = if name == "exp" {
        ""
    } else {
        r#""exp":4102444800,"#
    };
    let claims = format!(
        r#"{{"iss":"https://idp.test","aud":"api","sub":"u1","tenant":"t1",{exp}"{name}":{text}}}"#
    );
    let token = Token::good().claims_text(claims);
    catalogue.add(rfc, "RFC 7519 2", format!("{name} {text}"), &token);
}

fn people(catalogue: &mut Catalogue) {
    for cnf in [
        json!({ "jkt": "0ZcOCORZNYy" }),
        json!({ "x5t#S256": "bwcK0esc" }),
        json!({ "kid": "k" }),
        json!({}),
    ] {
        let name = format!("cnf {cnf}");
        catalogue.add(
            Rfc::MayBeRefused,
            "RFC 7800 3.1",
            name,
            &Token::good().claim("cnf", cnf),
        );
    }
    catalogue.add(
        Rfc::MustAccept,
        "RFC 7519 4.1.2",
        "no sub",
        &Token::good().without("sub"),
    );
    let numbered = Token::good().claim("jti", 7);
    catalogue.add(Rfc::MayBeTaken, "RFC 7519 4.1.7", "jti 7", &numbered);
    for sub in [json!("https://idp.test/users/7"), json!("a b")] {
        let name = format!("sub {sub}");
        catalogue.add(
            Rfc::MustAccept,
            "RFC 7519 4.1.2",
            name,
            &Token::good().claim("sub", sub),
        );
    }
    catalogue.add(
        Rfc::MayBeTaken,
        "RFC 7519 4.1.2",
        "sub 7",
        &Token::good().claim("sub", 7),
    );
    for sub in [
        json!({ "id": 7 }),
        json!(["u1"]),
        json!(""),
        json!(1.5),
        json!("u1\r\nx-user-id: root"),
    ] {
        // The user goes into a header: what cannot be told there is not let in.
        let name = format!("sub {sub}");
        catalogue.add(
            Rfc::MayBeRefused,
            "RFC 7519 4.1.2",
            name,
            &Token::good().claim("sub", sub),
        );
    }
}

fn what_must_be_ignored(catalogue: &mut Catalogue) {
    for (name, value) in [
        ("jti", json!("1")),
        ("scope", json!("a b c")),
        ("roles", json!(["admin"])),
        ("nothing", json!(null)),
        (
            "deep",
            json!({ "a": [{ "b": { "c": [1, 2, 3.5, null, true] } }] }),
        ),
        ("alg", json!("none")),
        ("crit", json!(["x"])),
        ("ISS", json!("https://evil.test")),
        ("__proto__", json!({ "iss": "https://evil.test" })),
        ("$serde_json::private::RawValue", json!("1")),
        ("$serde_json::private::Number", json!("1")),
        ("\u{e4}\u{1f511}", json!("\u{1f511}")),
        ("", json!("")),
        ("long", json!("x".repeat(9000))),
    ] {
        let token = Token::good().claim(name, value);
        catalogue.add(
            Rfc::MustAccept,
            "RFC 7519 4",
            format!("a claim {name:?}"),
            &token,
        );
    }
    for (rfc, depth) in [
        (Rfc::MayBeTaken, 90),
        (Rfc::MayBeRefused, 128),
        (Rfc::MayBeRefused, 3000),
    ] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let token = Token::good().claims_text(baseline(&format!(r#","deep":{deep}"#)));
        catalogue.add(
            rfc,
            "RFC 8259 9",
            format!("claims nested {depth} deep"),
            &token,
        );
    }
    for (rfc, digits) in [(Rfc::MayBeTaken, 300), (Rfc::MayBeRefused, 5000)] {
        let token = Token::good().claims_text(baseline(&format!(r#","n":{}"#, "9".repeat(digits))));
        catalogue.add(
            rfc,
            "RFC 8259 6",
            format!("a claim of {digits} digits"),
            &token,
        );
    }
    let token = Token::good().claims_text(baseline(r#","n":1e400"#));
    catalogue.add(Rfc::MayBeRefused, "RFC 8259 6", "a claim of 1e400", &token);
}

fn baseline(more: &str) -> String {
    format!(
        r#"{{"iss":"https://idp.test","aud":"api","sub":"u1","tenant":"t1","exp":4102444800{more}}}"#
    )
}

fn spellings(catalogue: &mut Catalogue) {
    let escaped = baseline("").replace("\"iss\"", r#""\u0069ss""#);
    let spaced = baseline("").replace(',', "\r\n\t, ");
    for (name, text) in [
        ("with an escaped name", escaped),
        (
            "with an escaped value",
            baseline("").replace("\"api\"", r#""\u0061p\u0069""#),
        ),
        ("with escaped slashes", baseline("").replace("//", r"\/\/")),
        ("with white space", spaced),
        (
            "with a pair of surrogates",
            baseline(r#","x":"\ud83d\udd11""#),
        ),
        ("with an escaped NUL", baseline(r#","x":"\u0000""#)),
    ] {
        let token = Token::good().claims_text(text);
        catalogue.add(
            Rfc::MustAccept,
            "RFC 8259 7",
            format!("claims {name}"),
            &token,
        );
    }
    for (rfc, more) in [
        (Rfc::MayBeRefused, r#","sub":"u2""#),
        (Rfc::MayBeRefused, r#","tenant":"t2""#),
        (Rfc::MayBeRefused, r#","realm":{"a":1,"a":2}"#),
        (Rfc::MayBeRefused, r#","exp":4102444801"#),
        (Rfc::MustRefuse, r#","exp":1"#),
        (Rfc::MustRefuse, r#","\u0069ss":"https://evil.test""#),
        (Rfc::MustRefuse, r#","aud":"other""#),
    ] {
        // To be refused, or the last one counts.
        let token = Token::good().claims_text(baseline(more));
        catalogue.add(rfc, "RFC 7519 4", format!("a claim twice: {more}"), &token);
    }
    for (name, text) in crate::form::not_json(&baseline(r#","x":"VALUE""#)) {
        let token = Token::good().claims_text(text);
        catalogue.add(
            Rfc::MustRefuse,
            "RFC 7519 7.2 (10)",
            format!("claims that are {name}"),
            &token,
        );
    }
    let bom = ["\u{feff}", &baseline("")].concat();
    let token = Token::good().claims_text(bom);
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 8259 8.1",
        "claims with a byte order mark",
        &token,
    );
    let token = Token::good().claims_text(baseline(r#","x":"\ud800""#));
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 8259 8.2",
        "claims with half a pair of surrogates",
        &token,
    );
    catalogue.add(
        Rfc::MayBeRefused,
        "RFC 9068 2.2",
        "an empty claims set",
        &Token::good().claims_text("{}"),
    );
}
