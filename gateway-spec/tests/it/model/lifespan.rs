//! The application's own life, as its process sees it.

use super::Comes::{Goes, Stays};
use super::{Row, Table, row};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is accepted from the network.
    Starting,
    /// The handle was dropped without a word; the call goes on.
    Mute,
    /// Up, with a state for every scope.
    Serving,
    /// Up, and the application has said already that it has stopped; its call goes on.
    Hasty,
    /// Up, and the handle was dropped; the call goes on.
    Careless,
    /// Up, without a lifespan.
    Without,
    /// The exchanges have ended, and the application is asked to stop.
    Stopping,
    /// It has said that it has stopped; its call goes on.
    Stopped,
    /// The handle was dropped before it said so; the call goes on.
    Unsaid,
    // The ends, by how the process ends.
    /// Exit code zero.
    Clean,
    /// Nothing was ever accepted; the exit code says so.
    FailedStartup,
    /// The server drains because of the application; the exit code says so.
    EndedEarly,
    /// What it served is served; the exit code says that the end went wrong.
    FailedShutdown,
}
use State::{
    Careless, Clean, EndedEarly, FailedShutdown, FailedStartup, Hasty, Mute, Serving, Starting,
    Stopped, Stopping, Unsaid, Without,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    // What the handle is told, which can be said once: a second word does not compile.
    Started,
    Refuse,
    SaysStopped,
    Drop,
    // What the call does.
    Returns,
    Fails,
    Panics,
    /// It takes longer than it may.
    IsLate,
    // What the server does once the drain is over.
    AsksToStop,
}
use Event::{AsksToStop, Drop, Fails, IsLate, Panics, Refuse, Returns, SaysStopped, Started};

#[rustfmt::skip]
pub(crate) const STATES: &[State] = &[
    Starting, Mute, Serving, Hasty, Careless, Without, Stopping, Stopped, Unsaid, Clean, FailedStartup, EndedEarly, FailedShutdown,
];

#[rustfmt::skip]
pub(crate) const EVENTS: &[Event] = &[Started, Refuse, SaysStopped, Drop, Returns, Fails, Panics, IsLate, AsksToStop];

const ENDS: &[State] = &[Clean, FailedStartup, EndedEarly, FailedShutdown];

/// `S`: every scope has the state. `R`: the application learns that it is to stop.
#[rustfmt::skip]
const ROWS: &[Row<State, Event>] = &[
    row(&[Starting], &[Started], Goes(Serving), "S", "LIFE-1"),
    row(&[Starting], &[Refuse], Goes(Without), "", "LIFE-2"),
    row(&[Starting], &[Drop], Goes(Mute), "", "LIFE-9"),
    row(&[Starting, Mute], &[Returns, Fails, Panics], Goes(FailedStartup), "", "LIFE-3"),
    row(&[Starting, Mute], &[IsLate], Goes(FailedStartup), "", "LIFE-8"),
    row(&[Starting, Mute], &[SaysStopped, AsksToStop], Stays, "", "LIFE-1"),
    row(&[Mute], &[Started, Refuse, Drop], Stays, "", "LIFE-9"),

    row(&[Serving, Hasty, Careless], &[Returns, Fails, Panics], Goes(EndedEarly), "", "LIFE-4"),
    row(&[Serving, Hasty, Careless], &[Started, Refuse, IsLate], Stays, "", "LIFE-1"),
    row(&[Serving], &[SaysStopped], Goes(Hasty), "", "LIFE-7"),
    row(&[Serving], &[Drop], Goes(Careless), "", "LIFE-9"),
    row(&[Serving], &[AsksToStop], Goes(Stopping), "R", "LIFE-6"),
    row(&[Hasty], &[AsksToStop], Goes(Stopped), "", "LIFE-7"),
    row(&[Careless], &[AsksToStop], Goes(Unsaid), "", "LIFE-7"),
    row(&[Hasty, Careless], &[SaysStopped, Drop], Stays, "", "LIFE-9"),

    // What has no lifespan owes none: however its call ends, it has said all.
    row(&[Without], &[Returns, Fails, Panics, IsLate, Started, Refuse, SaysStopped, Drop], Stays, "", "LIFE-2"),
    row(&[Without], &[AsksToStop], Goes(Clean), "", "LIFE-2"),

    row(&[Stopping], &[SaysStopped], Goes(Stopped), "", "LIFE-7"),
    row(&[Stopping], &[Drop], Goes(Unsaid), "", "LIFE-9"),
    row(&[Stopping, Unsaid], &[Returns, Fails, Panics, IsLate], Goes(FailedShutdown), "", "LIFE-7"),
    row(&[Stopped], &[Returns], Goes(Clean), "", "LIFE-7"),
    row(&[Stopped], &[Fails, Panics, IsLate], Goes(FailedShutdown), "", "LIFE-7"),
    row(&[Stopped, Unsaid], &[SaysStopped, Drop], Stays, "", "LIFE-9"),
    row(&[Stopping, Stopped, Unsaid], &[Started, Refuse, AsksToStop], Stays, "", "LIFE-6"),

    row(ENDS, EVENTS, Stays, "", "LIFE-7"),
];

pub(crate) const TABLE: Table<State, Event> = Table {
    states: STATES,
    events: EVENTS,
    rows: ROWS,
};
