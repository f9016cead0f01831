//! An exchange.

use std::mem;
use std::task::{Poll, ready};

use gateway_spec::bytes::Bytes;
use gateway_spec::types::StatusCode;
use gateway_spec::types::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use gateway_spec::{
    Abort, BodyError, FileRegion, Gone, HttpReceive, HttpSend, SendError, TrailersPlan,
};

use super::{fields, find, replace};
use crate::exchange::{Exchange, FAITHFUL, hold};
use crate::fault::{Fault, How};
use crate::relay::{self, Room, Wire};

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        clause: "HTTP-1",
        what: "a line feed alone ends a line (waitress, puma, node: CVE-2019-16785, CVE-2021-41136, CVE-2022-32214)",
        red: "framing::lines_ended_by_a_bare_line_feed",
        how: How::Wire(Wire {
            up: |bytes| {
                replace(bytes, "\r\n", "\n");
                replace(bytes, "\n", "\r\n");
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-1",
        what: "the first of two lengths counts (bandit, CVE-2026-39805)",
        red: "framing::two_lengths",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, "Content-Length: 35\r\n\r\n", "\r\n"),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-1",
        what: "a head may be as long as it likes (hyper#4081, ntex 3.12)",
        red: "head::a_head_over_the_limit_is_431_however_it_comes",
        how: How::Settings(|settings| settings.limits.head_bytes = 1024 * 1024),
    },
    Fault {
        clause: "HTTP-1",
        what: "a target may be as long as its head",
        red: "head::a_target_over_the_limit_is_414",
        how: How::Settings(|settings| settings.limits.target_bytes = 1024 * 1024),
    },
    Fault {
        clause: "HTTP-1",
        what: "fields are not counted",
        red: "head::too_many_fields_are_431",
        how: How::Settings(|settings| settings.limits.header_fields = 10_000),
    },
    Fault {
        clause: "HTTP-2",
        what: "a quick answer overtakes a slow one (twisted, CVE-2023-46137)",
        red: "keep_alive::pipelined_requests_are_answered_in_their_order",
        how: How::Wire(Wire {
            down: |bytes| {
                // Swaps the first two answers of those that come at once.
                let next = |from: usize| Some(from + 1 + find(&bytes[from + 1..], "HTTP/1.1 ")?);
                if let Some((second, third)) = next(0).and_then(|at| Some((at, next(at)?))) {
                    bytes[..third].rotate_left(second);
                }
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-3",
        what: "any number of exchanges runs at once",
        red: "transport::exchanges_are_bounded",
        how: How::Settings(|settings| settings.limits.exchanges = 1_000_000),
    },
    Fault {
        clause: "HTTP-4",
        what: "the application is given the chunks' sizes too",
        red: "body::chunks_are_not_seen_by_the_application",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Body { bytes, more } if !bytes.is_empty() => {
                    let size = format!("{:x}\r\n", bytes.len()).into_bytes();
                    let bytes = [size, bytes.to_vec()].concat().into();
                    HttpReceive::Body { bytes, more }
                }
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-5",
        what: "the first part is said to be the last",
        red: "body::a_body_streams_both_ways",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Body { bytes, .. } => HttpReceive::Body { bytes, more: false },
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-6",
        what: "trailers are thrown away, as nearly all servers do",
        red: "body::trailers_come_after_the_body",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Trailers(_) => THE_END,
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-7",
        what: "a body that is too large, too slow or malformed is a client that left",
        red: "framing::a_chunk_size_with_a_plus",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Failed(_) => HttpReceive::Disconnect(Gone::PeerReset),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-8",
        what: "a body that was cut off is a shorter body (gunicorn#3382)",
        red: "body::a_body_that_was_cut_short_is_no_body",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Failed(BodyError::Malformed) => THE_END,
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-9",
        what: "who receives after the body's end is told that the client is still there (hypercorn#210)",
        red: "disconnect::who_receives_after_the_body_is_told_of_each_end",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Disconnect(_) => THE_END,
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-10",
        what: "who receives after the response is told that the client left",
        red: "transport::receiving_after_the_response_is_finished",
        how: How::Exchange(Exchange {
            received: |_, event| match event {
                HttpReceive::Disconnect(Gone::Finished) => HttpReceive::Disconnect(Gone::PeerReset),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-11",
        what: "the client is read whether or not the application does",
        red: "backpressure::an_application_that_does_not_read_stops_the_client",
        how: How::Wire(Wire {
            room: Room::Endless,
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-12",
        what: "a part that was waited for is taken by the waiting",
        red: "transport::a_part_that_was_not_taken_is_still_there",
        how: How::Exchange(Exchange {
            buffered: |layer, cx, n| {
                let there = ready!(layer.inner.poll_buffered(cx, n));
                let _ = layer.inner.poll_receive(cx);
                Poll::Ready(there)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-13",
        what: "the application's limit on a body is not kept (bandit, CVE-2026-39803)",
        red: "transport::collecting_is_bounded",
        how: How::Scope(|scope| {
            let unlimited = scope
                .uri
                .to_string()
                .replace("/collect/10", "/collect/1000");
            scope.uri = unlimited.parse().expect("digits may stand there");
        }),
    },
    Fault {
        clause: "HTTP-14",
        what: "a body that nobody read is the next request (pingora, CVE-2025-4366)",
        red: "body::an_unread_body_leaves_the_connection_usable",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, "content-length: 10000\r\n", ""),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-15",
        what: "nobody waits for bytes to be there",
        red: "transport::buffered_waits_for_so_many_bytes",
        how: How::Exchange(Exchange {
            buffered: |_, _, _| Poll::Ready(Ok(())),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-16",
        what: "there is always credit",
        red: "backpressure::what_is_accepted_at_once_is_bounded",
        how: How::Exchange(Exchange {
            ready: |_, _| Poll::Ready(Ok(())),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-17",
        what: "each part waits for the next",
        red: "response::each_part_is_sent_without_waiting_for_the_next",
        how: How::Exchange(Exchange {
            send: |layer, event| hold(layer, event, has_more),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-18",
        what: "nothing is written, and that is no error",
        red: "transport::writing_and_sending_keep_their_order",
        how: How::Exchange(Exchange {
            write: |_, _, _| Poll::Ready(Ok(0)),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-19",
        what: "informational responses are accepted and dropped by a server that says it can",
        red: "response::informational_responses_come_first",
        how: How::Exchange(Exchange {
            send: |layer, event| match event {
                HttpSend::Informational(_) => Ok(()),
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-20",
        what: "what comes out of order is dropped in silence (ASGI: ignored)",
        red: "transport::events_out_of_order_are_refused_and_dropped",
        how: How::Exchange(Exchange {
            send: |layer, event| match layer.inner.send(event) {
                Err(SendError::OutOfOrder) => Ok(()),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-21",
        what: "a head waits for the body for ever",
        red: "transport::a_head_does_not_wait_for_a_body_for_ever",
        how: How::Exchange(Exchange {
            send: |layer, event| hold(layer, event, has_more),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-22",
        what: "a head with two lengths is mended in silence",
        red: "response::a_head_that_cannot_be_sent_is_500",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { head, .. } = &mut event {
                    head.headers.remove(CONTENT_LENGTH);
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-23",
        what: "no date is sent",
        red: "response::a_date_is_added_unless_there_is_one",
        how: How::Wire(Wire {
            down: |bytes| replace(bytes, "date: ", "x-date: "),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-23",
        what: "the client's wish to close is not heard",
        red: "keep_alive::the_client_s_close_is_obeyed",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, "connection: close\r\n", ""),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-23",
        what: "fields of the connection are sent as the application gave them",
        red: "response::fields_that_are_the_server_s_are_dropped",
        how: How::Wire(Wire {
            down: |bytes| {
                replace(
                    bytes,
                    "x-kept: kept\r\n",
                    "x-kept: kept\r\nkeep-alive: timeout=9\r\n",
                )
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-24",
        what: "what goes over the declared length is cut off, and nobody is told",
        red: "response::more_than_the_declared_length_is_refused_whole",
        how: How::Exchange(Exchange {
            send: |layer, event| match layer.inner.send(event) {
                Err(SendError::TooMuch { .. }) => Ok(()),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-24",
        what: "a body that is too short is filled up",
        red: "response::less_than_the_declared_length_cuts_the_response_off",
        how: How::Exchange(Exchange {
            send: |layer, event| match layer.inner.send(event) {
                Err(SendError::TooLittle { missing }) => layer.inner.send(HttpSend::Body {
                    bytes: vec![b' '; missing as usize].into(),
                    more: false,
                }),
                other => other,
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-25",
        what: "a file is read from its beginning",
        red: "response::a_file_is_a_part_of_the_body",
        how: How::Exchange(Exchange {
            send: |layer, event| match event {
                HttpSend::File(region) => layer.inner.send(HttpSend::File(FileRegion {
                    offset: 0,
                    ..region
                })),
                other => layer.inner.send(other),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-26",
        what: "all that is sent is chunked, a whole answer too",
        red: "response::a_whole_answer_has_its_length",
        how: How::Exchange(Exchange {
            send: |layer, mut event| match &mut event {
                HttpSend::Start { more, .. } if !*more => {
                    *more = true;
                    layer.inner.send(event)?;
                    let (bytes, more) = (Bytes::new(), false);
                    layer.inner.send(HttpSend::Body { bytes, more })
                }
                _ => layer.inner.send(event),
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-26",
        what: "a client of HTTP/1.0 is answered as one of HTTP/1.1",
        red: "keep_alive::http_1_0_closes_unless_asked",
        how: How::Wire(Wire {
            up: |bytes| replace(bytes, " HTTP/1.0\r\n", " HTTP/1.1\r\nhost: a\r\n"),
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-27",
        what: "a trailer that was not announced is sent all the same",
        red: "response::a_trailer_that_was_not_announced_is_refused",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { trailers, .. } = &mut event {
                    *trailers = TrailersPlan::Maybe;
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-28",
        what: "trailers are sent to clients that did not say that they take them",
        red: "response::trailers_that_nobody_takes_are_dropped",
        how: How::Wire(Wire {
            up: |bytes| {
                replace(
                    bytes,
                    "host: a\r\n\r\n",
                    "host: a\r\nte: trailers\r\nconnection: te\r\n\r\n",
                );
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-29",
        what: "giving up on purpose is answered by 500",
        red: "faults::giving_up_before_the_start_is_no_answer",
        how: How::Exchange(Exchange {
            abort: |layer, _| layer.inner.abort(Abort::Dropped),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-29",
        what: "what was given up half-way looks whole",
        red: "faults::a_failure_after_the_start_is_visible",
        how: How::Exchange(Exchange {
            abort: |layer, why| {
                let (bytes, more) = (Bytes::new(), false);
                if layer.inner.send(HttpSend::Body { bytes, more }).is_err() {
                    layer.inner.abort(why);
                }
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-30",
        what: "protocols are switched though the client did not ask",
        red: "upgrade::an_upgrade_that_was_not_asked_for_is_refused",
        how: How::Wire(Wire {
            up: |bytes| {
                let asked = "host: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
                replace(bytes, "host: a\r\n\r\n", asked);
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-31",
        what: "what was read with the head of an upgrade is lost",
        red: "upgrade::bytes_behind_the_head_are_the_first",
        how: How::Wire(Wire {
            up: |bytes| {
                if let (Some(_), Some(end)) = (find(bytes, "upgrade: "), find(bytes, "\r\n\r\n")) {
                    bytes.truncate(end + 4);
                }
            },
            ..relay::FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-32",
        what: "what was written last to a tunnel is lost when it is dropped",
        red: "upgrade::a_dropped_tunnel_is_sent_whole_and_closed",
        how: How::Exchange(Exchange {
            send: |layer, event| hold(layer, event, has_more),
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-33",
        what: "content codings are taken off",
        red: "transport::representations_are_the_application_s",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { head, .. } = &mut event {
                    head.headers.remove(CONTENT_ENCODING);
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-33",
        what: "the server answers conditions by itself",
        red: "transport::representations_are_the_application_s",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { head, .. } = &mut event
                    && head.headers.contains(ETAG)
                {
                    head.status = StatusCode::NOT_MODIFIED;
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-34",
        what: "of several fields of a name the last one is sent",
        red: "response::fields_keep_their_order_and_their_duplicates",
        how: How::Exchange(Exchange {
            send: |layer, mut event| {
                if let HttpSend::Start { head, .. } = &mut event {
                    let all = mem::take(&mut head.headers);
                    head.headers = fields(&all, |name, value| {
                        let last = all.get_all(name).last();
                        last.filter(|last| std::ptr::eq(*last, value))
                            .map(<[u8]>::to_vec)
                    });
                }
                layer.inner.send(event)
            },
            ..FAITHFUL
        }),
    },
    Fault {
        clause: "HTTP-35",
        what: "the reason is lost: what failed was aborted",
        red: "disconnect::a_reset_is_told_to_who_is_writing",
        how: How::Exchange(Exchange {
            ready: |layer, cx| layer.inner.poll_ready(cx).map_err(|_| Gone::Aborted),
            send: |layer, event| match layer.inner.send(event) {
                Err(SendError::Gone(_)) => Err(SendError::Gone(Gone::Aborted)),
                other => other,
            },
            ..FAITHFUL
        }),
    },
];

/// A clean end of a body.
const THE_END: HttpReceive = HttpReceive::Body {
    bytes: Bytes::new(),
    more: false,
};

const fn has_more(event: &HttpSend) -> bool {
    matches!(
        event,
        HttpSend::Start { more: true, .. } | HttpSend::Body { more: true, .. }
    )
}
