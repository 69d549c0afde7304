//! The name of a model.

/// The longest that is told. Resource names of hosted endpoints (an ARN is one) reach two hundred bytes.
const MAX_BYTES: usize = 256;

/// A model's name: 1 to 256 bytes of text without control characters. Anybody may have chosen it, so it is no label of a
/// metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName(String);

impl ModelName {
    /// What JSON may take to write such a name: six bytes for one, as `\u0041`.
    pub(super) const MAX_ESCAPED_BYTES: usize = MAX_BYTES * 6;

    /// `None` where the text is empty (a front of a model server sends that before it knows), too long, not UTF-8 or not
    /// fit for a line of a log.
    pub fn new(name: &[u8]) -> Option<Self> {
        if name.is_empty() || name.len() > MAX_BYTES {
            return None;
        }
        let name = std::str::from_utf8(name).ok()?;
        (!name.contains(char::is_control)).then(|| Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is called so in any spelling may be the model to somebody.
const LIKE_MODEL: [&str; 5] = ["model", "models", "modelid", "modelids", "modelname"];

/// Whether some server takes what is called so for the model: in any case (Go folds `ſ` to `s` as well), in the plural to
/// choose from, as an id or a name, or up to a NUL.
pub fn is_like_model(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else {
        return true;
    };
    if name.contains(char::is_control) {
        return true;
    }
    let fold = |c: char| {
        if c == 'ſ' {
            's'
        } else {
            c.to_ascii_lowercase()
        }
    };
    // Asked of every name in a body's outermost object, so nothing is copied.
    let plain = name.chars().filter(|c| !matches!(c, '_' | '-')).map(fold);
    LIKE_MODEL
        .iter()
        .any(|known| plain.clone().eq(known.chars()))
}
