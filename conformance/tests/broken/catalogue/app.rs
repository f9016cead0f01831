//! What an application is.

use std::sync::Arc;

use gateway_spec::{AppError, Application, Connection, Http, Response};

use crate::exchange::{Exchange, FAITHFUL, wrap};
use crate::fault::{Fault, How};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "APP-3",
        what: "an application that fails on a kind of connection that it does not serve",
        red: "websocket::a_denial_is_an_ordinary_response",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                match connection {
                    Connection::WebSocket(socket) if socket.scope.path().ends_with("/refuse") => {
                        Err(AppError::message("what is this?"))
                    }
                    served => peer.call(served).await,
                }
            })
        }),
    },
    Fault {
        clause: "APP-5",
        what: "a leaving client is logged as an error of the application",
        red: "disconnect::a_leaving_client_is_no_error_of_the_application",
        how: How::Returned(|returned| {
            returned.map_err(|error| match error.gone() {
                Some(gone) => AppError::message(gone.to_string()),
                None => error,
            })
        }),
    },
    Fault {
        clause: "APP-6",
        what: "each error is answered by 500, whatever status it carries",
        red: "keep_alive::an_error_of_the_application_leaves_the_connection_usable",
        how: How::Returned(|returned| {
            returned.map_err(|error| AppError::message(error.to_string()))
        }),
    },
    Fault {
        clause: "APP-6",
        what: "an error is logged where it is caught, and again where it is answered",
        red: "faults::a_failure_is_logged_once",
        how: How::Returned(|returned| returned.inspect_err(|error| eprintln!("ERROR {error}"))),
    },
    Fault {
        clause: "APP-6",
        what: "the client is told what failed",
        red: "faults::a_failure_before_the_start_is_answered",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let Connection::Http(http) = connection else {
                    return peer.call(connection).await;
                };
                let (scope, transport) = http.into_transport();
                let http = Http::new(scope.clone(), Arc::clone(&transport));
                let layer = Exchange {
                    // The answer is left to what catches the error.
                    abort: |_, _| {},
                    ..FAITHFUL
                };
                match peer.call(Connection::Http(wrap(http, layer))).await {
                    Err(error) if error.gone().is_none() => {
                        let page =
                            Response::text(error.to_string()).with_status(error.status_code());
                        Http::new(scope, transport).responder.respond(page).await
                    }
                    called => called,
                }
            })
        }),
    },
];
