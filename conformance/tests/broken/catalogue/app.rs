//! What an application is.

use gateway_spec::{AppError, Application, Connection};

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
];
