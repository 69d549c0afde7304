use super::*;
use crate::secret::Secret;

const START: Timestamp = CLOCK_IS_SET;
const FETCHED: TokenSourceId = TokenSourceId(7);

/// What is said of the one token there is.
struct Held(State<Rc<ProviderCredential>>);

impl TokensOf for Held {
    fn token(
        &self,
        source: TokenSourceId,
        _: Timestamp,
    ) -> State<(&Rc<ProviderCredential>, Timestamp)> {
        assert_eq!(source, FETCHED);
        match &self.0 {
            State::Usable(token) => State::Usable((token, START)),
            State::Coming => State::Coming,
            State::Unavailable { retry_after } => State::Unavailable {
                retry_after: *retry_after,
            },
        }
    }
}

fn key(header: &str, value: &str) -> Rc<ProviderCredential> {
    Rc::new(ProviderCredential::header(
        header.to_owned(),
        Secret::new(value.to_owned()),
    ))
}

fn tenant(name: &str) -> Identifier {
    Identifier::try_from(name.to_owned()).unwrap()
}

fn head(fields: &[&str]) -> RequestHead {
    RequestHead::new(
        fields
            .iter()
            .map(|name| ((*name).to_owned(), b"own".to_vec()))
            .collect(),
    )
}

fn cleared(auth: &UpstreamAuth, fields: &[&str]) -> Vec<String> {
    let (head, mut edits) = (head(fields), Edits::default());
    auth.clear(&head, &mut edits);
    edits.remove.into_iter().map(str::to_owned).collect()
}

fn lent(auth: &UpstreamAuth, tenant: Option<&Identifier>) -> Result<String, Halt> {
    let mut edits = Edits::default();
    auth.lend(tenant, &Held(State::Coming), START, &mut edits)?;
    Ok(edits.credential.unwrap().value().reveal().to_owned())
}

#[test]
fn upc_01_whatever_might_be_a_credential_is_cleared_away_however_it_is_spelled() {
    let auth = UpstreamAuth::new(
        Lending::ToAll(Method::Ready(key("x-provider", "k"))),
        |_| false,
    );
    let fields = [
        "authorization",
        "x-api-key",
        "x_api_key",
        "api-key",
        "api.key",
        "x-goog-api-key",
        "x-provider",
        "x_provider",
        "X-Provider_",
    ];
    assert_eq!(cleared(&auth, &fields), fields);
    let others = [
        "accept",
        "content-type",
        "x-api-keys",
        "x-providers",
        ":path",
    ];
    assert_eq!(cleared(&auth, &others), Vec::<String>::new());
}

#[test]
fn a_credential_that_is_to_go_on_is_kept_unless_ours_stands_there() {
    let kept = ["authorization", "api-key", "key"];
    let auth = UpstreamAuth::new(
        Lending::ToAll(Method::Ready(key("api-key", "k"))),
        |place| {
            let (Place::Header { name, .. } | Place::Query { name }) = place;
            kept.contains(&name.as_str())
        },
    );
    assert_eq!(
        cleared(&auth, &["authorization", "api-key", "api_key", "x-api-key"]),
        ["api-key", "api_key", "x-api-key"]
    );
    assert_eq!(
        path_after(&auth, "/v1?a=1&key=k&access_token=t"),
        "/v1?a=1&key=k"
    );
}

#[test]
fn upc_01_what_some_provider_takes_from_a_query_is_left_out() {
    let auth = UpstreamAuth::new(Lending::ToAll(Method::Ready(key("api-key", "k"))), |_| {
        false
    });
    for (sent, goes_on) in [
        ("/v1?key=k", "/v1"),
        (
            "/v1?a=%20&api-key=k&b&k%65y=k&api_key=k&access_token=t",
            "/v1?a=%20&b",
        ),
        ("/v1?keys=k&Key=k", "/v1?keys=k&Key=k"),
    ] {
        assert_eq!(path_after(&auth, sent), goes_on, "{sent}");
    }
}

/// What becomes of that path.
fn path_after(auth: &UpstreamAuth, path: &str) -> String {
    let head = RequestHead::new(vec![(":path".to_owned(), path.into())]);
    let mut edits = Edits::default();
    auth.clear(&head, &mut edits);
    edits.leave_out_parameters(&head);
    let set = edits
        .set
        .first()
        .map_or(path.as_bytes(), |(_, value)| value);
    String::from_utf8(set.to_vec()).unwrap()
}

#[test]
fn a_credential_is_set_in_place_of_what_is_there_without_a_removal() {
    let auth = UpstreamAuth::new(Lending::ToAll(Method::Ready(key("api-key", "k"))), |_| {
        false
    });
    let head = head(&["api-key", "api_key", "authorization"]);
    let mut edits = Edits::default();
    auth.clear(&head, &mut edits);
    let loan = auth.lend(None, &Held(State::Coming), START, &mut edits);
    assert_eq!(loan, Ok(None));
    assert_eq!(edits.remove, ["api_key", "authorization"]);
    assert_eq!(edits.credential, Some(key("api-key", "k")));
    assert!(!format!("{auth:?} {edits:?}").contains("\"k\""));
}

#[test]
fn upc_03_a_tenant_is_lent_its_own_credential_or_the_default_and_never_anothers() {
    let tenants = HashMap::from([
        ("acme".to_owned(), Method::Ready(key("api-key", "of-acme"))),
        (
            "globex".to_owned(),
            Method::Ready(key("x-key", "of-globex")),
        ),
    ]);
    let default = Some(Method::Ready(key("authorization", "of-all")));
    let by_tenant = |default| {
        let tenants = tenants.clone();
        UpstreamAuth::new(Lending::ByTenant { tenants, default }, |_| false)
    };
    let (with_default, without) = (by_tenant(default), by_tenant(None));
    let nobody: Result<String, Halt> = Err(Denial::TenantUnknown.into());
    for (name, expected) in [("acme", "of-acme"), ("globex", "of-globex")] {
        for auth in [&with_default, &without] {
            assert_eq!(lent(auth, Some(&tenant(name))).as_deref(), Ok(expected));
        }
    }
    for name in ["initech", "Acme", "acme "].map(str::trim_end) {
        let name = tenant(name);
        let known = name.as_str() == "acme";
        assert_eq!(lent(&without, Some(&name)).is_ok(), known, "{name:?}");
    }
    assert_eq!(
        lent(&with_default, Some(&tenant("initech"))).as_deref(),
        Ok("of-all")
    );
    assert_eq!(lent(&without, Some(&tenant("initech"))), nobody);
    assert_eq!(lent(&without, None), nobody);
    // Whichever tenant calls, none brings a field that another one's credential stands in.
    assert_eq!(cleared(&without, &["x-key", "x_key"]), ["x-key", "x_key"]);
}

#[test]
fn a_token_is_lent_with_a_note_of_which_one_or_the_request_waits_or_is_refused() {
    let auth = UpstreamAuth::new(Lending::ToAll(Method::Token(FETCHED)), |_| false);
    let lend = |state, now| auth.lend(None, &Held(state), now, &mut Edits::default());
    let retry_after = SignedDuration::from_secs(3);
    let loan = Loan {
        source: FETCHED,
        fetched_at: START,
    };
    let token = || State::Usable(key("authorization", "Bearer t"));
    assert_eq!(lend(token(), START), Ok(Some(loan)));
    assert_eq!(
        lend(State::Coming, START),
        Err(Halt::Await(SourceId::Token(FETCHED)))
    );
    assert_eq!(
        lend(State::Unavailable { retry_after }, START),
        Err(Denial::UpstreamAuthUnavailable { retry_after }.into())
    );
    assert_eq!(
        lend(token(), Timestamp::UNIX_EPOCH),
        Err(Denial::UpstreamAuthUnavailable {
            retry_after: CLOCK_RETRY
        }
        .into()),
        "where the clock is not set nobody knows what has expired"
    );
}
