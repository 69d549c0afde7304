//! The slow reader of what a client presents: every field alone, then all of them against each other.

/// Those that are looked at, then others that look like them.
pub const HEADERS: [&str; 7] = [
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    // Never looked at.
    "proxy-authorization",
    "x_api_key",
    "cookie",
];

/// The one credential that a field would carry by itself.
pub fn alone(name: &str, value: &[u8]) -> Option<Vec<u8>> {
    let credential = if name == "authorization" {
        let text = value.to_vec();
        let scheme = text.get(..6)?;
        if !scheme.eq_ignore_ascii_case(b"bearer") || text.get(6) != Some(&b' ') {
            return None;
        }
        let spaces = text[6..].iter().take_while(|byte| **byte == b' ').count();
        text[6 + spaces..].to_vec()
    } else {
        value.to_vec()
    };
    let one_word = !credential.is_empty()
        && credential
            .iter()
            .all(|byte| (0x21..=0x7e).contains(byte) && *byte != b',');
    one_word.then_some(credential)
}

/// The credential, if each field that is looked at carries it and none comes twice.
pub fn second_opinion(fields: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let looked_at: Vec<_> = fields
        .iter()
        .filter(|(name, _)| HEADERS[..4].contains(&name.as_str()))
        .collect();
    let twice = looked_at
        .iter()
        .enumerate()
        .any(|(index, (name, _))| looked_at[..index].iter().any(|(other, _)| other == name));
    let (name, value) = looked_at.first()?;
    let credential = alone(name, value)?;
    let everywhere = looked_at
        .iter()
        .all(|(name, value)| alone(name, value).as_ref() == Some(&credential));
    (everywhere && !twice).then_some(credential)
}

/// As `application/x-www-form-urlencoded` is decoded, a byte at a time.
pub fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (bytes[at], hex) {
            (b'%', Some(hex)) => {
                out.push(u8::from_str_radix(hex, 16).unwrap());
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What stands in the parameters of that name.
pub fn in_query<'q>(query: &'q str, name: &'q str) -> impl Iterator<Item = String> + 'q {
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .filter(move |(key, _)| decoded(key) == name)
        .map(|(_, value)| decoded(value))
}
