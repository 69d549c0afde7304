//! That the judge misses nothing.

use super::*;
use crate::ledger::Logged;
use crate::shot::Shot;
use crate::world::SET_KEYS;

fn entry(verdict: Verdict, line: Line, answer: Answer, hits: Vec<Hit>) -> Entry {
    let status = answer.status.unwrap_or(0);
    Entry {
        kind: 0,
        shot: Shot::get(7, "/v1/chat", verdict),
        sent: Moment(1000),
        ended: Some(Moment(1010)),
        answer: Some(answer),
        hits,
        logged: vec![Logged {
            status,
            details: String::new(),
            flags: String::new(),
            line: Some(line),
        }],
    }
}

fn line(decision: &str, reason: Option<&str>, tenant: Option<&str>) -> Line {
    Line {
        tenant_id: tenant.map(str::to_owned),
        user_id: None,
        decision: Some(decision.to_owned()),
        reason: reason.map(str::to_owned),
        input_tokens: Some(3),
        output_tokens: Some(4),
        config_id: "c".to_owned(),
    }
}

fn admitted() -> Entry {
    let admission = Admission {
        usage: Some((3, 4)),
        ..Admission::of("acme")
    };
    let answer = Answer {
        status: Some(200),
        echo: Some(7),
        is_whole: true,
        ..Answer::default()
    };
    let hit = Hit {
        tenants: vec!["acme".to_owned()],
        users: Vec::new(),
        authorization: None,
        is_lent: false,
        is_whole: true,
        leaks: Vec::new(),
    };
    let line = line("allow", None, Some("acme"));
    entry(Verdict::Admit(admission), line, answer, vec![hit])
}

fn refused() -> Entry {
    let verdict = Verdict::Refuse(401, "invalid_credential");
    let answer = Answer {
        status: Some(401),
        reason: "invalid_credential".to_owned(),
        is_whole: true,
        ..Answer::default()
    };
    let line = line("deny", Some("invalid_credential"), None);
    entry(verdict, line, answer, Vec::new())
}

fn is_right(entry: &Entry) -> bool {
    let edition = Edition {
        config_id: "c".to_owned(),
        ..Edition::default()
    };
    let editions =
        [("c", &edition)].map(|(id, edition)| (id.to_owned(), Arc::new(edition.clone())));
    let case = Case {
        entry,
        world: &World::new(edition.clone(), [true; SET_KEYS]),
        editions: &HashMap::from(editions),
    };
    judge(&case).is_ok()
}

fn line_of(entry: &mut Entry) -> &mut Line {
    entry.logged[0].line.as_mut().expect("a line")
}

fn answer_of(entry: &mut Entry) -> &mut Answer {
    entry.answer.as_mut().expect("an answer")
}

/// A name, a request that went right, and what goes wrong with it.
type Row = (&'static str, fn() -> Entry, fn(&mut Entry));

#[test]
fn whatever_goes_wrong_with_one_request_is_seen() {
    let rows: [Row; 16] = [
        ("told another tenant", admitted, |e| {
            e.hits[0].tenants = vec!["evil".to_owned()];
        }),
        ("told two tenants", admitted, |e| {
            e.hits[0].tenants.push("acme".to_owned());
        }),
        ("told a user", admitted, |e| {
            e.hits[0].users.push("root".to_owned());
        }),
        ("shown the client's key", admitted, |e| {
            e.hits[0].authorization = Some("Bearer k".to_owned());
        }),
        ("a leak", admitted, |e| {
            e.hits[0].leaks.push("x-api-key: k".to_owned());
        }),
        ("sent twice", admitted, |e| {
            e.hits.push(e.hits[0].clone());
        }),
        ("served by nobody", admitted, |e| {
            e.hits.clear();
        }),
        ("another's answer", admitted, |e| {
            answer_of(e).echo = Some(8);
        }),
        ("tokens made up", admitted, |e| {
            line_of(e).output_tokens = Some(5);
        }),
        ("another configuration", admitted, |e| {
            line_of(e).config_id = "d".to_owned();
        }),
        ("no line", admitted, |e| {
            e.logged.clear();
        }),
        ("two lines", admitted, |e| {
            e.logged.push(e.logged[0].clone());
        }),
        ("refused and sent on", refused, |e| {
            e.hits = admitted().hits;
        }),
        ("refused for another reason", refused, |e| {
            answer_of(e).reason = "expired_credential".to_owned();
        }),
        ("logged as allowed", refused, |e| {
            line_of(e).decision = Some("allow".to_owned());
        }),
        ("let in", refused, |e| {
            *answer_of(e) = admitted().answer.expect("an answer");
        }),
    ];
    for (name, right, breaks) in rows {
        let mut entry = right();
        assert!(is_right(&entry), "{name}, before");
        breaks(&mut entry);
        assert!(!is_right(&entry), "{name}");
    }
}
