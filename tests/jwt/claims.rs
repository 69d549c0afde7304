//! CLM: issuer, audience and confirmation.

use serde_json::json;
use tenantgate::authorizer::jwt::{BadSignature, Jws, Refusal, UnacceptableClaims};

use crate::tokens::{Key, Token};
use crate::{in_seconds, judge, now};

#[test]
fn clm_08_an_audience_is_a_string_or_an_array_of_strings() {
    for aud in [
        json!("api"),
        json!(["api"]),
        json!(["x", "api"]),
        json!(["api", "api"]),
    ] {
        judge().admits_as(
            &aud.to_string(),
            Token::good().claim("aud", aud).sign(now()),
        );
    }
    for (aud, why) in [
        (json!([]), UnacceptableClaims::OtherAudience),
        (json!(["x", "y"]), UnacceptableClaims::OtherAudience),
        (json!([7, "api"]), UnacceptableClaims::AudienceType),
        (json!(["api", null]), UnacceptableClaims::AudienceType),
        (json!(["api", ["api"]]), UnacceptableClaims::AudienceType),
        (json!([["api"]]), UnacceptableClaims::AudienceType),
        (json!([7]), UnacceptableClaims::AudienceType),
        (json!(7), UnacceptableClaims::AudienceType),
        (json!(true), UnacceptableClaims::AudienceType),
        (json!(null), UnacceptableClaims::AudienceType),
        (json!({"api": 1}), UnacceptableClaims::AudienceType),
    ] {
        judge().refuses_as(
            &aud.to_string(),
            Token::good().claim("aud", aud.clone()).sign(now()),
            why,
        );
    }
    judge().refuses(
        Token::good().without("aud").sign(now()),
        UnacceptableClaims::AudienceType,
    );
}

#[test]
fn clm_09_an_audience_is_compared_byte_for_byte() {
    for aud in [
        "API",
        "api/",
        "api2",
        "xapi",
        "ap",
        "",
        " api",
        "api ",
        "api\u{0}",
        "https://api",
        "a\u{440}i",
        "api,x",
        "x api",
    ] {
        let token = Token::good().claim("aud", aud).sign(now());
        judge().refuses_as(aud, token, UnacceptableClaims::OtherAudience);
        let token = Token::good().claim("aud", json!(["x", aud])).sign(now());
        judge().refuses_as(aud, token, UnacceptableClaims::OtherAudience);
    }
    judge().admits(Token::good().claim("aud", "api").sign(now()));
}

#[test]
fn clm_10_any_one_of_the_configured_audiences_will_do_and_none_is_nobody() {
    let mut judge = judge();
    judge.rules.audiences = vec!["other".to_owned(), "api".to_owned()];
    judge.admits(Token::good().sign(now()));
    judge.rules.audiences = vec![];
    judge.refuses(Token::good().sign(now()), UnacceptableClaims::OtherAudience);
    judge.refuses(
        Token::good().claim("aud", json!([])).sign(now()),
        UnacceptableClaims::OtherAudience,
    );
}

#[test]
fn clm_11_an_issuer_is_a_string() {
    for iss in [
        json!(null),
        json!(1),
        json!({}),
        json!(["https://idp.test"]),
        json!(["https://evil", "https://idp.test"]),
        json!(""),
        json!(true),
    ] {
        let token = Token::good().claim("iss", iss.clone()).sign(now());
        judge().refuses_as(&iss.to_string(), token, UnacceptableClaims::OtherIssuer);
    }
    judge().refuses(
        Token::good().without("iss").sign(now()),
        UnacceptableClaims::OtherIssuer,
    );
    judge().admits(Token::good().claim("iss", "https://idp.test").sign(now()));
}

#[test]
fn clm_12_an_issuer_is_compared_byte_for_byte() {
    for iss in [
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
        let token = Token::good().claim("iss", iss).sign(now());
        judge().refuses_as(iss, token, UnacceptableClaims::OtherIssuer);
    }
}

#[test]
fn clm_16_a_token_that_is_bound_to_a_key_is_no_bearer_token() {
    for cnf in [
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"kid": "k"}),
        json!({}),
        json!(null),
    ] {
        let token = Token::good().claim("cnf", cnf.clone()).sign(now());
        judge().refuses_as(
            &cnf.to_string(),
            token,
            UnacceptableClaims::SenderConstrained,
        );
    }
    judge().admits(
        Token::good()
            .claim("confirmed", json!({"jkt": "x"}))
            .sign(now()),
    );
}

#[test]
fn a_token_is_called_expired_only_when_nothing_else_is_wrong() {
    let expired = || {
        Token::good()
            .claim("iat", in_seconds(-900))
            .claim("exp", in_seconds(-600))
    };
    judge().refuses(expired().sign(now()), Refusal::Expired);
    let claims = UnacceptableClaims::OtherIssuer;
    judge().refuses(expired().claim("iss", "https://evil").sign(now()), claims);
    judge().refuses(
        expired().claim("aud", "x").sign(now()),
        UnacceptableClaims::OtherAudience,
    );
    judge().refuses(
        expired().signed_by(Key::R2).sign(now()),
        BadSignature::Mismatch,
    );
    judge().refuses(
        expired().claim("nbf", "x").sign(now()),
        UnacceptableClaims::NotANumericDate("nbf"),
    );
    judge().refuses(
        expired().claim("nbf", in_seconds(60)).sign(now()),
        UnacceptableClaims::NotYetValid,
    );
    judge().refuses(
        expired().claim("cnf", json!({"jkt": "x"})).sign(now()),
        UnacceptableClaims::SenderConstrained,
    );
    judge().refuses(expired().key(Key::R2).sign(now()), Refusal::UnknownKey);
}

#[test]
fn the_claims_of_a_verified_token_are_all_there_and_in_no_log() {
    let token = Token::good()
        .claim("scope", "a b")
        .claim("realm", json!({"tenant": "t2"}));
    let claims = judge().admits(token.sign(now()));
    assert_eq!(claims.claims()["scope"], "a b");
    assert_eq!(claims.claims()["realm"]["tenant"], "t2");
    assert_eq!(claims.claims()["sub"], "u1");
    let debug = format!("{claims:?}");
    assert!(!debug.contains("u1") && !debug.contains("t2"), "{debug}");
}

#[test]
fn clm_17_only_the_issuer_can_be_read_before_verification() {
    let token = Token::good().signature("wrong").sign(now());
    let jws = Jws::parse(token.as_bytes()).unwrap();
    assert_eq!(jws.unverified_issuer(), Some("https://idp.test"));
    assert_eq!(format!("{jws:?}"), "Jws { .. }");
    for other in [
        json!(null),
        json!(1),
        json!(["https://idp.test"]),
        json!({}),
    ] {
        let token = Token::good().claim("iss", other).sign(now());
        assert_eq!(
            Jws::parse(token.as_bytes()).unwrap().unverified_issuer(),
            None
        );
    }
}
