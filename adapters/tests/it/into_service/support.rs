//! Applications made of functions, and what is asked of their services.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use adapters::tower::{CutOff, IntoService, ResponseBody, into_service};
use bytes::Bytes;
use futures_util::FutureExt as _;
use gateway_spec::{AppError, Application, Connection, Done, Http, application_fn};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tower::Service as _;

use crate::from_service::support::Count;

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The service of an application of requests alone.
pub(crate) fn service<F, Fut>(function: F) -> IntoService<impl Application>
where
    F: Fn(Http) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    into_service(http_app(function))
}

/// An application of requests alone.
pub(crate) fn http_app<F, Fut>(function: F) -> impl Application
where
    F: Fn(Http) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Done, AppError>> + Send,
{
    application_fn(move |connection| {
        let function = function.clone();
        async move {
            match connection {
                Connection::Http(http) => function(http).await,
                other => other.refuse().await,
            }
        }
    })
}

/// A service that answers with KiBs without an end, and counts those that were taken from it.
pub(crate) fn endless(taken: &Count) -> IntoService<impl Application> {
    let taken = taken.clone();
    service(move |http: Http| {
        let taken = taken.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            loop {
                writer.write(vec![b'x'; 1024]).await?;
                taken.add();
            }
        }
    })
}

/// Asks a service.
pub(crate) async fn ask<A: Application, B>(
    service: &IntoService<A>,
    request: Request<B>,
) -> Response<ResponseBody>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let Ok::<_, Infallible>(response) = service.clone().call(request).await;
    response
}

pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

/// All of a body, and whether it came to its end.
pub(crate) async fn read(body: ResponseBody) -> (Bytes, Result<(), CutOff>) {
    let (bytes, _, end) = read_all(body).await;
    (bytes, end)
}

/// All of a body, its trailers, and whether it came to its end.
pub(crate) async fn read_all(
    mut body: ResponseBody,
) -> (Bytes, Option<http::HeaderMap>, Result<(), CutOff>) {
    let (mut bytes, mut trailers) = (Vec::new(), None);
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(part)) => bytes.extend_from_slice(&part),
            Ok(Err(frame)) => trailers = frame.into_trailers().ok(),
            Err(error) => return (bytes.into(), trailers, Err(error)),
        }
    }
    (bytes.into(), trailers, Ok(()))
}

/// Waits for what must come.
#[track_caller]
pub(crate) fn soon<F: Future>(future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    async move {
        match tokio::time::timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{place}: nothing came"),
        }
    }
}

/// One turn of a future; nobody is told when the next is due.
pub(crate) fn turn<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Serves a service by hyper, HTTP/1.1 and HTTP/2, and says where.
pub(crate) async fn serve<A: Application>(service: IntoService<A>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http2().enable_connect_protocol();
                let connection =
                    builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
                // How it ends, the client sees.
                let _ = connection.await;
            });
        }
    });
    address
}

/// A client that writes and reads bytes.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    input: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self {
            stream,
            input: Vec::new(),
        }
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// All up to and with these bytes.
    #[track_caller]
    pub(crate) fn until(&mut self, end: &'static str) -> impl Future<Output = String> {
        soon(async move {
            loop {
                let found = self
                    .input
                    .windows(end.len())
                    .position(|bytes| bytes == end.as_bytes());
                if let Some(at) = found {
                    let all: Vec<u8> = self.input.drain(..at + end.len()).collect();
                    return String::from_utf8(all).unwrap();
                }
                let more = self.stream.read_buf(&mut self.input).await.unwrap();
                assert!(
                    more > 0,
                    "closed behind {:?}",
                    self.input.escape_ascii().to_string()
                );
            }
        })
    }

    /// All that still comes before the connection is closed.
    #[track_caller]
    pub(crate) fn rest(mut self) -> impl Future<Output = String> {
        soon(async move {
            // A reset is an end too.
            let _ = self.stream.read_to_end(&mut self.input).await;
            String::from_utf8(self.input).unwrap()
        })
    }
}

/// The version that a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

pub(crate) const BOTH: [Speaks; 2] = [Speaks::Http1, Speaks::Http2];

/// hyper's client, of either version. Dropped, its connection is lost.
pub(crate) struct Client<B> {
    sender: Sender<B>,
    connection: JoinHandle<()>,
}

enum Sender<B> {
    Http1(http1::SendRequest<B>),
    Http2(http2::SendRequest<B>),
}

impl<B> Client<B>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static,
{
    pub(crate) async fn connect(address: SocketAddr, speaks: Speaks) -> Self {
        let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
        // How a connection ends, its requests say.
        match speaks {
            Speaks::Http1 => {
                let (sender, connection) = http1::handshake(io).await.unwrap();
                let connection = connection.with_upgrades();
                Self {
                    sender: Sender::Http1(sender),
                    connection: tokio::spawn(connection.map(drop)),
                }
            }
            Speaks::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder
                    .initial_stream_window_size(WINDOW)
                    .initial_connection_window_size(WINDOW);
                let (sender, connection) = builder.handshake(io).await.unwrap();
                Self {
                    sender: Sender::Http2(sender),
                    connection: tokio::spawn(connection.map(drop)),
                }
            }
        }
    }

    /// Sends a request to a path, or to whatever the version wants for it.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<B>,
    ) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                let host = http::HeaderValue::from_static("a.example");
                request.headers_mut().insert(http::header::HOST, host);
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                let target = format!("http://a.example{}", request.uri());
                *request.uri_mut() = target.parse().unwrap();
                sender.send_request(request).await
            }
        }
    }
}

impl<B> Drop for Client<B> {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Bytes that a client of HTTP/2 takes before they are read.
const WINDOW: u32 = 65_535;

/// A body that is fed while it is sent; its end is the feeder's.
pub(crate) fn fed() -> (mpsc::UnboundedSender<Frame<Bytes>>, Fed) {
    let (feed, frames) = mpsc::unbounded_channel();
    (feed, Fed(Some(frames)))
}

/// A body that is fed, or none.
#[derive(Default)]
pub(crate) struct Fed(Option<mpsc::UnboundedReceiver<Frame<Bytes>>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Some(frames) => frames.poll_recv(cx).map(|frame| frame.map(Ok)),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// The next part of a body.
#[track_caller]
pub(crate) fn part(body: &mut Incoming) -> impl Future<Output = Bytes> {
    soon(async move {
        let frame = body.frame().await.expect("there is more").unwrap();
        frame.into_data().expect("a part")
    })
}
