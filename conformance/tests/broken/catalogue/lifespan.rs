//! The application's own life.

use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use conformance::Peer;
use gateway_spec::{
    Application, Capabilities, Connection, ConnectionInfo, Done, Http, HttpScope, Scope, State,
};

use crate::fault::{Calling, Fault, How};
use crate::lifespan::{FAITHFUL, Life, wrap};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "LIFE-1",
        what: "connections are accepted while the application still starts",
        red: "lifespan::the_application_starts_before_anybody_is_served",
        how: How::Life(EARLY),
    },
    Fault {
        clause: "LIFE-1",
        what: "connections are accepted before the application starts",
        red: "lifespan::a_startup_that_takes_too_long_has_failed",
        how: How::Life(EARLY),
    },
    Fault {
        clause: "LIFE-2",
        what: "an application without a lifespan is warned of",
        red: "lifespan::an_application_without_a_lifespan_is_served",
        how: How::Life(Life {
            refuse: |layer| {
                eprintln!("WARN the application has no lifespan");
                layer.inner.refuse();
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "LIFE-3",
        what: "a failed startup is a success to whoever started the server",
        red: "lifespan::a_failed_startup_ends_the_server",
        how: How::Exit(|_| ExitCode::SUCCESS),
    },
    Fault {
        clause: "LIFE-4",
        what: "a lifespan that ended is not noticed, and the rest is served on",
        red: "lifespan::a_lifespan_that_ends_early_ends_the_server",
        how: How::Call(deaf),
    },
    Fault {
        clause: "LIFE-5",
        what: "the state is given to the first scope, and moved out of the second",
        red: "head::the_state_of_the_lifespan_is_in_every_scope",
        how: How::Scope(|scope| {
            static GIVEN: AtomicBool = AtomicBool::new(false);
            if GIVEN.swap(true, Ordering::SeqCst) {
                scope.state = State::new();
            }
        }),
    },
    Fault {
        clause: "LIFE-6",
        what: "the application is asked to stop while its exchanges still need it",
        red: "lifespan::the_application_stops_after_the_last_exchange",
        how: How::Life(Life {
            shutdown: |layer| layer.scope.drain(),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "LIFE-7",
        what: "a failed shutdown is a success to whoever started the server",
        red: "lifespan::a_failed_shutdown_is_told",
        how: How::Exit(|_| ExitCode::SUCCESS),
    },
    Fault {
        clause: "LIFE-7",
        what: "the application is asked to stop and not waited for",
        red: "lifespan::the_application_stops_after_the_last_exchange",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let Connection::Lifespan(lifespan) = connection else {
                    return peer.call(connection).await;
                };
                let mut asked = None;
                let lifespan = lifespan.map_transport(|inner| {
                    asked = Some(inner.shutdown());
                    inner
                });
                let hasty = Life {
                    abort: |layer| layer.inner.stopped(),
                    ..FAITHFUL
                };
                let lifespan = Connection::Lifespan(wrap(lifespan, hasty));
                tokio::select! {
                    called = peer.call(lifespan) => called,
                    _ = asked.expect("it was just asked for") => Ok(false_done()),
                }
            })
        }),
    },
    Fault {
        clause: "LIFE-8",
        what: "a startup may take as long as it likes",
        red: "lifespan::a_startup_that_takes_too_long_has_failed",
        how: How::Settings(|settings| settings.timeouts.startup = Duration::from_secs(600)),
    },
    Fault {
        clause: "LIFE-9",
        what: "a lifespan that was dropped is not noticed",
        red: "lifespan::a_dropped_lifespan_is_told",
        how: How::Call(deaf),
    },
    Fault {
        clause: "LIFE-10",
        what: "a mount's state is lost",
        red: "lifespan::a_mount_runs_lives_of_its_own",
        how: How::Scope(|scope| scope.state = State::new()),
    },
];

/// The application is said to have started when it begins to.
const EARLY: Life = Life {
    begin: |layer| layer.inner.started(State::new()),
    started: |_, _| {},
    ..FAITHFUL
};

/// Hears nothing of a lifespan that ended.
fn deaf(peer: Peer, connection: Connection) -> Calling {
    Box::pin(async move {
        let Connection::Lifespan(lifespan) = connection else {
            return peer.call(connection).await;
        };
        let deaf = Life {
            stopped: |_| {},
            abort: |_| {},
            ..FAITHFUL
        };
        let ended = peer.call(Connection::Lifespan(wrap(lifespan, deaf))).await;
        drop(ended);
        pending().await
    })
}

/// A `Done` of nothing.
fn false_done() -> Done {
    let nowhere = ConnectionInfo::new(Capabilities::new("nowhere"));
    let (http, _) = Http::in_memory(Scope::new(HttpScope::new(Arc::new(nowhere))));
    http.responder.abort()
}
