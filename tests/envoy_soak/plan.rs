//! How long a soak is, and how hard: half a minute, unless the environment says more.

use std::path::PathBuf;
use std::time::Duration;

use crate::outages::Pace;

/// How long the soak is that runs with the other tests.
const SHORT: Duration = Duration::from_secs(24);

/// A soak to be.
#[derive(Clone, Debug)]
pub struct Plan {
    pub length: Duration,
    /// The same one repeats the requests of each client.
    pub seed: u64,
    /// Where the report goes, beside standard output.
    pub report: Option<PathBuf>,
    pub outages: Pace,
    /// Between two edits.
    pub edit_pause: Duration,
}

impl Plan {
    /// `SOAK_MINUTES`, `SEED` and `SOAK_REPORT` say otherwise.
    pub fn of_the_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let number = |name: &str| -> Option<f64> {
            let text = variable(name)?;
            Some(
                text.parse()
                    .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
            )
        };
        let minutes = number("SOAK_MINUTES");
        let length = minutes.map_or(SHORT, |minutes| Duration::from_secs_f64(minutes * 60.0));
        let is_long = length > Duration::from_secs(90);
        let ms = Duration::from_millis;
        let pace = if is_long {
            Pace {
                outage: ms(3000),
                pause: ms(3000),
                long: ms(12_000),
            }
        } else {
            Pace {
                outage: ms(1000),
                pause: ms(1500),
                long: ms(2000),
            }
        };
        let seed = variable("SEED").map_or_else(rand::random::<u32>, |text| {
            text.parse().expect("SEED is a number")
        });
        Self {
            length,
            seed: u64::from(seed),
            report: variable("SOAK_REPORT").map(PathBuf::from),
            outages: pace,
            edit_pause: ms(if is_long { 1000 } else { 100 }),
        }
    }
}
