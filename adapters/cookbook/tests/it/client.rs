//! A client that is nobody's here: hyper's, a connection at a time, over HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// What is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Http1,
    /// With prior knowledge.
    Http2,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    requests: Requests,
    /// The server's address.
    pub(crate) server: SocketAddr,
    /// Its own address.
    pub(crate) address: SocketAddr,
}

#[derive(Debug)]
enum Requests {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    pub(crate) async fn connect(server: SocketAddr, wire: Wire) -> Self {
        let stream = TcpStream::connect(server).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket takes options");
        let address = stream.local_addr().expect("it is bound");
        let io = TokioIo::new(stream);
        let requests = match wire {
            Wire::Http1 => {
                let (requests, connection) = http1::handshake(io).await.expect("no I/O yet");
                // What ends it shows in the answers.
                tokio::spawn(connection.with_upgrades());
                Requests::Http1(requests)
            }
            Wire::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), io).await;
                let (requests, connection) = handshake.expect("it takes a preface");
                tokio::spawn(connection);
                Requests::Http2(requests)
            }
        };
        Self {
            requests,
            server,
            address,
        }
    }

    /// The head of a request to this server.
    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method);
        match self.requests {
            Requests::Http1(_) => request
                .uri(path)
                .header(header::HOST, self.server.to_string()),
            Requests::Http2(_) => request.uri(format!("http://{}{path}", self.server)),
        }
    }

    /// Sends a request; resolves with the head of its answer.
    pub(crate) async fn try_send(
        &mut self,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        match &mut self.requests {
            Requests::Http1(requests) => {
                requests.ready().await?;
                requests.send_request(request).await
            }
            Requests::Http2(requests) => {
                requests.ready().await?;
                requests.send_request(request).await
            }
        }
    }

    /// Sends a request; resolves with the head of its answer.
    #[track_caller]
    pub(crate) fn send(
        &mut self,
        request: Request<Body>,
    ) -> impl Future<Output = Response<Incoming>> {
        let caller = std::panic::Location::caller();
        async move {
            match self.try_send(request).await {
                Ok(response) => response,
                Err(error) => panic!("no answer to the request at {caller}: {error:?}"),
            }
        }
    }

    /// Sends a request, and reads all of the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: Request<Body>) -> impl Future<Output = Answer> {
        let response = self.send(request);
        async move { Answer::read(response.await).await }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> impl Future<Output = Answer> {
        let request = self.request(Method::GET, path).body(Body::empty());
        self.ask(request.expect("a right request"))
    }

    /// Sends a body of this type.
    #[track_caller]
    pub(crate) fn post(
        &mut self,
        path: &str,
        kind: &str,
        body: impl Into<Body>,
    ) -> impl Future<Output = Answer> {
        let request = self.request(Method::POST, path);
        let request = request.header(header::CONTENT_TYPE, kind).body(body.into());
        self.ask(request.expect("a right request"))
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the body is whole");
        Self {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned(),
            body: body.to_bytes(),
        }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        Some(value.to_str().expect("fields are plain"))
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("the answer is text")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.field("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }
}
