//! Work for clients that have left.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use adapters::middleware::{HalfClose, cancel_on_disconnect};
use gateway_spec::{
    Accept, AppError, Application, Connection, Done, Gone, Http, Incoming, ResponseHead,
};
use http::{HeaderValue, StatusCode, header};
use test_client::{TestClient, Why};

use super::support::{Silent, Work, asked, http_app, scope, socket_app};
use crate::support::turn;

/// Works for ever.
fn endless(work: &Work) -> impl Application + Clone {
    let work = work.clone();
    http_app(move |http: Http| {
        let work = work.clone();
        async move {
            let _http = http;
            let _doing = work.begin();
            pending().await
        }
    })
}

#[tokio::test]
async fn the_work_for_a_client_that_resets_is_dropped() {
    for gone in [
        Gone::PeerReset,
        Gone::StreamReset,
        Gone::WriteTimeout,
        Gone::Shutdown,
    ] {
        let work = Work::default();
        let client = TestClient::new(cancel_on_disconnect(endless(&work)));
        let exchange = asked(client.get("/").open(), &work).await;
        assert!(!work.was_dropped());
        let left = exchange.leave(gone);
        assert_eq!(left.outcome().await.gone(), Some(gone));
        assert!(work.was_dropped());
    }
}

#[tokio::test]
async fn a_client_that_half_closes_has_left_and_gets_no_answer() {
    let work = Work::default();
    let client = TestClient::new(cancel_on_disconnect(endless(&work)));
    let mut exchange = asked(client.get("/").open(), &work).await;
    exchange.half_close();
    let outcome = exchange.outcome().await;
    // Not an error of the application's, which a server would log.
    assert_eq!(outcome.gone(), Some(Gone::Aborted));
    assert!(work.was_dropped());
    assert_eq!(exchange.reply().await.unwrap_err().why(), Why::CutOff);
}

#[tokio::test(start_paused = true)]
async fn unless_half_closing_is_not_leaving() {
    let work = Work::default();
    let watched = work.clone();
    let app = http_app(move |http: Http| {
        let work = watched.clone();
        async move {
            let doing = work.begin();
            tokio::time::sleep(Duration::from_secs(1)).await;
            let done = http.responder.respond("all the same").await?;
            doing.done();
            Ok(done)
        }
    });
    let app = cancel_on_disconnect(app).on_half_close(HalfClose::Continue);
    let client = TestClient::new(app.clone());
    let mut exchange = asked(client.get("/").open(), &work).await;
    exchange.half_close();
    assert_eq!(exchange.reply().await.unwrap().text(), "all the same");
    assert!(work.is_done());

    let work = Work::default();
    let app = cancel_on_disconnect(endless(&work)).on_half_close(HalfClose::Continue);
    let client = TestClient::new(app);
    let mut exchange = asked(client.get("/").open(), &work).await;
    exchange.half_close();
    tokio::task::yield_now().await;
    assert!(!work.was_dropped());
    // A half-close is a state; the end is told all the same.
    let outcome = exchange.reset().outcome().await;
    assert_eq!(outcome.gone(), Some(Gone::PeerReset));
    assert!(work.was_dropped());
}

#[tokio::test]
async fn an_answer_that_needs_no_waiting_is_given_to_a_client_that_has_half_closed() {
    let app = http_app(async |http: Http| http.responder.respond("at once").await);
    let client = TestClient::new(cancel_on_disconnect(app));
    let mut exchange = client.get("/").open();
    exchange.half_close();
    assert_eq!(exchange.reply().await.unwrap().text(), "at once");
}

#[tokio::test]
async fn an_answer_under_way_is_cut_off() {
    let work = Work::default();
    let watched = work.clone();
    let app = http_app(move |http: Http| {
        let work = watched.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("some").await?;
            let _doing = work.begin();
            pending().await
        }
    });
    let client = TestClient::new(cancel_on_disconnect(app));
    let mut exchange = asked(client.get("/").open(), &work).await;
    exchange.half_close();
    let broken = exchange.reply().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
    assert_eq!(broken.partial().unwrap().text(), "some");
    assert!(work.was_dropped());
}

#[test]
fn work_after_a_complete_answer_goes_on_though_the_client_left_before_it_was_written() {
    let work = Work::default();
    let watched = work.clone();
    let app = cancel_on_disconnect(http_app(move |http: Http| {
        let work = watched.clone();
        async move {
            let done = http.responder.respond("complete").await?;
            let _doing = work.begin();
            pending::<()>().await;
            Ok(done)
        }
    }));
    let server = Arc::new(Silent::default());
    let mut call = pin!(app.call(Connection::Http(server.exchange(scope("/")))));
    assert!(turn(call.as_mut()).is_pending());
    server.gone.raise(Gone::PeerReset);
    assert!(turn(call.as_mut()).is_pending());
    assert!(!work.was_dropped());
    assert_eq!(server.calls(), "start 200 false");
}

#[tokio::test(start_paused = true)]
async fn work_after_the_application_itself_gave_up_goes_on() {
    let give_up: [fn(Http) -> Option<Done>; 2] = [
        |http| Some(http.responder.abort()),
        |http| {
            drop(http);
            None
        },
    ];
    for give_up in give_up {
        let work = Work::default();
        let watched = work.clone();
        let app = http_app(move |http: Http| {
            let work = watched.clone();
            async move {
                let doing = work.begin();
                let done = give_up(http);
                tokio::time::sleep(Duration::from_secs(1)).await;
                doing.done();
                done.ok_or_else(|| AppError::message("it forgot"))
            }
        });
        let client = TestClient::new(cancel_on_disconnect(app));
        let exchange = asked(client.get("/").open(), &work).await;
        exchange.reset().outcome().await;
        assert!(work.is_done());
    }
}

#[tokio::test]
async fn the_end_of_a_tunnel_is_for_the_application_to_see() {
    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.write("bye").await?;
        tunnel.finish().await
    });
    let client = TestClient::new(cancel_on_disconnect(app));
    let request = client
        .get("/")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let mut exchange = request.stream().await.unwrap();
    exchange.send("hi").await.unwrap();
    assert_eq!(exchange.chunk().await.unwrap().unwrap(), "hi");
    exchange.half_close();
    assert_eq!(exchange.chunk().await.unwrap().unwrap(), "bye");
    assert!(exchange.outcome().await.is_done());
}

#[tokio::test]
async fn a_handshake_is_cancelled_and_an_open_socket_says_goodbye() {
    let work = Work::default();
    let watched = work.clone();
    let thinking = socket_app(move |socket| {
        let work = watched.clone();
        async move {
            let _socket = socket;
            let _doing = work.begin();
            pending().await
        }
    });
    let client = TestClient::new(cancel_on_disconnect(thinking));
    let connecting = tokio::spawn(client.websocket("/").connect());
    work.begun().await;
    connecting.abort();
    assert!(connecting.await.is_err());
    while !work.was_dropped() {
        tokio::task::yield_now().await;
    }

    let work = Work::default();
    let watched = work.clone();
    let app = socket_app(move |socket| {
        let work = watched.clone();
        async move {
            let mut socket = socket.handshake.accept(Accept::new()).await?;
            let doing = work.begin();
            assert!(matches!(socket.receive().await, Incoming::Closed(_)));
            // The farewell, which others in the room need.
            tokio::task::yield_now().await;
            doing.done();
            Ok::<_, AppError>(socket.abort())
        }
    });
    let client = TestClient::new(cancel_on_disconnect(app));
    let socket = client.websocket("/").connect().await.unwrap();
    work.begun().await;
    let left = socket.reset();
    left.outcome().await;
    assert!(work.is_done());
}
