//! Exchanges over streams: bodies both ways, windows, trailers, resets, the end of the connection.

use gateway_spec::bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderValue, header};

use super::{QUIET, SERVER, ask, frames, impatient, route};
use crate::cases::chapter;
use crate::http2_client::session::{Answer, Session, converse, request, send_all};
use crate::http2_client::{Frames, code, flag, kind};
use crate::server::{Options, Server, Signal, Subject};

chapter! {
    bodies_go_both_ways_at_once: "HTTP-4", "HTTP-17", "HTTP-26";
    a_body_may_come_in_many_pieces_and_with_padding: "HTTP-4", "HTTP-5";
    streams_do_not_wait_for_each_other: "HTTP-2", "SCOPE-1";
    many_streams_at_once: "HTTP-2", "SCOPE-1";
    streams_over_the_limit_are_refused: "SRV-5";
    an_unread_upload_holds_back_no_other_stream: "HTTP-2", "HTTP-11";
    trailers_go_both_ways: "HTTP-6", "HTTP-27", "HTTP-28";
    what_has_no_body_ends_with_its_head: "SRV-6";
    a_streamed_body_is_suppressed_where_none_may_be: "SRV-6";
    lengths_are_kept: "HTTP-24", "HTTP-26";
    a_body_that_never_reaches_its_length_is_reset: "HTTP-24";
    the_connection_is_the_server_s: "HTTP-23";
    a_close_ends_the_connection_in_order: "HTTP-23";
    fields_keep_order_and_duplicates: "HTTP-34";
    an_informational_response_comes_first: "HTTP-19";
    a_continue_is_sent_when_the_application_reads_if_the_server_can: "SRV-8";
    no_continue_is_sent_if_the_application_answers_first: "SRV-8";
    a_file_is_sent: "HTTP-25";
    a_reset_ends_its_stream_alone: "SRV-2", "HTTP-9";
    a_lost_connection_ends_its_streams: "SRV-2", "SRV-3";
    a_half_closed_connection_ends_its_streams: "SRV-2";
    an_application_that_fails_is_answered_or_reset: "APP-6", "SRV-7", "SRV-12", "HTTP-29";
    an_abort_resets_behind_what_was_accepted: "SRV-7", "HTTP-29";
    an_early_answer_ends_the_upload: "HTTP-14", "SRV-6";
    an_upload_that_nobody_wants_goes_on_before_the_answer: "SRV-6";
    what_nobody_wants_holds_back_no_other_stream: "HTTP-14", "HTTP-2";
    a_client_that_opens_no_window_stops_the_application: "SRV-5", "HTTP-16";
    a_client_that_opens_no_window_is_given_up: "SRV-14", "HTTP-35";
    a_window_may_open_byte_by_byte: "HTTP-17";
    a_window_may_shrink_below_nothing: "HTTP-17";
    an_application_that_does_not_read_stops_the_client: "HTTP-11", "SRV-5";
    the_window_is_given_back_when_the_application_reads: "HTTP-11";
    an_application_s_timers_go_on_while_the_window_is_closed: "SRV-1";
    a_body_that_does_not_come_is_408: "SRV-14", "HTTP-7";
    an_idle_connection_is_ended: "SRV-14";
    a_head_that_never_ends_is_given_up: "SRV-14";
    a_shutdown_lets_streams_finish: "SRV-4", "SRV-16";
    a_shutdown_answers_what_is_asked_meanwhile: "SRV-16";
    a_shutdown_ends_idle_connections: "SRV-16";
    a_stream_that_stays_is_ended_with_the_grace: "SRV-4", "SRV-16";
    a_connection_that_opens_no_window_is_given_up: "SRV-14", "HTTP-35";
    work_after_the_answer_holds_nobody_back: "SRV-9";
    a_body_over_its_announced_limit_is_413: "HTTP-7";
}

/// More than any window or buffer between the two ends.
const LARGE: usize = 1_000_000;

fn number(text: &str) -> usize {
    text.parse().expect("the peer reports a number")
}

fn get(path: &str) -> http::Request<()> {
    request("GET", &route(path))
}

fn bodies_go_both_ways_at_once(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let sent = Bytes::from_iter((0..LARGE).map(|n| n as u8));
        let answer = session.post(&route("/echo"), sent.clone()).await;
        let answer = answer.expect("the exchange is whole");
        assert_eq!(answer.status(), 200);
        assert!(answer.body == sent, "{} bytes came back", answer.body.len());
    });
}

fn a_body_may_come_in_many_pieces_and_with_padding(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.post(1, &route("/read-all"));
    for byte in b"in pieces" {
        client.send(kind::DATA, flag::PADDED, 1, &[3, *byte, 0, 0, 0]);
    }
    client.send(kind::DATA, 0, 1, b"");
    client.send(kind::DATA, flag::END_STREAM, 1, b"");
    client.expect_status(1, 200);
    assert_eq!(client.read_body(1), b"in pieces");
}

fn streams_do_not_wait_for_each_other(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let slow = session.send(get("/slow")).await.expect("it is open");
        let fast = session.ask(get("/hello")).await.expect("an answer");
        assert_eq!(fast.text(), "Hello, world!");
        session.ask(get("/open/slow")).await.expect("an answer");
        let slow = Answer::read(slow).await.expect("an answer");
        assert_eq!(slow.text(), "slow");
    });
}

fn many_streams_at_once(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let mut answers = Vec::new();
        for _ in 0..100 {
            answers.push(session.send(get("/hello")).await.expect("it is open"));
        }
        for answer in answers {
            let answer = Answer::read(answer).await.expect("an answer");
            assert_eq!(answer.text(), "Hello, world!");
        }
    });
}

fn streams_over_the_limit_are_refused(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let last = 2 * 100 + 1;
    for stream in (1..=last).step_by(2) {
        client.get(stream, &route("/slow"));
    }
    client.expect_reset(last, &[code::REFUSED_STREAM]);
    let _ = ask(&server, "/report/slow/100");
    for _ in 0..100 {
        let _ = ask(&server, "/open/slow");
    }
    client.expect_status(1, 200);
}

fn an_unread_upload_holds_back_no_other_stream(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let mut stuck = Vec::new();
        for _ in 0..40 {
            let (response, mut stream) = session.begin(request("POST", &route("/read-late"))).await;
            stuck.push(tokio::spawn(Answer::read(response)));
            tokio::spawn(async move { send_all(&mut stream, vec![b'x'; 200_000].into()).await });
        }
        let _ = session.ask(get("/report/read-late/40")).await;
        let sent = Bytes::from(vec![b'y'; 200_000]);
        let answer = session.post(&route("/echo"), sent.clone()).await;
        assert!(answer.expect("an answer").body == sent);
        for _ in &stuck {
            let _ = ask(&server, "/open/read-late");
        }
        for answer in stuck {
            let answer = answer.await.expect("it is read").expect("an answer");
            assert_eq!(answer.body.len(), 200_000);
        }
    });
}

fn trailers_go_both_ways(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let (response, mut stream) = session.begin(request("POST", &route("/trailers/in"))).await;
        stream
            .send_data("body".into(), false)
            .expect("there is a window");
        let sum = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-sum"),
            HeaderValue::from_static("7"),
        )]);
        stream
            .send_trailers(sum.clone())
            .expect("the stream is open");
        let answer = Answer::read(response).await.expect("an answer");
        assert_eq!(answer.text(), "x-sum=7\n");
        for (path, announced) in [
            ("/trailers/announced", Some("x-sum")),
            ("/trailers/maybe", None),
        ] {
            let answer = session.ask(get(path)).await.expect("an answer");
            assert_eq!(answer.field("trailer"), announced);
            assert_eq!(
                (answer.text(), answer.trailers.as_ref()),
                ("data", Some(&sum)),
                "{path}"
            );
        }
        let cut = session.ask(get("/trailers/other")).await;
        assert!(cut.is_err(), "a trailer that was not announced: {cut:?}");
    });
}

fn what_has_no_body_ends_with_its_head(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        for (method, path, status, length) in [
            ("GET", "/status/204", 204, None),
            ("GET", "/status/205", 205, Some("0")),
            ("GET", "/status/304", 304, None),
            ("HEAD", "/hello", 200, Some("13")),
            ("HEAD", "/length/right", 200, Some("6")),
        ] {
            let answer = session.ask(request(method, &route(path))).await;
            let answer = answer.expect("an answer");
            let seen = (
                answer.status(),
                answer.field("content-length"),
                answer.body.len(),
            );
            assert_eq!(seen, (status, length, 0), "{method} {path}");
        }
    });
}

fn a_streamed_body_is_suppressed_where_none_may_be(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        for (method, path) in [
            ("GET", "/stream-status/204"),
            ("GET", "/stream-status/205"),
            ("GET", "/stream-status/304"),
            ("HEAD", "/stream-status/200"),
        ] {
            let answer = session.ask(request(method, &route(path))).await;
            assert_eq!(answer.expect("an answer").body, b"", "{method} {path}");
        }
        assert_eq!(
            session
                .ask(get("/hello"))
                .await
                .expect("an answer")
                .status(),
            200
        );
    });
}

fn lengths_are_kept(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session.ask(get("/length/right")).await.expect("an answer");
        assert_eq!(
            (answer.field("content-length"), answer.text()),
            (Some("6"), "abcdef")
        );
        let answer = session.ask(get("/length/over")).await.expect("an answer");
        assert_eq!(answer.text(), "abc", "what is over is refused whole");
        for how in ["twice", "no-number", "informational"] {
            let answer = session.ask(get(&format!("/length/{how}"))).await;
            assert_eq!(answer.expect("an answer").status(), 500, "{how}");
        }
        let answer = session.ask(get("/status/200")).await.expect("an answer");
        assert_eq!(
            answer.field("content-length"),
            Some("6"),
            "of a whole answer"
        );
        assert!(answer.field("date").is_some());
    });
}

fn a_body_that_never_reaches_its_length_is_reset(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session.ask(get("/length/under")).await;
        assert!(answer.is_err(), "{answer:?}");
        assert_eq!(
            session
                .ask(get("/hello"))
                .await
                .expect("an answer")
                .status(),
            200
        );
    });
}

fn the_connection_is_the_server_s(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session.ask(get("/fields/own")).await.expect("an answer");
        for name in ["connection", "transfer-encoding", "keep-alive", "upgrade"] {
            assert_eq!(answer.field(name), None, "{name}");
        }
        assert_eq!(answer.field("x-kept"), Some("kept"));
        let answer = session.ask(get("/fields/date")).await.expect("an answer");
        assert_eq!(answer.field("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    });
}

fn a_close_ends_the_connection_in_order(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.get(1, &route("/slow"));
    assert_eq!(ask(&server, "/report/slow/1"), "waiting");
    client.get(3, &route("/fields/close"));
    client.expect(|frame| frame.kind == kind::GOAWAY && frame.code() == code::NO_ERROR);
    let _ = ask(&server, "/open/slow");
    answer_pings_to_the_end(&mut client, 1);
}

/// A client that leaves in order: it answers what the server asks, and sees this stream's answer.
#[track_caller]
fn answer_pings_to_the_end(client: &mut Frames, stream: u32) {
    let mut answered = false;
    while let Some(frame) = client.next() {
        match frame.kind {
            kind::PING if frame.flags & flag::ACK == 0 => {
                let _ = client.try_send_bytes(&crate::http2_client::frame(
                    kind::PING,
                    flag::ACK,
                    0,
                    &frame.payload,
                ));
            }
            kind::HEADERS if frame.stream == stream => {
                answered = true;
                assert_eq!(frame.status(), Some(200));
            }
            _ => {}
        }
    }
    assert!(answered, "stream {stream} was not answered");
}

fn fields_keep_order_and_duplicates(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session
            .ask(get("/fields/repeated"))
            .await
            .expect("an answer");
        let cookies = answer.head.headers().get_all(header::SET_COOKIE);
        let cookies: Vec<_> = cookies.iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(cookies, [b"a=1", b"b=2", b"c=3"]);
    });
}

fn an_informational_response_comes_first(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.get(1, &route("/inform"));
    let first = client.expect_head(1);
    if ask(&server, "/scope").contains("informational true") {
        assert_eq!(
            (first.status(), first.flags & flag::END_STREAM),
            (None, 0),
            "{first:?}"
        );
        client.expect_status(1, 200);
    } else {
        assert_eq!(first.status(), Some(200), "it is accepted and dropped");
    }
    assert_eq!(client.read_body(1), b"informed");
}

fn expecting(client: &mut Frames, path: &str) {
    let path = route(path);
    let mut fields = crate::http2_client::request("POST", &path);
    fields.push(("expect", b"100-continue"));
    client.send_head(1, 0, &fields);
}

fn a_continue_is_sent_when_the_application_reads_if_the_server_can(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    expecting(&mut client, "/read-late");
    assert_eq!(ask(&server, "/report/read-late/1"), "waiting");
    client.ping();
    let _ = ask(&server, "/open/read-late");
    if can_continue(&server) {
        let first = client.expect_head(1);
        assert_eq!(
            (first.status(), first.flags & flag::END_STREAM),
            (None, 0),
            "{first:?}"
        );
    }
    client.send(kind::DATA, flag::END_STREAM, 1, b"body");
    client.expect_status(1, 200);
    assert_eq!(client.read_body(1), b"body");
}

/// What the server says of its HTTP/2.
fn can_continue(server: &Server) -> bool {
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session.ask(get("/scope")).await.expect("an answer");
        String::from_utf8_lossy(&answer.body).contains("continue-on-read true")
    })
}

fn no_continue_is_sent_if_the_application_answers_first(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    expecting(&mut client, "/early");
    client.expect_status(1, 200);
    assert_eq!(client.read_body(1), b"early");
}

fn a_file_is_sent(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session.ask(get("/file")).await.expect("an answer");
        let program = std::fs::read(subject.program()).expect("the program is there");
        assert!(
            answer.body == program[100..100_100],
            "{} bytes",
            answer.body.len()
        );
    });
}

fn a_reset_ends_its_stream_alone(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let (_response, mut stream) = session.begin(request("POST", &route("/gone/final"))).await;
        session.ask(get("/report/gone/1")).await.expect("an answer");
        stream.send_reset(Reason::CANCEL);
        let told = session
            .ask(get("/report/gone/2"))
            .await
            .expect("the connection lives");
        assert_eq!(told.text(), "waiting\nStreamReset");
    });
}

fn a_lost_connection_ends_its_streams(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.post(1, &route("/gone/final"));
    client.post(3, &route("/gone/final"));
    let _ = ask(&server, "/report/gone/2");
    drop(client);
    let told = ask(&server, "/report/gone/4");
    assert_eq!(told.matches("PeerReset").count(), 2, "{told}");
}

fn a_half_closed_connection_ends_its_streams(subject: &Subject) {
    // Without frames from its client a connection of HTTP/2 is nothing: no windows, no pings.
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let exchange = session.begin(request("POST", &route("/gone/final"))).await;
        let _ = session.ask(get("/report/gone/1")).await;
        session.connection.abort();
        drop(exchange);
    });
    let told = ask(&server, "/report/gone/2");
    assert_eq!(told, "waiting\nPeerReset");
}

fn an_application_that_fails_is_answered_or_reset(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        for (path, status) in [
            ("/fail/panic", 500),
            ("/fail/error", 500),
            ("/fail/status/418", 418),
            ("/fail/lie", 500),
            ("/fail/forgotten", 500),
        ] {
            let answer = session.ask(get(path)).await.expect("an answer");
            assert_eq!(answer.status(), status, "{path}");
        }
        for how in [
            "abort",
            "started/panic",
            "started/error",
            "started/abort",
            "started/forgotten",
        ] {
            let error = session.ask(get(&format!("/fail/{how}"))).await;
            let error = error.expect_err(how);
            assert!(error.is_reset(), "{how}: {error}");
        }
        assert_eq!(
            session.ask(get("/hello")).await.expect("it lives").status(),
            200
        );
    });
}

fn an_abort_resets_behind_what_was_accepted(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        for how in ["panic", "error", "abort", "forgotten"] {
            let response = session.send(get(&format!("/fail/started/{how}"))).await;
            // SRV-7: over HTTP/2 the reset may overtake what was accepted, the head among it.
            let Ok(response) = response.expect("it is open").await else {
                continue;
            };
            assert_eq!(response.status(), 200, "{how}");
            let mut body = response.into_body();
            let mut part = body.data().await.expect("a reset is no end");
            if let Ok(first) = &part {
                assert_eq!(first, "partial", "{how}");
                part = body.data().await.expect("a reset is no end");
            }
            assert!(part.is_err(), "{how}");
        }
    });
}

fn an_early_answer_ends_the_upload(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    client.post(1, &route("/early"));
    client.expect_status(1, 200);
    assert_eq!(client.read_body(1), b"early");
    client.expect_reset(1, &[code::NO_ERROR]);
    // What was on its way harms nobody.
    client.send(kind::DATA, 0, 1, &[b'x'; 1000]);
    client.get(3, &route("/hello"));
    client.expect_status(3, 200);
}

fn an_upload_that_nobody_wants_goes_on_before_the_answer(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let (response, mut stream) = session.begin(request("POST", &route("/unwanted"))).await;
        // More than a window, and less than is drained: a client that reads when it has sent all must come to its end.
        send_all(&mut stream, vec![b'x'; 200_000].into()).await;
        let _ = session.ask(get("/report/unwanted/1")).await;
        let _ = session.ask(get("/open/unwanted")).await;
        let answer = Answer::read(response).await.expect("an answer");
        assert_eq!(answer.body, b"nobody wanted it");
    });
}

fn what_nobody_wants_holds_back_no_other_stream(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let (response, mut stream) = session.begin(request("POST", &route("/unwanted"))).await;
        let answer = tokio::spawn(Answer::read(response));
        // More than is thrown away: it stops, or is told to.
        tokio::spawn(async move { send_all(&mut stream, vec![b'x'; 4_000_000].into()).await });
        let _ = session.ask(get("/report/unwanted/1")).await;
        let sent = Bytes::from(vec![b'y'; 200_000]);
        let echo = session.post(&route("/echo"), sent.clone()).await;
        assert!(echo.expect("an answer").body == sent);
        let _ = session.ask(get("/open/unwanted")).await;
        let answer = answer.await.expect("it is read").expect("an answer");
        assert_eq!(answer.body, b"nobody wanted it");
    });
}

/// A client whose streams begin with no window.
fn without_window(server: &Server) -> Frames {
    const INITIAL_WINDOW: u16 = 4;
    Frames::connect_with(server.address(), &[(INITIAL_WINDOW, 0)])
}

fn a_client_that_opens_no_window_stops_the_application(subject: &Subject) {
    let server = subject.start();
    let mut client = without_window(&server);
    client.get(1, &route("/stall"));
    let written = number(&ask(&server, "/report/stall/1"));
    assert!(written <= SERVER, "{written} bytes were accepted");
    client.window_update(0, 10_000_000);
    client.window_update(1, 10_000_000);
    client.expect_status(1, 200);
    let body = client.read_body(1);
    assert_eq!(body.len(), written + "the end".len(), "nothing is lost");
}

fn a_client_that_opens_no_window_is_given_up(subject: &Subject) {
    let server = impatient(subject);
    let mut client = without_window(&server);
    client.get(1, &route("/endless"));
    let told = ask(&server, "/report/endless/2");
    assert!(told.ends_with("Gone(WriteTimeout)"), "{told}");
    client.ping();
    assert_eq!(ask(&server, "/hello"), "Hello, world!");
}

fn a_window_may_open_byte_by_byte(subject: &Subject) {
    let server = subject.start();
    let mut client = without_window(&server);
    client.get(1, &route("/hello"));
    client.expect_status(1, 200);
    let mut body = Vec::new();
    while body.len() < "Hello, world!".len() {
        client.window_update(1, 1);
        let data = client.expect(|frame| frame.kind == kind::DATA && !frame.payload.is_empty());
        assert_eq!(data.payload.len(), 1);
        body.extend(data.payload);
    }
    assert_eq!(body, b"Hello, world!");
}

fn a_window_may_shrink_below_nothing(subject: &Subject) {
    let server = subject.start();
    let mut client = Frames::connect_with(server.address(), &[(4, 10_000)]);
    client.get(1, &route("/stall"));
    let written = number(&ask(&server, "/report/stall/1"));
    client.send(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    client.expect(|frame| frame.kind == kind::SETTINGS && frame.flags == flag::ACK);
    client.window_update(0, 10_000_000);
    client.window_update(1, 10_000_000);
    let mut length = 0;
    loop {
        let data = client.expect(|frame| frame.kind == kind::DATA);
        length += data.payload.len();
        if data.ends_stream() {
            break;
        }
    }
    // What came before the settings were acknowledged was passed over.
    assert!(length + 10_000 >= written, "{length} of {written}");
}

fn an_application_that_does_not_read_stops_the_client(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let (response, mut stream) = session.begin(request("POST", &route("/read-late"))).await;
        let _ = session.ask(get("/report/read-late/1")).await;
        let mut sent = 0;
        loop {
            stream.reserve_capacity(16 * 1024);
            let capacity = std::future::poll_fn(|task| stream.poll_capacity(task));
            let Ok(capacity) = tokio::time::timeout(QUIET, capacity).await else {
                break;
            };
            let capacity = capacity.expect("it is open").expect("and whole");
            let part = Bytes::from(vec![b'x'; capacity]);
            stream.send_data(part, false).expect("there is room");
            sent += capacity;
            assert!(sent < SERVER, "{sent} bytes were taken");
        }
        session
            .ask(get("/open/read-late"))
            .await
            .expect("an answer");
        send_all(&mut stream, "the end".into()).await;
        let answer = Answer::read(response).await.expect("an answer");
        assert_eq!(answer.body.len(), sent + "the end".len(), "nothing is lost");
    });
}

fn the_window_is_given_back_when_the_application_reads(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        // Many windows full.
        let answer = session
            .post(&route("/read-all"), vec![b'x'; 5 * LARGE].into())
            .await;
        assert_eq!(answer.expect("an answer").body.len(), 5 * LARGE);
    });
}

fn an_application_s_timers_go_on_while_the_window_is_closed(subject: &Subject) {
    let server = subject.start();
    let mut client = without_window(&server);
    client.get(1, &route("/ticks"));
    assert_eq!(ask(&server, "/report/ticks/11").lines().count(), 11);
    client.ping();
}

fn a_body_that_does_not_come_is_408(subject: &Subject) {
    let server = impatient(subject);
    converse(async {
        let session = Session::connect(server.address()).await;
        let (response, stream) = session.begin(request("POST", &route("/read-all"))).await;
        let answer = Answer::read(response).await.expect("an answer");
        assert_eq!(answer.status(), 408);
        drop(stream);
    });
}

fn an_idle_connection_is_ended(subject: &Subject) {
    let server = impatient(subject);
    let mut client = frames(&server);
    client.get(1, &route("/hello"));
    client.expect_status(1, 200);
    // It does not answer what the server asks then.
    client.expect_goaway(&[code::NO_ERROR]);
}

fn a_head_that_never_ends_is_given_up(subject: &Subject) {
    let server = impatient(subject);
    let mut client = frames(&server);
    let block = crate::http2_client::block(&crate::http2_client::request("GET", "/"));
    client.send(kind::HEADERS, flag::END_STREAM, 1, &block);
    client.expect_end();
}

fn a_shutdown_lets_streams_finish(subject: &Subject) {
    let mut server = subject.start();
    let mut client = frames(&server);
    client.get(1, &route("/drain/answer"));
    let _ = ask(&server, "/report/drain/1");
    server.signal(Signal::TERM);
    client.expect(|frame| frame.kind == kind::GOAWAY && frame.code() == code::NO_ERROR);
    answer_pings_to_the_end(&mut client, 1);
    assert!(server.wait().success());
}

/// RFC 9113 section 6.8: no stream is given up that the client has begun before it can know.
fn a_shutdown_answers_what_is_asked_meanwhile(subject: &Subject) {
    let mut server = subject.start();
    let mut client = frames(&server);
    client.get(1, &route("/drain/answer"));
    let _ = ask(&server, "/report/drain/1");
    server.signal(Signal::TERM);
    let first = client.expect(|frame| frame.kind == kind::GOAWAY);
    assert_eq!(
        (last_stream(&first), first.code()),
        (0x7fff_ffff, code::NO_ERROR)
    );
    let ping = client.expect(|frame| frame.kind == kind::PING && frame.flags & flag::ACK == 0);
    client.get(3, &route("/hello"));
    client.get(5, &route("/hello"));
    client.send(kind::PING, flag::ACK, 0, &ping.payload);
    let (mut answered, mut last) = (Vec::new(), None);
    while let Some(frame) = client.next() {
        match frame.kind {
            kind::HEADERS => {
                assert_eq!(frame.status(), Some(200));
                answered.push(frame.stream);
            }
            kind::GOAWAY => {
                assert_eq!(frame.code(), code::NO_ERROR);
                last = Some(last_stream(&frame));
            }
            _ => {}
        }
    }
    answered.sort_unstable();
    assert!(answered.ends_with(&[3, 5]), "{answered:?}");
    assert_eq!(last, Some(5), "the end says what was taken");
    assert!(server.wait().success());
}

/// What a GOAWAY says of streams: those up to this one were taken, or may be.
fn last_stream(goaway: &crate::http2_client::Frame) -> u32 {
    let bytes = goaway.payload.first_chunk().expect("four bytes");
    u32::from_be_bytes(*bytes) & 0x7fff_ffff
}

fn a_shutdown_ends_idle_connections(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "2"]));
    let mut client = frames(&server);
    client.get(1, &route("/hello"));
    client.expect_status(1, 200);
    server.signal(Signal::TERM);
    // It does not answer what the server asks then.
    client.expect_goaway(&[code::NO_ERROR]);
    assert!(server.wait().success());
}

fn a_stream_that_stays_is_ended_with_the_grace(subject: &Subject) {
    let mut server = subject.start_with(Options::new().arguments(&["--grace", "1"]));
    let mut client = frames(&server);
    client.get(1, &route("/drain/ignored"));
    client.expect_status(1, 200);
    server.signal(Signal::TERM);
    let _ = server.wait_for_log("peer: gone by Shutdown");
    assert_eq!(server.wait().code(), Some(0));
}

/// The windows of its streams are open; that of the connection is not.
fn a_connection_that_opens_no_window_is_given_up(subject: &Subject) {
    let server = impatient(subject);
    let mut client = Frames::connect_with(server.address(), &[(4, 0x7fff_ffff)]);
    client.get(1, &route("/endless"));
    client.get(3, &route("/endless"));
    let told = ask(&server, "/report/endless/4");
    assert_eq!(told.matches("Gone(WriteTimeout)").count(), 2, "{told}");
    client.ping();
}

fn work_after_the_answer_holds_nobody_back(subject: &Subject) {
    let server = subject.start();
    converse(async {
        let session = Session::connect(server.address()).await;
        let answer = session.ask(get("/work")).await.expect("an answer");
        assert_eq!(answer.text(), "answered");
        let told = session.ask(get("/report/work/1")).await.expect("an answer");
        assert_eq!(told.text(), "begun");
        session.ask(get("/open/work")).await.expect("an answer");
        let told = session.ask(get("/report/work/2")).await.expect("an answer");
        assert_eq!(told.text(), "begun\nended");
    });
}

fn a_body_over_its_announced_limit_is_413(subject: &Subject) {
    let server = subject.start();
    let mut client = frames(&server);
    let path = route("/read-all");
    let mut fields = crate::http2_client::request("POST", &path);
    fields.push(("content-length", b"99999999999"));
    client.send_head(1, 0, &fields);
    let head = client.expect_head(1);
    assert_eq!(
        head.status(),
        None,
        "413 is no status of the table: {head:?}"
    );
    client.ping();
}
