//! Which clone is asked whether it is ready, and which is called.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use adapters::tower::{Locked, from_service};
use gateway_spec::RequestBody;
use http::{Request, Response};
use test_client::TestClient;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::LoadShed;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder};

use super::support::{Count, settle};

/// A service that may be called only after it was found ready, as the contract of tower has it.
#[derive(Default)]
struct Strict {
    is_ready: bool,
    waits: usize,
}

impl Clone for Strict {
    /// Readiness is not cloned.
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            waits: self.waits,
        }
    }
}

impl Service<Request<RequestBody>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.waits > 0 {
            self.waits -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called unready");
        ready(Ok(Response::new(String::from("ready"))))
    }
}

#[tokio::test]
async fn the_clone_that_was_ready_is_the_one_that_is_called() {
    for waits in [0, 3] {
        let strict = Strict {
            is_ready: false,
            waits,
        };
        let client = TestClient::new(from_service(strict));
        for _ in 0..2 {
            assert_eq!(client.get("/").send().await.unwrap().text(), "ready");
        }
    }
}

#[tokio::test]
async fn a_service_that_will_never_be_ready_is_500() {
    #[derive(Clone)]
    struct Broken;

    impl Service<Request<RequestBody>> for Broken {
        type Response = Response<String>;
        type Error = std::fmt::Error;
        type Future = Ready<Result<Response<String>, std::fmt::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), std::fmt::Error>> {
            Poll::Ready(Err(std::fmt::Error))
        }

        fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
            unreachable!("it was never ready")
        }
    }
    let reply = TestClient::new(from_service(Broken))
        .get("/")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status, 500);
}

#[tokio::test]
async fn two_at_once_are_served_and_the_others_shed() {
    let entered = Count::default();
    let open = Count::default();
    let (enter, opened) = (entered.clone(), open.clone());
    let service = tower::service_fn(move |_: Request<RequestBody>| {
        enter.add();
        let opened = opened.clone();
        async move {
            opened.reach(1).await;
            Ok::<_, Infallible>(Response::new(String::from("served")))
        }
    });
    let service: LoadShed<ConcurrencyLimit<_>> = ServiceBuilder::new()
        .load_shed()
        .concurrency_limit(2)
        .service(service);
    let client = TestClient::new(from_service(service));
    let requests: Vec<_> = (0..5).map(|_| client.get("/").open()).collect();
    settle().await;
    assert_eq!(entered.get(), 2);
    open.add();
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.reply().await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 500, 500, 500]);
    assert_eq!(
        client.get("/").send().await.unwrap().text(),
        "served",
        "there is room again"
    );
}

#[tokio::test]
async fn without_shedding_the_third_waits_for_its_turn() {
    let open = Count::default();
    let (entered, opened) = (Count::default(), open.clone());
    let enter = entered.clone();
    let service = tower::service_fn(move |_: Request<RequestBody>| {
        enter.add();
        let (opened, turn) = (opened.clone(), enter.get());
        async move {
            opened.reach(turn).await;
            Ok::<_, Infallible>(Response::new(turn.to_string()))
        }
    });
    let client = TestClient::new(from_service(ConcurrencyLimit::new(service, 1)));
    let (first, second) = (client.get("/").open(), client.get("/").open());
    settle().await;
    assert_eq!(entered.get(), 1);
    open.add();
    assert_eq!(first.reply().await.unwrap().text(), "1");
    entered.reach(2).await;
    open.add();
    assert_eq!(second.reply().await.unwrap().text(), "2");
}

#[tokio::test]
async fn a_service_that_is_only_send_goes_behind_a_lock() {
    let service = BoxCloneService::new(Strict::default());
    let client = TestClient::new(from_service(Locked::new(service)));
    let requests: Vec<_> = (0..3).map(|_| client.get("/").open()).collect();
    for request in requests {
        assert_eq!(request.reply().await.unwrap().text(), "ready");
    }
}

#[test]
fn a_clone_that_panics_leaves_the_lock_usable() {
    struct Fragile;
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            panic!("it breaks")
        }
    }
    let locked = Locked::new(Fragile);
    for _ in 0..2 {
        let cloned = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| locked.clone()));
        let text = *cloned.err().unwrap().downcast::<&str>().unwrap();
        assert_eq!(text, "it breaks", "and not: the lock is poisoned");
    }
}
