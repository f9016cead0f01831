//! A process that has served long enough is replaced by a new one, and no client is refused.

use std::time::{Duration, Instant};

use conformance::{Client, Options, PATIENCE, Subject};

use super::chapter;

chapter! {
    it_is_replaced_after_its_requests,
    it_is_replaced_after_its_lifetime,
    it_is_replaced_for_its_memory,
    workers_are_as_many_as_the_cores_it_may_use,
}

/// Starts a server, and asks until it has been replaced, which is for this reason.
fn is_replaced(subject: &Subject, flags: &[&str], path: &str, reason: &str) {
    let options = Options::new()
        .arguments(flags)
        .arguments(&["--workers", "1"]);
    let mut server = subject.start_with(options);
    let address = server.address();
    let start = Instant::now();
    let mut has_begun = false;
    while !has_begun {
        assert_eq!(Client::connect(address).get(path).status, 200);
        has_begun = server.log().iter().any(|line| line.contains("recycling"));
        assert!(start.elapsed() < PATIENCE, "it was never recycled");
        std::thread::sleep(Duration::from_millis(50));
    }
    let line = server.wait_for_log("recycling");
    assert!(line.contains(reason), "{line}");
    let _successor = server.successor();
    // Whichever of them accepts: nobody is refused.
    assert_eq!(
        Client::connect(address).get("/conformance/hello").status,
        200
    );
    assert_eq!(server.wait_for_process().code(), Some(0));
    assert_eq!(
        Client::connect(address).get("/conformance/hello").status,
        200
    );
}

fn it_is_replaced_after_its_requests(subject: &Subject) {
    let flags = ["--recycle-requests", "10", "--access-log", "off"];
    is_replaced(subject, &flags, "/conformance/hello", "requests");
}

fn it_is_replaced_after_its_lifetime(subject: &Subject) {
    let flags = ["--recycle-lifetime", "1s", "--recycle-jitter", "0"];
    is_replaced(
        subject,
        &flags,
        "/conformance/hello",
        "its lifetime is over",
    );
}

fn it_is_replaced_for_its_memory(subject: &Subject) {
    // Whatever it has is too much.
    is_replaced(
        subject,
        &["--recycle-memory", "1MiB"],
        "/conformance/hello",
        "bytes of memory",
    );
}

fn workers_are_as_many_as_the_cores_it_may_use(subject: &Subject) {
    let server = subject.start();
    let cores = std::thread::available_parallelism()
        .expect("the system knows")
        .get();
    let said = server.output().join("\n");
    let plural = if cores == 1 { "" } else { "s" };
    assert!(said.contains(&format!("{cores} worker{plural})")), "{said}");
}
