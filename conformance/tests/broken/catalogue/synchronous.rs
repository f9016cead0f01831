//! The synchronous trait, whose adapter stands on the same transport.

use std::process::ExitCode;
use std::task::Poll;

use gateway_spec::bytes::Bytes;
use gateway_spec::{HttpReceive, HttpSend, Signal};
use tokio::runtime::Builder;

use crate::exchange::{Exchange, FAITHFUL, answer_for};
use crate::fault::{Fault, How, elsewhere};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "SYNC-1",
        what: "its workers are not marked, and a blocking handle blocks one",
        red: "synchronous::a_blocking_handle_on_a_worker_is_a_panic",
        how: How::Call(|peer, connection| {
            let mut runtime = Builder::new_current_thread();
            runtime.enable_all();
            elsewhere(peer, connection, runtime)
        }),
    },
    Fault {
        clause: "SYNC-2",
        what: "a thread is taken for an upload that has not come",
        red: "synchronous::an_upload_that_dribbles_takes_no_thread",
        how: How::Exchange(Exchange {
            buffered: |_, _, _| Poll::Ready(Ok(())),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-3",
        what: "who is refused is not told when to come again",
        red: "synchronous::above_its_bounds_it_answers_503",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { head, .. } = &mut event {
                    head.headers.remove("retry-after");
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-3",
        what: "who left the queue is called",
        red: "synchronous::who_leaves_the_queue_is_not_called",
        how: How::Exchange(Exchange {
            gone: |_| Signal::new().wait(),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-4",
        what: "a client that left in the middle of its body has sent a shorter one",
        red: "synchronous::a_client_that_leaves_makes_reading_fail",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Failed(_) | HttpReceive::Disconnect(_) => HttpReceive::Body {
                    bytes: Bytes::new(),
                    more: false,
                },
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-5",
        what: "who writes to a client that left waits for ever, and nothing is closed (puma, CVE-2022-23634)",
        red: "synchronous::an_iterator_is_dropped_once_on_every_path",
        how: How::Exchange(Exchange {
            ready: |layer, cx| match layer.inner.poll_ready(cx) {
                Poll::Ready(Err(_)) => Poll::Pending,
                other => other,
            },
            write: |layer, cx, bytes| match layer.inner.poll_write(cx, bytes) {
                Poll::Ready(Err(_)) => Poll::Pending,
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-6",
        what: "a byte that was looked at is lost",
        red: "synchronous::reading_gives_what_there_is",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Body { bytes, more } => HttpReceive::Body {
                    bytes: bytes
                        .get(1..)
                        .map_or_else(Bytes::new, Bytes::copy_from_slice),
                    more,
                },
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-7",
        what: "what is written is held, however much it is",
        red: "synchronous::writing_waits_for_a_client_that_is_slow",
        how: How::Exchange(Exchange {
            ready: |_, _| Poll::Ready(Ok(())),
            write: |layer, _, bytes| {
                let held = HttpSend::Body {
                    bytes: Bytes::copy_from_slice(bytes),
                    more: true,
                };
                Poll::Ready(layer.inner.send(held).map(|()| bytes.len()))
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-8",
        what: "of a response that is handed over, what fits the bound is sent",
        red: "synchronous::a_whole_response_is_handed_over",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { body, .. } = &mut event {
                    body.truncate(64 * 1024);
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "SYNC-9",
        what: "a failed synchronous startup is a success to whoever started the server",
        red: "synchronous::a_startup_that_fails_ends_the_server",
        how: How::Exit(|_| ExitCode::SUCCESS),
    },
    Fault {
        clause: "SYNC-10",
        what: "what fails before its first part is an empty success",
        red: "synchronous::an_iterator_that_fails_at_once_is_500",
        how: How::Exchange(Exchange {
            abort: answer_for,
            ..FAITHFUL
        }),
    },
];
