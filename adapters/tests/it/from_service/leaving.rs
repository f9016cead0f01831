//! What becomes of the work for a client that leaves, in each phase of it.

use std::convert::Infallible;
use std::future::{Ready, pending};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use adapters::tower::{FromService, from_service};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gateway_spec::{
    Application as _, BodyLength, Gone, GoneSignal, Http, HttpLayer, HttpTransport, Layered,
    RequestBody,
};
use http::{Request, Response};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use test_client::{TestClient, Why};
use tokio::time::{Instant, sleep};
use tower::Service;

use super::support::{Count, End, Script, any, service, settle};
use crate::support::{block_on, request};

/// A service that is never ready, and counts how often a clone of it is dropped.
struct Busy {
    asked: Count,
    dropped: Count,
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        Self {
            asked: self.asked.clone(),
            dropped: self.dropped.clone(),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.dropped.add();
    }
}

impl Service<Request<RequestBody>> for Busy {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.asked.add();
        Poll::Pending
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[tokio::test]
async fn a_wait_for_readiness_ends_with_the_client() {
    let (asked, dropped) = (Count::default(), Count::default());
    let busy = Busy {
        asked: asked.clone(),
        dropped: dropped.clone(),
    };
    let client = TestClient::new(from_service(busy));
    let exchange = client.get("/").open();
    asked.reach(1).await;
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    assert_eq!(dropped.get(), 1);
}

#[tokio::test]
async fn a_service_that_works_is_dropped_with_its_client() {
    let (entered, dropped) = (Count::default(), Count::default());
    let (enter, drops) = (entered.clone(), dropped.clone());
    let app = service(move |_: Request<RequestBody>| {
        let guard = drops.on_drop();
        enter.add();
        async move {
            pending::<()>().await;
            drop(guard);
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    for why in [Gone::PeerReset, Gone::StreamReset, Gone::Shutdown] {
        let exchange = TestClient::new(app.clone()).get("/").open();
        let before = dropped.get();
        entered.reach(before + 1).await;
        settle().await;
        assert_eq!(dropped.get(), before);
        let left = exchange.leave(why);
        assert_eq!(left.outcome().await.gone(), Some(why));
        assert_eq!(dropped.get(), before + 1);
    }
}

#[tokio::test]
async fn an_idle_body_is_dropped_with_its_client() {
    let dropped = Count::default();
    let drops = dropped.clone();
    let app = service(move |_: Request<RequestBody>| {
        let body = Script::of(["first"], End::Never).counting_drops(&drops);
        async { Ok::<_, Infallible>(Response::new(any(body))) }
    });
    let mut exchange = TestClient::new(app).get("/").stream().await.unwrap();
    assert_eq!(exchange.chunk().await.unwrap().unwrap(), "first");
    settle().await;
    assert_eq!(dropped.get(), 0);
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    assert_eq!(dropped.get(), 1);
}

#[tokio::test]
async fn a_body_that_waits_for_a_slow_client_is_dropped_with_it() {
    let dropped = Count::default();
    let drops = dropped.clone();
    let app = service(move |_: Request<RequestBody>| {
        let guard = drops.on_drop();
        let endless = futures_util::stream::repeat_with(move || {
            let _held = &guard;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[0; 64 * 1024])))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(endless))) }
    });
    let exchange = TestClient::new(app).get("/").stream().await.unwrap();
    settle().await;
    assert_eq!(dropped.get(), 0);
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    assert_eq!(dropped.get(), 1);
}

/// A service that answers after so many seconds, and then gives a body whose parts come that far apart.
fn slow(
    answer: u64,
    parts: &'static [u64],
) -> FromService<
    impl Service<
        Request<RequestBody>,
        Response = Response<impl hyper::body::Body<Data = Bytes, Error = Infallible> + Send>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + Send
    + Sync
    + 'static,
> {
    service(move |_: Request<RequestBody>| async move {
        sleep(Duration::from_secs(answer)).await;
        let parts = futures_util::stream::iter(parts).then(async |apart| {
            sleep(Duration::from_secs(*apart)).await;
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b".")))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(parts)))
    })
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_client_that_stopped_sending_gets_its_answer() {
    let app = slow(4, &[]);
    let mut exchange = TestClient::new(app).get("/").open();
    exchange.half_close();
    assert_eq!(exchange.reply().await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stopped_sending_is_given_up_after_a_silence() {
    let app = slow(3600, &[]);
    let mut exchange = TestClient::new(app).get("/").open();
    sleep(600 * SECOND).await;
    let start = Instant::now();
    exchange.half_close();
    let broken = exchange.reply().await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(broken.why(), Why::CutOff);
    assert!(
        broken.outcome().await.is_done(),
        "it is no error of anybody"
    );
}

#[tokio::test(start_paused = true)]
async fn each_part_of_a_body_begins_the_silence_anew() {
    let app = slow(1, &[1, 4, 4, 6]);
    let mut exchange = TestClient::new(app).get("/").open();
    let start = Instant::now();
    exchange.half_close();
    let broken = exchange.reply().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
    assert_eq!(broken.partial().unwrap().text(), "...");
    assert_eq!(start.elapsed().as_secs(), 1 + 1 + 4 + 4 + 5);
    assert!(broken.outcome().await.is_done());
}

#[tokio::test(start_paused = true)]
async fn the_silence_has_the_length_that_was_set() {
    for seconds in [0, 60] {
        let app = slow(3600, &[]).with_half_close_grace(seconds * SECOND);
        let mut exchange = TestClient::new(app).get("/").open();
        settle().await;
        let start = Instant::now();
        exchange.half_close();
        exchange.reply().await.unwrap_err();
        assert_eq!(start.elapsed().as_secs(), u64::from(seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_after_it_stopped_sending_is_gone_at_once() {
    let app = slow(3600, &[]);
    let mut exchange = TestClient::new(app).get("/").open();
    let start = Instant::now();
    exchange.half_close();
    settle().await;
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn to_completion_a_service_is_not_dropped() {
    let finished = Count::default();
    let finish = finished.clone();
    let app = service(move |_: Request<RequestBody>| {
        let finish = finish.clone();
        async move {
            sleep(600 * SECOND).await;
            finish.add();
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    let app = app.run_to_completion();
    for half_closes in [true, false] {
        let mut exchange = TestClient::new(app.clone()).get("/").open();
        settle().await;
        if half_closes {
            exchange.half_close();
            sleep(60 * SECOND).await;
        }
        let before = finished.get();
        let left = exchange.reset();
        assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
        assert_eq!(finished.get(), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn to_completion_a_body_runs_to_its_end() {
    let finished = Count::default();
    let finish = finished.clone();
    let app = service(move |_: Request<RequestBody>| {
        let finish = finish.clone();
        let parts = futures_util::stream::unfold(0, move |part| {
            let finish = finish.clone();
            async move {
                sleep(SECOND).await;
                if part == 20 {
                    finish.add();
                    return None;
                }
                let frame = Frame::data(Bytes::from_static(&[0; 16 * 1024]));
                Some((Ok::<_, Infallible>(frame), part + 1))
            }
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(parts))) }
    });
    let mut exchange = TestClient::new(app.run_to_completion())
        .get("/")
        .stream()
        .await
        .unwrap();
    exchange.chunk().await.unwrap();
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    assert_eq!(finished.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn to_completion_a_body_runs_also_if_its_head_came_too_late() {
    let finished = Count::default();
    let finish = finished.clone();
    let app = service(move |_: Request<RequestBody>| {
        let finish = finish.clone();
        let parts = futures_util::stream::once(async move {
            sleep(SECOND).await;
            finish.add();
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))
        });
        async move {
            sleep(SECOND).await;
            Ok::<_, Infallible>(Response::new(StreamBody::new(parts)))
        }
    });
    let exchange = TestClient::new(app.run_to_completion()).get("/").open();
    settle().await;
    let left = exchange.reset();
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    assert_eq!(finished.get(), 1);
}

#[tokio::test]
async fn to_completion_a_body_that_never_waits_lets_others_have_their_turn() {
    const ENOUGH: usize = 1_000_000;
    let (turn, given) = (Count::default(), Count::default());
    let (turned, give) = (turn.clone(), given.clone());
    let app = service(move |_: Request<RequestBody>| {
        let (turned, give) = (turned.clone(), give.clone());
        let parts = futures_util::stream::unfold((), move |()| {
            give.add();
            let is_over = turned.get() > 0 || give.get() == ENOUGH;
            let frame = Frame::data(Bytes::from_static(b"part"));
            std::future::ready((!is_over).then_some((Ok::<_, Infallible>(frame), ())))
        });
        async { Ok::<_, Infallible>(Response::new(StreamBody::new(parts))) }
    });
    let exchange = TestClient::new(app.run_to_completion())
        .get("/")
        .stream()
        .await
        .unwrap();
    let left = exchange.reset();
    let another = tokio::spawn(async move { turn.add() });
    assert_eq!(left.outcome().await.gone(), Some(Gone::PeerReset));
    another.await.unwrap();
    assert!(given.get() < ENOUGH, "another task has had its turn");
}

#[tokio::test(start_paused = true)]
async fn to_completion_and_a_grace_do_not_undo_each_other() {
    let grace = 60 * SECOND;
    let apps = [
        slow(600, &[])
            .run_to_completion()
            .with_half_close_grace(grace),
        slow(600, &[])
            .with_half_close_grace(grace)
            .run_to_completion(),
    ];
    for app in apps {
        let mut exchange = TestClient::new(app).get("/").open();
        exchange.half_close();
        assert_eq!(exchange.reply().await.unwrap().status, 200);
    }
}

/// Counts how often somebody begins to watch the client.
struct Watched {
    inner: Arc<dyn HttpTransport>,
    watches: Count,
}

impl HttpLayer for Watched {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn gone(&self) -> GoneSignal {
        self.watches.add();
        self.inner.gone()
    }
}

#[test]
fn a_client_that_need_not_wait_is_not_watched() {
    let bodies: [fn() -> super::support::AnyBody; 2] = [
        || any(Full::from("whole")),
        || any(Script::of(["a", "b"], End::Clean)),
    ];
    for body in bodies {
        let watches = Count::default();
        let counted = watches.clone();
        let app = service(move |_: Request<RequestBody>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(body())))
        });
        let (connection, _events) = request(BodyLength::Empty);
        let gateway_spec::Connection::Http(http) = connection else {
            unreachable!("it is a request")
        };
        let http: Http = http.map_transport(|inner| {
            Arc::new(Layered(Watched {
                inner,
                watches: counted,
            }))
        });
        drop(block_on(app.call(gateway_spec::Connection::Http(http))).unwrap());
        assert_eq!(watches.get(), 0);
    }
}
