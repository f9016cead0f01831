//! Time that runs out.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use adapters::middleware::timeout;
use gateway_spec::{
    Abort, Accept, AppError, Application, CloseCode, Connection, Done, Gone, Http, HttpSend,
    Response, ResponseHead, SendError, TrailersPlan, WebSocket, WebSocketSend, application_fn,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use test_client::{TestClient, Why};
use tokio::time::{Instant, sleep};

use super::support::{Silent, Work, echo, http_app, scope, socket_app};
use crate::support::block_on;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Answers after so many seconds, and goes on writing for so many more.
fn slow(start: u64, rest: u64, work: &Work) -> impl Application + Clone {
    let work = work.clone();
    http_app(move |http: Http| {
        let work = work.clone();
        async move {
            let doing = work.begin();
            sleep(seconds(start)).await;
            let mut writer = http.responder.start(StatusCode::OK).await?;
            for _ in 0..rest {
                writer.write("tick ").await?;
                sleep(seconds(1)).await;
            }
            let done = writer.finish().await?;
            doing.done();
            Ok(done)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_does_not_begin_in_time_is_dropped_and_answered_with_503() {
    let work = Work::default();
    let client = TestClient::new(timeout(slow(60, 0, &work), seconds(10)));
    let began = Instant::now();
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (503, "503 Service Unavailable\n")
    );
    assert_eq!(began.elapsed(), seconds(10));
    assert!(work.was_dropped());
    assert!(reply.outcome().await.is_done());
}

#[tokio::test(start_paused = true)]
async fn what_begins_in_time_goes_on_for_as_long_as_it_likes() {
    let work = Work::default();
    let client = TestClient::new(timeout(slow(9, 5, &work), seconds(10)));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(reply.text(), "tick tick tick tick tick ");
    assert!(work.is_done());
}

#[tokio::test(start_paused = true)]
async fn the_answer_can_be_another() {
    let app = timeout(slow(60, 0, &Work::default()), seconds(10));
    let gateway = TestClient::new(app.clone().answer(StatusCode::GATEWAY_TIMEOUT));
    assert_eq!(gateway.get("/").send().await.unwrap().status, 504);
    let later = HeaderValue::from_static("30");
    let answer = Response::text("later")
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .with_header(header::RETRY_AFTER, later);
    let client = TestClient::new(app.answer(answer));
    let reply = client.get("/").send().await.unwrap();
    assert_eq!(
        (reply.text(), reply.header("retry-after")),
        ("later", Some("30"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_bound_on_the_whole_cuts_the_answer_off() {
    let work = Work::default();
    let app = timeout(slow(1, 60, &work), seconds(10)).whole(seconds(20));
    let client = TestClient::new(app);
    let began = Instant::now();
    let broken = client.get("/").send().await.unwrap_err();
    assert_eq!(broken.why(), Why::CutOff);
    assert_eq!(began.elapsed(), seconds(20));
    assert!(broken.partial().unwrap().text().starts_with("tick"));
    assert!(work.was_dropped());
    // Nothing that a server would log as an error of the application's.
    assert_eq!(broken.outcome().await.gone(), Some(Gone::Aborted));

    let app = timeout(slow(5, 0, &Work::default()), seconds(10)).whole(seconds(3));
    let began = Instant::now();
    let reply = TestClient::new(app).get("/").send().await.unwrap();
    assert_eq!(
        (reply.status.as_u16(), began.elapsed()),
        (503, seconds(3)),
        "a whole that is shorter than the start bounds both"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_the_hands_of_another_task_is_cut_off_too() {
    let app = http_app(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        let writing = tokio::spawn(async move {
            while writer.write("tick ").await.is_ok() {
                sleep(seconds(1)).await;
            }
        });
        writing.await?;
        Err(AppError::message("nothing ends the other task"))
    });
    let client = TestClient::new(timeout(app, seconds(1)).whole(seconds(10)));
    let began = Instant::now();
    let broken = client.get("/").send().await.unwrap_err();
    assert_eq!((broken.why(), began.elapsed()), (Why::CutOff, seconds(10)));

    let app = socket_app(async |socket| {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        let writing = tokio::spawn(async move {
            while socket.send("tick").await.is_ok() {
                sleep(seconds(1)).await;
            }
        });
        writing.await?;
        Err(AppError::message("nothing ends the other task"))
    });
    let client = TestClient::new(timeout(app, seconds(1)).upgraded(seconds(10)));
    let began = Instant::now();
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(
        (socket.closed().await.code, began.elapsed()),
        (1011, seconds(10))
    );
}

#[tokio::test(start_paused = true)]
async fn work_after_the_answer_is_not_bounded_however_it_was_sent() {
    type Answering = Pin<Box<dyn Future<Output = Result<Done, AppError>> + Send>>;
    let ways: [fn(Http) -> Answering; 3] = [
        |http| Box::pin(http.responder.respond("complete")),
        |http| {
            Box::pin(async move {
                let mut writer = http.responder.start(StatusCode::OK).await?;
                writer.write("complete").await?;
                writer.finish().await
            })
        },
        |http| {
            Box::pin(async move {
                let start = http.responder.start_with_trailers(StatusCode::OK, None);
                let mut writer = start.await?;
                writer.write("complete").await?;
                writer.finish_with_trailers(HeaderMap::new()).await
            })
        },
    ];
    for way in ways {
        let work = Work::default();
        let watched = work.clone();
        let app = http_app(move |http: Http| {
            let work = watched.clone();
            async move {
                let doing = work.begin();
                let done = way(http).await?;
                sleep(seconds(3600)).await;
                doing.done();
                Ok(done)
            }
        });
        let app = timeout(app, seconds(1)).whole(seconds(2));
        let reply = TestClient::new(app).get("/").send().await.unwrap();
        assert_eq!(reply.text(), "complete");
        assert!(reply.outcome().await.is_done());
        assert!(work.is_done());
    }
}

#[tokio::test(start_paused = true)]
async fn handles_in_other_tasks_are_dead_once_it_was_answered() {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let app = http_app(move |http: Http| {
        let (_, transport) = http.into_transport();
        *keep.lock().unwrap() = Some(transport);
        pending()
    });
    let app = timeout(app, seconds(1));
    let server = Arc::new(Silent::default());
    let call = app.call(Connection::Http(server.exchange(scope("/"))));
    drop(call.await.unwrap());
    let dead = Err(SendError::Gone(Gone::Aborted));
    let transport = kept.lock().unwrap().take().unwrap();
    for event in [
        HttpSend::Start {
            head: StatusCode::OK.into(),
            body: "late".into(),
            more: false,
            trailers: TrailersPlan::None,
        },
        HttpSend::Upgrade {
            head: StatusCode::OK.into(),
        },
        HttpSend::Informational(StatusCode::PROCESSING.into()),
        HttpSend::Body {
            bytes: "late".into(),
            more: true,
        },
    ] {
        assert_eq!(transport.send(event), dead);
    }
    let mut cx = Context::from_waker(Waker::noop());
    let ready = transport.poll_ready(&mut cx);
    assert_eq!(ready, Poll::Ready(Err(Gone::Aborted)));
    let written = transport.poll_write(&mut cx, b"late");
    assert_eq!(written, Poll::Ready(Err(Gone::Aborted.into())));
    transport.close();
    transport.abort(Abort::Deliberate);
    transport.abort(Abort::Dropped);
    // Nothing but the answer in its place.
    assert_eq!(server.calls(), "start 503 false");
}

#[tokio::test(start_paused = true)]
async fn the_handles_of_a_handshake_are_dead_too() {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let app = socket_app(move |socket: WebSocket| {
        *keep.lock().unwrap() = Some(socket);
        pending()
    });
    let client = TestClient::new(timeout(app, seconds(1)));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 503);
    let socket = kept.lock().unwrap().take().unwrap();
    let mut inner = None;
    let _socket = socket.map_transport(|transport| {
        inner = Some(Arc::clone(&transport));
        transport
    });
    let transport = inner.unwrap();
    for event in [
        WebSocketSend::Accept(Accept::new()),
        WebSocketSend::Deny(Response::text("late")),
        WebSocketSend::Message("late".into()),
    ] {
        assert_eq!(transport.send(event), Err(SendError::Gone(Gone::Aborted)));
    }
    let mut cx = Context::from_waker(Waker::noop());
    let ready = transport.poll_ready(&mut cx);
    assert_eq!(ready, Poll::Ready(Err(Gone::Aborted)));
    assert!(transport.take_http().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_error_and_a_dropped_responder_are_the_server_s_to_answer_as_ever() {
    let app = http_app(async |_: Http| {
        sleep(seconds(1)).await;
        Err(AppError::status(StatusCode::IM_A_TEAPOT))
    });
    let client = TestClient::new(timeout(app, seconds(10)));
    assert_eq!(client.get("/").send().await.unwrap().status, 418);
    let app = http_app(async |http: Http| {
        drop(http);
        pending().await
    });
    let began = Instant::now();
    let client = TestClient::new(timeout(app, seconds(10)));
    assert_eq!(client.get("/").send().await.unwrap().status, 500);
    assert_eq!(began.elapsed(), Duration::ZERO, "at once (SRV-12)");
}

#[test]
fn an_application_that_does_not_wait_needs_no_clock() {
    let app = timeout(
        http_app(async |http: Http| http.responder.respond("at once").await),
        seconds(1),
    );
    let server = Arc::new(Silent::default());
    // Outside of any runtime.
    let call = app.call(Connection::Http(server.exchange(scope("/"))));
    drop(block_on(call).unwrap());
    assert_eq!(server.calls(), "start 200 false");
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_the_clock_is_for_ever() {
    let app = timeout(slow(3600, 0, &Work::default()), Duration::MAX);
    let reply = TestClient::new(app).get("/").send().await.unwrap();
    assert_eq!(reply.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_bounded_and_a_socket_only_if_that_is_said() {
    let thinking = socket_app(async |_socket| pending().await);
    let client = TestClient::new(timeout(thinking, seconds(10)));
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 503);

    let app = timeout(socket_app(echo), seconds(10)).whole(seconds(20));
    let mut socket = TestClient::new(app.clone())
        .websocket("/")
        .connect()
        .await
        .unwrap();
    sleep(seconds(3600)).await;
    socket.send("still here").await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "still here");

    let client = TestClient::new(app.upgraded(seconds(60)));
    let began = Instant::now();
    let mut socket = client.websocket("/").connect().await.unwrap();
    let closed = socket.closed().await;
    assert_eq!((closed.code, began.elapsed()), (1011, seconds(60)));
    assert_eq!(socket.outcome().await.gone(), Some(Gone::Aborted));
}

#[tokio::test(start_paused = true)]
async fn a_bound_that_is_shorter_than_that_on_the_start_holds_all_the_same() {
    let open = |app| async move {
        let client = TestClient::new(app);
        let began = Instant::now();
        let mut socket = client.websocket("/").connect().await.unwrap();
        (socket.closed().await.code, began.elapsed())
    };
    let app = timeout(socket_app(echo), seconds(600)).upgraded(seconds(60));
    assert_eq!(open(app).await, (1011, seconds(60)));
    let app = timeout(socket_app(echo), seconds(600)).whole(seconds(30));
    assert_eq!(open(app.upgraded(seconds(60))).await, (1011, seconds(60)));

    let thinking = socket_app(async |_socket| pending().await);
    let client = TestClient::new(timeout(thinking, seconds(600)).upgraded(seconds(60)));
    let began = Instant::now();
    let denied = client.websocket("/").connect().await.unwrap_err();
    assert_eq!(denied.reply().unwrap().status, 503);
    assert_eq!(began.elapsed(), seconds(60));

    // A request is no socket.
    let work = Work::default();
    let app = timeout(slow(90, 0, &work), seconds(600)).upgraded(seconds(60));
    let reply = TestClient::new(app).get("/").send().await.unwrap();
    assert_eq!(reply.status, 200);
}

#[tokio::test(start_paused = true)]
async fn work_after_a_socket_s_close_is_not_bounded() {
    let work = Work::default();
    let watched = work.clone();
    let app = socket_app(move |socket| {
        let work = watched.clone();
        async move {
            let doing = work.begin();
            let socket = socket.handshake.accept(Accept::new()).await?;
            let done = socket.close(CloseCode::NORMAL, "that was all").await?;
            sleep(seconds(3600)).await;
            doing.done();
            Ok(done)
        }
    });
    let app = timeout(app, seconds(1)).upgraded(seconds(2));
    let client = TestClient::new(app);
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.closed().await.code, 1000);
    assert!(socket.outcome().await.is_done());
    assert!(work.is_done());
}

#[tokio::test(start_paused = true)]
async fn work_after_a_tunnel_s_end_is_not_bounded() {
    let work = Work::default();
    let watched = work.clone();
    let app = http_app(move |http: Http| {
        let work = watched.clone();
        async move {
            let doing = work.begin();
            let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
                .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
            let tunnel = http.responder.upgrade(head, http.body).await?;
            let done = tunnel.finish().await?;
            sleep(seconds(3600)).await;
            doing.done();
            Ok(done)
        }
    });
    let app = timeout(app, seconds(1)).upgraded(seconds(2));
    let request = TestClient::new(app)
        .get("/")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let mut tunnel = request.stream().await.unwrap();
    assert_eq!(tunnel.chunk().await.unwrap(), None);
    assert!(tunnel.outcome().await.is_done());
    assert!(work.is_done());
}

#[tokio::test(start_paused = true)]
async fn work_after_an_answer_that_was_given_up_is_not_bounded() {
    type Way = fn(Http) -> Pin<Box<dyn Future<Output = Result<(), AppError>> + Send>>;
    let ways: [Way; 3] = [
        |http| {
            Box::pin(async move {
                drop(http.responder.abort());
                Ok(())
            })
        },
        |http| {
            Box::pin(async move {
                drop(http.responder.start(StatusCode::OK).await?.abort());
                Ok(())
            })
        },
        // Cut off.
        |http| {
            Box::pin(async move {
                drop(http.responder.start(StatusCode::OK).await?);
                Ok(())
            })
        },
    ];
    for way in ways {
        let work = Work::default();
        let watched = work.clone();
        let app = http_app(move |http: Http| {
            let work = watched.clone();
            async move {
                let doing = work.begin();
                way(http).await?;
                sleep(seconds(3600)).await;
                doing.done();
                Err(AppError::message("it has no answer"))
            }
        });
        let app = timeout(app, seconds(1)).whole(seconds(2));
        let broken = TestClient::new(app).get("/").send().await.unwrap_err();
        broken.outcome().await;
        assert!(work.is_done());
    }
}

#[tokio::test(start_paused = true)]
async fn work_after_a_client_closed_its_socket_is_not_bounded() {
    let work = Work::default();
    let watched = work.clone();
    let app = socket_app(move |socket| {
        let work = watched.clone();
        async move {
            let doing = work.begin();
            let mut socket = socket.handshake.accept(Accept::new()).await?;
            while socket.message().await.is_some() {}
            sleep(seconds(3600)).await;
            doing.done();
            socket.close(CloseCode::NORMAL, "").await
        }
    });
    let app = timeout(app, seconds(1)).upgraded(seconds(2));
    let mut socket = TestClient::new(app).websocket("/").connect().await.unwrap();
    socket.close(CloseCode::NORMAL, "").await;
    socket.outcome().await;
    assert!(work.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_is_bounded_only_if_that_is_said() {
    let app = application_fn(async |connection: Connection| {
        let Connection::Http(http) = connection else {
            return connection.refuse().await;
        };
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.finish().await
    });
    let ask = |client: &TestClient| {
        client
            .get("/")
            .header("connection", "upgrade")
            .header("upgrade", "echo")
    };
    let app = timeout(app, seconds(1)).whole(seconds(2));
    let mut tunnel = ask(&TestClient::new(app.clone())).stream().await.unwrap();
    sleep(seconds(3600)).await;
    tunnel.send("still here").await.unwrap();
    assert_eq!(tunnel.chunk().await.unwrap().unwrap(), "still here");

    let client = TestClient::new(app.upgraded(seconds(60)));
    let began = Instant::now();
    let mut tunnel = ask(&client).stream().await.unwrap();
    tunnel.send("accepted").await.unwrap();
    assert_eq!(tunnel.chunk().await.unwrap().unwrap(), "accepted");
    assert_eq!(tunnel.chunk().await.unwrap(), None, "closed in order");
    assert_eq!(began.elapsed(), seconds(60));
}
