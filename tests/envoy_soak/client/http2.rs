//! A client of HTTP/2 with several streams on one connection.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Request, Response};
use h2::RecvStream;
use h2::client::SendRequest;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Clients, PATIENCE, STREAMS};
use crate::shot::{Answer, ID, Payload, Shot};
use crate::traffic::{Carriage, Maker};

/// After so many requests another connection is made.
const REQUESTS_OF_A_CONNECTION: usize = 3000;

/// Sends until it is told to stop.
pub async fn speaks(clients: Clients, mut maker: Maker) {
    while !clients.is_over() {
        let stream = TcpStream::connect(clients.gate)
            .await
            .expect("the gate's port");
        stream.set_nodelay(true).expect("no delay");
        let (sender, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        let connection = tokio::spawn(connection);
        let mut streams = JoinSet::new();
        for _ in 0..REQUESTS_OF_A_CONNECTION {
            if clients.is_over() {
                break;
            }
            if streams.len() >= STREAMS {
                streams.join_next().await;
            }
            // Whoever was under way on a connection that Envoy closed has no answer, and that is told.
            let Ok(ready) = sender.clone().ready().await else {
                break;
            };
            let (kind, shot) = maker.next(&[Carriage::Any]);
            let clients = clients.clone();
            streams.spawn(async move {
                clients.stock.ledger.sends(kind, &shot);
                let began = Instant::now();
                let answer = timeout(PATIENCE, exchange(ready, &shot)).await;
                clients.ends(kind, &shot, Some(&answer.unwrap_or_default()), began);
            });
        }
        while streams.join_next().await.is_some() {}
        drop(sender);
        let _ = timeout(Duration::from_secs(5), connection).await;
    }
}

async fn exchange(mut sender: SendRequest<Bytes>, shot: &Shot) -> Answer {
    let body = match &shot.payload {
        Payload::None => None,
        Payload::Sized(body) | Payload::Chunked(body) => Some(body.clone()),
    };
    let Ok((response, mut stream)) = sender.send_request(request(shot), body.is_none()) else {
        return Answer::default();
    };
    if let Some(body) = body {
        // An answer may come before all of the body has gone.
        let _ = stream.send_data(Bytes::from(body), true);
    }
    let Ok(response) = response.await else {
        return Answer::default();
    };
    let mut answer = head(&response);
    let mut body = response.into_body();
    if read(&mut body, &mut answer).await.is_some() {
        answer.is_whole = true;
    }
    answer
}

fn request(shot: &Shot) -> Request<()> {
    let mut request = Request::builder()
        .method(shot.method)
        .uri(format!("http://{}{}", shot.host, shot.target))
        .body(())
        .expect("a request");
    let headers = request.headers_mut();
    headers.insert(ID, HeaderValue::from(shot.id));
    for (name, value) in &shot.fields {
        let value = HeaderValue::from_bytes(value).expect("a value");
        headers.append(HeaderName::from_static(name), value);
    }
    request
}

fn head(response: &Response<RecvStream>) -> Answer {
    let field = |name: &str| response.headers().get(name)?.to_str().ok();
    let message = field("grpc-message").unwrap_or_default();
    Answer {
        status: Some(response.status().as_u16()),
        reason: super::reason(message.as_bytes()),
        echo: field(ID).and_then(|id| id.parse().ok()),
        is_whole: false,
        grpc_status: field("grpc-status").and_then(|code| code.parse().ok()),
        after: String::new(),
        names_somebody: response.headers().contains_key("x-tenant-id"),
    }
}

async fn read(body: &mut RecvStream, answer: &mut Answer) -> Option<()> {
    let mut received = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        let _ = body.flow_control().release_capacity(piece.len());
        received.extend_from_slice(&piece);
    }
    if answer.echo.is_none() && answer.reason.is_empty() {
        answer.reason = super::reason(&received);
    }
    Some(())
}
