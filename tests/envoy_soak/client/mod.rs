//! The clients: connections that stay, connections for one request, many streams on one, and those with bad manners. Each
//! sends one request after the other until it is told to stop.

mod http1;
mod http2;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::latency::Latencies;
use crate::shot::{Answer, Shot};
use crate::traffic::{Carriage, Maker, Stock, can_be_followed, can_follow};
use http1::Connection;

/// How many clients of each sort there are.
const STAYING: u64 = 20;
const COMING_AND_GOING: u64 = 6;
const ALONE: u64 = 10;
const HTTP2: u64 = 3;
/// How many requests an HTTP/2 client has under way at once.
pub const STREAMS: usize = 6;
/// A connection that stays is given up after so many requests all the same.
const REQUESTS_OF_A_CONNECTION: u32 = 2000;
/// One request in so many is followed by another at once, if both are such that it can be.
const PIPELINED: u32 = 10;
/// Nobody waits longer for an answer.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// Says who they are, in the report.
pub fn described() -> String {
    format!(
        "{STAYING} connections that stay (HTTP/1.1, some requests pipelined), {COMING_AND_GOING} clients with a \
         connection for each request, {HTTP2} HTTP/2 connections with {STREAMS} streams each, {ALONE} clients that send \
         slowly, leave, or speak broken HTTP"
    )
}

/// What all clients have.
#[derive(Clone)]
pub struct Clients {
    pub gate: SocketAddr,
    pub stock: Arc<Stock>,
    pub latencies: Arc<Latencies>,
    pub stop: Arc<AtomicBool>,
    pub seed: u64,
}

impl Clients {
    /// Sends until it is told to stop, and every request is over.
    pub async fn run(self) {
        let mut tasks = JoinSet::new();
        let mut client = 0;
        let mut maker = || {
            client += 1;
            Maker::new(Arc::clone(&self.stock), self.seed, client)
        };
        for _ in 0..STAYING {
            tasks.spawn(self.clone().stays(maker()));
        }
        for _ in 0..COMING_AND_GOING {
            tasks.spawn(
                self.clone()
                    .comes_and_goes(maker(), &[Carriage::Any, Carriage::Http1]),
            );
        }
        for _ in 0..ALONE {
            tasks.spawn(self.clone().comes_and_goes(maker(), &[Carriage::Alone]));
        }
        for _ in 0..HTTP2 {
            tasks.spawn(http2::speaks(self.clone(), maker()));
        }
        while let Some(ended) = tasks.join_next().await {
            ended.expect("a client that does not panic");
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// What came of a request goes into the book.
    fn ends(&self, kind: usize, shot: &Shot, answer: Option<&Answer>, began: Instant) {
        let is_served = answer.is_some_and(|answer| answer.echo.is_some());
        if is_served && self.stock.kinds[kind].is_good {
            self.latencies.add(began.elapsed());
        }
        self.stock.ledger.ends(shot, answer);
    }

    async fn stays(self, mut maker: Maker) {
        let carriages = [Carriage::Any, Carriage::Http1];
        let mut connection = None;
        let mut left = 0;
        while !self.is_over() {
            if connection.is_none() || left == 0 {
                connection = Some(Connection::to(self.gate).await);
                left = REQUESTS_OF_A_CONNECTION;
            }
            left -= 1;
            let mut shots = vec![maker.next(&carriages)];
            if left.is_multiple_of(PIPELINED) {
                shots.push(maker.next(&carriages));
                // A number that was given is a request that was sent: so one after the other.
                if !can_be_followed(&shots[0].1) || !can_follow(&shots[1].1) {
                    for shot in shots {
                        let open = connection.take();
                        let open = match open {
                            Some(open) => open,
                            None => Connection::to(self.gate).await,
                        };
                        connection = self.sends(vec![shot], open).await;
                    }
                    continue;
                }
            }
            let open = connection.take().expect("a connection");
            connection = self.sends(shots, open).await;
        }
    }

    async fn comes_and_goes(self, mut maker: Maker, carriages: &'static [Carriage]) {
        while !self.is_over() {
            let shot = maker.next(carriages);
            let connection = Connection::to(self.gate).await;
            self.sends(vec![shot], connection).await;
        }
    }

    /// Sends these at once, and reads their answers one after the other. The connection, if it can be used on.
    async fn sends(
        &self,
        shots: Vec<(usize, Shot)>,
        mut connection: Connection,
    ) -> Option<Connection> {
        for (kind, shot) in &shots {
            self.stock.ledger.sends(*kind, shot);
        }
        let began = Instant::now();
        if let [(kind, shot)] = shots.as_slice() {
            let answer = connection.exchange(shot).await;
            self.ends(*kind, shot, answer.as_ref(), began);
            return connection.is_open().then_some(connection);
        }
        let heads: Vec<u8> = shots.iter().flat_map(|(_, shot)| shot.head()).collect();
        connection.write(&heads).await;
        for (kind, shot) in &shots {
            let answer = connection.answer(shot.method).await;
            self.ends(*kind, shot, Some(&answer), began);
        }
        connection.is_open().then_some(connection)
    }
}

/// The reason code in a body; empty if there is none.
fn reason(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let code = json.pointer("/error/code").and_then(|code| code.as_str());
    code.unwrap_or_default().to_owned()
}
