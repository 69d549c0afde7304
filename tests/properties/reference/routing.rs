//! The slow matcher: it reads a pattern by its text, a path byte by byte, and asks every endpoint.

use std::cmp::Reverse;

/// What an operator could write.
#[derive(Clone, Debug)]
pub struct Written<'w> {
    pub host: &'w str,
    pub path: String,
    pub methods: Vec<&'w str>,
    pub allow_encoded_slash: bool,
}

/// What stands between two slashes of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Literal(String),
    One {
        before: String,
        after: String,
        named: bool,
    },
    Rest {
        named: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Endpoint(usize),
    Unknown,
    AmbiguousPath,
    AmbiguousHost,
}

/// Stands for an encoded slash in a decoded segment.
const SLASH: char = '\u{0}';

fn kinds(pattern: &str) -> Vec<Kind> {
    let kind = |text: &str| {
        if let Some((before, rest)) = text.split_once('{') {
            let (name, after) = rest.split_once('}').unwrap();
            if name.ends_with("=**") {
                return Kind::Rest { named: true };
            }
            return Kind::One {
                before: before.to_owned(),
                after: after.to_owned(),
                named: true,
            };
        }
        if text == "**" {
            return Kind::Rest { named: false };
        }
        match text.split_once('*') {
            Some((before, after)) => Kind::One {
                before: before.to_owned(),
                after: after.to_owned(),
                named: false,
            },
            None => Kind::Literal(text.to_owned()),
        }
    };
    pattern[1..].split('/').map(kind).collect()
}

fn matches(kinds: &[Kind], segments: &[String]) -> bool {
    match (kinds.first(), segments.first()) {
        (None, None) | (Some(Kind::Rest { .. }), Some(_)) => true,
        (Some(Kind::Literal(text)), Some(segment)) => {
            text == segment && matches(&kinds[1..], &segments[1..])
        }
        (Some(Kind::One { before, after, .. }), Some(segment)) => {
            let long_enough = segment.len() > before.len() + after.len();
            long_enough
                && segment.starts_with(before)
                && segment.ends_with(after)
                && matches(&kinds[1..], &segments[1..])
        }
        _ => false,
    }
}

fn captures_slashes(kinds: &[Kind], segments: &[String]) -> bool {
    segments
        .iter()
        .enumerate()
        .filter(|(_, segment)| segment.contains(SLASH))
        .all(|(index, _)| {
            let kind = kinds.get(index).or(kinds.last());
            matches!(
                kind,
                Some(Kind::One { named: true, .. } | Kind::Rest { named: true })
            )
        })
}

/// The decoded segments, or nothing where two servers could disagree about them.
fn segments(path: &str) -> Option<Vec<String>> {
    let path = path.split('?').next().unwrap();
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return None;
    }
    let (mut segments, mut segment, mut at) = (Vec::new(), Vec::new(), 1);
    while at < bytes.len() {
        match bytes[at] {
            b'/' => segments.push(std::mem::take(&mut segment)),
            b'%' => {
                let digit = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
                let byte = u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).unwrap();
                if byte < 0x20 || byte == 0x7f || b".\\;?#%".contains(&byte) {
                    return None;
                }
                segment.push(if byte == b'/' { 0 } else { byte });
                at += 2;
            }
            b'\\' | b'#' | b';' | 0..=0x20 | 0x7f.. => return None,
            byte => segment.push(byte),
        }
        at += 1;
    }
    segments.push(segment);
    let segments: Vec<String> = segments
        .into_iter()
        .map(String::from_utf8)
        .collect::<Result<_, _>>()
        .ok()?;
    // With every slash decoded there must be no segment that a server would resolve or merge.
    let all_slashes = segments.join("/").replace(SLASH, "/");
    let pieces: Vec<&str> = all_slashes.split('/').collect();
    let (last, others) = pieces.split_last().unwrap();
    let resolvable = |piece: &&str| matches!(*piece, "." | "..");
    (!others
        .iter()
        .any(|piece| piece.is_empty() || resolvable(piece))
        && !resolvable(last))
    .then_some(segments)
}

/// The labels of a host, or nothing where it is no plain one.
fn labels(authority: &str) -> Option<Vec<String>> {
    let text = authority.to_ascii_lowercase();
    let without_port = text
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .strip_suffix(':')
        .unwrap_or(&text);
    let name = without_port.strip_suffix('.').unwrap_or(without_port);
    let labels: Vec<String> = name.split('.').map(str::to_owned).collect();
    let plain = |label: &String| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    (name.len() <= 255 && labels.iter().all(plain)).then_some(labels)
}

/// How near a host pattern comes: 0 is the host itself, then the longer of two suffixes.
fn nearness(pattern: &str, labels: &[String]) -> Option<usize> {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    match pattern.strip_prefix("*.") {
        _ if pattern == "*" => Some(usize::MAX),
        None => (pattern.split('.').collect::<Vec<_>>() == labels).then_some(0),
        Some(suffix) => {
            let suffix: Vec<_> = suffix.split('.').collect();
            let covered = labels
                .len()
                .checked_sub(suffix.len())
                .filter(|covered| *covered > 0)?;
            (labels[covered..] == suffix[..]).then_some(covered)
        }
    }
}

/// Segment by segment: text, then most text around a wildcard, then a wildcard, then the rest. Where that is the same,
/// a capture before its nameless twin.
fn specificity(kinds: &[Kind]) -> impl Ord + use<> {
    let shape = kinds.iter().map(|kind| match kind {
        Kind::Literal(_) => (0, Reverse(0), Reverse(0)),
        Kind::One { before, after, .. } if !before.is_empty() || !after.is_empty() => (
            1,
            Reverse(before.len() + after.len()),
            Reverse(before.len()),
        ),
        Kind::One { .. } => (2, Reverse(0), Reverse(0)),
        Kind::Rest { .. } => (3, Reverse(0), Reverse(0)),
    });
    let nameless = kinds.iter().map(|kind| {
        matches!(
            kind,
            Kind::One { named: false, .. } | Kind::Rest { named: false }
        )
    });
    (shape.collect::<Vec<_>>(), nameless.collect::<Vec<_>>())
}

/// Whether nothing tells the two apart.
pub fn conflict(one: &Written<'_>, other: &Written<'_>) -> bool {
    let share = one
        .methods
        .iter()
        .any(|method| other.methods.contains(method));
    let any = one.methods.is_empty() && other.methods.is_empty();
    one.host == other.host && kinds(&one.path) == kinds(&other.path) && (any || share)
}

pub fn find(endpoints: &[Written<'_>], authority: &str, path: &str, method: &str) -> Outcome {
    let Some(segments) = segments(path) else {
        return Outcome::AmbiguousPath;
    };
    let Some(labels) = labels(authority) else {
        return Outcome::AmbiguousHost;
    };
    let answers = |(index, endpoint): (usize, &Written<'_>)| {
        let kinds = kinds(&endpoint.path);
        let takes = endpoint.methods.is_empty() || endpoint.methods.contains(&method);
        let host = nearness(endpoint.host, &labels)?;
        let order = (host, specificity(&kinds), endpoint.methods.is_empty());
        (takes && matches(&kinds, &segments)).then_some((order, index, kinds))
    };
    let best = endpoints
        .iter()
        .enumerate()
        .filter_map(answers)
        .min_by(|(one, ..), (other, ..)| one.cmp(other));
    let slashes = segments.iter().any(|segment| segment.contains(SLASH));
    match best {
        Some((_, index, kinds))
            if !slashes
                || (endpoints[index].allow_encoded_slash
                    && captures_slashes(&kinds, &segments)) =>
        {
            Outcome::Endpoint(index)
        }
        None if !slashes => Outcome::Unknown,
        _ => Outcome::AmbiguousPath,
    }
}
