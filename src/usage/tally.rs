//! What the documents of one answer add up to.
//!
//! The last number that was said counts, field by field: right for cumulative totals, for nothing followed by a number,
//! for zeros followed by a number, and for corrections up and down. Only what [`Wire::adds`] names is a sum over
//! documents. Parts are added at the end, once, from the merged fields.

use super::document::Document;
use super::format::Wire;
use super::tree::{Count, OTHER, RANKS};

/// How a format counts, and what it takes to count as all do: input with everything that was read, output with everything
/// that was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// The input has the cached tokens in it and the output the reasoning. Where the output is missing it is what the
    /// total has more than the input.
    Inclusive,
    /// What was read from a cache or written to one comes on top of the input.
    Exclusive,
    /// Tools' results come on top of the input. Whether the reasoning is in the output has differed between endpoints and
    /// over time, so the total decides.
    Google,
}

/// The counts of one source.
#[derive(Clone, Copy, Default)]
struct Counts([Option<u64>; Count::ALL.len()]);

impl Counts {
    fn of(&self, count: Count) -> Option<u64> {
        self.0.get(count as usize).copied().flatten()
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Puts what another document said over this. One that says nothing but zeros never replaces a number: it is filler.
    fn merge(&mut self, said: &Self, adds: impl Fn(Count) -> bool) {
        let is_filler = said.0.iter().flatten().all(|value| *value == 0);
        for ((place, said), of) in self.0.iter_mut().zip(said.0).zip(Count::ALL) {
            *place = match (*place, said) {
                (Some(before), Some(more)) if adds(of) => Some(before.saturating_add(more)),
                (Some(before), Some(_)) if is_filler => Some(before),
                (before, said) => said.or(before),
            };
        }
    }
}

/// Counts as all formats have them in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) input: Option<u64>,
    pub(super) output: Option<u64>,
    pub(super) cached: Option<u64>,
    pub(super) cache_write: Option<u64>,
    pub(super) reasoning: Option<u64>,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    own: Counts,
    other: Counts,
}

impl Tally {
    /// Adds a document. `in_row`: it is one of an array of them.
    pub(super) fn add(&mut self, document: &Document, wire: &Wire, in_row: bool) {
        let said = |ranks: std::ops::Range<u8>| {
            Counts(Count::ALL.map(|of| document.count(of, ranks.clone())))
        };
        let adds = |of| wire.adds(of, in_row);
        self.own.merge(&said(0..OTHER), adds);
        self.other.merge(&said(OTHER..RANKS), adds);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.other.is_empty()
    }

    pub(super) fn totals(&self, wire: &Wire, generates: bool) -> Totals {
        let own_is_whole =
            self.own.of(Count::Input).is_some() && self.own.of(Count::Output).is_some();
        let counts = if own_is_whole || self.other.is_empty() {
            &self.own
        } else {
            &self.other
        };
        let of = |count| counts.of(count);
        let (input, output) = match wire.arithmetic {
            Arithmetic::Inclusive => inclusive(counts, generates),
            Arithmetic::Exclusive => (
                sum(&[of(Count::Input), of(Count::Cached), of(Count::CacheWrite)]),
                of(Count::Output),
            ),
            Arithmetic::Google => {
                let input = sum(&[of(Count::Input), of(Count::ToolUse)]);
                let shown_and_not = sum(&[of(Count::Output), of(Count::Reasoning)]);
                (input, difference(of(Count::Total), input).or(shown_and_not))
            }
        };
        Totals {
            input,
            output,
            cached: of(Count::Cached),
            cache_write: of(Count::CacheWrite),
            reasoning: of(Count::Reasoning),
        }
    }
}

fn inclusive(counts: &Counts, generates: bool) -> (Option<u64>, Option<u64>) {
    let total = counts.of(Count::Total);
    let input = counts
        .of(Count::Input)
        .or_else(|| total.filter(|_| !generates));
    let Some(shown) = counts.of(Count::Output) else {
        return (input, difference(total, input));
    };
    // xAI leaves the reasoning out of what was generated, and only the total gives it away.
    let reasoning = counts.of(Count::Reasoning).unwrap_or(0);
    let both = shown.saturating_add(reasoning);
    let is_apart = reasoning > 0
        && input.is_some_and(|input| {
            input
                .checked_add(both)
                .is_some_and(|sum| Some(sum) == total)
        });
    (input, Some(if is_apart { both } else { shown }))
}

/// The sum of what is known, if anything is.
fn sum(parts: &[Option<u64>]) -> Option<u64> {
    parts.iter().flatten().copied().reduce(u64::saturating_add)
}

fn difference(total: Option<u64>, part: Option<u64>) -> Option<u64> {
    Some(total?.saturating_sub(part?))
}
