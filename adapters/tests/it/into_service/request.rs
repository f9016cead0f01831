//! What an application gets of a request: its scope, its body, and how both end.

use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use adapters::tower::into_service;
use bytes::Bytes;
use gateway_spec::{
    AppError, BodyError, BodyLength, Gone, Http, HttpReceive, RequestBody, Scope, SendError,
    Signal, State,
};
use http::{HeaderMap, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper::body::{Body, Frame};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;

use super::support::{ask, get, http_app, read, service, soon, turn};
use crate::from_service::support::{Count, End, Script, fields, settle};
use crate::support::block_on;

/// The scope that an application sees of a request.
async fn scope_of<B>(request: Request<B>) -> Scope
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let service = service(move |http: Http| {
        *keep.lock().unwrap() = Some(http.scope.clone());
        http.responder.respond("")
    });
    let response = ask(&service, request).await;
    assert_eq!(response.status(), 200);
    seen.lock().unwrap().take().unwrap()
}

#[tokio::test]
async fn the_scope_is_the_request_s() {
    #[derive(Clone, PartialEq, Debug)]
    struct Mark(u8);

    let request = Request::put("/a%20b?c=d")
        .header("host", "a.example")
        .header("x", "1")
        .header("x", "2");
    let request = request
        .version(Version::HTTP_10)
        .extension(Mark(7))
        .body(Full::from("abc"));
    let scope = scope_of(request.unwrap()).await;
    assert_eq!(scope.method, "PUT");
    assert_eq!((scope.path(), scope.query()), ("/a%20b", Some("c=d")));
    assert_eq!(scope.root_path(), "");
    assert_eq!(scope.version, Version::HTTP_10);
    assert_eq!(scope.authority(), Some("a.example"));
    assert_eq!(scope.headers.get_all("x").count(), 2);
    assert_eq!(scope.body, BodyLength::Known(3));
    assert_eq!(scope.extensions.get(), Some(&Mark(7)));
    assert!(scope.state.is_empty());
    let info = &scope.connection;
    assert_eq!(
        (&info.client, &info.server, info.scheme.as_str()),
        (&None, &None, "http")
    );
    assert_eq!(info.capabilities.server(), "into_service");
    assert!(!info.capabilities.informational());
    assert!(!info.capabilities.trailers());
    assert_eq!(info.draining(), None);
}

#[tokio::test]
async fn the_length_of_a_body_is_what_it_or_the_head_says() {
    let none: [&str; 0] = [];
    for (body, declared, expected) in [
        (Script::of(none, End::Told), None, BodyLength::Empty),
        (
            Script::of(["abc"], End::Told).sized(3),
            None,
            BodyLength::Known(3),
        ),
        (
            Script::of(["abc"], End::Told),
            Some("3"),
            BodyLength::Known(3),
        ),
        (
            Script::of(["abc"], End::Told),
            Some("x"),
            BodyLength::Unknown,
        ),
        (Script::of(["abc"], End::Told), None, BodyLength::Unknown),
    ] {
        let mut request = Request::post("/");
        if let Some(declared) = declared {
            request = request.header("content-length", declared);
        }
        let scope = scope_of(request.body(body).unwrap()).await;
        assert_eq!(scope.body, expected);
    }
}

#[tokio::test]
async fn what_the_host_knows_is_in_every_scope() {
    let drain = Signal::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let scopes = Arc::new(Mutex::new(Vec::<Scope>::new()));
    let keep = Arc::clone(&scopes);
    let app = http_app(move |http: Http| {
        keep.lock().unwrap().push(http.scope.clone());
        http.responder.respond("")
    });
    let service = into_service(app)
        .with_state(State::new().with(7_u8))
        .with_drain(drain.clone())
        .with_connection(|info, head| match head.extensions.get::<SocketAddr>() {
            Some(address) => info.with_client((*address).into()),
            None => info,
        });
    let address: SocketAddr = "192.0.2.1:80".parse().unwrap();
    let request = Request::get("/")
        .extension(address)
        .body(Empty::<Bytes>::new());
    ask(&service, request.unwrap()).await;
    ask(&service, get("/")).await;
    let scopes = std::mem::take(&mut *scopes.lock().unwrap());
    let clients: Vec<_> = scopes
        .iter()
        .map(|scope| scope.connection.client.clone())
        .collect();
    assert_eq!(clients, [Some(address.into()), None]);
    let draining = || {
        scopes
            .iter()
            .map(|scope| scope.draining())
            .collect::<Vec<_>>()
    };
    assert_eq!(draining(), [None, None]);
    drain.raise(deadline);
    assert_eq!(draining(), [Some(deadline), Some(deadline)]);
    assert!(scopes.iter().all(|scope| scope.state.get() == Some(&7_u8)));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn a_mount_of_axum_is_one_of_the_scope() {
    for (whole, rest, expected) in [
        ("/api/users?x=y", "/users?x=y", ("/api", "/users")),
        ("/api", "/", ("/api", "/")),
        ("*", "*", ("", "*")),
        // Somebody has rewritten it.
        ("/api/users", "/people", ("", "/people")),
    ] {
        let request =
            Request::options(rest).extension(axum::extract::OriginalUri(whole.parse().unwrap()));
        let scope = scope_of(request.body(Empty::<Bytes>::new()).unwrap()).await;
        assert_eq!((scope.root_path(), scope.path()), expected);
    }
}

/// A body without an end, a KiB a frame.
struct Endless(Count);

impl Body for Endless {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.add();
        Poll::Ready(Some(Ok(Frame::data(vec![b'x'; 1024].into()))))
    }
}

#[tokio::test]
async fn nothing_is_read_before_the_application_asks_and_no_more_than_is_kept() {
    let (polls, asks) = (Count::default(), Arc::new(Semaphore::new(0)));
    let asked = Arc::clone(&asks);
    let service = service(move |http: Http| {
        let asked = Arc::clone(&asked);
        async move {
            let Http {
                mut body,
                responder,
                ..
            } = http;
            let mut writer = responder.start(StatusCode::OK).await?;
            loop {
                asked.acquire().await?.forget();
                let part = body.chunk().await?.unwrap();
                writer.write(part).await?;
            }
        }
    });
    let request = Request::post("/").body(Endless(polls.clone())).unwrap();
    let mut response = ask(&service, request).await.into_body();
    settle().await;
    assert_eq!(polls.get(), 0);
    for taken in 1..=3 {
        asks.add_permits(1);
        assert!(soon(response.frame()).await.unwrap().is_ok());
        settle().await;
        // What was asked for, and 64 KiB ahead.
        let ahead = polls.get() - taken;
        assert!((32..=64).contains(&ahead), "{ahead}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_wanted_is_dropped() {
    let (polls, dropped, go) = (Count::default(), Count::default(), Arc::new(Notify::new()));
    let may_go = Arc::clone(&go);
    let service = service(move |http: Http| {
        let may_go = Arc::clone(&may_go);
        async move {
            drop(http.body);
            may_go.notified().await;
            http.responder.respond("").await
        }
    });
    let body = Script::of(["abc"], End::Never)
        .counting_polls(&polls)
        .counting_drops(&dropped);
    let mut call = Box::pin(ask(&service, Request::post("/").body(body).unwrap()));
    assert!(turn(&mut call).is_pending());
    assert_eq!((polls.get(), dropped.get()), (0, 1));
    go.notify_one();
    assert_eq!(soon(call).await.status(), 200);
}

/// What an application receives of a body: its bytes, its trailers, and why it could not be read on.
async fn received<B>(request: Request<B>) -> (Bytes, Option<HeaderMap>, Option<BodyError>)
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let service = service(move |http: Http| {
        let keep = Arc::clone(&keep);
        async move {
            let Http {
                mut body,
                responder,
                ..
            } = http;
            let mut bytes = Vec::new();
            let end = loop {
                match body.chunk().await {
                    Ok(Some(part)) => bytes.extend_from_slice(&part),
                    Ok(None) => break Ok(body.trailers().await?),
                    Err(error) => break Err(error),
                }
            };
            let (trailers, error) = match end {
                Ok(trailers) => (trailers, None),
                Err(error) => (None, Some(error)),
            };
            *keep.lock().unwrap() = Some((bytes.into(), trailers, error));
            responder.respond("").await
        }
    });
    soon(ask(&service, request)).await;
    seen.lock().unwrap().take().unwrap()
}

fn post<B>(body: B) -> Request<B> {
    Request::post("/").body(body).unwrap()
}

#[tokio::test]
async fn bodies_come_with_their_trailers() {
    let body = Script::of(["ab", "", "c"], End::Clean).trailers([("x-sum", "7")]);
    let (bytes, trailers, error) = received(post(body)).await;
    assert_eq!((&bytes[..], error), (&b"abc"[..], None));
    assert_eq!(trailers, Some(fields([("x-sum", "7")])));

    let body = Script::of(["abc"], End::Clean).trailers([("content-length", "7")]);
    let (bytes, trailers, error) = received(post(body)).await;
    assert_eq!((&bytes[..], trailers), (&b"abc"[..], None));
    assert_eq!(error, Some(BodyError::Malformed));
}

#[tokio::test]
async fn the_last_part_says_that_it_is() {
    for end in [End::Told, End::Clean] {
        let service = service(move |http: Http| async move {
            let (_, transport) = http.into_transport();
            let next = || poll_fn(|cx| transport.poll_receive(cx));
            let first = next().await;
            assert!(matches!(first, HttpReceive::Body { more: true, .. }));
            let last = next().await;
            match last {
                HttpReceive::Body { bytes, more: false } if end == End::Told => {
                    assert_eq!(bytes, "cd");
                }
                HttpReceive::Body { bytes, more: true } if end == End::Clean => {
                    assert_eq!(bytes, "cd");
                    assert!(matches!(
                        next().await,
                        HttpReceive::Body { more: false, .. }
                    ));
                }
                other => panic!("{other:?}"),
            }
            transport.abort(gateway_spec::Abort::Dropped);
            Err(AppError::message("seen"))
        });
        let response = ask(&service, post(Script::of(["ab", "cd"], end))).await;
        assert_eq!(response.status(), 500);
    }
}

#[tokio::test]
async fn a_body_has_the_length_that_it_was_said_to_have() {
    for (declared, expected) in [
        ("3", None),
        ("2", Some(BodyError::Malformed)),
        ("4", Some(BodyError::Malformed)),
    ] {
        let body = Script::of(["ab", "c"], End::Clean);
        let request = Request::post("/")
            .header("content-length", declared)
            .body(body);
        let (_, _, error) = received(request.unwrap()).await;
        assert_eq!(error, expected, "{declared}");
    }
}

/// A body that fails with this, behind three bytes.
struct Failing<E>(Option<E>, bool);

impl<E: Error + Send + Sync + Unpin + 'static> Body for Failing<E> {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !std::mem::replace(&mut self.1, true) {
            return Poll::Ready(Some(Ok(Frame::data("abc".into()))));
        }
        Poll::Ready(self.0.take().map(|error| Err(error.into())))
    }
}

#[tokio::test]
async fn why_a_body_failed_is_told() {
    async fn check(error: impl Error + Send + Sync + Unpin + 'static, expected: BodyError) {
        let text = error.to_string();
        let (bytes, _, told) = received(post(Failing(Some(error), false))).await;
        assert_eq!((&bytes[..], told), (&b"abc"[..], Some(expected)), "{text}");
    }
    let elapsed = timeout(Duration::ZERO, std::future::pending::<()>())
        .await
        .unwrap_err();
    check(elapsed, BodyError::Timeout).await;
    check(BodyError::Timeout, BodyError::Timeout).await;
    check(
        io::Error::from(BodyError::TooLarge { limit: 9 }),
        BodyError::TooLarge { limit: 9 },
    )
    .await;
    check(io::Error::other("?"), BodyError::Malformed).await;
    check(io::Error::from(io::ErrorKind::TimedOut), BodyError::Timeout).await;
    check(
        io::Error::from(io::ErrorKind::UnexpectedEof),
        BodyError::Malformed,
    )
    .await;
    let reset = BodyError::Gone(Gone::PeerReset);
    check(io::Error::from(io::ErrorKind::ConnectionReset), reset).await;
    check(
        BodyError::Gone(Gone::WriteTimeout),
        BodyError::Gone(Gone::WriteTimeout),
    )
    .await;
}

#[tokio::test]
async fn a_layer_s_limit_is_413_and_the_connection_ends() {
    let service = service(async |mut http: Http| {
        let whole = RequestBody::collect(&mut http.body, 1_000_000).await?;
        http.responder.respond(whole).await
    });
    let body = Limited::new(Script::of(["abc", "def"], End::Clean), 4);
    let response = ask(&service, post(body)).await;
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["connection"], "close");

    let body = Limited::new(Script::of(["abc", "d"], End::Clean), 4);
    let response = ask(&service, post(body)).await;
    assert!(!response.headers().contains_key("connection"));
    assert_eq!(read(response.into_body()).await.0, "abcd");
}

#[tokio::test]
async fn who_waits_for_much_of_a_body_gets_as_much_as_there_is_room_for() {
    let service = service(async |http: Http| {
        http.body.buffered(1_000_000).await?;
        http.responder.respond("enough").await
    });
    let response = soon(ask(&service, post(Endless(Count::default())))).await;
    assert_eq!(response.status(), 200);
    let response = soon(ask(&service, post(Script::of(["abc"], End::Clean)))).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_body_is_polled_where_there_are_timers_whoever_asks() {
    /// Makes a timer, as bodies of layers do.
    struct Slow;

    impl Body for Slow {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            drop(tokio::time::sleep(Duration::ZERO));
            Poll::Ready(None)
        }
    }

    let service = service(async |http: Http| {
        let Http {
            mut body,
            responder,
            ..
        } = http;
        let (done, read) = tokio::sync::oneshot::channel();
        // A thread without a runtime.
        std::thread::spawn(move || {
            done.send(block_on(async { body.chunk().await })).unwrap();
        });
        assert_eq!(read.await?, Ok(None));
        responder.respond("").await
    });
    let response = soon(ask(&service, post(Slow))).await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn without_an_offer_an_upgrade_is_an_ordinary_request() {
    let service = service(async |http: Http| {
        let refused = http
            .responder
            .upgrade(StatusCode::SWITCHING_PROTOCOLS, http.body)
            .await;
        assert!(matches!(refused, Err(SendError::OutOfOrder)));
        Err(AppError::status(StatusCode::IM_A_TEAPOT))
    });
    let request = get("/");
    let (mut parts, body) = request.into_parts();
    parts.headers = fields([
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]);
    let response = ask(&service, Request::from_parts(parts, body)).await;
    assert_eq!(response.status(), 418);
}
