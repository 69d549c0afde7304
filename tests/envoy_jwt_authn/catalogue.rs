//! The list of tokens: each has a name, what the RFCs say about it, and where.

use std::fmt;

use jiff::Timestamp;

use crate::harness::tokens::{Key, Token, base64};
use crate::{algorithms, claims, form, header, signatures};

/// What the RFCs say of a token, and what we promise where they leave a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rfc {
    /// It holds.
    MustAccept,
    /// It does not.
    MustRefuse,
    /// The choice is ours, and we take it.
    MayBeTaken,
    /// The choice is ours, and we do not.
    MayBeRefused,
}

impl fmt::Display for Rfc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::MustAccept => "MUST accept",
            Self::MustRefuse => "MUST refuse",
            Self::MayBeTaken | Self::MayBeRefused => "MAY",
        })
    }
}

/// One token.
pub struct Specimen {
    pub name: String,
    pub rfc: Rfc,
    pub section: &'static str,
    pub token: Vec<u8>,
}

/// All of them.
pub struct Catalogue {
    now: Timestamp,
    specimens: Vec<Specimen>,
}

impl Catalogue {
    /// Tokens as of that time.
    pub fn of_everything(now: Timestamp) -> Self {
        let mut catalogue = Self {
            now,
            specimens: Vec::new(),
        };
        for chapter in [
            algorithms::write,
            header::write,
            claims::write,
            signatures::write,
            form::write,
        ] {
            chapter(&mut catalogue);
        }
        catalogue
    }

    pub fn specimens(&self) -> &[Specimen] {
        &self.specimens
    }

    /// The time that tokens are issued at.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// So many seconds from then.
    pub fn in_seconds(&self, seconds: i64) -> i64 {
        self.now.as_second() + seconds
    }

    /// Adds a token that the builder can make.
    pub fn add(&mut self, rfc: Rfc, section: &'static str, name: impl fmt::Display, token: &Token) {
        let token = token.sign(self.now);
        self.add_text(rfc, section, name, token);
    }

    /// Adds a token as it is.
    pub fn add_text(
        &mut self,
        rfc: Rfc,
        section: &'static str,
        name: impl fmt::Display,
        token: impl Into<Vec<u8>>,
    ) {
        self.specimens.push(Specimen {
            name: name.to_string(),
            rfc,
            section,
            token: token.into(),
        });
    }

    /// Signs segments that are not canonical, as they stand.
    pub fn signed_as_it_stands(header: &str, claims: &str) -> String {
        let input = format!("{header}.{claims}");
        let signature = Key::R1.sign("RS256", input.as_bytes());
        format!("{input}.{}", base64(&signature))
    }

    /// A good token, taken apart.
    pub fn good_segments(&self) -> [String; 3] {
        let good = Token::good().claim("jti", "apart").sign(self.now);
        let segments: Vec<String> = good.split('.').map(str::to_owned).collect();
        segments.try_into().expect("three segments")
    }
}

/// A name that is fit for one line.
pub fn short(text: &str) -> String {
    let shown: String = text
        .chars()
        .take(48)
        .flat_map(char::escape_default)
        .collect();
    if text.chars().count() > 48 {
        format!("{shown}... ({} bytes)", text.len())
    } else {
        shown
    }
}
