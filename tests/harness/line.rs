//! The line between Envoy and a server: a test cuts it, holds it, or lets it drip, while requests are on it and whatever the
//! server is, which need not know.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::server::runtime;

/// What is wrong with a server, as far as its callers can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its process was killed: its connections end, and new ones are refused.
    Dead,
    /// It takes connections and requests, and answers nothing.
    Mute,
    /// The head of an answer comes, and nothing after it.
    HeadOnly,
    /// A byte of an answer comes every tenth of a second.
    Drips,
}

/// A line to a server. What was held back comes when it is mended.
pub struct Line {
    server: SocketAddr,
    address: SocketAddr,
    fault: watch::Sender<Option<Fault>>,
    listening: Option<JoinHandle<()>>,
    runtime: Runtime,
}

impl Line {
    /// One that is well.
    pub fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut line = Self {
            server,
            address: listener.local_addr().expect("a bound address"),
            fault: watch::Sender::new(None),
            listening: None,
            runtime: runtime(),
        };
        line.listens(listener);
        line
    }

    /// Where Envoy takes the server to be.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, for the connections that are there as well.
    pub fn breaks(&mut self, fault: Fault) {
        self.fault.send_replace(Some(fault));
        if fault == Fault::Dead
            && let Some(listening) = self.listening.take()
        {
            listening.abort();
            // The port is closed when it has ended.
            let _ = self.runtime.block_on(listening);
        }
    }

    /// All is well again.
    pub fn mends(&mut self) {
        if self.listening.is_none() {
            let listener = TcpListener::bind(self.address).expect("the same port again");
            self.listens(listener);
        }
        self.fault.send_replace(None);
    }

    fn listens(&mut self, listener: TcpListener) {
        listener
            .set_nonblocking(true)
            .expect("a nonblocking listener");
        let (server, fault) = (self.server, self.fault.subscribe());
        self.listening = Some(self.runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            // They end with this task.
            let mut connections = JoinSet::new();
            while let Ok((caller, _)) = listener.accept().await {
                connections.spawn(carry(caller, server, fault.clone()));
            }
        }));
    }
}

/// Carries both ways until one of the two hangs up.
async fn carry(caller: TcpStream, server: SocketAddr, fault: watch::Receiver<Option<Fault>>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut asks, told) = caller.into_split();
    let (answers, mut asked) = server.into_split();
    tokio::select! {
        _ = tokio::io::copy(&mut asks, &mut asked) => {}
        _ = carry_answers(answers, told, fault) => {}
    }
}

async fn carry_answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut fault: watch::Receiver<Option<Fault>>,
) -> Option<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await.ok()?;
        let mut held = buffer.get(..length).filter(|bytes| !bytes.is_empty())?;
        while !held.is_empty() {
            let now = *fault.borrow_and_update();
            let passes = match now {
                None => held.len(),
                Some(Fault::Drips) => 1,
                Some(Fault::HeadOnly) => end_of_head(held),
                Some(Fault::Mute | Fault::Dead) => 0,
            };
            let (now, later) = held.split_at(passes);
            to.write_all(now).await.ok()?;
            held = later;
            // Whatever is held goes on with the next change, and what drips by itself.
            let patience = if passes == 1 { 100 } else { u64::MAX };
            if !held.is_empty() {
                let patience = Duration::from_millis(patience);
                if let Ok(changed) = tokio::time::timeout(patience, fault.changed()).await {
                    changed.ok()?;
                }
            }
        }
    }
}

fn end_of_head(bytes: &[u8]) -> usize {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(0, |at| at + 4)
}
