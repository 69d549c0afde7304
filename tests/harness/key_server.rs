//! A server that shows a key set, and knows a client that has it already by its entity tag.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::server::Server;

#[derive(Default)]
struct Book {
    document: String,
    etag: String,
    /// How often the document was sent.
    whole: usize,
    /// How often it was said to be the same.
    unmodified: usize,
}

/// A running server.
pub struct KeyServer {
    server: Server,
    book: Arc<Mutex<Book>>,
}

impl KeyServer {
    /// Starts one that shows this document.
    pub fn start(document: impl Into<String>) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&book));
        let server = Self {
            server: Server::start(app),
            book,
        };
        server.shows(document);
        server
    }

    /// From now on this is the document.
    pub fn shows(&self, document: impl Into<String>) {
        let mut book = self.book();
        book.document = document.into();
        let edition = book.etag.trim_matches('"').parse::<u32>().unwrap_or(0) + 1;
        book.etag = format!("\"{edition}\"");
    }

    /// Where Envoy reaches it.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often the document was sent, and how often it was said to be the same.
    pub fn answers(&self) -> (usize, usize) {
        let book = self.book();
        (book.whole, book.unmodified)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book
            .lock()
            .expect("no test thread has panicked in here")
    }
}

async fn answer(State(book): State<Arc<Mutex<Book>>>, request: Request) -> Response {
    let mut book = book.lock().expect("no test thread has panicked in here");
    let etag = HeaderValue::from_str(&book.etag).expect("a tag");
    if request.headers().get(IF_NONE_MATCH) == Some(&etag) {
        book.unmodified += 1;
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response();
    }
    book.whole += 1;
    ([(ETAG, etag)], book.document.clone()).into_response()
}
