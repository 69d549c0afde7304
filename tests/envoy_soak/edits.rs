//! Edits of the running gate and of what it fetches: keys, endpoints and audiences that come and go, keys that are
//! rotated, and edits that must be refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use crate::gate::{COOLDOWN_MS, KEY_SET_FRESH_MS, KEYS_FRESH_MS};
use crate::harness::command::tenantgate;
use crate::harness::envoy::Edit;
use crate::harness::key_server::KeyServer;
use crate::harness::{Envoy, Issuer, Setup};
use crate::tokens;
use crate::traffic::Stock;
use crate::world::{Edition, Moment, Service};

/// How much longer than planned a fetch may take on a machine that is busy with all of this, in milliseconds.
const SLACK_MS: u64 = 3000;
/// How long after Envoy's verdict a new configuration is in force on every worker, in milliseconds.
const HEARD_OF_MS: u64 = 1000;

/// How many edits of each sort there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edits {
    /// Of the configuration, through `tenantgate apply`.
    pub applied: u64,
    /// Of the configuration, by a rename of the file.
    pub renamed: u64,
    /// Bad ones that the command refused.
    pub refused_by_command: u64,
    /// Bad ones that Envoy refused.
    pub refused_by_envoy: u64,
    pub key_set: u64,
    pub rotations: u64,
}

impl Edits {
    /// Configurations that came into force.
    pub fn in_force(&self) -> u64 {
        self.applied + self.renamed
    }
}

/// Who edits.
pub struct Editor<'a> {
    pub envoy: &'a Envoy,
    pub setup: &'a Setup,
    pub stock: &'a Stock,
    pub issuer: &'a Issuer,
    pub key_server: &'a KeyServer,
    pub done: Edits,
    random: StdRng,
}

impl<'a> Editor<'a> {
    pub fn new(
        envoy: &'a Envoy,
        setup: &'a Setup,
        stock: &'a Stock,
        (issuer, key_server): (&'a Issuer, &'a KeyServer),
        seed: u64,
    ) -> Self {
        Self {
            envoy,
            setup,
            stock,
            issuer,
            key_server,
            done: Edits::default(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// One edit after the other, until it is told to stop.
    pub fn edits_until(mut self, stop: &AtomicBool, pause: Duration) -> Edits {
        let mut turn = 0;
        while !stop.load(Ordering::Relaxed) {
            match turn % 6 {
                0 | 3 => self.edits_the_configuration(turn % 2 == 0),
                1 => self.edits_the_key_set(),
                // What follows is a rename: the command edits no file that it cannot read.
                2 => self.breaks_the_file(),
                4 => self.rotates(),
                _ => self.edits_badly(),
            }
            turn += 1;
            self.settles();
            std::thread::sleep(pause);
        }
        self.done
    }

    fn edits_the_configuration(&mut self, by_command: bool) {
        let world = &self.stock.world;
        let (before, _) = world.editions.newest();
        let mut next = Edition {
            number: before.number + 1,
            ..(*before).clone()
        };
        match self.random.random_range(0..4) {
            0 => next.second_audience = !next.second_audience,
            1 => flip(&mut next.endpoints, &mut self.random),
            _ => flip(&mut next.keys, &mut self.random),
        }
        let next = self.stock.keys.named(&next);
        let plugin = self.stock.keys.plugin(&next);
        self.stock.ledger.knows(&Arc::new(next.clone()));
        world.editions.begins(next);
        let verdict = if by_command {
            self.done.applied += 1;
            self.envoy.verdict_on(|| {
                let file = self.envoy.live_file();
                let to = file.to_str().expect("a path");
                // Another key lets somebody in who was not let in, which has to be meant.
                let arguments = ["apply", "-", "--to", to, "--allow-opening"];
                let said = tenantgate(&arguments, &plugin.to_string());
                assert_eq!(said.status, Some(0), "{}", said.stderr);
            })
        } else {
            self.done.renamed += 1;
            let setup = Setup {
                plugin,
                ..self.setup.clone()
            };
            let text = setup.discovery_response().to_string();
            self.envoy.replace_live_file(&text)
        };
        if verdict != Edit::Applied {
            self.stock
                .ledger
                .finds(format!("a good edit was refused\n{}", self.envoy.log()));
        }
        std::thread::sleep(Duration::from_millis(HEARD_OF_MS));
        self.stock.world.editions.settles();
    }

    /// What the command does not even put there.
    fn edits_badly(&mut self) {
        let (now, _) = self.stock.world.editions.newest();
        let mut plugin = self.stock.keys.plugin(&now);
        plugin["endpoints"][0]["authorizer"] = json!({ "type": "none", "keys": [] });
        let file = self.envoy.live_file();
        let to = file.to_str().expect("a path");
        let said = tenantgate(
            &["apply", "-", "--to", to, "--allow-opening"],
            &plugin.to_string(),
        );
        self.done.refused_by_command += 1;
        if said.status == Some(0) {
            self.stock
                .ledger
                .finds(format!("a bad edit was applied: {}", said.stdout));
        }
    }

    /// What Envoy reads and must not take.
    fn breaks_the_file(&mut self) {
        let (now, _) = self.stock.world.editions.newest();
        let mut plugin = self.stock.keys.plugin(&now);
        match self.random.random_range(0..3) {
            0 => plugin["endpoints"][2]["authorizer"]["oidc"]["algorithms"] = json!(["none"]),
            1 => plugin["endpoints"][0]["path"] = json!("chat"),
            _ => plugin["endpoints"] = json!("none"),
        }
        let setup = Setup {
            plugin,
            ..self.setup.clone()
        };
        let mut text = setup.discovery_response().to_string();
        if self.random.random_ratio(1, 3) {
            text.truncate(text.len() / 2);
        }
        self.done.refused_by_envoy += 1;
        if self.envoy.replace_live_file(&text) != Edit::Rejected {
            self.stock.ledger.finds("a bad file was taken".to_owned());
        }
    }

    fn edits_the_key_set(&mut self) {
        if !self.stock.world.key_set.is_settled() {
            return;
        }
        let (before, _) = self.stock.world.key_set.newest();
        let mut next = *before;
        flip(&mut next[1..], &mut self.random);
        self.stock.world.key_set.begins(next);
        self.key_server.shows(self.stock.keys.document(next));
        self.done.key_set += 1;
    }

    fn rotates(&mut self) {
        if !self.stock.world.generation.is_settled() {
            return;
        }
        let (before, _) = self.stock.world.generation.newest();
        self.stock.world.generation.begins(*before + 1);
        self.issuer.publishes(tokens::published(*before + 1));
        self.done.rotations += 1;
    }

    /// What was changed at a server is in force when it has been asked again, and could answer.
    fn settles(&self) {
        let world = &self.stock.world;
        let is_in = |since: Moment, service, patience| {
            since.age_ms() > patience && world.is_well_since(service, patience)
        };
        let patience = KEY_SET_FRESH_MS + SLACK_MS;
        if is_in(world.key_set.newest().1, Service::KeyServer, patience) {
            world.key_set.settles();
        }
        let patience = KEYS_FRESH_MS + COOLDOWN_MS + SLACK_MS;
        if is_in(world.generation.newest().1, Service::Issuer, patience) {
            world.generation.settles();
        }
    }
}

fn flip(switches: &mut [bool], random: &mut StdRng) {
    let place = random.random_range(0..switches.len());
    switches[place] = !switches[place];
}
