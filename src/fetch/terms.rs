//! How long documents live: what the operator may decide about that, and what nobody may.

use jiff::SignedDuration;

/// What the operator may decide about the life of a document. The defaults are safe for an issuer of any size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// How long a document counts as fresh. Where the operator does not say, its server does (`Cache-Control:
    /// max-age`, within bounds), and where that does not either, [`Terms::FRESH_FOR`].
    pub refresh: Option<SignedDuration>,
    /// How long the last good document serves while no newer one can be had.
    pub max_stale: SignedDuration,
    /// How often a request can cause a refresh ahead of time, by a key id that is not in the set.
    pub cooldown: SignedDuration,
    /// A callout that takes longer has failed. Waiting requests wait for it.
    pub timeout: SignedDuration,
}

impl Terms {
    /// So long a key goes on working at most that was taken out of its key set.
    pub const KEY_SET_REFRESH: SignedDuration = SignedDuration::from_secs(30);
    /// Issuers rotate keys over hours; ten minutes is what Envoy's own JWT filter refreshes after.
    pub const FRESH_FOR: SignedDuration = SignedDuration::from_mins(10);
    /// A day, so that an issuer's bad night is not ours.
    pub const MAX_STALE: SignedDuration = SignedDuration::from_hours(24);
    /// Strangers can make key ids up, so this is what they can cost the issuer.
    pub const COOLDOWN: SignedDuration = SignedDuration::from_secs(30);
    /// Far more than a document of some kilobytes takes, and less than a client waits.
    pub const TIMEOUT: SignedDuration = SignedDuration::from_secs(5);
    /// How much longer a fetch counts as under way than it may take.
    const GRACE: SignedDuration = SignedDuration::from_secs(1);

    /// The longest pause between two attempts: who wants to know within a second what changed does not wait for a minute
    /// when the server is back.
    pub(super) fn longest_pause(&self) -> SignedDuration {
        let refresh = self.refresh.unwrap_or(BACK_OFF_MOST);
        refresh.clamp(BACK_OFF_FIRST, BACK_OFF_MOST)
    }

    /// How long whoever fetches has it to itself. A worker that died meanwhile is replaced after it.
    pub fn lease(&self) -> SignedDuration {
        self.timeout.saturating_add(Self::GRACE)
    }
}

impl Terms {
    /// How long a document is good, of which its server says `said`.
    pub fn life(&self, said: Option<SignedDuration>) -> Life {
        let said = said.map(|said| said.clamp(FRESH_AT_LEAST, FRESH_AT_MOST));
        let fresh_for = self.refresh.or(said).unwrap_or(Self::FRESH_FOR);
        Life {
            // What may not serve for longer has to be had anew by then.
            fresh_for: fresh_for.min(self.max_stale),
            serves_for: self.max_stale,
            expires: false,
        }
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            refresh: None,
            max_stale: Self::MAX_STALE,
            cooldown: Self::COOLDOWN,
            timeout: Self::TIMEOUT,
        }
    }
}

/// No server can have us ask more often than this…
pub const FRESH_AT_LEAST: SignedDuration = SignedDuration::from_mins(1);
/// …nor less often, since this bounds how long a withdrawn key goes on working.
pub const FRESH_AT_MOST: SignedDuration = SignedDuration::from_hours(1);
/// The pause after the first failure; it doubles with each further one…
pub const BACK_OFF_FIRST: SignedDuration = SignedDuration::from_secs(1);
/// …up to this, or to what the operator has the document refreshed after, if that is sooner.
pub const BACK_OFF_MOST: SignedDuration = SignedDuration::from_mins(1);
/// The first pause where nothing could be sent, which burdens nobody: at boot a cluster has no endpoint until its name is
/// resolved.
pub const BACK_OFF_UNSENT: SignedDuration = SignedDuration::from_millis(100);

/// For how long a server is believed that says that a document is the same as before. Entity tags that are made of a file's
/// time and size can be those of another file.
pub const BELIEVED: SignedDuration = SignedDuration::from_mins(10);

/// How long what was fetched is good, counted from when it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// It is had anew somewhat before that is over.
    pub fresh_for: SignedDuration,
    /// It serves for that long while no newer one can be had.
    pub serves_for: SignedDuration,
    /// It is no good at all after that, as a token is and a key is not. Then a clock that was set back past the time
    /// when it was had is not believed about it.
    pub expires: bool,
}
