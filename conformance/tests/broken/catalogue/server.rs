//! What every server promises.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use gateway_spec::{
    Abort, AppError, Application, Connection, Gone, HttpSend, LifespanScope, Signal,
};
use server_host::{LogTarget, Timeouts};
use tokio::runtime::Builder;

use super::{fields, find, replace};
use crate::exchange::{Exchange, FAITHFUL, hold};
use crate::fault::{Fault, How, elsewhere};
use crate::relay::{self, Room, Wire};

/// Longer than any case waits.
const AGES: Duration = Duration::from_secs(600);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "SRV-1",
        what: "a call is dropped when its client leaves (hyper)",
        red: "disconnect::a_leaving_client_cancels_nothing",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let Connection::Http(http) = connection else {
                    return peer.call(connection).await;
                };
                let mut gone = http.responder.gone();
                let left = async {
                    loop {
                        let why = (&mut gone).await;
                        if why.is_final() && why != Gone::Finished {
                            return why;
                        }
                    }
                };
                tokio::select! {
                    called = peer.call(Connection::Http(http)) => called,
                    why = left => Err(AppError::from(why)),
                }
            })
        }),
    },
    Fault {
        clause: "SRV-2",
        what: "nobody who waits for the end is woken",
        red: "disconnect::a_reset_is_told_to_who_is_not_reading",
        how: How::Exchange(Exchange {
            gone: |_| Signal::new().wait(),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-2",
        what: "the log obeys what a client sends (uvicorn, webrick: CVE-2020-7694, CVE-2009-4492)",
        red: "access_log::control_bytes_are_escaped",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                if let Connection::Http(http) = &connection {
                    let decoded = http.scope.path().replace("%1b", "\x1b").replace("%5b", "[");
                    eprintln!("INFO {decoded}");
                }
                peer.call(connection).await
            })
        }),
    },
    Fault {
        clause: "SRV-2",
        what: "the access log cannot be turned off",
        red: "access_log::it_can_be_turned_off",
        how: How::Settings(|settings| settings.access_log = LogTarget::Stderr),
    },
    Fault {
        clause: "SRV-3",
        what: "a half-close is taken for a reset",
        red: "disconnect::a_half_close_is_told_to_who_is_not_reading",
        how: How::Exchange(Exchange {
            gone: |layer| {
                let (told, mut inner) = (Signal::new(), layer.inner.gone());
                let waiter = told.wait();
                tokio::spawn(async move {
                    (&mut inner).await;
                    told.raise(Gone::PeerReset);
                });
                waiter
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-4",
        what: "streams never learn that the server drains (uvicorn#2829)",
        red: "shutdown::a_streamed_answer_ends_whole",
        how: How::Scope(|scope| {
            let connection = (*scope.connection).clone();
            scope.connection = Arc::new(connection.with_drain(Signal::new()));
        }),
    },
    Fault {
        clause: "SRV-4",
        what: "the lifespan learns of the drain when it is over",
        red: "lifespan::the_application_stops_after_the_last_exchange",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let connection = match connection {
                    Connection::Lifespan(mut lifespan) => {
                        lifespan.scope = LifespanScope::new(lifespan.scope.capabilities);
                        Connection::Lifespan(lifespan)
                    }
                    other => other,
                };
                peer.call(connection).await
            })
        }),
    },
    Fault {
        clause: "SRV-5",
        what: "requests behind a slow answer are read without a bound",
        red: "backpressure::pipelined_requests_do_not_pile_up",
        how: How::Wire(Wire {
            room: Room::Endless,
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-5",
        what: "all that an application writes is held for its client",
        red: "backpressure::a_client_that_does_not_read_stops_the_application",
        how: How::Exchange(Exchange {
            ready: |_, _| Poll::Ready(Ok(())),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-6",
        what: "a HEAD is answered like a GET",
        red: "response::head_has_no_body_and_keeps_its_length",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, "HEAD ", "GET "),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-6",
        what: "an unread body costs the connection, however small it is",
        red: "body::an_unread_body_leaves_the_connection_usable",
        how: How::Settings(|settings| settings.limits.discard_bytes = 0),
    },
    Fault {
        clause: "SRV-6",
        what: "an uploader is answered and reset, which may take the answer away",
        red: "body::an_uploader_reads_an_early_answer",
        how: How::Wire(Wire {
            reset_after: |bytes| find(bytes, "connection: close").is_some(),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-7",
        what: "a panic cuts the connection and is not answered",
        red: "faults::a_failure_before_the_start_is_answered",
        how: How::Exchange(Exchange {
            abort: |layer, why| match thread::panicking() {
                true => layer.inner.abort(Abort::Deliberate),
                false => layer.inner.abort(why),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-7",
        what: "what was accepted last before a failure is lost",
        red: "faults::what_was_accepted_before_a_failure_is_sent",
        how: How::Exchange(Exchange {
            send: |layer, event| {
                hold(layer, event, |event| {
                    matches!(event, HttpSend::Body { more: true, .. })
                })
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-8",
        what: "the client is told to go on whether or not the application wants its body",
        red: "expect::the_client_is_told_to_go_on_when_the_application_asks",
        how: How::Exchange(Exchange {
            begin: |layer| {
                let nobody = &mut Context::from_waker(Waker::noop());
                let _ = layer.inner.poll_buffered(nobody, 1);
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-9",
        what: "an answer is sent when the call has ended",
        red: "keep_alive::work_after_the_answer_holds_nothing_back",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let Connection::Http(http) = connection else {
                    return peer.call(connection).await;
                };
                let (http, mut events) = http.intercept();
                let called = peer.call(Connection::Http(http)).await;
                while let Some(event) = events.sent().await {
                    events.forward(event).await?;
                }
                called
            })
        }),
    },
    Fault {
        clause: "SRV-9",
        what: "work after the answer is dropped when the server drains",
        red: "shutdown::work_after_the_answer_is_waited_for",
        how: How::Call(|peer, connection| {
            Box::pin(async move {
                let Connection::Http(http) = connection else {
                    return peer.call(connection).await;
                };
                let draining = http.scope.drain();
                tokio::select! {
                    biased;
                    _ = draining => Err(AppError::from(Gone::Shutdown)),
                    called = peer.call(Connection::Http(http)) => called,
                }
            })
        }),
    },
    Fault {
        clause: "SRV-10",
        what: "the capabilities promise names as they were sent, which come in lower case",
        red: "head::fields_keep_order_and_case_where_the_server_says_so",
        how: How::Scope(|scope| {
            scope.headers = fields(&scope.headers, |_, value| Some(value.to_vec()));
        }),
    },
    Fault {
        clause: "SRV-11",
        what: "calls run where there are neither time nor I/O",
        red: "application::it_runs_where_there_are_time_and_io",
        how: How::Call(|peer, connection| {
            elsewhere(peer, connection, Builder::new_current_thread())
        }),
    },
    Fault {
        clause: "SRV-12",
        what: "a forgotten answer is answered when the call has ended, if it does",
        red: "faults::a_forgotten_answer_is_answered_while_the_call_goes_on",
        how: How::Exchange(Exchange {
            abort: |layer, why| match why {
                Abort::Dropped => {}
                Abort::Deliberate => layer.inner.abort(why),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-13",
        what: "a waker is dropped under a lock that sending takes",
        red: "transport::wakers_may_use_the_transport",
        how: How::Exchange(Exchange {
            ready: |layer, cx| {
                let _held = layer.held.lock();
                layer.inner.poll_ready(cx)
            },
            send: |layer, event| {
                let _held = layer.held.lock();
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SRV-14",
        what: "a client that sends nothing is waited for (hyper#3756)",
        red: "timers::a_client_that_sends_nothing_is_closed",
        how: How::Settings(|settings| settings.timeouts = Timeouts::default()),
    },
    Fault {
        clause: "SRV-14",
        what: "a byte now and then keeps a head open (Apache, CVE-2007-6750)",
        red: "timers::a_head_that_trickles_is_408",
        how: How::Settings(|settings| settings.timeouts.head = AGES),
    },
    Fault {
        clause: "SRV-14",
        what: "a connection that is not used is kept",
        red: "timers::an_idle_connection_is_closed",
        how: How::Settings(|settings| settings.timeouts.idle = AGES),
    },
    Fault {
        clause: "SRV-14",
        what: "a connection that is used is closed",
        red: "timers::an_idle_connection_is_used_until_then",
        how: How::Settings(|settings| settings.timeouts.idle = Duration::from_millis(100)),
    },
    Fault {
        clause: "SRV-14",
        what: "a body that stopped is waited for",
        red: "timers::a_body_that_stops_is_408",
        how: How::Settings(|settings| settings.timeouts.body = AGES),
    },
    Fault {
        clause: "SRV-14",
        what: "a client that does not read is waited for (hyper#1628)",
        red: "timers::a_client_that_does_not_read_is_given_up",
        how: How::Settings(|settings| settings.timeouts.write = AGES),
    },
    Fault {
        clause: "SRV-15",
        what: "connections that are kept leave no room for new ones (puma: CVE-2019-16770, CVE-2021-29509)",
        red: "keep_alive::connections_that_are_kept_hold_nobody_back",
        how: How::Settings(|settings| settings.limits.connections = 100),
    },
    Fault {
        clause: "SRV-16",
        what: "the process never ends (hyper#3576, granian#651)",
        red: "shutdown::an_idle_server_ends_at_once",
        how: How::Exit(|_| {
            loop {
                thread::park();
            }
        }),
    },
];
