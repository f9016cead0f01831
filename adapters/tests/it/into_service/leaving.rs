//! Clients that leave, and outer servers that have had enough: the application learns it, and runs on.

use std::sync::Arc;
use std::time::Duration;

use adapters::tower::into_service;
use bytes::Bytes;
use gateway_spec::{AppError, Done, Gone, Http};
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Frame;
use tokio::sync::{Notify, Semaphore, mpsc};
use tower::{Service as _, ServiceBuilder, ServiceExt as _};

use super::support::{
    BOTH, Client, Fed, Speaks, ask, fed, get, http_app, serve, service, soon, turn,
};
use crate::from_service::support::{Count, End, Script};

/// What an application says of its life.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Called,
    Gone(Gone),
    Returned,
}

/// An application that comes to a phase, waits for its client to leave, and then takes two more turns to its end.
async fn live(http: Http, says: mpsc::UnboundedSender<Said>) -> Result<Done, AppError> {
    let Http {
        scope,
        mut body,
        responder,
    } = http;
    let mut writer = None;
    let mut kept = None;
    match scope.path() {
        "/before" => kept = Some(responder),
        "/uploading" => {
            body.chunk().await?;
            kept = Some(responder);
        }
        _ => {
            let mut started = responder.start(StatusCode::OK).await?;
            started.write("begun").await?;
            writer = Some(started);
        }
    }
    says.send(Said::Called)?;
    let gone = body.gone().await;
    says.send(Said::Gone(gone))?;
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    if let Some(mut writer) = writer {
        assert!(writer.write("x").await.is_err());
    }
    if let Some(responder) = kept {
        let answered = responder.respond("x").await;
        assert_eq!(answered.is_ok(), !gone.is_final());
    }
    says.send(Said::Returned)?;
    Err(AppError::message("nobody reads this"))
}

fn living() -> (
    adapters::tower::IntoService<impl gateway_spec::Application>,
    mpsc::UnboundedReceiver<Said>,
) {
    let (says, said) = mpsc::unbounded_channel();
    let app = http_app(move |http: Http| live(http, says.clone()));
    (into_service(app), said)
}

#[tokio::test]
async fn an_application_learns_in_each_phase_that_its_client_left_and_runs_on() {
    let (service, mut said) = living();
    let address = serve(service).await;
    for speaks in BOTH {
        for phase in ["/before", "/uploading", "/streaming"] {
            let mut client = Client::connect(address, speaks).await;
            let (feed, body) = fed();
            feed.send(Frame::data("part".into())).unwrap();
            let body = match phase {
                "/uploading" => body,
                // hyper does not see a client of HTTP/1 leave whose body nobody asks for.
                _ => Fed::default(),
            };
            let mut sent = Box::pin(client.send(Request::post(phase).body(body).unwrap()));
            let response = match phase {
                "/streaming" => Some(soon(&mut sent).await.unwrap()),
                _ => {
                    assert!(turn(&mut sent).is_pending());
                    None
                }
            };
            let what = format!("{speaks:?} {phase}");
            let called = async {
                tokio::select! {
                    said = said.recv() => said,
                    // Until it is answered, hyper's client needs its turns.
                    _ = &mut sent, if response.is_none() => None,
                }
            };
            assert_eq!(soon(called).await, Some(Said::Called), "{what}");
            drop(sent);
            drop((response, client));
            let reason = match (speaks, phase) {
                // All that hyper tells of it: the client has stopped sending.
                (Speaks::Http1, "/uploading") => Gone::HalfClosed,
                (Speaks::Http1, _) => Gone::PeerReset,
                (Speaks::Http2, _) => Gone::StreamReset,
            };
            assert_eq!(soon(said.recv()).await, Some(Said::Gone(reason)), "{what}");
            assert_eq!(soon(said.recv()).await, Some(Said::Returned), "{what}");
        }
    }
}

#[tokio::test]
async fn a_future_and_a_body_that_are_dropped_are_a_client_that_left() {
    for (version, reason) in [
        (Version::HTTP_11, Gone::PeerReset),
        (Version::HTTP_2, Gone::StreamReset),
    ] {
        for phase in ["/before", "/streaming"] {
            let (service, mut said) = living();
            let request = Request::get(phase)
                .version(version)
                .body(Empty::<Bytes>::new())
                .unwrap();
            let mut call = Box::pin(service.clone().call(request));
            match turn(&mut call) {
                std::task::Poll::Ready(Ok(response)) => drop(response),
                std::task::Poll::Pending => drop(call),
            }
            for expected in [Said::Called, Said::Gone(reason), Said::Returned] {
                assert_eq!(
                    soon(said.recv()).await,
                    Some(expected),
                    "{version:?} {phase}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_call_that_was_never_polled_finds_its_client_gone() {
    let (service, mut said) = living();
    drop(service.clone().call(get("/before")));
    for expected in [Said::Called, Said::Gone(Gone::PeerReset), Said::Returned] {
        assert_eq!(soon(said.recv()).await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_layer_s_timeout_is_a_client_that_left() {
    let (service, mut said) = living();
    let service = ServiceBuilder::new()
        .timeout(Duration::from_secs(5))
        .service(service);
    let answer = soon(service.oneshot(get("/before"))).await;
    assert!(answer.is_err());
    for expected in [Said::Called, Said::Gone(Gone::PeerReset), Said::Returned] {
        assert_eq!(soon(said.recv()).await, Some(expected));
    }
}

#[tokio::test]
async fn what_came_before_can_still_be_received() {
    let (got, mut told) = mpsc::unbounded_channel();
    let go = Arc::new(Notify::new());
    let may_go = Arc::clone(&go);
    let service = service(move |http: Http| {
        let (got, may_go) = (got.clone(), Arc::clone(&may_go));
        async move {
            let mut body = http.body;
            body.buffered(3).await?;
            may_go.notified().await;
            let first = body.chunk().await;
            got.send((first, body.chunk().await))?;
            Ok(http.responder.abort())
        }
    });
    let body = Script::of(["abc"], End::Never);
    let mut call = Box::pin(service.clone().call(Request::post("/").body(body).unwrap()));
    assert!(turn(&mut call).is_pending());
    drop(call);
    go.notify_one();
    let gone = gateway_spec::BodyError::Gone(Gone::PeerReset);
    let expected = (Ok(Some("abc".into())), Err(gone));
    assert_eq!(soon(told.recv()).await, Some(expected));
}

#[tokio::test]
async fn work_after_the_answer_holds_nothing_up() {
    let (go, done) = (Arc::new(Semaphore::new(0)), Count::default());
    let (may_go, count) = (Arc::clone(&go), done.clone());
    let address = serve(service(move |http: Http| {
        let (may_go, count) = (Arc::clone(&may_go), count.clone());
        async move {
            let done = http.responder.respond("first").await?;
            may_go.acquire().await?.forget();
            count.add();
            Ok(done)
        }
    }))
    .await;
    for speaks in BOTH {
        let mut client = Client::connect(address, speaks).await;
        for _ in 0..3 {
            let response = soon(client.send(get("/"))).await.unwrap();
            let body = soon(response.into_body().collect()).await.unwrap();
            assert_eq!(body.to_bytes(), "first");
        }
    }
    assert_eq!(done.get(), 0);
    go.add_permits(6);
    soon(done.reach(6)).await;
}

#[tokio::test]
async fn who_asks_after_the_end_is_told_that_it_is_one() {
    let (ends, mut told) = mpsc::unbounded_channel();
    let service = service(move |http: Http| {
        let ends = ends.clone();
        async move {
            let Http {
                body, responder, ..
            } = http;
            let done = responder.respond("").await?;
            ends.send(body.gone().await)?;
            Ok(done)
        }
    });
    let response = ask(&service, get("/")).await;
    assert_eq!(soon(told.recv()).await, Some(Gone::Finished));
    drop(response);
}
