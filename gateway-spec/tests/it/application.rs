//! APP: what an application is, in every shape that must compile.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::Arc;

use gateway_spec::{
    AppError, Application, BodyError, BodyLength, BoxApplication, Connection, Done, Gone, Http,
    SendError, SyncApplication, SyncHttp, application_fn, sync_application_fn,
};
use http::StatusCode;

use crate::support::{assert_done, exchange, lifespan, now, socket};

/// What an application answers to a request.
fn answer(app: &impl Application) -> String {
    let (http, script) = exchange([]);
    assert_done(now(app.call(Connection::Http(http))));
    script.calls()
}

const HELLO: &str = "start 200 \"hi\"; stop receiving";

async fn hello(connection: Connection) -> Result<Done, AppError> {
    match connection {
        Connection::Http(http) => http.responder.respond("hi").await,
        other => other.refuse().await,
    }
}

#[test]
fn functions_closures_and_async_closures_are_applications() {
    let moved = String::from("hi");
    assert_eq!(answer(&application_fn(hello)), HELLO);
    assert_eq!(
        answer(&application_fn(async |connection| hello(connection).await)),
        HELLO
    );
    let closure = application_fn(move |connection| {
        let text = moved.clone();
        async move {
            match connection {
                Connection::Http(http) => http.responder.respond(text).await,
                other => other.refuse().await,
            }
        }
    });
    assert_eq!(answer(&closure), HELLO);
    assert_eq!(answer(&Arc::new(closure)), HELLO);
}

#[test]
fn a_let_else_refuses_what_is_not_served() {
    async fn app(connection: Connection) -> Result<Done, AppError> {
        let Connection::Http(Http { responder, .. }) = connection else {
            return connection.refuse().await;
        };
        responder.respond("hi").await
    }
    let (lifespan, script) = lifespan();
    assert_eq!(answer(&application_fn(app)), HELLO);
    assert_done(now(application_fn(app).call(Connection::Lifespan(lifespan))));
    assert_eq!(script.calls(), "refuse");
}

#[test]
fn a_router_borrows_itself_while_its_routes_run() {
    struct Router {
        routes: HashMap<&'static str, BoxApplication>,
    }
    impl Application for Router {
        async fn call(&self, connection: Connection) -> Result<Done, AppError> {
            let Connection::Http(http) = connection else {
                return connection.refuse().await;
            };
            match self.routes.get(http.scope.path()) {
                Some(route) => route.call(Connection::Http(http)).await,
                None => http.responder.respond(StatusCode::NOT_FOUND).await,
            }
        }
    }
    let known = Router {
        routes: HashMap::from([("/a/b", BoxApplication::new(application_fn(hello)))]),
    };
    let empty = Router {
        routes: HashMap::new(),
    };
    assert_eq!(answer(&known), HELLO);
    assert_eq!(
        answer(&BoxApplication::new(empty)),
        "start 404 \"\"; stop receiving"
    );
}

#[test]
fn a_boxed_application_is_the_same_application() {
    let boxed = BoxApplication::new(application_fn(hello));
    let shared = boxed.clone();
    assert_eq!(answer(&BoxApplication::new(boxed)), HELLO);
    assert_eq!(answer(&shared), HELLO);
}

#[test]
fn one_object_may_be_both_kinds_of_application() {
    struct Both;
    impl Application for Both {
        async fn call(&self, connection: Connection) -> Result<Done, AppError> {
            hello(connection).await
        }
    }
    impl SyncApplication for Both {
        fn call(&self, http: SyncHttp) -> Result<Done, AppError> {
            http.responder.respond("hi")
        }
    }
    assert_eq!(answer(&Both), HELLO);
    let (http, script) = exchange([]);
    assert_done(SyncApplication::call(&Both, SyncHttp::new(http)));
    assert_eq!(script.calls(), "start 200 \"hi\"; stop receiving");
    let _ = sync_application_fn(|http| http.responder.respond("hi"));
}

#[test]
fn refusing_is_the_right_answer_to_every_kind() {
    let (http, script) = exchange([]);
    assert_done(now(Connection::Http(http).refuse()));
    assert_eq!(script.calls(), "start 404 \"\"; stop receiving");

    let (socket, script) = socket([]);
    assert_done(now(Connection::WebSocket(socket).refuse()));
    assert_eq!(script.calls(), "deny 404");

    let (lifespan, script) = lifespan();
    assert_done(now(Connection::Lifespan(lifespan).refuse()));
    assert_eq!(script.calls(), "refuse");
}

#[test]
fn a_connection_that_is_dropped_reaches_its_transport() {
    let (http, script) = exchange([]);
    drop(Connection::Http(http));
    assert_eq!(script.calls(), "stop receiving; abort Dropped");

    let (socket, script) = socket([]);
    drop(Connection::WebSocket(socket));
    assert_eq!(script.calls(), "abort Dropped");

    let (lifespan, script) = lifespan();
    drop(Connection::Lifespan(lifespan));
    assert_eq!(script.calls(), "abort");
}

#[test]
fn an_error_says_what_to_answer() {
    let table = [
        (AppError::status(StatusCode::BAD_REQUEST), 400),
        (AppError::message("broken"), 500),
        (AppError::from(BodyError::TooLarge { limit: 1 }), 413),
        (AppError::from(BodyError::Timeout), 408),
        (AppError::from(BodyError::Malformed), 400),
        (AppError::from(io::Error::from(BodyError::Malformed)), 400),
        (AppError::from(BodyError::Gone(Gone::PeerReset)), 500),
        (AppError::from(SendError::OutOfOrder), 500),
        (
            AppError::from(BodyError::Timeout).with_status(StatusCode::IM_A_TEAPOT),
            418,
        ),
    ];
    for (error, status) in table {
        assert_eq!(error.status_code().as_u16(), status, "{error:?}");
    }
}

#[test]
fn an_error_keeps_its_cause_and_tells_it_with_all_its_causes() {
    let error = AppError::from(SendError::Gone(Gone::PeerReset));
    assert_eq!(
        error.to_string(),
        "nobody is left to send to: the client reset the connection"
    );
    assert!(error.source().unwrap().is::<SendError>());
    let cause: Box<dyn Error + Send + Sync> = error.into();
    assert!(cause.is::<SendError>());

    let bare = AppError::status(StatusCode::CONFLICT);
    assert!(bare.source().is_none());
    assert_eq!(bare.to_string(), "the application answers 409 Conflict");
    assert_eq!(
        bare.into_source().to_string(),
        "the application answers 409 Conflict"
    );
    let caused = AppError::status(StatusCode::CONFLICT).with_source("taken");
    assert_eq!(
        (caused.to_string(), caused.status_code().as_u16()),
        ("taken".into(), 409)
    );
}

#[test]
fn a_half_closed_body_is_an_answer_and_no_absence() {
    let (mut http, script) = exchange_of_length_five();
    script.leave(Gone::HalfClosed);
    let error = AppError::from(now(http.body.collect(10)).unwrap_err());
    assert_eq!((error.status_code().as_u16(), error.gone()), (400, None));
}

fn exchange_of_length_five() -> (Http, Arc<crate::support::Script>) {
    crate::support::exchange_of(BodyLength::Known(5), [crate::support::part("abc")])
}
