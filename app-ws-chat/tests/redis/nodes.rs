//! Two nodes on different servers serve one room, and something dies in the middle of traffic.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::Client;
use crate::engine::Engine;
use crate::program::{Program, wait_for};

const SPEAKERS: usize = 6;

/// Said before the fault, and in all.
const BEFORE: u64 = 30;
const ALL: u64 = 20;

/// Whether what is done to a room may begin another epoch of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Epochs {
    One,
    Several,
}

fn node(bus: &str, server: &str) -> Program {
    Program::start(&["--server", server, "--bus", bus])
}

/// Says all it has to say, on whatever node there is.
fn speak(speaker: &mut Client, number: usize, nodes: &[SocketAddr], said: &AtomicU64) {
    let mut words = (0..ALL).map(|word| format!("{number}-{word}"));
    let mut word = words.next();
    // Half of them begin at each node.
    let mut places = nodes.iter().cycle().skip(number % nodes.len());
    while word.is_some() {
        let place = places.next().expect("it goes round");
        if speaker.join(*place).is_err() {
            thread::sleep(Duration::from_millis(50));
            continue;
        }
        while let Some(cid) = &word {
            if speaker.say(cid).is_err() {
                break;
            }
            said.fetch_add(1, Ordering::Relaxed);
            word = words.next();
        }
    }
}

/// Six people talk in the lobby, on two nodes; in the middle of it something is done, to a node or to what is below.
pub(crate) fn check(bus: &str, epochs: Epochs, fault: impl FnOnce(Program)) {
    let raw = node(bus, "raw");
    let hyper = node(bus, "hyper");
    let nodes = [raw.address, hyper.address];
    let said = AtomicU64::new(0);
    let mut speakers: Vec<_> = (0..SPEAKERS)
        .map(|number| {
            let speaker = Client::new(&format!("speaker{number}"), "lobby");
            match epochs {
                Epochs::One => speaker,
                Epochs::Several => speaker.through_epochs(),
            }
        })
        .collect();
    thread::scope(|scope| {
        let speaking: Vec<_> = speakers
            .iter_mut()
            .enumerate()
            .map(|(number, speaker)| {
                let said = &said;
                scope.spawn(move || speak(speaker, number, &nodes, said))
            })
            .collect();
        wait_for(&said, BEFORE);
        fault(raw);
        speaking.into_iter().for_each(|one| one.join().unwrap());
    });

    let end = SPEAKERS as u64 * ALL;
    for speaker in &mut speakers {
        // Whatever node they were on, and also those whose connection the fault has ended.
        while speaker
            .join(hyper.address)
            .and_then(|_| speaker.catch_up(end))
            .is_err()
        {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let all = speakers[0].seen.clone();
    assert_eq!(
        all.len() as u64,
        end,
        "nothing is lost and nothing is there twice"
    );
    for speaker in &speakers {
        assert_eq!(
            speaker.seen, all,
            "everybody has the same, in the same order"
        );
        assert_eq!(speaker.acknowledged.len() as u64, ALL);
        for (cid, offset) in &speaker.acknowledged {
            assert_eq!(
                all.get(offset),
                Some(cid),
                "it stands where it was acknowledged"
            );
        }
    }
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn a_node_that_is_killed_takes_nothing_with_it() {
    let engine = Engine::start();
    check(&engine.address(), Epochs::One, Program::kill);
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn an_engine_that_is_killed_takes_nothing_with_it() {
    let mut engine = Engine::start();
    let address = engine.address();
    check(&address, Epochs::One, |_raw| {
        engine.kill();
        engine.restart();
    });
}
