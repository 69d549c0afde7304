//! Outages, one after the other: each service is cut off and stalled in turn, and comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::line::{Condition, Line};
use crate::world::{Service, World};

/// How many there were of each, by place in [`Service::ALL`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Outages {
    pub cut: [u64; 4],
    pub stalled: [u64; 4],
}

impl Outages {
    pub fn of(&self, service: Service) -> (u64, u64) {
        (self.cut[service as usize], self.stalled[service as usize])
    }
}

/// The wires to the services, in the order of [`Service::ALL`].
pub struct Lines(pub [Line; 4]);

/// How long outages are, and how long the pauses between them.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub outage: Duration,
    pub pause: Duration,
    /// The token endpoint is cut off for that long.
    pub long: Duration,
}

impl Lines {
    /// Breaks one after the other until it is told to stop.
    pub fn break_until(&self, stop: &AtomicBool, world: &World, pace: Pace) -> Outages {
        let mut outages = Outages::default();
        for turn in 0_usize.. {
            let service = Service::ALL[turn % 4];
            let line = &self.0[service as usize];
            // In each round the other way around.
            let condition = if (turn + turn / 4).is_multiple_of(2) {
                Condition::Cut
            } else {
                Condition::Stalled
            };
            let count = match condition {
                Condition::Cut => &mut outages.cut,
                _ => &mut outages.stalled,
            };
            count[service as usize] += 1;
            world.trouble(service).begins(true);
            line.becomes(condition);
            sleep_unless(stop, pace.of(service, condition));
            line.becomes(Condition::Whole);
            world.trouble(service).begins(false);
            world
                .trouble(service)
                .settles_in(recovered_after_ms(service));
            if sleep_unless(stop, pace.pause) {
                break;
            }
        }
        outages
    }
}

impl Pace {
    fn of(&self, service: Service, condition: Condition) -> Duration {
        match (service, condition) {
            (Service::TokenEndpoint, Condition::Cut) => self.long,
            // All who wait for it send nothing meanwhile.
            (Service::Upstream, _) => self.outage / 2,
            _ => self.outage,
        }
    }
}

/// How long after an outage the gate may still be in it: until it asks again, and that is answered.
fn recovered_after_ms(service: Service) -> u64 {
    match service {
        // The pauses between attempts grow up to the time that a document is fresh, which no token has.
        Service::TokenEndpoint => 12_000,
        Service::Issuer | Service::KeyServer | Service::Upstream => 6_000,
    }
}

/// True if it was told to stop meanwhile.
fn sleep_unless(stop: &AtomicBool, duration: Duration) -> bool {
    let end = Instant::now() + duration;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.load(Ordering::Relaxed)
}
