//! The log of events: whom it holds up (nobody), what it loses and says of that, and that a line is a line.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::sync::mpsc;
use std::thread;

use conformance::{Options, PATIENCE, Server, Signal, Subject};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::app::{self, FAILS, FORGED};
use super::{chapter, metrics};

chapter! {
    a_stuck_log_costs_no_client_an_answer,
    what_was_lost_is_said_where_it_is_missing,
    what_was_lost_is_counted,
    a_start_that_fails_ends_though_nobody_reads,
    an_error_is_whole_however_long,
    text_of_others_forges_no_line,
    a_wrong_filter_of_the_environment_is_said,
}

/// An end of a pipe that has no room, and the other end.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().expect("descriptors are left");
    let flags = fcntl_getfl(&writer).expect("it is open");
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK).expect("it can be");
    let mut block = [b'.'; 4096];
    block[4095] = b'\n';
    while writer.write(&block).is_ok() {}
    // For whoever gets it, as pipes are.
    fcntl_setfl(&writer, flags).expect("it can be");
    (reader, writer)
}

/// Starts a server whose standard error nobody reads, and has it log more than it can keep.
fn start_stuck(subject: &Subject, flags: &[&str]) -> (Server, PipeReader) {
    let (reader, writer) = full_pipe();
    let options = Options::new().arguments(flags).log_to(writer);
    let server = app::subject(subject).start_with(options);
    let mut client = server.connect();
    for _ in 0..30 {
        assert_eq!(client.get("/event/100000").text(), "logged");
    }
    (server, reader)
}

fn a_stuck_log_costs_no_client_an_answer(subject: &Subject) {
    let flags = ["--log", "debug", "--workers", "1", "--access-log", "stderr"];
    let (mut server, _reader) = start_stuck(subject, &flags);
    let mut client = server.connect();
    for _ in 0..20 {
        assert_eq!(client.get("/hello").text(), "Hello, world!");
        assert_eq!(client.get("/fail").status, 500);
    }
    // The words of a panic go there too.
    for _ in 0..20 {
        assert_eq!(server.connect().get("/panic").status, 500);
    }
    assert_eq!(server.ask("/hello"), "Hello, world!");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

fn what_was_lost_is_said_where_it_is_missing(subject: &Subject) {
    // No other events, so that all can be counted.
    let flags = ["--log", "operation=info", "--access-log", "off"];
    let (server, reader) = start_stuck(subject, &flags);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let next = || lines.recv_timeout(PATIENCE).expect("there is more");
    let mut shown = 0;
    let lost: usize = loop {
        let line = next();
        shown += usize::from(line.ends_with("xxx"));
        if let Some((before, _)) = line.split_once(" lines were lost") {
            assert!(line.contains("Z  WARN "), "{line}");
            let number = before.rsplit(' ').next();
            break number
                .and_then(|n| n.parse().ok())
                .expect("it says how many");
        }
    };
    assert_eq!(shown + lost, 30, "each event is shown or counted");
    assert!(shown > 0 && lost > 0, "{shown} were shown, {lost} lost");
    // What comes then is behind it.
    assert_eq!(server.ask("/event/3"), "logged");
    while !next().ends_with(": xxx") {}
}

fn what_was_lost_is_counted(subject: &Subject) {
    let (reader, writer) = std::io::pipe().expect("descriptors are left");
    let flags = ["--metrics-bind", "127.0.0.1:0", "--access-log", "off"];
    let options = Options::new().arguments(&flags).log_to(writer);
    let server = app::subject(subject).start_with(options);
    // It is read so far, and no further.
    let log = BufReader::new(reader).lines().map_while(Result::ok);
    let mut places = log.filter(|line| line.contains(metrics::ANNOUNCED));
    let place = places.next().expect("it is logged");
    let metrics = metrics::address_in(&place);
    let lost = || metrics::numbers(metrics)["gateway_event_log_lost_lines_total"];
    assert_eq!(lost(), 0.0);
    let mut client = server.connect();
    for _ in 0..30 {
        assert_eq!(client.get("/event/100000").text(), "logged");
    }
    let lost = lost();
    assert!(0.0 < lost && lost < 30.0, "{lost} of 30 were lost");
}

fn a_start_that_fails_ends_though_nobody_reads(subject: &Subject) {
    let subject = app::subject(subject);
    for (options, code) in [
        (Options::new().arguments(&["--workers", "none"]), 2),
        (Options::new().environment(FAILS, "yes"), 1),
    ] {
        let (_reader, writer) = full_pipe();
        let mut server = subject.launch(options.log_to(writer));
        assert_eq!(server.wait().code(), Some(code));
    }
}

fn an_error_is_whole_however_long(subject: &Subject) {
    // More than a pipe has room for.
    let long = "y".repeat(100_000);
    let options = Options::new().arguments(&["--grace", &long]);
    let mut server = app::subject(subject).launch(options);
    assert_eq!(server.wait().code(), Some(2));
    let log = server.log();
    assert_eq!(log.len(), 1, "it is one line");
    assert!(log[0].starts_with("error: --grace: ") && log[0].contains(&long));
    assert!(
        log[0].ends_with("write 10s, 500ms, 2m or 1h30m"),
        "it is whole"
    );
}

fn text_of_others_forges_no_line(subject: &Subject) {
    let subject = app::subject(subject);
    let mut server = subject.start_with(Options::new());
    for (path, status) in [("/fail", 500), ("/panic", 500), ("/label", 200)] {
        assert_eq!(server.connect().get(path).status, status, "{path}");
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let mut log = server.log();
    let mut failed = subject.launch(Options::new().environment(FAILS, "yes"));
    assert_eq!(failed.wait().code(), Some(1));
    log.extend(failed.log());

    for line in &log {
        assert!(
            !line.contains(|c: char| c.is_control() || "\u{2028}\u{202e}".contains(c)),
            "{} is obeyed",
            line.escape_unicode()
        );
        assert!(
            !line.starts_with("2026-11-30T12:00:00Z ERROR forged"),
            "{line}"
        );
    }
    let shown = r"a text\r\n2026-11-30T12:00:00Z ERROR forged\u{1b}[2K\u{9b}31m\u{2028}\u{202e}";
    let holds = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    // The error; the panic where it happens, and what the call failed with; the startup.
    assert_eq!(holds(shown), 4, "{log:#?}");
    assert_eq!(holds(&format!(": {shown}")), 4, "{log:#?}");
    let label = "a text%0D%0A2026-11-30T12:00:00Z ERROR forged%1B[2K%C2%9B31m%E2%80%A8%E2%80%AE";
    assert_eq!(holds(label), 1, "{log:#?}");
    assert!(FORGED.contains("forged"), "it is what the application says");
}

fn a_wrong_filter_of_the_environment_is_said(subject: &Subject) {
    let options = Options::new().environment("RUST_LOG", "info,server_host=lots");
    let mut server = app::subject(subject).start_with(options);
    assert_eq!(server.ask("/hello"), "Hello, world!");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log();
    let said: Vec<_> = log
        .iter()
        .filter(|line| line.contains("RUST_LOG"))
        .collect();
    assert_eq!(said.len(), 1, "{log:#?}");
    assert!(said[0].contains("WARN") && said[0].contains("info,server_host=lots"));
    assert!(
        log.iter().any(|line| line.contains("shutting down")),
        "info is logged"
    );
}
