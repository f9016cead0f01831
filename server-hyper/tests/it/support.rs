//! A server in this process, and an HTTP/2 client that can reset streams and keep its windows closed.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use gateway_spec::{AppError, Connection, Done, Http, application_fn};
use h2::client::{self, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use server_host::{AccessLogging, Settings};
use server_hyper::Hyper;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Serves this application on a free port, until the process ends.
pub(crate) fn serve<F>(app: impl Fn(Http) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    let app = application_fn(move |connection: Connection| {
        let answer = match connection {
            Connection::Http(http) => Ok(app(http)),
            other => Err(other),
        };
        async move {
            match answer {
                Ok(answer) => answer.await,
                Err(other) => other.refuse().await,
            }
        }
    });
    let mut settings = Settings::default();
    settings.bind = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    settings.workers = NonZeroUsize::MIN;
    settings.access_log = AccessLogging::Off;
    settings.timeouts.body = Duration::from_millis(200);
    settings.timeouts.write = Duration::from_millis(500);
    let (listening, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        server_host::serve(Hyper, app, settings, move |on| {
            listening.send(on.address).expect("the test waits for it");
        })
    });
    address.recv().expect("the server listens")
}

/// An HTTP/2 connection.
pub(crate) struct Client {
    requests: SendRequest<Bytes>,
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Response<()>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        let tcp = TcpStream::connect(to).await.expect("it listens");
        let (requests, connection) = client::handshake(tcp).await.expect("it speaks HTTP/2");
        Self {
            requests,
            connection: tokio::spawn(connection),
        }
    }

    /// Begins a request; its body is still to be sent.
    pub(crate) async fn begin(
        &mut self,
        request: Request<()>,
    ) -> (client::ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.requests.clone().ready().await.expect("it is open");
        ready
            .send_request(request, false)
            .expect("the request is right")
    }

    /// Sends a request without a body, and reads all of the response.
    pub(crate) async fn ask(&mut self, request: Request<()>) -> Result<Answer, h2::Error> {
        let mut ready = self.requests.clone().ready().await?;
        let (response, _) = ready.send_request(request, true)?;
        Answer::read(response).await
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, h2::Error> {
        self.ask(request("GET", path)).await
    }

    /// Whether extended CONNECT is offered.
    pub(crate) fn may_tunnel(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }
}

impl Answer {
    pub(crate) async fn read(response: client::ResponseFuture) -> Result<Self, h2::Error> {
        let (head, mut stream) = response.await?.into_parts();
        let mut body = Vec::new();
        while let Some(bytes) = stream.data().await {
            let bytes = bytes?;
            stream.flow_control().release_capacity(bytes.len())?;
            body.extend_from_slice(&bytes);
        }
        Ok(Self {
            head: Response::from_parts(head, ()),
            body,
            trailers: stream.trailers().await?,
        })
    }
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("http://a{path}");
    let request = Request::builder().method(method).uri(uri);
    request.body(()).expect("a right request")
}

/// Sends all of a body as far as windows allow, and then its end.
pub(crate) async fn send_all(stream: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let capacity = std::future::poll_fn(|task| stream.poll_capacity(task)).await;
        let capacity = capacity.expect("the stream is open").expect("and whole");
        let piece = bytes.split_to(capacity.min(bytes.len()));
        stream.send_data(piece, false).expect("there is capacity");
    }
    stream.send_data(Bytes::new(), true).expect("the end fits");
}

/// The next bytes of a stream, with their window given back.
pub(crate) async fn next(stream: &mut RecvStream) -> Option<Bytes> {
    let bytes = stream.data().await?.expect("the stream is whole");
    let given = stream.flow_control().release_capacity(bytes.len());
    given.expect("it was taken");
    Some(bytes)
}
