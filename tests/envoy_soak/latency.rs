//! How long good requests took, in buckets of a sixteenth of a millisecond growing by a sixteenth each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const BUCKETS: usize = 256;
/// Each bucket is that much wider than the one before.
const GROWTH: f64 = 1.0625;
const FIRST_MS: f64 = 0.0625;

/// A histogram that many add to.
pub struct Latencies {
    counts: [AtomicU64; BUCKETS],
}

impl Latencies {
    pub fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }

    pub fn add(&self, took: Duration) {
        let milliseconds = took.as_secs_f64() * 1000.0;
        let mut end = FIRST_MS;
        let mut bucket = 0;
        while end < milliseconds && bucket + 1 < BUCKETS {
            end *= GROWTH;
            bucket += 1;
        }
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// So many milliseconds that share of the requests took at most.
    pub fn quantile(&self, share: f64) -> f64 {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a share needs no more than a double has"
        )]
        let wanted = self.count() as f64 * share;
        let mut seen = 0.0;
        let mut end = FIRST_MS;
        for count in &self.counts {
            #[allow(
                clippy::cast_precision_loss,
                reason = "a share needs no more than a double has"
            )]
            let count = count.load(Ordering::Relaxed) as f64;
            seen += count;
            if seen >= wanted {
                break;
            }
            end *= GROWTH;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_within_a_sixteenth_of_what_was_measured() {
        let latencies = Latencies::new();
        for milliseconds in 1..=100 {
            latencies.add(Duration::from_millis(milliseconds));
        }
        assert_eq!(latencies.count(), 100);
        for (share, exact) in [(0.5, 50.0), (0.99, 99.0)] {
            let found = latencies.quantile(share);
            assert!(
                found >= exact && found <= exact * GROWTH,
                "{share}: {found}"
            );
        }
    }
}
