//! What curl makes of it, where it is installed: a client that others wrote, by HTTP/1.1 and HTTP/2.

use std::fs;
use std::process::Command;

use conformance::Subject;

use crate::Test;
use crate::tree::{Served, bytes, text};

pub(crate) const TESTS: &[Test] = &[
    ("curl_decodes_what_it_asks_for", compressed),
    ("curl_gets_parts_and_goes_on_where_it_broke_off", ranges),
];

const PROTOCOLS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

/// What curl prints; nothing where there is no curl.
fn curl_by(protocol: &str, served: &Served, arguments: &[&str], path: &str) -> Option<Vec<u8>> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", protocol]);
    let url = format!("http://{}{path}", served.server.address());
    let output = command.args(arguments).arg(&url).output().ok()?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{protocol} {arguments:?}: {error}");
    Some(output.stdout)
}

/// The same by each protocol.
fn curl(served: &Served, arguments: &[&str], path: &str) -> Vec<Vec<u8>> {
    let by = |protocol: &&str| curl_by(protocol, served, arguments, path);
    PROTOCOLS.iter().filter_map(by).collect()
}

fn compressed(subject: &Subject) {
    let served = Served::start(subject);
    for (path, expected) in [
        ("/coded/text", text(200_000)),
        ("/coded-files/text.txt", text(300_000)),
    ] {
        for seen in curl(&served, &["--compressed"], path) {
            assert!(seen == expected.as_bytes(), "{path}");
        }
    }
    for seen in curl(&served, &["--compressed", "--head"], "/coded/text") {
        let seen = String::from_utf8_lossy(&seen).to_lowercase();
        assert!(seen.contains("content-encoding: "), "{seen}");
    }
}

fn ranges(subject: &Subject) {
    let served = Served::start(subject);
    let content = bytes(3_000_001);
    for seen in curl(&served, &[], "/files/large.bin") {
        assert!(seen == content);
    }
    for seen in curl(&served, &["--range", "1000000-1999999"], "/files/large.bin") {
        assert!(seen == content[1_000_000..2_000_000]);
    }
    for seen in curl(&served, &["--range", "0-9,1000-1009"], "/files/large.bin") {
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(
            seen.contains("content-range: bytes 1000-1009/3000001"),
            "{seen}"
        );
    }
    let part = served.directory.join("part");
    let name = part.to_str().expect("it is text");
    for protocol in PROTOCOLS {
        fs::write(&part, &content[..1_234_567]).expect("there is room");
        let arguments = ["--continue-at", "-", "--output", name];
        if curl_by(protocol, &served, &arguments, "/files/large.bin").is_some() {
            assert!(
                fs::read(&part).expect("it is there") == content,
                "{protocol}"
            );
        }
    }
}
