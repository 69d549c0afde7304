//! Bytes that no library would send: shapes of HTTP/1.1 that two parsers may read differently.

use super::{Carriage, Kind, Maker};
use crate::oracle::Verdict;
use crate::shot::{ID, Shot};

/// What Envoy may say to what is not HTTP, or not to be taken.
const NOT_HTTP: Verdict = Verdict::TurnAway(&[400, 404, 426, 431, 501]);

pub fn kinds() -> Vec<Kind> {
    let kind = |name, weight, make| Kind {
        name,
        is_good: false,
        weight,
        carriage: Carriage::Alone,
        make,
    };
    vec![
        kind("smuggled behind a length and chunks", 8, length_and_chunks),
        kind("smuggled behind two lengths", 8, two_lengths),
        kind("smuggled behind an odd coding", 8, odd_coding),
        kind("smuggled in an odd chunk", 8, odd_chunk),
        kind("line that is none", 8, odd_line),
        kind("no HTTP at all", 8, no_http),
        kind("target that is no path", 8, odd_target),
    ]
}

/// A request with a key that stays and these fields, whose body is a request of its own.
fn carrying(maker: &mut Maker, fields: &[&str], before: &str) -> Shot {
    let (key, _) = maker.steady();
    carrying_with(maker, &key, fields, before)
}

fn carrying_with(maker: &mut Maker, key: &str, fields: &[&str], before: &str) -> Shot {
    let inner = maker.stock.ledger.number();
    let smuggled = format!("GET /healthz HTTP/1.1\r\nhost: gate.test\r\n{ID}: {inner}\r\n\r\n");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gate.test\r\n{ID}: {}\r\nauthorization: Bearer {key}\r\n{}\r\n\r\n",
        maker.id,
        fields.join("\r\n"),
    );
    let mut shot = Shot::get(maker.id, "", NOT_HTTP).raw(format!("{head}{before}{smuggled}"));
    shot.smuggled = vec![inner];
    shot
}

fn length_and_chunks(maker: &mut Maker) -> Shot {
    let fields = maker.one_of(&[
        ["content-length: 4", "transfer-encoding: chunked"],
        ["transfer-encoding: chunked", "content-length: 4"],
    ]);
    carrying(maker, &fields, "0\r\n\r\n")
}

fn two_lengths(maker: &mut Maker) -> Shot {
    let fields: &[&str] = maker.one_of(&[
        &["content-length: 0", "content-length: 90"][..],
        &["content-length: 0, 90"],
        &["content-length: +0"],
        &["content-length: 0x0"],
        &["content-length: -1"],
    ]);
    carrying(maker, fields, "")
}

fn odd_coding(maker: &mut Maker) -> Shot {
    let field = maker.one_of(&[
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked, identity",
        "transfer-encoding : chunked",
        "transfer-encoding: gzip",
    ]);
    carrying(maker, &[field], "0\r\n\r\n")
}

fn odd_chunk(maker: &mut Maker) -> Shot {
    let chunk = maker.one_of(&["x\r\n", "-1\r\n", "fffffffffffffffff\r\n", "\r\n"]);
    let (key, admission) = maker.steady();
    let mut shot = carrying_with(maker, &key, &["transfer-encoding: chunked"], chunk);
    // Its head is good, so it begins to go on; its body never ends.
    shot.rule = Verdict::BreakOff(admission).into();
    shot
}

fn odd_line(maker: &mut Maker) -> Shot {
    let field = maker.one_of(&["no colon here", ": no name", "x-\u{e9}: 1", "x-a: \0"]);
    carrying(maker, &[field, "content-length: 0"], "")
}

fn no_http(maker: &mut Maker) -> Shot {
    let bytes: &[u8] = maker.one_of(&[
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz HTTP/3.7\r\nhost: gate.test\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ]);
    Shot::get(maker.id, "", NOT_HTTP).raw(bytes)
}

fn odd_target(maker: &mut Maker) -> Shot {
    let line = maker.one_of(&[
        "GET *",
        "CONNECT gate.test:443",
        "GET healthz",
        "G\u{e9}T /healthz",
        "GET ftp://gate.test/x",
        "GET /healthz /v1",
    ]);
    let id = maker.id;
    let bytes = format!("{line} HTTP/1.1\r\nhost: gate.test\r\n{ID}: {id}\r\n\r\n");
    Shot::get(id, "", NOT_HTTP).raw(bytes)
}
