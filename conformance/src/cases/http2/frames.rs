//! Frames that break the rules of RFC 9113, sections 4 to 6: what the server says to each, and that it lives on.

use super::{ask, frames, route};
use crate::case::Case;
use crate::http2_client::{Frames, block, code, flag, frame, head, kind, request};
use crate::server::Subject;

use Wrong::{Connection, Stream};

/// What is wrong.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    /// The connection, which is given up with one of these codes.
    Connection(&'static [u32]),
    /// Stream 1, which is reset with one of these codes; a server may give up the connection instead.
    Stream(&'static [u32]),
}

// A code that says less than it could is an error all the same: `PROTOCOL_ERROR` is for when no other is more exact.
const PROTOCOL: &[u32] = &[code::PROTOCOL_ERROR];
const SIZE: &[u32] = &[code::FRAME_SIZE_ERROR, code::PROTOCOL_ERROR];
const CLOSED: &[u32] = &[code::STREAM_CLOSED, code::PROTOCOL_ERROR];
const FLOW: &[u32] = &[code::FLOW_CONTROL_ERROR, code::PROTOCOL_ERROR];
const COMPRESSION: &[u32] = &[code::COMPRESSION_ERROR, code::PROTOCOL_ERROR];

type Send = fn(&mut Frames);

const ROWS: [(&str, Wrong, Send); 50] = [
    ("data_on_the_connection", Connection(PROTOCOL), |c| {
        c.send(kind::DATA, 0, 0, b"x")
    }),
    ("data_on_an_idle_stream", Connection(CLOSED), |c| {
        c.send(kind::DATA, 0, 1, b"x");
    }),
    (
        "data_with_more_padding_than_payload",
        Connection(PROTOCOL),
        |c| {
            waiting(c);
            c.send(kind::DATA, flag::PADDED, 1, &[9, 1, 2]);
        },
    ),
    ("data_after_the_end", Stream(CLOSED), |c| {
        slow(c);
        c.send(kind::DATA, 0, 1, b"x");
    }),
    ("data_after_a_reset", Stream(CLOSED), |c| {
        waiting(c);
        c.reset(1);
        c.send(kind::DATA, 0, 1, b"x");
    }),
    ("data_over_the_stream_s_window", Stream(FLOW), |c| {
        // The window of the connection is larger, or the error is the connection's.
        waiting(c);
        for _ in 0..9 {
            c.send(kind::DATA, 0, 1, &[0; 16 * 1024]);
        }
    }),
    ("headers_on_the_connection", Connection(PROTOCOL), |c| {
        c.get(0, "/")
    }),
    ("headers_on_a_server_s_stream", Connection(PROTOCOL), |c| {
        c.get(2, "/")
    }),
    ("headers_on_a_lower_stream", Connection(CLOSED), |c| {
        c.get(5, &route("/hello"));
        c.expect_status(5, 200);
        c.get(3, "/");
    }),
    ("headers_after_the_end", Stream(CLOSED), |c| {
        slow(c);
        c.get(1, "/");
    }),
    (
        "headers_with_more_padding_than_payload",
        Connection(PROTOCOL),
        |c| {
            let flags = flag::END_HEADERS | flag::END_STREAM | flag::PADDED;
            c.send(kind::HEADERS, flags, 1, &[200, 0x82]);
        },
    ),
    ("a_stream_that_depends_on_itself", Stream(PROTOCOL), |c| {
        let mut payload = vec![0, 0, 0, 1, 10];
        payload.extend(block(&request("GET", "/")));
        let flags = flag::END_HEADERS | flag::END_STREAM | 0x20;
        c.send(kind::HEADERS, flags, 1, &payload);
    }),
    ("another_frame_amid_a_head", Connection(PROTOCOL), |c| {
        c.send(
            kind::HEADERS,
            flag::END_STREAM,
            1,
            &block(&request("GET", "/")),
        );
        c.send(kind::PING, 0, 0, b"amid....");
    }),
    (
        "another_stream_s_head_amid_a_head",
        Connection(PROTOCOL),
        |c| {
            c.send(
                kind::HEADERS,
                flag::END_STREAM,
                1,
                &block(&request("GET", "/")),
            );
            c.get(3, "/");
        },
    ),
    ("an_unknown_frame_amid_a_head", Connection(PROTOCOL), |c| {
        c.send(
            kind::HEADERS,
            flag::END_STREAM,
            1,
            &block(&request("GET", "/")),
        );
        c.send(0x16, 0, 0, b"amid....");
    }),
    (
        "a_continuation_of_another_stream",
        Connection(PROTOCOL),
        |c| {
            c.send(
                kind::HEADERS,
                flag::END_STREAM,
                1,
                &block(&request("GET", "/")),
            );
            c.send(kind::CONTINUATION, flag::END_HEADERS, 3, &[]);
        },
    ),
    ("a_continuation_of_nothing", Connection(PROTOCOL), |c| {
        c.send(kind::CONTINUATION, flag::END_HEADERS, 1, &[]);
    }),
    (
        "a_continuation_of_a_whole_head",
        Connection(PROTOCOL),
        |c| {
            slow(c);
            c.send(kind::CONTINUATION, flag::END_HEADERS, 1, &[]);
        },
    ),
    ("a_continuation_after_data", Connection(PROTOCOL), |c| {
        waiting(c);
        c.send(kind::DATA, 0, 1, b"x");
        c.send(kind::CONTINUATION, flag::END_HEADERS, 1, &[]);
    }),
    ("a_priority_of_the_connection", Connection(PROTOCOL), |c| {
        c.send(kind::PRIORITY, 0, 0, &[0, 0, 0, 1, 10]);
    }),
    ("a_priority_of_another_length", Stream(SIZE), |c| {
        waiting(c);
        c.send(kind::PRIORITY, 0, 1, &[0, 0, 0, 1]);
    }),
    ("a_reset_of_the_connection", Connection(PROTOCOL), |c| {
        c.reset(0)
    }),
    ("a_reset_of_an_idle_stream", Connection(PROTOCOL), |c| {
        c.reset(1)
    }),
    ("a_reset_of_another_length", Connection(SIZE), |c| {
        waiting(c);
        c.send(kind::RST_STREAM, 0, 1, &[0, 0, 8]);
    }),
    ("settings_of_a_stream", Connection(PROTOCOL), |c| {
        c.send(kind::SETTINGS, 0, 1, &[])
    }),
    ("settings_of_another_length", Connection(SIZE), |c| {
        c.send(kind::SETTINGS, 0, 0, &[0, 3, 0]);
    }),
    ("settings_that_acknowledge_and_say", Connection(SIZE), |c| {
        c.send(kind::SETTINGS, flag::ACK, 0, &[0, 3, 0, 0, 0, 1]);
    }),
    (
        "a_setting_of_push_that_is_none",
        Connection(PROTOCOL),
        |c| {
            c.send(kind::SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2]);
        },
    ),
    (
        "a_setting_of_the_window_over_its_limit",
        Connection(FLOW),
        |c| {
            c.send(kind::SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]);
        },
    ),
    (
        "a_setting_of_frames_below_their_least",
        Connection(PROTOCOL),
        |c| {
            c.send(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0x3f, 0xff]);
        },
    ),
    (
        "a_setting_of_frames_over_their_limit",
        Connection(PROTOCOL),
        |c| {
            c.send(kind::SETTINGS, 0, 0, &[0, 5, 1, 0, 0, 0]);
        },
    ),
    ("a_push_promise_of_a_client", Connection(PROTOCOL), |c| {
        slow(c);
        let mut payload = vec![0, 0, 0, 2];
        payload.extend(block(&request("GET", "/")));
        c.send(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &payload);
    }),
    ("a_ping_of_a_stream", Connection(PROTOCOL), |c| {
        c.send(kind::PING, 0, 1, b"12345678")
    }),
    ("a_ping_of_another_length", Connection(SIZE), |c| {
        c.send(kind::PING, 0, 0, b"1234567")
    }),
    ("a_goaway_of_a_stream", Connection(PROTOCOL), |c| {
        c.send(kind::GOAWAY, 0, 1, &[0; 8])
    }),
    (
        "a_window_of_nothing_for_the_connection",
        Connection(PROTOCOL),
        |c| c.window_update(0, 0),
    ),
    ("a_window_of_nothing_for_a_stream", Stream(PROTOCOL), |c| {
        slow(c);
        c.window_update(1, 0);
    }),
    ("a_window_of_an_idle_stream", Connection(PROTOCOL), |c| {
        c.window_update(1, 1)
    }),
    ("a_window_of_another_length", Connection(SIZE), |c| {
        c.send(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 1]);
    }),
    (
        "a_window_of_the_connection_over_its_limit",
        Connection(FLOW),
        |c| {
            c.window_update(0, 0x7fff_ffff);
        },
    ),
    ("a_window_of_a_stream_over_its_limit", Stream(FLOW), |c| {
        slow(c);
        c.window_update(1, 0x7fff_ffff);
    }),
    // CVE-2026-42788: the head of a frame is enough, before any of its payload came.
    ("a_frame_that_is_too_long", Connection(SIZE), |c| {
        c.send_bytes(&head(16 * 1024 + 1, kind::DATA, 0, 1));
    }),
    ("a_head_that_is_too_long", Connection(SIZE), |c| {
        c.send_bytes(&head(0x00ff_ffff, kind::HEADERS, flag::END_HEADERS, 1));
    }),
    ("an_index_that_is_not_there", Connection(COMPRESSION), |c| {
        c.send(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            1,
            &[0xff, 0x20],
        );
    }),
    ("an_index_of_nothing", Connection(COMPRESSION), |c| {
        c.send(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            1,
            &[0x80],
        );
    }),
    (
        "a_huffman_string_with_an_end",
        Connection(COMPRESSION),
        |c| {
            let block = [
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff,
            ];
            c.send(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                1,
                &block,
            );
        },
    ),
    (
        "a_huffman_string_padded_with_zeros",
        Connection(COMPRESSION),
        |c| {
            let block = [
                0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90,
            ];
            c.send(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                1,
                &block,
            );
        },
    ),
    ("a_table_over_its_limit", Connection(COMPRESSION), |c| {
        let mut sized = vec![0x3f, 0xe2, 0x1f];
        sized.extend(block(&request("GET", "/")));
        c.send(
            kind::HEADERS,
            flag::END_HEADERS | flag::END_STREAM,
            1,
            &sized,
        );
    }),
    (
        "a_string_longer_than_its_block",
        Connection(COMPRESSION),
        |c| {
            c.send(
                kind::HEADERS,
                flag::END_HEADERS | flag::END_STREAM,
                1,
                &[0x00, 0x05, b'a'],
            );
        },
    ),
    ("a_priority_amid_a_head", Connection(PROTOCOL), |c| {
        c.send(
            kind::HEADERS,
            flag::END_STREAM,
            1,
            &block(&request("GET", "/")),
        );
        let priority = frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 10]);
        c.send_bytes(&priority);
    }),
];

pub(super) fn cases() -> Vec<Case> {
    let case = |(name, wrong, send): (&'static str, Wrong, Send)| {
        Case::new(name, &["SRV-2"], move |subject| check(subject, wrong, send))
    };
    ROWS.into_iter().map(case).collect()
}

/// Stream 1, whose body is waited for.
fn waiting(client: &mut Frames) {
    client.post(1, &route("/read-late"));
    client.ping();
}

/// Stream 1, whose answer is waited for.
fn slow(client: &mut Frames) {
    client.get(1, &route("/slow"));
    client.ping();
}

#[track_caller]
fn check(subject: &Subject, wrong: Wrong, send: Send) {
    let server = subject.start();
    let mut client = frames(&server);
    send(&mut client);
    match wrong {
        Connection(codes) => client.expect_goaway(codes),
        Stream(codes) => client.expect_reset(1, codes),
    }
    assert_eq!(ask(&server, "/hello"), "Hello, world!", "others are served");
}
