//! Flags, environment and file, as a process is given them.

use conformance::{Options, Signal, Subject};

use super::chapter;

chapter! {
    a_file_is_served_by,
    a_wrong_one_ends_with_code_2_and_one_line,
    a_check_binds_nothing_and_ends,
    what_is_in_force_is_logged_at_debug,
    the_operating_guide_is_right,
}

fn a_file_is_served_by(subject: &Subject) {
    let file = super::Written::new("access-log = \"off\"\nhead-bytes = \"1KiB\"\nworkers = 1\n");
    let mut server = subject.start_with(Options::new().arguments(&["--config", file.name()]));
    let long = "x".repeat(2_000);
    let mut client = server.connect();
    client.send(format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"));
    assert_eq!(client.read_response().status, 431);
    assert_eq!(server.ask("/conformance/hello"), "Hello, world!");
    assert!(server.output().join("\n").contains("1 worker)"));
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log().join("\n");
    assert!(!log.contains("/conformance/hello"), "it was logged: {log}");
}

fn a_wrong_one_ends_with_code_2_and_one_line(subject: &Subject) {
    let file = super::Written::new("# mine\nhead-byte = 1\n");
    let named = format!("{}:2: head-byte", file.name());
    for (options, place, mend) in [
        (
            Options::new().arguments(&["--workrs", "2"]),
            "--workrs",
            "--workers",
        ),
        (
            Options::new().arguments(&["--grace", "soon"]),
            "--grace",
            "10s",
        ),
        (
            Options::new().environment("GATEWAY_ACESS_LOG", "off"),
            "GATEWAY_ACESS_LOG",
            "GATEWAY_ACCESS_LOG",
        ),
        (
            Options::new().arguments(&["--config", file.name()]),
            &named,
            "head-bytes",
        ),
        (
            Options::new().arguments(&["--config", "/no/such/file"]),
            "--config",
            "/no/such/file",
        ),
    ] {
        let mut server = subject.launch(options);
        assert_eq!(server.wait().code(), Some(2));
        let log = server.log();
        assert_eq!(log.len(), 1, "{log:#?}");
        assert!(
            log[0].starts_with(&format!("error: {place}: ")),
            "{}",
            log[0]
        );
        assert!(log[0].contains(mend), "{}", log[0]);
        assert_eq!(
            server.output(),
            <[String; 0]>::default(),
            "nothing was served"
        );
    }
}

fn a_check_binds_nothing_and_ends(subject: &Subject) {
    let taken = subject.start();
    let address = taken.address().to_string();
    let arguments = ["--check", "--bind", &address, "--workers", "3"];
    let mut server = subject.launch(Options::new().arguments(&arguments));
    assert_eq!(server.wait().code(), Some(0));
    let said = server.output();
    let line = said.iter().find(|line| line.starts_with("workers = 3 "));
    assert!(
        line.is_some_and(|line| line.ends_with("# --workers")),
        "{said:#?}"
    );
    assert!(said.iter().any(|line| line.contains(&address)), "{said:#?}");
}

fn what_is_in_force_is_logged_at_debug(subject: &Subject) {
    let options = Options::new().arguments(&["--log", "debug", "--head-timeout", "7s"]);
    let server = subject.start_with(options);
    let line = server.wait_for_log("head-timeout");
    assert!(line.contains("DEBUG"), "{line}");
    assert!(
        line.contains("head-timeout = \"7s\" (--head-timeout)"),
        "{line}"
    );
    let line = server.wait_for_log("idle-timeout");
    assert!(line.contains("idle-timeout = \"60s\" (default)"), "{line}");
}

/// What docs/operating.md shows is taken, and each flag that it names is one.
fn the_operating_guide_is_right(subject: &Subject) {
    let guide = include_str!("../../../docs/operating.md");
    let mut blocks = guide.split("```toml\n").skip(1);
    let block = blocks.next().and_then(|rest| rest.split("```").next());
    let file = super::Written::new(block.expect("there is an example"));
    let options = Options::new().arguments(&["--check", "--config", file.name()]);
    let mut server = subject.launch(options);
    assert_eq!(server.wait().code(), Some(0), "{:#?}", server.log());

    let mut server = subject.launch(Options::new().arguments(&["--help"]));
    assert_eq!(server.wait().code(), Some(0));
    let help = server.output().join("\n");
    let is_of_a_flag = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    for (at, _) in guide.match_indices("`--") {
        let flag = &guide[at + 1..];
        let flag = &flag[..flag.find(|c| !is_of_a_flag(c)).unwrap_or(flag.len())];
        assert!(help.contains(&format!("  {flag} ")), "{flag} is no flag");
    }
}
