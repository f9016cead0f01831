//! LIFE-9, LIFE-10, SRV-4 as the handles have them.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use gateway_spec::{
    Capabilities, Connection, ConnectionInfo, DrainSignal, HttpScope, Lifespan, LifespanScope,
    LifespanTransport, Scope, Signal, State,
};

use crate::support::{Task, lifespan, now};

#[test]
fn a_life_is_started_and_stopped() {
    let (life, script) = lifespan();
    let running = life.started(State::new().with(7_u64));
    assert_eq!(script.calls(), "started {\"u64\"}");
    let mut waiting = Task::new(running.shutdown_requested());
    assert!(waiting.poll().is_pending());
    script.shutdown.raise(Instant::now());
    assert!(waiting.poll().is_ready());
    drop(running.stopped());
    assert_eq!(script.calls(), "stopped");
}

#[test]
fn a_life_that_is_dropped_is_told_to_the_server() {
    let (life, script) = lifespan();
    drop(life);
    assert_eq!(script.calls(), "abort");

    let (life, script) = lifespan();
    drop(life.started(State::new()));
    assert_eq!(script.calls(), "started {}; abort");

    let (life, script) = lifespan();
    drop(life.refuse());
    assert_eq!(script.calls(), "refuse");
}

#[test]
fn the_drain_is_seen_before_the_shutdown_and_by_every_scope() {
    let (life, script) = lifespan();
    let drain = life.scope.drain();
    let running = life.started(State::new());
    let info = ConnectionInfo::new(Capabilities::new("script")).with_drain(script.drain.clone());
    let scope = Scope::new(HttpScope::new(Arc::new(info)));
    let mut of_scope = Task::new(scope.drain());
    assert!(of_scope.poll().is_pending());
    assert_eq!(scope.draining(), None);

    let deadline = Instant::now();
    script.drain.raise(deadline);
    assert_eq!(now(drain), deadline);
    assert_eq!(of_scope.wakes(), 1);
    assert_eq!(scope.draining(), Some(deadline));
    assert_eq!(running.shutdown_requested().value(), None);
    drop(running.stopped());
}

/// What a mount gives each child, and what it learns of it.
#[derive(Default)]
struct Child {
    state: Mutex<Option<State>>,
    shutdown: Signal<Instant>,
}

impl LifespanTransport for Child {
    fn started(&self, state: State) {
        *self.state.lock().unwrap() = Some(state);
    }

    fn refuse(&self) {}

    fn shutdown(&self) -> DrainSignal {
        self.shutdown.wait()
    }

    fn stopped(&self) {}

    fn abort(&self) {}
}

#[test]
fn a_mount_runs_lives_of_its_own_and_nests_their_states() {
    struct OfChild(State);
    let child = Arc::new(Child::default());
    let (life, script) = lifespan();
    let inner = Lifespan::new(
        LifespanScope::new(life.scope.capabilities),
        Arc::clone(&child) as _,
    );
    let Connection::Lifespan(inner) = Connection::Lifespan(inner) else {
        panic!()
    };
    let of_child = inner.started(State::new().with("of the child"));
    let nested = OfChild(child.state.lock().unwrap().take().unwrap());
    assert_eq!(nested.0.get::<&str>(), Some(&"of the child"));
    let state = State::new().with("of the mount").with(nested);
    assert!(state.get::<OfChild>().is_some());
    let running = life.started(state);
    assert!(script.calls().starts_with("started"));

    child.shutdown.raise(Instant::now());
    assert!(of_child.shutdown_requested().value().is_some());
    drop((of_child.stopped(), running.stopped()));
}

#[test]
fn a_state_finds_values_by_type_and_may_hold_states() {
    let child = State::new().with("child").with(1_u8);
    let state = State::new().with("mount").with(child);
    assert_eq!(state.get::<&str>(), Some(&"mount"));
    let nested = state.get::<State>().unwrap();
    assert_eq!(
        (nested.get::<&str>(), nested.get::<u8>()),
        (Some(&"child"), Some(&1))
    );
    assert_eq!(state.get::<u8>(), None);
    let replaced = state.clone().with("new");
    assert_eq!(
        (replaced.get::<&str>(), state.get::<&str>()),
        (Some(&"new"), Some(&"mount"))
    );
    assert!(State::new().is_empty() && !state.is_empty());
}

#[test]
fn a_transport_can_be_put_around_another() {
    let (life, script) = lifespan();
    let life = life.map_transport(|inner| inner);
    assert_eq!(script.calls(), "");
    drop(life.refuse());
    assert_eq!(script.calls(), "refuse");
}
