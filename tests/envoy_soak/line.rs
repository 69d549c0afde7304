//! A wire between Envoy and a service that can be cut and stalled, whatever the service is.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What a wire does with what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It passes it on.
    Whole,
    /// Nothing listens, and whoever was connected is not any more.
    Cut,
    /// It takes all and passes nothing on.
    Stalled,
}

/// A relay on a port of its own. It ends with the runtime that it was started in.
pub struct Line {
    address: SocketAddr,
    condition: watch::Sender<Condition>,
}

impl Line {
    /// To that service, whole.
    pub async fn to(service: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (condition, watch) = watch::channel(Condition::Whole);
        tokio::spawn(serve(listener, service, watch));
        Self { address, condition }
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn becomes(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }
}

async fn serve(first: TcpListener, service: SocketAddr, watch: watch::Receiver<Condition>) {
    let address = first.local_addr().expect("a bound address");
    let mut listener = Some(first);
    let mut cut = watch.clone();
    loop {
        let Some(open) = &listener else {
            if cut.wait_for(|now| *now != Condition::Cut).await.is_err() {
                return;
            }
            let again = TcpListener::bind(address).await;
            listener = Some(again.expect("the same port again"));
            continue;
        };
        tokio::select! {
            cut = cut.wait_for(|now| *now == Condition::Cut) => match cut {
                Ok(_) => listener = None,
                Err(_) => return,
            },
            accepted = open.accept() => if let Ok((client, _)) = accepted {
                tokio::spawn(relay(client, service, watch.clone()));
            },
        }
    }
}

async fn relay(client: TcpStream, service: SocketAddr, watch: watch::Receiver<Condition>) {
    let Ok(server) = TcpStream::connect(service).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pump(from_client, to_server, watch.clone()),
        pump(from_server, to_client, watch)
    );
}

/// One direction, until its end or until the wire is cut.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut watch: watch::Receiver<Condition>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            _ = watch.wait_for(|now| *now == Condition::Cut) => return,
        };
        let moved = watch.wait_for(|now| *now != Condition::Stalled).await;
        let is_over = moved.map_or(true, |now| *now == Condition::Cut);
        if length == 0 || is_over || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
