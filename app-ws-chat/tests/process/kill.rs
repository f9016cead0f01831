//! kill -9 in the middle of traffic.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::client::Client;
use crate::program::{Program, Scratch, wait_for};

const SPEAKERS: usize = 8;
const LIVES: u64 = 4;

/// Each speaker says a hundred things at most in each life; the killer does not wait for so many.
const WORDS: u64 = 100;

#[test]
fn nothing_that_was_acknowledged_is_lost_and_nothing_is_said_twice() {
    let file = Scratch::new();
    let mut speakers: Vec<_> = (0..SPEAKERS)
        .map(|number| Client::new(&format!("speaker{number}"), "lobby"))
        .collect();
    let mut unanswered: Vec<Vec<String>> = vec![Vec::new(); SPEAKERS];
    for life in 0..LIVES {
        let program = Program::start(&["--db", file.path()]);
        let address = program.address;
        let answered = AtomicU64::new(0);
        thread::scope(|scope| {
            for (number, (speaker, left)) in speakers.iter_mut().zip(&mut unanswered).enumerate() {
                let answered = &answered;
                scope.spawn(move || speak(speaker, left, address, (life, number), answered));
            }
            wait_for(&answered, 60);
            program.kill();
        });
    }

    let program = Program::start(&["--db", file.path()]);
    let mut end = 0;
    for (speaker, left) in speakers.iter_mut().zip(&unanswered) {
        speaker.join(program.address).unwrap();
        for cid in left {
            end = end.max(speaker.say(cid).unwrap());
        }
    }
    let mut witness = Client::new("witness", "lobby");
    let welcome = witness.join(program.address).unwrap();
    end = end.max(welcome["offset"].as_u64().unwrap());
    for speaker in &mut speakers {
        speaker.catch_up(end).expect("the messages come");
    }

    let all = speakers[0].seen.clone();
    for speaker in &speakers {
        assert_eq!(
            speaker.seen, all,
            "everybody has the same, in the same order"
        );
        for (cid, offset) in &speaker.acknowledged {
            assert_eq!(
                all.get(offset),
                Some(cid),
                "it stands where it was acknowledged"
            );
        }
    }
    let mut texts: Vec<_> = all.values().collect();
    texts.sort_unstable();
    let said = texts.len();
    texts.dedup();
    assert_eq!(texts.len(), said, "nothing is there twice");
    assert!(said as u64 >= 60 * LIVES, "there was traffic: {said}");
}

/// Speaks until the server is gone: what was not answered before is asked for again first.
fn speak(
    speaker: &mut Client,
    left: &mut Vec<String>,
    address: SocketAddr,
    (life, number): (u64, usize),
    answered: &AtomicU64,
) {
    left.extend((0..WORDS).map(|word| format!("{number}-{life}-{word}")));
    if speaker.join(address).is_err() {
        return;
    }
    while let Some(cid) = left.first().cloned() {
        if speaker.say(&cid).is_err() {
            // Whether it was heard is unknown; what was never asked for is not.
            left.truncate(1);
            return;
        }
        left.remove(0);
        answered.fetch_add(1, Ordering::Relaxed);
    }
}
