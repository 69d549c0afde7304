use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn credentials() -> ClientCredentials {
    ClientCredentials {
        token_url: Location::parse("https://auth.test/oauth/token").unwrap(),
        client_id: secret("client:1"),
        client_secret: secret("s %&:cret"),
        scope: Some("all-apis".to_owned()),
        client_auth: ClientAuth::Body,
        parameters: Vec::new(),
        timeout: Terms::TIMEOUT,
    }
}

/// Method, authorization, body.
fn asked(credentials: &ClientCredentials) -> (&'static str, Option<String>, String) {
    let callout = credentials
        .question(&Clusters::default())
        .callout(Terms::TIMEOUT, None);
    assert_eq!(
        (callout.cluster.as_str(), callout.path.as_str()),
        ("auth.test", "/oauth/token")
    );
    let header = |name: &str| {
        let mut of_name = callout.headers.iter().filter(|(header, _)| *header == name);
        let value = of_name.next().map(|(_, value)| value.reveal().to_owned());
        assert_eq!(of_name.next(), None);
        value
    };
    assert_eq!(
        header("content-type").as_deref(),
        Some("application/x-www-form-urlencoded")
    );
    let body = callout.body.as_ref().unwrap().reveal().to_owned();
    (callout.method, header("authorization"), body)
}

#[test]
fn upc_06_id_and_secret_are_form_encoded_wherever_they_stand() {
    assert_eq!(
        asked(&credentials()),
        (
            "POST",
            None,
            "grant_type=client_credentials&scope=all-apis&client_id=client%3A1&client_secret=s+%25%26%3Acret".to_owned()
        )
    );
    let basic = ClientCredentials {
        client_auth: ClientAuth::Basic,
        scope: None,
        parameters: [
            ("audience".to_owned(), secret("https://api.test/?a=b&c")),
            ("resource".to_owned(), secret("urn:x")),
        ]
        .into(),
        ..credentials()
    };
    // base64("client%3A1:s+%25%26%3Acret")
    assert_eq!(
        asked(&basic),
        (
            "POST",
            Some("Basic Y2xpZW50JTNBMTpzKyUyNSUyNiUzQWNyZXQ=".to_owned()),
            "grant_type=client_credentials&audience=https%3A%2F%2Fapi.test%2F%3Fa%3Db%26c&resource=urn%3Ax".to_owned()
        )
    );
}

#[test]
fn upc_08_who_asks_for_something_else_has_another_entry_whose_name_tells_nothing() {
    let with = |name: &str, value: &str| [(name.to_owned(), secret(value))].into();
    let questions = [
        credentials(),
        ClientCredentials {
            token_url: Location::parse("https://auth.test/oauth/token?v=2").unwrap(),
            ..credentials()
        },
        ClientCredentials {
            client_id: secret("client:2"),
            ..credentials()
        },
        ClientCredentials {
            client_secret: secret("another"),
            ..credentials()
        },
        ClientCredentials {
            scope: None,
            ..credentials()
        },
        ClientCredentials {
            scope: Some("all-apis x".to_owned()),
            ..credentials()
        },
        ClientCredentials {
            parameters: with("audience", "a"),
            ..credentials()
        },
        ClientCredentials {
            parameters: with("resource", "a"),
            ..credentials()
        },
        ClientCredentials {
            parameters: with("audience", "a&resource=a"),
            ..credentials()
        },
        ClientCredentials {
            client_auth: ClientAuth::Basic,
            ..credentials()
        },
    ];
    let mut digests: Vec<String> = questions
        .iter()
        .map(|credentials| credentials.question(&Clusters::default()).digest())
        .collect();
    assert_eq!(
        digests.first(),
        Some(&credentials().question(&Clusters::default()).digest())
    );
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), questions.len());
    for digest in digests {
        assert!(
            digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()),
            "{digest}"
        );
    }
}

#[test]
fn what_a_source_prints_shows_no_secret() {
    let mut source = AccessToken::new(&credentials(), &Clusters::default());
    let received = Received {
        body: br#"{"access_token":"t0k3n","token_type":"bearer"}"#,
        fetched_at: Timestamp::UNIX_EPOCH,
        fresh_for: None,
        random: 0,
    };
    source
        .accept(Part::AccessToken, received, &Clusters::default())
        .unwrap();
    let callout = source.question.callout(Terms::TIMEOUT, None);
    let shown = format!("{:?} {source:?} {callout:?}", credentials());
    for secret in [
        "s %&:cret",
        "s+%25%26%3Acret",
        "t0k3n",
        "client:1",
        "client%3A1",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

/// The token and its seconds.
fn read_text(body: &str) -> Result<(String, i64), TokenError> {
    read(body.as_bytes()).map(|(token, life)| (token.reveal().to_owned(), life.as_secs()))
}

#[test]
#[rustfmt::skip]
fn upc_05_a_token_response_is_read_by_the_letter_of_its_standard() {
    let good = |more: &str| format!(r#"{{"access_token":"2YotnFZFEjr1zCsicMWpAA"{more}}}"#);
    let life = |expires_in: &str| good(&format!(r#","token_type":"bearer","expires_in":{expires_in}"#));
    let typed = |token_type: &str| good(&format!(r#","token_type":{token_type},"expires_in":3600"#));
    let token = |token: &str| format!(r#"{{"access_token":{token},"token_type":"bearer"}}"#);
    for (body, expected) in [
        (typed(r#""Bearer","refresh_token":"x""#), Ok(3600)),
        (typed(r#""BEARER""#), Ok(3600)),
        (life(r#""3600""#), Ok(3600)),
        (life("3599.9"), Ok(3599)),
        (life("1"), Ok(1)),
        (good(r#","token_type":"bearer""#), Ok(EXPIRES_IN.as_secs())),
        (life("1000000000000"), Ok(DAY.as_secs())),
        (life("1e300"), Ok(DAY.as_secs())),
        (life(r#""99999999999999999999""#), Ok(DAY.as_secs())),
        (life("0"), Err(TokenError::BadExpiry)),
        (life("0.9"), Err(TokenError::BadExpiry)),
        (life("-1"), Err(TokenError::BadExpiry)),
        (life("-1e300"), Err(TokenError::BadExpiry)),
        (life(r#""0""#), Err(TokenError::BadExpiry)),
        (life(r#""""#), Err(TokenError::BadExpiry)),
        (life(r#""-5""#), Err(TokenError::BadExpiry)),
        (life(r#""+5""#), Err(TokenError::BadExpiry)),
        (life(r#""1e3""#), Err(TokenError::BadExpiry)),
        (life(r#""soon""#), Err(TokenError::BadExpiry)),
        (life("null"), Err(TokenError::BadExpiry)),
        (life("[3600]"), Err(TokenError::BadExpiry)),
        (typed(r#""mac""#), Err(TokenError::NotBearer)),
        (typed(r#""bearer ""#), Err(TokenError::NotBearer)),
        (typed("null"), Err(TokenError::NotBearer)),
        (good(r#","expires_in":3600"#), Err(TokenError::NotBearer)),
        (r#"{"token_type":"bearer","expires_in":3600}"#.to_owned(), Err(TokenError::NoToken)),
        (token("null"), Err(TokenError::NoToken)),
        (token(r#"["a"]"#), Err(TokenError::NoToken)),
        (token(r#""""#), Err(TokenError::UnfitToken)),
        (token(r#""a\r\nx-admin: 1""#), Err(TokenError::UnfitToken)),
        (token(r#""a b""#), Err(TokenError::UnfitToken)),
        (token(r#""a\u0000""#), Err(TokenError::UnfitToken)),
        (token(r#""caf\u00e9""#), Err(TokenError::UnfitToken)),
        (token(r#""a","access_token":"b""#), Err(TokenError::NotJson)),
        (good("").replace('}', ""), Err(TokenError::NotJson)),
        ("<html>".to_owned(), Err(TokenError::NotJson)),
        (r#"["a"]"#.to_owned(), Err(TokenError::NotJson)),
        (String::new(), Err(TokenError::NotJson)),
    ] {
        let expected = expected.map(|life| ("2YotnFZFEjr1zCsicMWpAA".to_owned(), life));
        // Whole seconds are enough to tell them apart.
        assert_eq!(read_text(&body), expected, "{body}");
    }
    for (length, fits) in [(MAX_TOKEN_BYTES, true), (MAX_TOKEN_BYTES.saturating_add(1), false)] {
        let body = token(&format!("\"{}\"", "a".repeat(length)));
        assert_eq!(read_text(&body).is_ok(), fits, "{length} bytes");
    }
}

#[test]
fn a_token_is_had_anew_well_before_it_expires_and_not_lent_at_the_very_end() {
    let second = SignedDuration::from_secs;
    for (expires_in, fresh_for, serves_for) in [
        (second(10), second(9), second(9)),
        (HOUR, second(3240), second(3540)),
        (DAY, second(77_760), second(86_340)),
    ] {
        assert_eq!(
            life(expires_in),
            Life {
                fresh_for,
                serves_for,
                expires: true
            }
        );
    }
}

#[test]
fn what_the_server_says_against_a_request_is_repeated_if_the_standard_knows_it() {
    let source = AccessToken::new(&credentials(), &Clusters::default());
    for (body, expected) in [
        (
            r#"{"error":"invalid_client","error_description":"s3cret is wrong"}"#,
            "status 400, invalid_client",
        ),
        (r#"{"error":"invalid_scope"}"#, "status 400, invalid_scope"),
        (r#"{"error":"s3cret"}"#, "status 400"),
        (r#"{"error":{"code":"invalid_client"}}"#, "status 400"),
        ("<html>", "status 400"),
    ] {
        let answer = Answer {
            status: 400,
            cache_control: None,
            etag: None,
            body: body.as_bytes().to_vec(),
        };
        assert_eq!(source.refusal(&answer), expected);
    }
}
