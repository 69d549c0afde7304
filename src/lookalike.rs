//! Field names that somebody behind us would take for one another: many servers fold `_` and `.` to `-`, and CGI's rules
//! (RFC 3875 section 4.1.18) are carried out by some on whatever is no letter and no digit.

/// The spelling that all look-alikes of a name share.
pub fn canonical(name: &str) -> String {
    name.trim_end_matches(is_hyphen)
        .chars()
        .map(canonical_char)
        .collect()
}

/// Whether the name has that [`canonical`] spelling. Asked of every field of every request.
pub fn looks_like(name: &str, canonical: &str) -> bool {
    let name = name.trim_end_matches(is_hyphen);
    name.len() == canonical.len() && name.chars().map(canonical_char).eq(canonical.chars())
}

fn canonical_char(c: char) -> char {
    if is_hyphen(c) {
        '-'
    } else {
        c.to_ascii_lowercase()
    }
}

fn is_hyphen(c: char) -> bool {
    !c.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_a_server_folds_to_one_name_looks_like_it() {
        let name = canonical("X-Api_Key");
        for field in [
            "x-api-key",
            "X_API_KEY",
            "x.api.key",
            "x!api|key",
            "x-api-key_",
        ] {
            assert!(looks_like(field, &name), "{field}");
        }
        for field in ["x-apikey", "x-api-key2", "api-key", "x-api"] {
            assert!(!looks_like(field, &name), "{field}");
        }
    }
}
