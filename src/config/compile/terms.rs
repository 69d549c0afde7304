//! How long things last: the life of what is fetched.

use jiff::SignedDuration;

use crate::config::field::Field;
use crate::config::problem::Place;
use crate::config::raw::DurationText;
use crate::fetch::Terms;

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const WEEK: SignedDuration = SignedDuration::from_hours(168);

/// What the operator wrote about the documents of an issuer.
pub(super) struct Written {
    pub refresh: Field<DurationText>,
    pub max_stale: Field<DurationText>,
    pub refresh_cooldown: Field<DurationText>,
    pub fetch_timeout: Field<DurationText>,
}

impl Written {
    pub fn terms(self, here: &Place<'_>) -> Terms {
        let within =
            |member: &str, field, least, most| within(field, least, most, &here.member(member));
        Terms {
            refresh: within("refresh", self.refresh, SECOND, DAY),
            max_stale: within("max_stale", self.max_stale, MINUTE, WEEK)
                .unwrap_or(Terms::MAX_STALE),
            cooldown: within("refresh_cooldown", self.refresh_cooldown, SECOND, HOUR)
                .unwrap_or(Terms::COOLDOWN),
            timeout: fetch_timeout(self.fetch_timeout, here),
        }
    }
}

/// What the operator wrote about a key set.
pub(super) fn of_key_set(
    refresh: Field<DurationText>,
    max_stale: Field<DurationText>,
    fetch_timeout: Field<DurationText>,
    here: &Place<'_>,
) -> Terms {
    let written = Written {
        refresh,
        max_stale,
        refresh_cooldown: Field::Absent,
        fetch_timeout,
    };
    let terms = written.terms(here);
    Terms {
        // What its server says is no matter: this bounds how long a key goes on working that was withdrawn.
        refresh: terms.refresh.or(Some(Terms::KEY_SET_REFRESH)),
        ..terms
    }
}

/// How long a fetch may take.
pub(super) fn fetch_timeout(raw: Field<DurationText>, here: &Place<'_>) -> SignedDuration {
    let (least, most) = (SignedDuration::from_millis(100), SECOND.saturating_mul(30));
    within(raw, least, most, &here.member("fetch_timeout")).unwrap_or(Terms::TIMEOUT)
}

fn within(
    raw: Field<DurationText>,
    least: SignedDuration,
    most: SignedDuration,
    here: &Place<'_>,
) -> Option<SignedDuration> {
    here.parse(raw, |text| {
        let duration = duration(&text)?;
        if duration < least || duration > most {
            return Err(format!("must be from {least:#} to {most:#}"));
        }
        Ok(duration)
    })
}

/// A number with its unit, as `60s`, `1m` or `500ms`.
pub(super) fn duration(DurationText(text): &DurationText) -> Result<SignedDuration, &'static str> {
    text.parse()
        .map_err(|_| "must be a duration with its unit, such as `60s`, `1m` or `500ms`")
}
