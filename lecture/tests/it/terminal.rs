//! `lecture run`, as it is called.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};

use crate::runs::PROGRAM;

fn lecture(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

#[test]
fn a_run_is_drawn() {
    let arguments = "run --work awaiting --requests 2 --milliseconds 300 --server hyper --ascii";
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let output = lecture(&arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let lines: Vec<&str> = text.trim_start().lines().collect();
    let [title, axis, one, other, bystander, legend, summary] = lines[..] else {
        panic!("{text}")
    };
    assert_eq!(
        title,
        "2 requests that await a timer for 0.3 s each, on server-hyper with 1 worker"
    );
    assert!(axis.trim_start().starts_with("0 s"), "{axis}");
    for row in [one, other] {
        assert!(row.contains("|--") && row.ends_with("worker-0"), "{row}");
    }
    assert!(bystander.starts_with("bystander  "), "{bystander}");
    assert!(legend.contains("# has a thread"), "{legend}");
    assert!(summary.contains("up to 2 waited"), "{summary}");
    assert!(!text.contains('\x1b'), "no terminal is drawn over");
}

#[test]
fn what_cannot_be_asked_for_says_what_can() {
    for (arguments, said) in [
        (&["run", "waitin"][..], "there are waiting, workers, pool"),
        (
            &["run", "--work", "sleeping"],
            "there is blocking, awaiting",
        ),
        (&["run", "--server", "nginx"], "there is raw or hyper"),
        (
            &["run", "--work", "blocking", "--requests", "99"],
            "a run has 1 to 16",
        ),
        (&["run", "--requests", "2"], "--work"),
        (&["--server", "nginx"], "nginx"),
    ] {
        let output = lecture(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}

#[test]
fn the_server_of_a_run_ends_with_whoever_started_it() {
    let mut server = Command::new(PROGRAM)
        .args(["subject", "--bind", "127.0.0.1:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = server.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}");
    // What the system does for a process that is killed.
    drop(server.stdin.take());
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn the_page_offers_what_it_runs_on() {
    let mut page = Command::new(PROGRAM)
        .args([
            "--server",
            "hyper",
            "--bind",
            "127.0.0.1:0",
            "--access-log",
            "off",
        ])
        .env("GATEWAY_WORKERS", "3")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(page.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    let address = line
        .split(['/', ' '])
        .find(|part| part.contains("127.0.0.1:"));
    let mut stream = TcpStream::connect(address.unwrap()).unwrap();
    let request = "GET /experiments HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    page.kill().unwrap();
    page.wait().unwrap();
    let ground = r#""ground":{"server":"hyper","workers":3}"#;
    assert!(answer.contains(ground), "{answer}");
}
