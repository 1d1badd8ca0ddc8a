//! `[metrics] listen`: what Prometheus asks for, answered while `schedule run` runs.
//!
//! It serves a page that the service makes anew every minute, so that whoever asks
//! often costs nothing and opens no archive.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

/// The text format of Prometheus.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Who connects and says nothing is let go.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a connection that could not be taken, as when too many files are open.
const BREATH: Duration = Duration::from_millis(100);

/// The page, and whoever serves it until the process ends.
pub(super) struct Endpoint {
    page: Arc<Mutex<String>>,
}

impl Endpoint {
    /// Begins to serve at an address.
    pub(super) async fn open(address: SocketAddr) -> io::Result<Endpoint> {
        let listener = TcpListener::bind(address).await?;
        let page = Arc::<Mutex<String>>::default();
        tokio::spawn(serve(listener, Arc::clone(&page)));
        Ok(Endpoint { page })
    }

    /// Serves this from now on.
    pub(super) fn show(&self, text: String) {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

async fn serve(listener: TcpListener, page: Arc<Mutex<String>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(BREATH).await;
            continue;
        };
        let page = Arc::clone(&page);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&request, &page);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A monitor that goes away misses nothing: it asks again.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(request: &Request<Incoming>, page: &Mutex<String>) -> Response<Full<Bytes>> {
    let known = request.uri().path() == "/metrics";
    let (status, text) = match *request.method() {
        Method::GET | Method::HEAD if known => {
            (StatusCode::OK, page.lock().unwrap_or_else(PoisonError::into_inner).clone())
        }
        _ if known => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        _ => (StatusCode::NOT_FOUND, "/metrics is what there is\n".to_owned()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(FORMAT));
    answer
}
