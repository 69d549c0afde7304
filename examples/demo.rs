//! The demo's client: sends good and bad requests through the gate and prints what became of them.
//!
//! `demo GATE-URL ISSUER-URL`. Ends with 0 only if every request came out as this file says. `scripts/demo` starts what
//! it talks to.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Request;

type Failure = Box<dyn Error + Send + Sync>;

const CHAT: &str = "/v1/chat/completions";
const INFER: &str = "/v1/models/demo-1/infer";
const ACME_KEY: &str = "demo-key-of-acme";
const GLOBEX_KEY: &str = "demo-key-of-globex";

const RULE: &str = "------------------------------------------------------------------------------------------------------------------------";

/// One request and what must become of it.
struct Row {
    who: &'static str,
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    status: u16,
    outcome: Outcome,
}

enum Outcome {
    /// The model server saw this tenant.
    Tenant(Option<&'static str>),
    /// The gate gave this reason.
    Refused(&'static str),
    /// Envoy itself refused, before the gate.
    ByEnvoy,
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let gate = arguments.next().ok_or("usage: demo GATE-URL ISSUER-URL")?;
    let issuer = arguments.next().ok_or("usage: demo GATE-URL ISSUER-URL")?;
    let agent = Agent::new_with_config(
        Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build(),
    );
    let rows = rows(&|form| token(&agent, &issuer, form))?;
    println!(
        "{:<30} {:<30} {:>6}  {:<22} the model server saw",
        "who", "what", "status", "reason"
    );
    println!("{RULE}");
    let mut surprises = 0_usize;
    for row in &rows {
        let (status, answer) = send(&agent, &gate, row)?;
        let code = answer.pointer("/error/code").and_then(Value::as_str);
        let reason = match row.outcome {
            Outcome::ByEnvoy => code.unwrap_or("(Envoy itself)"),
            _ => code.unwrap_or(""),
        };
        let saw = answer.get("saw");
        let tenant = saw
            .and_then(|saw| saw.get("x-tenant-id"))
            .and_then(Value::as_str);
        let as_expected = status == row.status
            && match row.outcome {
                Outcome::Tenant(expected) => saw.is_some() && tenant == expected,
                Outcome::Refused(expected) => saw.is_none() && reason == expected,
                Outcome::ByEnvoy => saw.is_none(),
            };
        let mark = if as_expected {
            ""
        } else {
            "  <== NOT AS EXPECTED"
        };
        surprises = surprises.saturating_add(usize::from(!as_expected));
        let what = format!("{} {}", row.method, row.path);
        println!(
            "{:<30} {what:<30} {status:>6}  {reason:<22} {}{mark}",
            row.who,
            seen(saw)
        );
    }
    println!("{RULE}");
    if surprises > 0 {
        return Err(format!(
            "{surprises} of {} came out otherwise than expected",
            rows.len()
        )
        .into());
    }
    println!("{} requests, each came out as expected", rows.len());
    Ok(())
}

fn rows(token: &dyn Fn(&str) -> Result<String, Failure>) -> Result<Vec<Row>, Failure> {
    use Outcome::{ByEnvoy, Refused, Tenant};
    let bearer = |credential: &str| ("authorization", format!("Bearer {credential}"));
    let key = |name: &'static str, value: &str| (name, value.to_owned());
    let row = |who, (method, path), headers, status, outcome| Row {
        who,
        method,
        path,
        headers,
        status,
        outcome,
    };
    let acme = token("client_id=acme-app&client_secret=acme-secret")?;
    let globex = token("client_id=globex-app&client_secret=globex-secret")?;
    let drifter = token("client_id=drifter-app&client_secret=drifter-secret")?;
    let expired = token("client_id=acme-app&client_secret=acme-secret&expires_in=-3600")?;
    let elsewhere = token("client_id=acme-app&client_secret=acme-secret&audience=another")?;
    let forged = token("client_id=acme-app&client_secret=acme-secret&forged=1")?;
    let (chat, infer) = (("POST", CHAT), ("POST", INFER));
    let (health, messages) = (("GET", "/healthz"), ("POST", "/v1/messages"));
    let disguised = ("POST", "/v1%2fchat/completions");
    let posing = key("x-tenant-id", "globex");
    #[rustfmt::skip] // One request a line reads as a table.
    let rows = vec![
        row("anybody, at the open endpoint", health, vec![], 200, Tenant(None)),
        row("anybody, posing as globex", health, vec![posing.clone()], 200, Tenant(None)),
        row("nobody", chat, vec![], 401, Refused("missing_credential")),
        row("acme's key, as OpenAI's SDK", chat, vec![bearer(ACME_KEY)], 200, Tenant(Some("acme"))),
        row("acme's key, as Azure's SDK", chat, vec![key("api-key", ACME_KEY)], 200, Tenant(Some("acme"))),
        row("globex's key, Anthropic's SDK", messages, vec![key("x-api-key", GLOBEX_KEY)], 200, Tenant(Some("globex"))),
        row("acme's key, posing as globex", chat, vec![bearer(ACME_KEY), posing], 200, Tenant(Some("acme"))),
        row("a wrong key", chat, vec![bearer("guess")], 401, Refused("invalid_credential")),
        row("a trial key of last year", chat, vec![bearer("demo-key-of-trial")], 401, Refused("expired_credential")),
        row("two different keys", chat, vec![bearer(ACME_KEY), key("api-key", "guess")], 400, Refused("multiple_credentials")),
        row("acme's key, unknown path", ("GET", "/admin"), vec![bearer(ACME_KEY)], 404, Refused("unknown_endpoint")),
        row("acme's key, path in disguise", disguised, vec![bearer(ACME_KEY)], 400, ByEnvoy),
        row("acme's token", infer, vec![bearer(&acme)], 200, Tenant(Some("acme"))),
        row("globex's token", infer, vec![bearer(&globex)], 200, Tenant(Some("globex"))),
        row("a token without a tenant", infer, vec![bearer(&drifter)], 403, Refused("tenant_unknown")),
        row("an expired token", infer, vec![bearer(&expired)], 401, Refused("expired_credential")),
        row("a token for somebody else", infer, vec![bearer(&elsewhere)], 401, Refused("invalid_credential")),
        row("a forged token", infer, vec![bearer(&forged)], 401, Refused("invalid_credential")),
        row("a key in place of a token", infer, vec![bearer(ACME_KEY)], 401, Refused("invalid_credential")),
    ];
    Ok(rows)
}

fn token(agent: &Agent, issuer: &str, form: &str) -> Result<String, Failure> {
    let text = agent
        .post(format!("{issuer}/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .send(form)?
        .body_mut()
        .read_to_string()?;
    let answer: Value = serde_json::from_str(&text)?;
    let token = answer.get("access_token").and_then(Value::as_str);
    Ok(token.ok_or_else(|| format!("no token: {text}"))?.to_owned())
}

fn send(agent: &Agent, gate: &str, row: &Row) -> Result<(u16, Value), Failure> {
    let mut request = Request::builder()
        .method(row.method)
        .uri(format!("{gate}{}", row.path));
    for (name, value) in &row.headers {
        request = request.header(*name, value);
    }
    let mut response = if row.method == "GET" {
        agent.run(request.body(())?)?
    } else {
        let question = json!({ "model": "demo-1", "max_tokens": 16, "messages": [{ "role": "user", "content": "Who am I?" }] });
        agent.run(
            request
                .header("content-type", "application/json")
                .body(question.to_string())?,
        )?
    };
    let text = response.body_mut().read_to_string()?;
    Ok((
        response.status().as_u16(),
        serde_json::from_str(&text).unwrap_or_default(),
    ))
}

fn seen(saw: Option<&Value>) -> String {
    let Some(fields) = saw.and_then(Value::as_object) else {
        return "nothing".to_owned();
    };
    if fields.is_empty() {
        return "the request, no identity".to_owned();
    }
    let field = |(name, value): (&String, &Value)| {
        format!("{name}: {}", value.as_str().unwrap_or_default())
    };
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}
