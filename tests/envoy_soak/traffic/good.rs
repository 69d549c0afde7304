//! Requests that pass, and those that an edit, a rotation or the time decides about.

use std::sync::Arc;

use super::{Carriage, Kind, Maker, bearer_of, maybe_chunked};
use crate::gate::PROVIDER_SECRET;
use crate::oracle::{Admission, CLOCK_SKEW_MS, Credential, Rule, Verdict};
use crate::shot::{Manner, Reply, Shot};
use crate::tokens;
use crate::world::{EDITED_ENDPOINTS, EDITED_KEYS, Moment, SET_KEYS};

const CHAT: &str = "/v1/chat/completions";

pub fn kinds() -> Vec<Kind> {
    use Carriage::{Alone, Any, Http1};
    let kind = |name, weight, carriage, make| Kind {
        name,
        is_good: true,
        weight,
        carriage,
        make,
    };
    vec![
        kind("API key, in each header form", 120, Any, key_in_each_form),
        kind("API key, chat with its usage", 80, Any, chat),
        kind("API key, stream with its usage", 40, Any, stream),
        kind("API key whose tenant is edited", 30, Any, moving_key),
        kind("API key that edits add and remove", 40, Any, edited_key),
        kind("API key out of the key set", 50, Any, fetched_key),
        kind("API key that expires meanwhile", 10, Any, expiring_key),
        kind("API key for one endpoint", 10, Any, narrow_key),
        kind("API key for some models", 20, Any, modest_key),
        kind("token, new or remembered", 120, Any, token),
        kind("token with the scope it needs", 20, Any, scoped_token),
        kind("token that expires meanwhile", 20, Any, expiring_token),
        kind("token of a rotating key", 30, Any, rotating_token),
        kind(
            "token for an audience that is edited",
            20,
            Any,
            second_audience,
        ),
        kind("key or token, where either does", 30, Any, either),
        kind("provider with a credential of its own", 30, Any, provider),
        kind("provider with a fetched token", 30, Any, lent),
        kind(
            "endpoint that edits add and remove",
            30,
            Any,
            edited_endpoint,
        ),
        kind("open endpoint", 30, Any, open),
        kind("preflight", 15, Any, preflight),
        kind("host of the endpoint", 15, Http1, host),
        kind("address of the endpoint", 15, Any, local),
        kind("gRPC", 10, Any, grpc),
        kind("large body", 4, Http1, large_body),
        kind("large answer", 4, Any, large_answer),
        kind("head that comes slowly", 5, Alone, slow_head),
        kind("answer that is read slowly", 5, Alone, slow_reader),
    ]
}

fn key_in_each_form(maker: &mut Maker) -> Shot {
    let (key, admission) = maker.steady();
    let shot = Shot::get(
        maker.id,
        "/v1/chat/completions?a=b",
        Verdict::Admit(admission),
    );
    match maker.below(8) {
        0 => shot.bearer(&key),
        1 => shot.field("authorization", format!("bearer  {key}")),
        2 => shot.field("authorization", format!("BEARER {key}")),
        3 => shot.field("x-api-key", key),
        4 => shot.field("api-key", key),
        5 => shot.field("x-goog-api-key", key),
        // As some SDKs send it: one credential in two places.
        6 => shot.bearer(&key).field("api-key", key),
        _ => shot
            .field("x-api-key", key.clone())
            .field("x-goog-api-key", key),
    }
}

fn chat(maker: &mut Maker) -> Shot {
    let (key, admission) = maker.steady();
    let body = maker.chat("asked-1");
    let shot = Shot::get(maker.id, CHAT, Verdict::Admit(admission)).bearer(&key);
    let chunked = maker.chance(4);
    maybe_chunked(shot.json(body).reply(Reply::Json), chunked)
}

fn stream(maker: &mut Maker) -> Shot {
    let (key, admission) = maker.steady();
    let body = br#"{"model":"asked-1","stream":true,"stream_options":{"include_usage":true}}"#;
    let shot = Shot::get(maker.id, CHAT, Verdict::Admit(admission)).bearer(&key);
    shot.json(body.as_slice()).reply(Reply::Events)
}

fn moving_key(maker: &mut Maker) -> Shot {
    let rule = Rule::TenantOfEdition(Admission::default());
    Shot::get(maker.id, CHAT, rule).bearer(&maker.stock.keys.moving)
}

fn edited_key(maker: &mut Maker) -> Shot {
    let key = maker.below(EDITED_KEYS);
    let rule = Rule::KeyOfConfig(key, Admission::of(&format!("edited-{key}")));
    Shot::get(maker.id, CHAT, rule).field("x-api-key", maker.stock.keys.edited[key].as_str())
}

fn fetched_key(maker: &mut Maker) -> Shot {
    let key = maker.below(SET_KEYS);
    let rule = Rule::KeyOfSet(key, Admission::of(&format!("fetched-{key}")));
    Shot::get(maker.id, "/v1/fetched", rule).bearer(&maker.stock.keys.fetched[key])
}

fn expiring_key(maker: &mut Maker) -> Shot {
    let keys = &maker.stock.keys;
    let rule = Rule::Until(keys.expires, Admission::of("expiring"));
    Shot::get(maker.id, CHAT, rule).bearer(&keys.expiring)
}

fn narrow_key(maker: &mut Maker) -> Shot {
    let (target, verdict) = if maker.chance(2) {
        (CHAT, Verdict::Admit(Admission::of("narrow")))
    } else {
        ("/v1/either", Verdict::Refuse(403, "endpoint_not_allowed"))
    };
    Shot::get(maker.id, target, verdict).bearer(&maker.stock.keys.narrow)
}

fn modest_key(maker: &mut Maker) -> Shot {
    let (model, verdict) = if maker.chance(2) {
        ("small-1", Verdict::Admit(Admission::of("modest")))
    } else {
        ("large-1", Verdict::Refuse(403, "model_not_allowed"))
    };
    let body = maker.chat(model);
    let shot = Shot::get(maker.id, CHAT, verdict).bearer(&maker.stock.keys.modest);
    let chunked = maker.chance(2);
    maybe_chunked(shot.json(body), chunked)
}

fn token(maker: &mut Maker) -> Shot {
    let token = maker.token();
    let verdict = Verdict::Admit(bearer_of(&token));
    Shot::get(maker.id, "/v1/models/m-1/infer", verdict).bearer(&token.text)
}

fn scoped_token(maker: &mut Maker) -> Shot {
    let scope = maker.one_of(&["models.use", "other models.use", "models.used", "other"]);
    let id = maker.id;
    let token = tokens::signed("scoped", |token| {
        let token = token.key(crate::harness::tokens::Key::D1);
        token.claim("scope", scope).claim("jti", id)
    });
    let verdict = if scope.split(' ').any(|word| word == "models.use") {
        Verdict::Admit(bearer_of(&token))
    } else {
        Verdict::Refuse(403, "claim_mismatch")
    };
    Shot::get(id, "/v1/scoped", verdict).bearer(&token.text)
}

fn expiring_token(maker: &mut Maker) -> Shot {
    // The same one for whoever asks within the same few seconds, before its end and after.
    let slot = 4000;
    let end = Moment(Moment::now().0 / slot * slot + slot / 2);
    let token = tokens::until(end);
    let rule = Rule::Until(end.plus_ms(CLOCK_SKEW_MS), bearer_of(&token));
    Shot::get(maker.id, "/v1/models/m-1/infer", rule).bearer(&token.text)
}

fn rotating_token(maker: &mut Maker) -> Shot {
    let (newest, _) = maker.stock.world.generation.newest();
    // Mostly the newest one, sometimes the one before, sometimes one that is yet to come.
    let generation = match maker.below(10) {
        0 => *newest + 1,
        1..=3 => newest.saturating_sub(1),
        _ => *newest,
    };
    let tokens = maker.stock.rotating(generation);
    let token = maker.one_of(&tokens);
    let rule = Rule::Published(generation, bearer_of(&token));
    Shot::get(maker.id, "/v1/models/m-1/infer", rule).bearer(&token.text)
}

fn second_audience(maker: &mut Maker) -> Shot {
    let stock = Arc::clone(&maker.stock);
    let token = stock.pool.second_audience(&mut maker.random);
    let rule = Rule::SecondAudience(bearer_of(token));
    Shot::get(maker.id, "/v1/models/m-1/infer", rule).bearer(&token.text)
}

fn either(maker: &mut Maker) -> Shot {
    if maker.chance(2) {
        return maker.with_steady_key("/v1/either");
    }
    let token = maker.token();
    Shot::get(maker.id, "/v1/either", Verdict::Admit(bearer_of(&token))).bearer(&token.text)
}

fn provider(maker: &mut Maker) -> Shot {
    let (credential, admission) = if maker.chance(2) {
        maker.steady()
    } else {
        let token = maker.token();
        (token.text.clone(), bearer_of(&token))
    };
    let admission = Admission {
        credential: Credential::Provider(PROVIDER_SECRET),
        ..admission
    };
    Shot::get(maker.id, "/v1/provider", Verdict::Admit(admission)).bearer(&credential)
}

fn lent(maker: &mut Maker) -> Shot {
    let (key, admission) = maker.steady();
    let rule = Rule::Lent(Admission {
        credential: Credential::Lent,
        ..admission
    });
    Shot::get(maker.id, "/v1/lent", rule).bearer(&key)
}

fn edited_endpoint(maker: &mut Maker) -> Shot {
    let endpoint = maker.below(EDITED_ENDPOINTS);
    let (key, admission) = maker.steady();
    let rule = Rule::EndpointOfConfig(endpoint, admission);
    Shot::get(maker.id, &format!("/extra/{endpoint}"), rule).bearer(&key)
}

fn open(maker: &mut Maker) -> Shot {
    Shot::get(maker.id, "/healthz", Verdict::Admit(Admission::default()))
}

fn preflight(maker: &mut Maker) -> Shot {
    Shot::get(
        maker.id,
        "/v1/browser",
        Verdict::Admit(Admission::default()),
    )
    .method("OPTIONS")
    .field("origin", "https://app.test")
    .field("access-control-request-method", "POST")
}

fn host(maker: &mut Maker) -> Shot {
    let hosts = [
        "api.test",
        "API.test:8443",
        "a.models.test",
        "a.b.models.test.",
    ];
    let host = maker.one_of(&hosts);
    maker.with_steady_key("/hosted").host(host)
}

fn local(maker: &mut Maker) -> Shot {
    maker.with_steady_key("/local")
}

fn grpc(maker: &mut Maker) -> Shot {
    let shot = maker.with_steady_key(CHAT).method("POST");
    let shot = shot.field("content-type", "application/grpc");
    shot.field("te", "trailers")
}

fn large_body(maker: &mut Maker) -> Shot {
    let (key, admission) = maker.steady();
    let length = 1000 * (1 + maker.below(700));
    let body = format!(r#"{{"model":"asked-1","prompt":"{}"}}"#, "x".repeat(length));
    let shot = Shot::get(maker.id, CHAT, Verdict::Admit(admission)).bearer(&key);
    let chunked = maker.chance(2);
    maybe_chunked(shot.json(body).reply(Reply::Json), chunked)
}

fn large_answer(maker: &mut Maker) -> Shot {
    maker.with_steady_key(CHAT).reply(Reply::Large)
}

fn slow_head(maker: &mut Maker) -> Shot {
    maker.with_steady_key(CHAT).manner(Manner::Slowly)
}

fn slow_reader(maker: &mut Maker) -> Shot {
    let shot = maker.with_steady_key(CHAT).reply(Reply::Large);
    shot.manner(Manner::ReadingSlowly)
}
