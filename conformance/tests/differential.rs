//! The whole corpus on both servers: the application sees the same, the client gets the same.
#![forbid(unsafe_code)]

use conformance::{Log, Recording, Server, Subject, corpus, pipelines};

/// Differences that are shown in full.
const SHOWN: usize = 10;

fn start(server: &str) -> Server {
    let program = env!("CARGO_BIN_EXE_conformance");
    Subject::new(
        server,
        program,
        &["peer", "--server", server, "--access-log", "off"],
    )
    .start()
}

/// How a recording is cut into segments.
type Cut = fn(&Recording) -> Vec<usize>;

fn compare<'a>(recordings: impl Iterator<Item = &'a Recording>, cut: Cut) {
    let (raw, hyper) = (start("raw"), start("hyper"));
    let mut differences = Vec::new();
    let mut played = 0;
    for recording in recordings {
        let cuts = cut(recording);
        let one = Log::of(raw.address(), recording, &cuts);
        let other = Log::of(hyper.address(), recording, &cuts);
        played += 1;
        if one != other {
            let (name, bytes) = (&recording.name, recording.bytes.escape_ascii());
            differences.push(format!(
                "{name}: \"{bytes}\"\n  raw:\n{one}  hyper:\n{other}"
            ));
        }
    }
    let count = differences.len();
    differences.truncate(SHOWN);
    let shown = differences.join("\n");
    assert_eq!(count, 0, "{count} of {played} recordings differ:\n{shown}");
    assert!(played > 0, "nothing was compared");
}

fn is_original(recording: &&Recording) -> bool {
    !recording.name.contains('#')
}

#[test]
fn each_recording_whole() {
    compare(corpus().iter(), |_| Vec::new());
}

#[test]
fn each_recording_byte_by_byte() {
    compare(corpus().iter().filter(is_original), |recording| {
        (1..recording.bytes.len()).collect()
    });
}

#[test]
fn requests_that_say_nearly_the_same() {
    compare(pipelines().iter(), |_| Vec::new());
}

#[test]
fn requests_that_say_nearly_the_same_in_pieces() {
    compare(pipelines().iter().filter(is_original), |recording| {
        let piece = 11 + recording.name.len() % 60;
        (1..recording.bytes.len() / piece)
            .map(|number| number * piece)
            .collect()
    });
}

#[test]
fn each_recording_cut_in_two() {
    // Another place for each recording, the same in each run.
    compare(corpus().iter(), |recording| {
        vec![recording.name.len() * 7919 % (recording.bytes.len() + 1)]
    });
}
