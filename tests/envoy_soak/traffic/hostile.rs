//! Requests that a well-behaved library can send and that must not pass, or must pass without what they claim.

use std::sync::Arc;

use super::{Carriage, Kind, Maker, bearer_of};
use crate::oracle::{Admission, Rule, Verdict};
use crate::shot::{Manner, Reply, SPOOFED, Shot, Stage};
use crate::tokens;

const CHAT: &str = "/v1/chat/completions";
const INFER: &str = "/v1/models/m-1/infer";
const INVALID: Verdict = Verdict::Refuse(401, "invalid_credential");
const MISSING: Verdict = Verdict::Refuse(401, "missing_credential");
const SEVERAL: Verdict = Verdict::Refuse(400, "multiple_credentials");
const UNKNOWN: Verdict = Verdict::Refuse(404, "unknown_endpoint");

pub fn kinds() -> Vec<Kind> {
    use Carriage::{Alone, Any, Http1};
    let kind = |name, weight, carriage, make| Kind {
        name,
        is_good: false,
        weight,
        carriage,
        make,
    };
    vec![
        kind("no credential", 30, Any, nothing),
        kind("key that is nearly right", 60, Any, near_miss),
        kind("key that is over, or not yet", 20, Any, out_of_time),
        kind("key of the other list", 20, Any, key_elsewhere),
        kind("forged token", 60, Any, forged),
        kind("token with a bit turned", 30, Any, bent),
        kind("token of a key that nobody knows", 60, Any, stranger),
        kind("token that ended long ago", 15, Any, ended),
        kind("token without a tenant", 15, Any, without_tenant),
        kind("two credentials", 30, Any, two_credentials),
        kind("credentials joined by a comma", 20, Any, joined),
        kind("credential that is no word", 30, Any, no_word),
        kind("another scheme", 20, Any, other_scheme),
        kind("identity of its own, with a key", 40, Any, spoofed),
        kind("identity of its own, without", 30, Any, spoofed_open),
        kind("identity in the Connection header", 15, Http1, nominated),
        kind("path that can be read twice", 40, Http1, ambiguous),
        kind("path that nobody serves", 25, Any, nowhere),
        kind("host that is another's", 20, Http1, other_host),
        kind("host that is none", 20, Http1, odd_host),
        kind("method that is not served", 15, Any, wrong_method),
        kind("address of its own choice", 25, Any, forwarded),
        kind("gRPC, without a credential", 10, Any, grpc),
        kind("underscores in a name", 10, Http1, underscores),
        kind("more fields than are taken", 6, Http1, flood),
        kind("a field larger than is taken", 3, Http1, huge_field),
        kind("client that leaves", 15, Alone, leaving),
        kind("client that leaves, refused", 10, Alone, leaving_refused),
    ]
}

fn nothing(maker: &mut Maker) -> Shot {
    let target = maker.one_of(&[CHAT, INFER, "/v1/either", "/v1/lent", "/v1/provider"]);
    Shot::get(maker.id, target, MISSING)
}

fn near_miss(maker: &mut Maker) -> Shot {
    let (mut key, _) = maker.steady();
    match maker.below(6) {
        0 => drop(key.pop()),
        1 => key.push('0'),
        2 => drop(key.remove(0)),
        3 => key.make_ascii_uppercase(),
        // Another key's middle.
        4 => key = key.replacen("steady", "steadx", 1),
        _ => {
            let last = key.pop().unwrap_or_default();
            key.push(if last == '0' { '1' } else { '0' });
        }
    }
    let shot = Shot::get(maker.id, CHAT, INVALID);
    let name = maker.one_of(&["x-api-key", "api-key", "x-goog-api-key"]);
    shot.field(name, key)
}

fn out_of_time(maker: &mut Maker) -> Shot {
    let keys = &maker.stock.keys;
    let (key, verdict) = if maker.id.is_multiple_of(2) {
        (&keys.expired, Verdict::Refuse(401, "expired_credential"))
    } else {
        (&keys.early, INVALID)
    };
    Shot::get(maker.id, CHAT, verdict).bearer(key)
}

fn key_elsewhere(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let (target, key) = if maker.chance(2) {
        (CHAT, maker.stock.keys.fetched[0].clone())
    } else {
        ("/v1/fetched", key)
    };
    Shot::get(maker.id, target, INVALID).bearer(&key)
}

fn forged(maker: &mut Maker) -> Shot {
    let stock = Arc::clone(&maker.stock);
    let target = maker.one_of(&[INFER, "/v1/either", "/v1/provider", "/v1/scoped"]);
    Shot::get(maker.id, target, INVALID).bearer(stock.pool.forged(&mut maker.random))
}

fn bent(maker: &mut Maker) -> Shot {
    let token = maker.token();
    let bent = tokens::bent(&token.text, &mut maker.random);
    Shot::get(maker.id, INFER, INVALID).bearer(&bent)
}

fn stranger(maker: &mut Maker) -> Shot {
    let token = tokens::of_an_unknown_key(maker.id);
    Shot::get(maker.id, INFER, Rule::UnknownKey).bearer(&token.text)
}

fn ended(maker: &mut Maker) -> Shot {
    let id = maker.id;
    let token = tokens::signed("ended", |token| {
        let token = token.key(crate::harness::tokens::Key::D1);
        token.claim("exp", 1_600_000_000).claim("jti", id)
    });
    let verdict = Verdict::Refuse(401, "expired_credential");
    Shot::get(id, INFER, verdict).bearer(&token.text)
}

fn without_tenant(maker: &mut Maker) -> Shot {
    let id = maker.id;
    let token = tokens::signed("homeless", |token| {
        let token = token.key(crate::harness::tokens::Key::D1);
        token.without("tenant_id").claim("jti", id)
    });
    let verdict = Verdict::Refuse(403, "tenant_unknown");
    Shot::get(id, INFER, verdict).bearer(&token.text)
}

fn two_credentials(maker: &mut Maker) -> Shot {
    let ((one, _), token) = (maker.steady(), maker.token());
    let shot = Shot::get(maker.id, "/v1/either", SEVERAL);
    match maker.below(4) {
        0 => shot.bearer(&one).field("x-api-key", token.text),
        1 => shot.bearer(&token.text).field("api-key", one),
        2 => shot.field("x-api-key", one.clone()).field("x-api-key", one),
        _ => shot.bearer(&one).bearer(&token.text),
    }
}

fn joined(maker: &mut Maker) -> Shot {
    let ((one, _), (other, _)) = (maker.steady(), maker.steady());
    let shot = Shot::get(maker.id, CHAT, SEVERAL);
    match maker.below(3) {
        0 => shot.field("x-api-key", format!("{one},{other}")),
        1 => shot.field("authorization", format!("Bearer {one}, Bearer {other}")),
        _ => shot.field("authorization", format!("Bearer {one},")),
    }
}

fn no_word(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let mut value = key.into_bytes();
    match maker.below(4) {
        0 => value.push(0xff),
        1 => value.splice(4..4, *b" ").for_each(drop),
        2 => value.extend_from_slice("\u{e9}".as_bytes()),
        _ => value = vec![0xc3, 0x28, 0xa0],
    }
    Shot::get(maker.id, CHAT, INVALID).field("x-api-key", value)
}

fn other_scheme(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let scheme = maker.one_of(&["Basic", "Token", "ApiKey", "Negotiate", "Bearer2"]);
    Shot::get(maker.id, CHAT, MISSING).field("authorization", format!("{scheme} {key}"))
}

/// Spellings that some server takes for the tenant's or the user's header.
const SPELLINGS: [&str; 6] = [
    "x-tenant-id",
    "x.tenant.id",
    "x-user-id",
    "x.user-id",
    "x-tenant.id",
    "x-forwarded-user",
];

fn with_claims(maker: &mut Maker, shot: Shot) -> Shot {
    let first = maker.below(SPELLINGS.len());
    let chosen = SPELLINGS.iter().cycle().skip(first).take(3);
    let shot = chosen.fold(shot, |shot, name| {
        shot.field(name, format!("{SPOOFED}-{name}"))
    });
    let shot = shot.field("x-tenant-id", format!("{SPOOFED}-again"));
    shot.field("x-original-url", "/healthz")
        .field("x-envoy-original-path", "/healthz")
}

fn spoofed(maker: &mut Maker) -> Shot {
    let shot = if maker.chance(2) {
        maker.with_steady_key(CHAT)
    } else {
        let token = maker.token();
        Shot::get(maker.id, INFER, Verdict::Admit(bearer_of(&token))).bearer(&token.text)
    };
    with_claims(maker, shot)
}

fn spoofed_open(maker: &mut Maker) -> Shot {
    let shot = if maker.chance(2) {
        Shot::get(maker.id, "/healthz", Verdict::Admit(Admission::default()))
    } else {
        Shot::get(maker.id, CHAT, MISSING)
    };
    with_claims(maker, shot)
}

fn nominated(maker: &mut Maker) -> Shot {
    if maker.chance(2) {
        let (key, _) = maker.steady();
        let shot = Shot::get(maker.id, CHAT, MISSING).bearer(&key);
        return shot.field("connection", "authorization");
    }
    let shot = maker.with_steady_key(CHAT);
    shot.field("connection", "x-tenant-id, x-user-id")
        .field("x-tenant-id", format!("{SPOOFED}-nominated"))
}

fn ambiguous(maker: &mut Maker) -> Shot {
    // What Envoy makes plain before the gate sees it is that plain path; what it leaves alone the gate refuses.
    let ambiguous = Verdict::Refuse(400, "ambiguous_path");
    let turned_away = Verdict::TurnAway(&[400]);
    let (target, verdict) = maker.one_of(&[
        ("/v1/chat/completions;a=b", ambiguous.clone()),
        ("/v1;x/chat/completions", ambiguous.clone()),
        ("/v1/chat%3bx/completions", ambiguous.clone()),
        ("/v1/%252e%252e/chat/completions", ambiguous.clone()),
        ("/v1/chat/completions%23", ambiguous.clone()),
        ("/v1/%c0%af/chat", ambiguous),
        ("/v1%2fchat%2fcompletions", turned_away.clone()),
        ("/healthz%2f..%2fv1/chat/completions", turned_away.clone()),
        ("/healthz%5c..%5cv1", turned_away.clone()),
        ("/v1/chat/completions%00", turned_away.clone()),
        ("/v1/chat/completions#x", turned_away),
        ("/healthz/../v1/chat/completions", MISSING),
        ("/healthz/%2e%2e/v1/chat/completions", MISSING),
        ("//v1//chat/completions", MISSING),
        ("/v1/./chat/completions", MISSING),
        ("/v1/ch%61t/completions", MISSING),
    ]);
    let shot = Shot::get(maker.id, target, verdict.clone());
    if verdict == MISSING {
        return shot;
    }
    let (key, _) = maker.steady();
    shot.bearer(&key)
}

fn nowhere(maker: &mut Maker) -> Shot {
    let target = maker.one_of(&[
        "/",
        "/v1",
        "/V1/Chat/Completions",
        "/v1/chat/completions/",
        "/healthz/x",
    ]);
    let (key, _) = maker.steady();
    Shot::get(maker.id, target, UNKNOWN).bearer(&key)
}

fn other_host(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let host = maker.one_of(&[
        "gate.test",
        "models.test",
        "api.test.evil.test",
        "xapi.test",
    ]);
    Shot::get(maker.id, "/hosted", UNKNOWN)
        .host(host)
        .bearer(&key)
}

fn odd_host(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let host = maker.one_of(&[
        "u@api.test",
        "api.test/",
        "api.test,gate.test",
        "api%2etest",
        "",
        "api.test:80:80",
    ]);
    let verdict = Verdict::TurnAway(&[400]);
    Shot::get(maker.id, "/hosted", verdict)
        .host(host)
        .bearer(&key)
}

fn wrong_method(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let method = maker.one_of(&["GET", "PUT", "DELETE", "PATCH", "OPTIONS"]);
    Shot::get(maker.id, "/v1/browser", UNKNOWN)
        .method(method)
        .bearer(&key)
}

fn forwarded(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let verdict = Verdict::Refuse(403, "source_not_allowed");
    let address = maker.one_of(&[
        "10.0.0.1",
        "203.0.113.9, 10.0.0.1",
        "10.0.0.1:0",
        "::ffff:10.0.0.1",
        "unknown",
    ]);
    let name = maker.one_of(&[
        "x-forwarded-for",
        "forwarded",
        "x-real-ip",
        "x-envoy-external-address",
    ]);
    Shot::get(maker.id, "/inside", verdict)
        .bearer(&key)
        .field(name, address)
}

fn grpc(maker: &mut Maker) -> Shot {
    let shot = Shot::get(maker.id, CHAT, MISSING).method("POST");
    let kind = maker.one_of(&["application/grpc", "application/grpc+proto"]);
    shot.field("content-type", kind).field("te", "trailers")
}

fn underscores(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let name = maker.one_of(&["x_tenant_id", "x_api_key", "x-tenant_id"]);
    let verdict = Verdict::TurnAway(&[400]);
    Shot::get(maker.id, CHAT, verdict)
        .bearer(&key)
        .field(name, SPOOFED)
}

fn flood(maker: &mut Maker) -> Shot {
    let (key, _) = maker.steady();
    let shot = Shot::get(maker.id, CHAT, Verdict::TurnAway(&[431])).bearer(&key);
    (0..150).fold(shot, |shot, _| shot.field("x-flood", "1"))
}

fn huge_field(maker: &mut Maker) -> Shot {
    let shot = Shot::get(maker.id, CHAT, Verdict::TurnAway(&[431]));
    shot.field("x-api-key", vec![b'k'; 70 * 1024])
}

fn leaving(maker: &mut Maker) -> Shot {
    let stage = maker.one_of(&[
        Stage::InTheHead,
        Stage::InTheBody,
        Stage::AfterTheRequest,
        Stage::InTheAnswer,
    ]);
    let (key, admission) = maker.steady();
    let verdict = Verdict::Admit(admission);
    let shot = Shot::get(maker.id, CHAT, verdict).bearer(&key);
    let body = maker.chat("asked-1");
    shot.json(body)
        .reply(Reply::Large)
        .manner(Manner::Leaving(stage))
}

fn leaving_refused(maker: &mut Maker) -> Shot {
    let stage = maker.one_of(&[Stage::InTheBody, Stage::AfterTheRequest]);
    let stranger = tokens::of_an_unknown_key(maker.id);
    let shot = Shot::get(maker.id, INFER, Rule::UnknownKey).bearer(&stranger.text);
    let body = maker.chat("asked-1");
    shot.json(body).manner(Manner::Leaving(stage))
}
