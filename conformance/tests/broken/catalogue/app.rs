//! What an application is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gateway_spec::types::StatusCode;
use gateway_spec::{AppError, Application, Connection, Http, Response, SendError};
use tokio::sync::Mutex;
use tokio::task;

use crate::exchange::{Exchange, FAITHFUL, answer_for, wrap};
use crate::fault::{Fault, How};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "APP-1",
        what: "calls wait for each other, as behind a lock of the interpreter",
        red: "application::calls_run_beside_each_other_once_a_request",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                static ONE: Mutex<()> = Mutex::const_new(());
                let is_slow = matches!(&connection, Connection::Http(http) if http.scope.path().ends_with("/slow"));
                let _one = if is_slow {
                    Some(ONE.lock().await)
                } else {
                    None
                };
                peer.call(connection).await
            })
        }),
    },
    Fault {
        clause: "APP-2",
        what: "whoever returns without an answer meant an empty one",
        red: "application::an_answer_that_was_never_given_is_500",
        how: How::Exchange(Exchange {
            abort: answer_for,
            ..FAITHFUL
        }),
    },
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
        clause: "APP-4",
        what: "handles work in the task that got them, and nowhere else",
        red: "application::handles_may_go_to_other_tasks_and_threads",
        how: How::Exchange(Exchange {
            send: |layer, event| {
                if task::try_id() != layer.task {
                    return Err(SendError::Unsupported);
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
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
    Fault {
        clause: "APP-7",
        what: "a thread that is late is taken for one that is dead (uvicorn#2506)",
        red: "application::a_thread_that_is_blocked_is_late_and_loses_nobody",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                static DEAD: AtomicBool = AtomicBool::new(false);
                if let Connection::Http(http) = &connection {
                    if http.scope.path().contains("/block/") {
                        DEAD.store(true, Ordering::SeqCst);
                    } else if DEAD.load(Ordering::SeqCst) {
                        return Err(AppError::status(StatusCode::SERVICE_UNAVAILABLE));
                    }
                }
                peer.call(connection).await
            })
        }),
    },
    Fault {
        clause: "APP-8",
        what: "a method that is not known is not implemented",
        red: "application::what_is_new_is_no_failure",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                if let Connection::Http(http) = &connection
                    && http.scope.method.as_str() == "NEWER"
                {
                    return Err(AppError::status(StatusCode::NOT_IMPLEMENTED));
                }
                peer.call(connection).await
            })
        }),
    },
    Fault {
        clause: "APP-9",
        what: "it does more than its capabilities say",
        red: "application::capabilities_say_what_the_server_does",
        how: How::Scope(|scope| {
            let connection = Arc::make_mut(&mut scope.connection);
            connection.capabilities = connection.capabilities.with_informational(false);
        }),
    },
    Fault {
        clause: "APP-10",
        what: "the application is called when its body is complete",
        red: "application::a_call_begins_with_the_whole_head_and_before_the_body",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                if let Connection::Http(http) = &connection {
                    http.body.buffered(usize::MAX).await?;
                }
                peer.call(connection).await
            })
        }),
    },
];
