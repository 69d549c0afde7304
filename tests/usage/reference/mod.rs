//! A second opinion about a response, slow and plain: the whole body is taken apart by `serde_json`, and the counts are
//! looked up by JSON pointer. Where the body is not JSON through and through it has no opinion.

mod places;

use std::collections::BTreeMap;

use places::places;
use serde_json::value::RawValue;

/// Input, output, cached input, input written to a cache, reasoning; the model that served; whether the counts are final.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    pub counts: [Option<u64>; 5],
    pub served: Option<String>,
    pub is_final: bool,
}

/// Not JSON, or not text.
pub struct NoOpinion;

/// The APIs that there is an opinion about, by a path of each.
pub const PATHS: [&str; 12] = [
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/models/g:streamGenerateContent",
    "/v1/interactions",
    "/publishers/google/models/e:predict",
    "/model/m/converse",
    "/api/chat",
    "/v2/chat",
    "/v2/models/m/generate_stream",
    "/completion",
];

/// What a response to a request for one of [`PATHS`] says.
pub fn read(
    path: &str,
    content_type: &str,
    body: &[u8],
    complete: bool,
) -> Result<Opinion, NoOpinion> {
    let text = std::str::from_utf8(body).map_err(|_| NoOpinion)?;
    let Documents {
        all,
        is_row,
        is_done,
    } = documents(path, content_type, text)?;
    let is_stream = content_type != "application/json";
    let places = places(path);
    let mut merged: [Option<u64>; 7] = [None; 7];
    let mut opinion = Opinion::default();
    for document in &all {
        let look = |pointers: &[&str]| -> Result<Option<u64>, NoOpinion> {
            for pointer in pointers {
                if let Some(number) = number_at(document, pointer)? {
                    return Ok(Some(number));
                }
            }
            Ok(None)
        };
        let said = [
            look(places.input)?,
            look(places.tool_use)?,
            look(places.cached)?,
            look(places.written)?,
            look(places.output)?,
            look(places.reasoning)?,
            look(places.total)?,
        ];
        let only_zeros = said.iter().flatten().all(|number| *number == 0);
        for (index, (before, said)) in merged.iter_mut().zip(said).enumerate() {
            let adds = (path.ends_with("generate_stream") && index == 4)
                || (path == "/completion" && is_row);
            match (*before, said) {
                (Some(old), Some(new)) if adds => {
                    *before = Some(old.saturating_add(new));
                }
                (Some(_), Some(_)) if only_zeros => {}
                (_, Some(new)) => *before = Some(new),
                (_, None) => {}
            }
        }
        opinion.is_final |= says_final(path, document, said)?;
        for pointer in places.model {
            if let Some(name) = model_at(document, pointer)? {
                opinion.served = Some(name);
                break;
            }
        }
    }
    let is_counted = merged.iter().any(Option::is_some);
    opinion.is_final |= !is_stream && !is_row && !all.is_empty();
    opinion.is_final |= is_done && is_counted;
    let says_it_by_ending = matches!(
        path,
        "/v2/models/m/generate_stream" | "/publishers/google/models/e:predict"
    );
    opinion.is_final |= is_stream && complete && says_it_by_ending;
    opinion.counts = arithmetic(path, merged);
    opinion.is_final &= opinion.counts.iter().any(Option::is_some);
    Ok(opinion)
}

fn says_final(path: &str, document: &RawValue, said: [Option<u64>; 7]) -> Result<bool, NoOpinion> {
    let text = |pointer: &str, one_of: &[&str]| -> Result<bool, NoOpinion> {
        Ok(at(document, pointer)?.into_iter().any(|raw| {
            serde_json::from_str::<String>(raw.get()).is_ok_and(|text| one_of.contains(&&*text))
        }))
    };
    let is_counted = said.iter().any(Option::is_some);
    let is_true = |pointer: &str| -> Result<bool, NoOpinion> {
        Ok(at(document, pointer)?.iter().any(|raw| raw.get() == "true"))
    };
    Ok(match path {
        "/v1/chat/completions" | "/v1/embeddings" => {
            let no_choices = at(document, "/choices")?
                .iter()
                .any(|raw| elements(raw).is_some_and(|all| all.is_empty()));
            is_counted && (no_choices || text("/type", &["conversation.response.done"])?)
        }
        "/v1/responses" => {
            is_counted
                && text(
                    "/type",
                    &[
                        "response.completed",
                        "response.incomplete",
                        "response.failed",
                    ],
                )?
        }
        "/v1/messages" => said[4].is_some() && text("/type", &["message_delta"])?,
        "/v1/models/g:streamGenerateContent" => {
            said[6].is_some()
                && at(document, "/candidates/[*]/finishReason")?
                    .iter()
                    .any(|raw| raw.get().starts_with('"'))
        }
        "/v1/interactions" => is_counted && text("/event_type", &["interaction.completed"])?,
        "/model/m/converse" => is_counted,
        "/api/chat" => is_counted && is_true("/done")?,
        "/v2/chat" => is_counted && text("/type", &["message-end"])?,
        "/completion" => is_counted && is_true("/stop")?,
        _ => false,
    })
}

fn arithmetic(
    path: &str,
    [input, tool_use, cached, written, output, reasoning, total]: [Option<u64>; 7],
) -> [Option<u64>; 5] {
    let plus = |parts: &[Option<u64>]| {
        let known: Vec<u128> = parts
            .iter()
            .flatten()
            .map(|part| u128::from(*part))
            .collect();
        (!known.is_empty()).then(|| u64::try_from(known.iter().sum::<u128>()).unwrap_or(u64::MAX))
    };
    let minus = |from: Option<u64>, part: Option<u64>| Some(from?.saturating_sub(part?));
    let (input, output) = match path {
        "/v1/messages" | "/model/m/converse" => (plus(&[input, cached, written]), output),
        "/v1/models/g:streamGenerateContent" | "/v1/interactions" => {
            let input = plus(&[input, tool_use]);
            (
                input,
                minus(total, input).or_else(|| plus(&[output, reasoning])),
            )
        }
        "/publishers/google/models/e:predict" => (input, input.map(|_| 0)),
        "/v1/embeddings" => {
            let input = input.or(total);
            (input, output.or(minus(total, input)).or(input.map(|_| 0)))
        }
        _ => (input, output.or_else(|| minus(total, input))),
    };
    // Reasoning that was left out of the output.
    let output = match (path, input, output, reasoning, total) {
        ("/v1/chat/completions" | "/v1/embeddings", Some(i), Some(o), Some(r), Some(t))
            if r > 0 && u128::from(t) == u128::from(i) + u128::from(o) + u128::from(r) =>
        {
            Some(o + r)
        }
        _ => output,
    };
    [input, output, cached, written, reasoning]
}

struct Documents {
    all: Vec<Box<RawValue>>,
    is_row: bool,
    is_done: bool,
}

fn documents(path: &str, content_type: &str, text: &str) -> Result<Documents, NoOpinion> {
    let mut read = Documents {
        all: Vec::new(),
        is_row: false,
        is_done: false,
    };
    match content_type {
        "application/json" => {
            let Some(body) = first(text)? else {
                return Ok(read);
            };
            let may_be_row = matches!(path, "/v1/models/g:streamGenerateContent" | "/completion");
            match elements(&body) {
                Some(all) if may_be_row => (read.all, read.is_row) = (all, true),
                _ => read.all = vec![body],
            }
        }
        "application/x-ndjson" => {
            for line in text.split('\n') {
                read.all.extend(first(line)?);
            }
        }
        "text/event-stream" => {
            let text = text
                .strip_prefix('\u{feff}')
                .unwrap_or(text)
                .replace("\r\n", "\n")
                .replace('\r', "\n");
            for event in text.split("\n\n") {
                let data: Vec<&str> = event
                    .split('\n')
                    .filter_map(|line| line.strip_prefix("data:"))
                    .map(|value| value.strip_prefix(' ').unwrap_or(value))
                    .collect();
                let data = data.join("\n");
                if data.starts_with("[DONE]") {
                    read.is_done = true;
                    break;
                }
                read.all.extend(first(&data)?);
            }
        }
        other => panic!("{other}"),
    }
    Ok(read)
}

/// The first value in a text.
fn first(text: &str) -> Result<Option<Box<RawValue>>, NoOpinion> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Box<RawValue>>();
    values.next().transpose().map_err(|_| NoOpinion)
}

fn elements(raw: &RawValue) -> Option<Vec<Box<RawValue>>> {
    serde_json::from_str(raw.get()).ok()
}

/// Every value that a pointer reaches.
fn at(document: &RawValue, pointer: &str) -> Result<Vec<Box<RawValue>>, NoOpinion> {
    let mut found = vec![document.to_owned()];
    for step in pointer.split('/').skip(1) {
        let mut below = Vec::new();
        for value in found {
            match step {
                "[0]" => below.extend(elements(&value).unwrap_or_default().into_iter().take(1)),
                "[*]" => below.extend(elements(&value).unwrap_or_default()),
                name if value.get().starts_with('{') => {
                    // A name that is no text, such as half of a surrogate pair.
                    let mut members: BTreeMap<String, Box<RawValue>> =
                        serde_json::from_str(value.get()).map_err(|_| NoOpinion)?;
                    below.extend(members.remove(name));
                }
                _ => {}
            }
        }
        found = below;
    }
    Ok(found)
}

fn number_at(document: &RawValue, pointer: &str) -> Result<Option<u64>, NoOpinion> {
    let numbers: Vec<u64> = at(document, pointer)?
        .iter()
        .filter_map(|raw| number(raw.get()))
        .collect();
    let sum: u128 = numbers.iter().map(|number| u128::from(*number)).sum();
    Ok((!numbers.is_empty()).then(|| u64::try_from(sum).unwrap_or(u64::MAX)))
}

/// A JSON number that equals a non-negative integer: its digits, with the point moved by the exponent.
fn number(text: &str) -> Option<u64> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > 64 && !is_plain {
        return None;
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    if digits.bytes().all(|byte| byte == b'0') {
        return Some(0);
    }
    // Beyond that, any number of 64 digits is far too large, or has a fraction.
    let exponent: i64 = exponent.parse().map_or(
        if exponent.starts_with('-') { -200 } else { 200 },
        |exponent: i64| exponent.clamp(-200, 200),
    );
    let point = i64::try_from(integer.len()).unwrap() + exponent;
    let integral: String = (0..point)
        .map(|at| {
            usize::try_from(at)
                .ok()
                .and_then(|at| digits.chars().nth(at))
                .unwrap_or('0')
        })
        .collect();
    let is_whole = digits
        .chars()
        .skip(usize::try_from(point.max(0)).unwrap())
        .all(|digit| digit == '0');
    let starts_early = point < 0;
    if !is_whole || starts_early {
        return None;
    }
    let integral = integral.trim_start_matches('0');
    Some(if integral.len() > 20 {
        u64::MAX
    } else {
        integral
            .parse::<u128>()
            .unwrap_or(0)
            .try_into()
            .unwrap_or(u64::MAX)
    })
}

fn model_at(document: &RawValue, pointer: &str) -> Result<Option<String>, NoOpinion> {
    Ok(at(document, pointer)?
        .iter()
        .filter_map(|raw| serde_json::from_str::<String>(raw.get()).ok())
        .find(|name| !name.is_empty() && name.len() <= 256 && !name.chars().any(char::is_control)))
}
