//! A network that swallows what is sent and says nothing, between a node and Redis, and between a client and a node.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::client::Client;
use crate::engine::Engine;
use crate::program::Program;
use crate::relay::{Relay, Target, Way, Weather};

const FAIR: Weather = Weather::Fair(Duration::ZERO);

/// A node whose Redis is behind a relay, and another one on the other server, whose is not.
struct Pair {
    engine: Engine,
    relay: Relay,
    near: Program,
    far: Program,
}

impl Pair {
    fn start(server: &str) -> Self {
        let other = if server == "raw" { "hyper" } else { "raw" };
        let engine = Engine::start();
        let relay = Relay::start(Target::Unix(engine.socket()));
        let bus = format!("redis://{}", relay.address);
        let near = Program::start(&["--server", server, "--bus", &bus]);
        let far = Program::start(&["--server", other, "--bus", &engine.address()]);
        Self {
            engine,
            relay,
            near,
            far,
        }
    }

    fn clients(&self) -> (Client, Client) {
        let mut ada = Client::new("ada", "lobby");
        let mut bea = Client::new("bea", "lobby");
        ada.join(self.near.address).unwrap();
        bea.join(self.far.address).unwrap();
        (ada, bea)
    }
}

/// The connections are dead, new ones are not: who is there does not notice more than a delay.
fn check_dead_connections(server: &str, way: Way) {
    let pair = Pair::start(server);
    let (mut ada, mut bea) = pair.clients();
    let mut cyd = Client::new("cyd", "lobby");
    cyd.join(pair.near.address).unwrap();
    bea.say("before").unwrap();
    ada.catch_up(1).unwrap();
    pair.relay.weather(Weather::Silent(way));
    // What is asked and told now dies with its connection.
    bea.say("meanwhile").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| ada.say("mine").unwrap());
        bea.say("later").unwrap();
        // Time for the question to get lost; without it the test is only easier.
        thread::sleep(Duration::from_millis(500));
        pair.relay.weather(FAIR);
        // Who comes from a node that hears is not told less than they know by one that does not.
        cyd.join(pair.far.address).unwrap();
        cyd.catch_up(2).unwrap();
        while cyd.join(pair.near.address).is_err() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    for client in [&mut ada, &mut bea, &mut cyd] {
        client.catch_up(4).unwrap();
    }
    assert_eq!(ada.seen, bea.seen, "{server} {way:?}");
    assert_eq!(cyd.seen, bea.seen, "{server} {way:?}");
    drop(pair.engine);
}

/// There is no way to Redis for longer than a restart of it takes: who is there is sent away, with a code that makes them
/// resume.
fn check_no_way(server: &str) {
    let pair = Pair::start(server);
    let (mut ada, mut bea) = pair.clients();
    bea.say("before").unwrap();
    ada.catch_up(1).unwrap();
    pair.relay.weather(Weather::Silent(Way::Both));
    bea.say("meanwhile").unwrap();
    let mut told = Vec::new();
    let bye = loop {
        let frame = ada.next().unwrap();
        match frame["t"].as_str() {
            Some("bye") => break frame,
            Some("late") => told.push(frame["late"].clone()),
            _ => {}
        }
    };
    assert_eq!(told, [true], "who only reads is told before");
    assert_eq!(
        (&bye["code"], &bye["reconnect"]),
        (&json!(4009), &json!(true)),
        "{bye}"
    );
    assert!(ada.next().is_err(), "the connection is closed");
    assert!(ada.join(pair.near.address).is_err(), "not for now");
    bea.catch_up(2).unwrap();
    // What was said meanwhile is at the other node.
    ada.join(pair.far.address).unwrap();
    assert_eq!(ada.seen, bea.seen);
    pair.relay.weather(FAIR);
    while ada.join(pair.near.address).is_err() {
        thread::sleep(Duration::from_millis(100));
    }
    ada.say("after").unwrap();
    ada.catch_up(3).unwrap();
    bea.catch_up(3).unwrap();
    assert_eq!(ada.seen, bea.seen);
    drop(pair.engine);
}

/// There is no way to Redis for a while: who only reads is told that news come late, gets them, and is told that they no longer do.
fn check_a_while(server: &str) {
    let pair = Pair::start(server);
    let (mut ada, mut bea) = pair.clients();
    pair.relay.weather(Weather::Silent(Way::Both));
    bea.say("meanwhile").unwrap();
    let told = |ada: &mut Client| loop {
        let frame = ada.next().unwrap();
        assert_ne!(frame["t"], "bye", "{frame}");
        if frame["t"] == "late" {
            break frame["late"].clone();
        }
    };
    assert_eq!(told(&mut ada), true);
    assert!(ada.seen.is_empty());
    pair.relay.weather(FAIR);
    assert_eq!(told(&mut ada), false);
    // The answer may come before what was said.
    bea.catch_up(1).unwrap();
    assert_eq!(ada.seen, bea.seen);
    drop(pair.engine);
}

/// A client whose network is gone is missed, and finds what was said when it is there again.
fn check_silent_client(server: &str) {
    let node = Program::start(&["--server", server, "--db", "memory"]);
    let relay = Relay::start(Target::Tcp(node.address));
    let mut ada = Client::new("ada", "lobby");
    let mut bea = Client::new("bea", "lobby");
    let welcome = ada.join(relay.address).unwrap();
    bea.join(node.address).unwrap();
    relay.weather(Weather::Silent(Way::Both));
    bea.say("meanwhile").unwrap();
    let left = loop {
        let frame = bea.next().unwrap();
        if frame["leave"].is_object() {
            break frame;
        }
    };
    assert_eq!(left["leave"]["user"], welcome["me"]["user"], "{left}");
    relay.weather(FAIR);
    ada.join(relay.address).unwrap();
    assert_eq!(ada.seen, bea.seen);
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn connections_to_redis_that_die_without_a_word_are_replaced() {
    thread::scope(|scope| {
        for server in ["raw", "hyper"] {
            for way in [Way::There, Way::Back, Way::Both] {
                scope.spawn(move || check_dead_connections(server, way));
            }
        }
    });
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn a_node_that_cannot_hear_sends_its_clients_away() {
    thread::scope(|scope| {
        for server in ["raw", "hyper"] {
            scope.spawn(move || check_no_way(server));
        }
    });
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn who_only_reads_is_told_that_the_node_hears_nothing_and_that_it_hears_again() {
    thread::scope(|scope| {
        for server in ["raw", "hyper"] {
            scope.spawn(move || check_a_while(server));
        }
    });
}

#[test]
#[ignore = "takes 40 s: run ./test"]
fn a_client_that_falls_silent_is_missed_and_resumes() {
    thread::scope(|scope| {
        for server in ["raw", "hyper"] {
            scope.spawn(move || check_silent_client(server));
        }
    });
}
