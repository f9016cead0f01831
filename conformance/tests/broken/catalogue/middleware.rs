//! Middleware: what stands below it is a server to it, and here a wrong one.

use std::sync::{Mutex, PoisonError};

use gateway_spec::types::Method;
use gateway_spec::{Abort, HttpReceive, HttpSend, Signal};

use crate::exchange::{Exchange, FAITHFUL, answer_for, hold};
use crate::fault::{Fault, How};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "MW-1",
        what: "what was changed below is seen above",
        red: "middleware::an_edited_scope_is_seen_below_alone",
        how: How::Scope(|scope| {
            if scope.path().contains("/layers/edit/") {
                scope.method = Method::from_bytes(b"EDITED").expect("it is a token");
            }
        }),
    },
    Fault {
        clause: "MW-2",
        what: "giving up is not forwarded",
        red: "middleware::what_forwards_everything_changes_nothing",
        how: How::Exchange(Exchange {
            abort: |_, _| {},
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "MW-3",
        what: "the bytes go out as they were above the layer",
        red: "middleware::a_layer_sees_every_byte",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { body: bytes, .. } | HttpSend::Body { bytes, .. } =
                    &mut event
                {
                    *bytes = bytes.to_ascii_lowercase().into();
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "MW-4",
        what: "a body is made longer, and its length left as it was",
        red: "middleware::true_lengths_pass",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Body { bytes, .. } = &mut event {
                    *bytes = bytes.repeat(2).into();
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "MW-5",
        what: "each block waits for the next",
        red: "middleware::each_block_passes_at_once",
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
        clause: "MW-6",
        what: "a client that leaves does not show through",
        red: "middleware::a_leaving_client_shows_through",
        how: How::Exchange(Exchange {
            gone: |_| Signal::new().wait(),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "MW-7",
        what: "giving up on purpose becomes a failure on the way",
        red: "middleware::a_dropped_interception_hands_the_end_on",
        how: How::Exchange(Exchange {
            abort: |layer, _| layer.inner.abort(Abort::Dropped),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "MW-8",
        what: "what was read before is read again",
        red: "middleware::a_body_that_was_read_in_part_stays_so",
        how: How::Exchange(Exchange {
            received: |_, event| {
                static READ: Mutex<Vec<u8>> = Mutex::new(Vec::new());
                let HttpReceive::Body { bytes, more } = event else {
                    return event;
                };
                let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
                read.extend_from_slice(&bytes);
                let bytes = read.clone().into();
                HttpReceive::Body { bytes, more }
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "MW-10",
        what: "the `Done` of nobody is believed",
        red: "middleware::a_done_of_nobody_s_is_500",
        how: How::Exchange(Exchange {
            abort: answer_for,
            ..FAITHFUL
        }),
    },
];
