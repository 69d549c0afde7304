//! CLM: expiry, not-before, issued-at, and the clock.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{Refusal, UnacceptableClaims};

use crate::tokens::Token;
use crate::{Why as _, in_seconds, judge, now};

const DATES: [&str; 3] = ["exp", "nbf", "iat"];

/// The good token, with the JSON text of a claim as it is.
fn with_raw(name: &str, text: &str) -> String {
    let others = match name {
        "exp" => r#""iat":0"#,
        _ => r#""exp":4102444800"#,
    };
    let claims = format!(r#"{{"iss":"https://idp.test","aud":"api",{others},"{name}":{text}}}"#);
    Token::good().claims_text(claims).sign(now())
}

#[test]
fn clm_01_a_token_without_expiry_is_refused() {
    judge().refuses(
        Token::good().without("exp").sign(now()),
        UnacceptableClaims::NoExpiry,
    );
    judge().admits(Token::good().without("iat").sign(now()));
}

#[test]
fn clm_02_04_and_05_a_time_is_a_number_of_seconds() {
    for name in DATES {
        for text in [
            r#""4102444800""#,
            r#""""#,
            "true",
            "null",
            "[4102444800]",
            "{}",
            "-1",
            "-0.5",
            "-1e30",
            "1e30",
            "18446744073709551616",
            "1.8446744073709552e19",
        ] {
            judge().refuses_as(
                text,
                with_raw(name, text),
                UnacceptableClaims::NotANumericDate(name),
            );
        }
    }
}

#[test]
fn clm_02_any_time_that_can_be_told_is_taken() {
    let end = Timestamp::MAX;
    for (text, expires) in [
        ("4102444800", Timestamp::from_second(4_102_444_800).unwrap()),
        (
            "4102444800.0",
            Timestamp::from_second(4_102_444_800).unwrap(),
        ),
        (
            "4102444800.9",
            Timestamp::from_second(4_102_444_800).unwrap(),
        ),
        (
            "4102444800e0",
            Timestamp::from_second(4_102_444_800).unwrap(),
        ),
        ("41024448e2", Timestamp::from_second(4_102_444_800).unwrap()),
        ("9007199254740993", end),
        ("9223372036854775808", end),
        ("18446744073709551615", end),
        ("1e19", end),
    ] {
        let claims = judge().admits_as(text, with_raw("exp", text));
        assert_eq!(
            claims.expires_at().as_second(),
            expires.as_second(),
            "{text}"
        );
        // No sum overflows, however large the skew.
        judge()
            .with_skew(u64::MAX)
            .admits_as(text, with_raw("exp", text));
    }
    judge().refuses(with_raw("exp", "0"), Refusal::Expired);
    judge().refuses(with_raw("exp", "-0"), Refusal::Expired);
    judge().refuses(with_raw("exp", "0.5"), Refusal::Expired);
}

#[test]
fn clm_03_a_token_is_over_at_the_very_second_of_its_expiry() {
    let exp = in_seconds(0);
    judge().refuses(
        Token::good().claim("exp", exp).sign(now()),
        Refusal::Expired,
    );
    judge().admits(Token::good().claim("exp", exp + 1).sign(now()));
    let almost = now() + Duration::from_millis(999);
    judge()
        .at(almost)
        .admits(Token::good().claim("exp", exp + 1).sign(now()));
    let fraction = format!("{exp}.999");
    judge().refuses(with_raw("exp", &fraction), Refusal::Expired);
    let judge = judge().with_skew(60);
    judge.refuses(
        Token::good().claim("exp", exp - 60).sign(now()),
        Refusal::Expired,
    );
    judge.admits(Token::good().claim("exp", exp - 59).sign(now()));
}

#[test]
fn clm_04_a_token_is_not_good_before_its_time() {
    judge().admits(Token::good().claim("nbf", in_seconds(0)).sign(now()));
    judge().admits(Token::good().claim("nbf", in_seconds(-3600)).sign(now()));
    for nbf in [
        json!(in_seconds(1)),
        json!(in_seconds(3600)),
        json!(u64::MAX),
        json!(f64::from(u32::MAX) + 0.5),
    ] {
        let token = Token::good().claim("nbf", nbf.clone()).sign(now());
        judge().refuses_as(&nbf.to_string(), token, UnacceptableClaims::NotYetValid);
    }
    let half = Value::from(f64::from(i32::try_from(in_seconds(0)).unwrap()) + 0.5);
    judge().refuses(
        Token::good().claim("nbf", half).sign(now()),
        UnacceptableClaims::NotYetValid,
    );
    let judge = judge().with_skew(60);
    judge.admits(Token::good().claim("nbf", in_seconds(60)).sign(now()));
    judge.refuses(
        Token::good().claim("nbf", in_seconds(61)).sign(now()),
        UnacceptableClaims::NotYetValid,
    );
}

#[test]
fn clm_05_a_token_from_the_future_is_refused() {
    judge().admits(Token::good().claim("iat", in_seconds(0)).sign(now()));
    let tomorrow = Token::good()
        .claim("iat", in_seconds(86_400))
        .claim("exp", in_seconds(90_000));
    judge().refuses(tomorrow.sign(now()), UnacceptableClaims::IssuedInTheFuture);
    let judge = judge().with_skew(60);
    judge.admits(Token::good().claim("iat", in_seconds(60)).sign(now()));
    judge.refuses(
        Token::good().claim("iat", in_seconds(61)).sign(now()),
        UnacceptableClaims::IssuedInTheFuture,
    );
}

#[test]
fn clm_06_no_skew_wraps_around() {
    for skew in [1, 300, 315_360_000, u64::MAX] {
        judge()
            .with_skew(skew)
            .admits_as(&skew.to_string(), Token::good().sign(now()));
        let judge = judge()
            .with_skew(skew)
            .at(Timestamp::from_second(1).unwrap());
        judge.admits_as(&skew.to_string(), Token::good().claim("iat", 1).sign(now()));
    }
}

#[test]
fn clm_07_without_a_clock_nothing_holds() {
    let ancient = Token::good()
        .claim("iat", 0)
        .claim("exp", 4_102_444_800_i64)
        .sign(now());
    for time in [
        Timestamp::UNIX_EPOCH,
        Timestamp::from_second(-1).unwrap(),
        Timestamp::MIN,
    ] {
        judge()
            .at(time)
            .refuses(&ancient, UnacceptableClaims::NoClock);
    }
    judge()
        .at(Timestamp::from_nanosecond(1).unwrap())
        .admits(&ancient);
    judge()
        .at(Timestamp::MAX)
        .refuses(&ancient, Refusal::Expired);
}

#[test]
fn clm_07_and_tok_26_a_remembered_token_holds_no_longer_than_a_new_one_would() {
    let token = Token::good().claim("nbf", in_seconds(0)).sign(now());
    let claims = judge().admits(token);
    let holds = |seconds: i64, skew: u64| {
        let time = Timestamp::from_second(in_seconds(seconds)).unwrap();
        claims
            .warrant()
            .still_holds(time, Duration::from_secs(skew))
    };
    assert_eq!(holds(0, 0), Ok(()));
    assert_eq!(holds(299, 0), Ok(()));
    assert_eq!(holds(300, 0), Err(Refusal::Expired));
    assert_eq!(holds(300, 60), Ok(()));
    assert_eq!(holds(360, 60), Err(Refusal::Expired));
    // The clock was set back.
    assert_eq!(holds(-1, 0), Err(UnacceptableClaims::NotYetValid.refusal()));
    assert_eq!(
        claims
            .warrant()
            .still_holds(Timestamp::UNIX_EPOCH, Duration::ZERO),
        Err(UnacceptableClaims::NoClock.refusal())
    );
}
