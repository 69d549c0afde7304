//! TOK: tokens of another kind than ours.

use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{Cause, UnacceptableHeader};

use crate::tokens::Token;
use crate::{judge, malformed, now};

#[test]
fn tok_24_nested_and_encrypted_tokens_are_refused() {
    judge().admits(Token::good().header("cty", "json").sign(now()));
    for cty in ["JWT", "jwt", "application/jwt", "at+jwt"] {
        let token = Token::good().header("cty", cty).sign(now());
        judge().refuses_as(cty, token, malformed(UnacceptableHeader::Nested));
    }
    judge().refuses(
        Token::good().header("cty", 1).sign(now()),
        malformed(UnacceptableHeader::NotAString("cty")),
    );
    for (name, value) in [("enc", "A256GCM"), ("zip", "DEF")] {
        let token = Token::good().header(name, value).sign(now());
        judge().refuses_as(name, token, malformed(UnacceptableHeader::Encrypted));
    }
    let derived = Token::good()
        .header("alg", "PBES2-HS256+A128KW")
        .header("p2c", 2_147_483_647);
    judge().refuses(derived.sign(now()), Cause::AlgorithmNotAllowed);
    let inner = Token::good().sign(now());
    let nested = Token::good().claims_text(inner).sign(now());
    assert!(judge().on(nested).is_err());
}

#[test]
fn tok_25_a_token_of_another_kind_is_refused() {
    judge().admits(Token::good().without_header("typ").sign(now()));
    for typ in [
        "JWT",
        "jwt",
        "application/jwt",
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/AT+JWT",
    ] {
        judge().admits_as(typ, Token::good().header("typ", typ).sign(now()));
    }
    for typ in [
        "dpop+jwt",
        "logout+jwt",
        "secevent+jwt",
        "application/secevent+jwt",
        "LOGOUT+JWT",
        "token-introspection+jwt",
        "xat+jwt",
        "text/jwt",
        "JOSE",
        "",
        "JWT ",
    ] {
        let token = Token::good().header("typ", typ).sign(now());
        judge().refuses_as(typ, token, malformed(UnacceptableHeader::OtherKind));
    }
    for typ in [json!(1), json!(null), json!(["JWT"]), Value::Bool(true)] {
        let token = Token::good().header("typ", typ).sign(now());
        judge().refuses(token, malformed(UnacceptableHeader::NotAString("typ")));
    }
}
