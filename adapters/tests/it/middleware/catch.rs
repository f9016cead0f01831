//! Panics.

use std::future::{Future, pending, poll_fn};
use std::panic::panic_any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use adapters::middleware::{Cors, Panic, catch_panic, cors};
use gateway_spec::{
    Abort, Accept, AppError, Application, Connection, Done, Gone, Http, Response, application_fn,
};
use http::StatusCode;
use test_client::{Answerer, Outcome, TestClient, Why};

use super::support::{Silent, http_app, scope, socket_app};

/// What handlers were told: the text, and whether the answer had begun.
type Told = Arc<Mutex<Vec<(String, bool)>>>;

fn page(told: &Told) -> impl Fn(Panic) -> Response + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |panic: Panic| {
        let text = panic.text().to_owned();
        told.lock().unwrap().push((text, panic.is_answered()));
        Response::text("a page").with_status(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[tokio::test]
async fn a_panic_before_the_answer_is_answered_by_the_handler() {
    let told = Told::default();
    let at_once = http_app(async |_: Http| panic!("at once"));
    let later = http_app(async |http: Http| {
        tokio::task::yield_now().await;
        let _http = http;
        panic!("{}", "later")
    });
    let unpolled = application_fn(|connection: Connection| {
        drop(connection);
        if true {
            panic!("before the first poll");
        }
        pending::<Result<Done, AppError>>()
    });
    async fn check(app: impl Application, told: &Told) {
        let client = TestClient::new(catch_panic(app, page(told)));
        let reply = client.get("/").send().await.unwrap();
        assert_eq!((reply.status.as_u16(), reply.text()), (500, "a page"));
        assert_eq!(reply.answerer, Answerer::Application);
        assert!(reply.outcome().await.is_done());
    }
    check(at_once, &told).await;
    check(later, &told).await;
    check(unpolled, &told).await;
    let expected = ["at once", "later", "before the first poll"];
    let expected = expected.map(|text| (text.to_owned(), false));
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_was_begun_is_cut_off_and_the_handler_is_told() {
    let told = Told::default();
    let app = http_app(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("some").await?;
        panic!("in the middle")
    });
    let client = TestClient::new(catch_panic(app, page(&told)));
    let broken = client.get("/").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
    assert_eq!(broken.partial().unwrap().text(), "some");
    assert_eq!(broken.outcome().await.gone(), Some(Gone::Aborted));
    assert_eq!(*told.lock().unwrap(), [("in the middle".to_owned(), true)]);
}

#[tokio::test]
async fn what_was_begun_in_another_task_is_cut_off_too() {
    let app = http_app(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        tokio::spawn(async move {
            let _ = writer.write("some").await;
            pending::<()>().await;
            writer.finish().await
        });
        tokio::task::yield_now().await;
        panic!("beside it")
    });
    let client = TestClient::new(catch_panic(app, |_: Panic| "never"));
    let broken = client.get("/").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
}

#[test]
fn how_an_application_let_go_is_handed_on() {
    let app = catch_panic(
        http_app(async |_: Http| Err(AppError::message("it failed"))),
        |_: Panic| "never",
    );
    let (connection, events) = crate::support::get();
    let result = crate::support::block_on(app.call(connection));
    assert_eq!(result.unwrap_err().to_string(), "it failed");
    assert_eq!(events.aborted(), Some(Abort::Dropped));
}

#[test]
fn nothing_but_the_page_is_sent() {
    let app = http_app(async |http: Http| {
        let _http = http;
        panic!("oops")
    });
    let app = catch_panic(app, |_: Panic| "a page");
    let server = Arc::new(Silent::default());
    let call = app.call(Connection::Http(server.exchange(scope("/"))));
    drop(crate::support::block_on(call).unwrap());
    assert_eq!(server.calls(), "start 200 false");
}

#[tokio::test]
async fn a_panic_after_the_answer_takes_nothing_back() {
    let told = Told::default();
    let app = http_app(async |http: Http| {
        let _done = http.responder.respond("complete").await?;
        panic!("afterwards")
    });
    let client = TestClient::new(catch_panic(app, page(&told)));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.text(), "complete");
    reply.outcome().await;
    assert_eq!(*told.lock().unwrap(), [("afterwards".to_owned(), true)]);
}

/// Panics when it is dropped.
struct Trap;

impl Drop for Trap {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

#[tokio::test]
async fn a_panic_of_a_destructor_is_one_too() {
    let told = Told::default();
    // The call's own future, which returns while what it holds is still to be dropped.
    let app = application_fn(|connection: Connection| {
        let mut held = Some((connection, Trap));
        poll_fn(move |_| {
            let _ = &mut held;
            Poll::Ready(Err::<Done, _>(AppError::message("returned")))
        })
    });
    let client = TestClient::new(catch_panic(app, page(&told)));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.text()), (500, "a page"));
    let expected = [("in a destructor".to_owned(), false)];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn it_is_not_polled_again() {
    let polls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&polls);
    let app = http_app(move |http: Http| {
        let counter = Arc::clone(&counter);
        poll_fn(move |cx| -> Poll<Result<Done, AppError>> {
            let _ = &http;
            counter.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            panic!("once")
        })
    });
    let client = TestClient::new(catch_panic(app, |_: Panic| "a page"));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.text(), "a page");
    reply.outcome().await;
    tokio::task::yield_now().await;
    assert_eq!(polls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_payload_is_the_handler_s() {
    let app = http_app(async |http: Http| {
        http.scope.label.set("/teapot");
        panic_any(StatusCode::IM_A_TEAPOT)
    });
    let app = catch_panic(app, |panic: Panic| {
        assert_eq!(panic.text(), "something that is no text");
        assert_eq!(panic.label(), Some("/teapot"));
        match panic.into_payload().downcast::<StatusCode>() {
            Ok(status) => Response::from(*status),
            Err(_) => Response::from("no status"),
        }
    });
    let reply = TestClient::new(app).get("/").send().await.unwrap();
    assert_eq!(reply.status, 418);
}

#[tokio::test]
async fn logged_answers_as_servers_do() {
    let app = http_app(async |_: Http| panic!("for the log"));
    let client = TestClient::new(catch_panic(app, Panic::logged));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (500, "500 Internal Server Error\n")
    );
}

#[tokio::test]
async fn a_panic_of_the_handler_is_the_server_s() {
    let app = http_app(async |_: Http| panic!("first"));
    let app = catch_panic(app, |_: Panic| -> Response { panic!("second") });
    let reply = TestClient::new(app).get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.answerer),
        (500, Answerer::Server)
    );
    assert!(matches!(reply.outcome().await, Outcome::Panicked(text) if text == "second"));
}

#[tokio::test]
async fn what_is_around_answers_a_panic_of_the_handler_with_its_fields() {
    let app = http_app(async |_: Http| panic!("first"));
    let app = catch_panic(app, |_: Panic| -> Response { panic!("second") });
    let rules = Cors::new().any_origin();
    let client = TestClient::new(cors(app, rules).unwrap());
    let request = client.get("/").header("origin", "https://app.example");
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status, 500);
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
    assert!(matches!(reply.outcome().await, Outcome::Panicked(text) if text == "second"));
}

#[tokio::test]
async fn what_does_not_panic_is_as_without_it() {
    async fn status(app: impl Application) -> (u16, Answerer) {
        let client = TestClient::new(catch_panic(app, |_: Panic| "never"));
        let reply = client.get("/").send().await.unwrap();
        (reply.status.as_u16(), reply.answerer)
    }
    let fails = http_app(async |http: Http| {
        let _http = http;
        Err(AppError::status(StatusCode::IM_A_TEAPOT))
    });
    assert_eq!(status(fails).await, (418, Answerer::Server));
    let forgets = http_app(async |http: Http| {
        drop(http);
        pending().await
    });
    assert_eq!(status(forgets).await, (500, Answerer::Server), "at once");
    let elsewhere = http_app(async |http: Http| {
        let task = tokio::spawn(async move { http.responder.respond("elsewhere").await });
        task.await?
    });
    assert_eq!(status(elsewhere).await, (200, Answerer::Application));
}

#[tokio::test]
async fn a_handshake_is_answered_with_the_page_and_a_socket_closed() {
    let told = Told::default();
    let app = socket_app(async |_socket| panic!("in the handshake"));
    let client = TestClient::new(catch_panic(app, page(&told)));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().text(), "a page");

    let app = socket_app(async |socket| {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        let _ = socket.message().await;
        panic!("in the middle")
    });
    let client = TestClient::new(catch_panic(app, page(&told)));
    let mut socket = client.websocket("/").connect().await.unwrap();
    socket.send("hi").await.unwrap();
    assert_eq!(socket.closed().await.code, 1011);
    let expected = [
        ("in the handshake".to_owned(), false),
        ("in the middle".to_owned(), true),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_plain_exchange_that_a_socket_gave_back_is_guarded_too() {
    let told = Told::default();
    let app = socket_app(async |socket| {
        let _http = socket.into_http().unwrap();
        tokio::task::yield_now().await;
        panic!("as a request")
    });
    let client = TestClient::new(catch_panic(app, page(&told)));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().text(), "a page");
}

/// That a future can be moved to another thread, as servers ask.
fn _is_send<A: Application>(app: &A, connection: Connection) -> impl Future + Send + '_ {
    app.call(connection)
}
