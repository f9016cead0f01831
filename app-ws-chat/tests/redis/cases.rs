//! Random cases with two nodes: what people see of a room is the same whatever breaks, and it is what was answered.

use std::time::Duration;

use proptest::prelude::*;

use crate::ground::{Apart, Within};
use crate::model::inside;
use crate::model::ops::{Fault, Op, PEOPLE, Size, check, peaceful};
use crate::model::world::World;

/// Without sockets a case costs a Redis and what it waits for.
const WITHIN: Size = Size {
    cases: 4,
    ops: 150,
    shrink: Duration::ZERO,
};

/// With programs, in the time of the machine.
const APART: Size = Size {
    cases: 2,
    ops: 80,
    shrink: Duration::ZERO,
};

fn fault() -> impl Strategy<Value = Fault> {
    let node = || 0..2_usize;
    prop_oneof![
        1 => node().prop_map(Fault::Node),
        1 => Just(Fault::Engine),
        1 => (node(), 0..3_usize).prop_map(|(node, way)| Fault::Silent(node, way)),
        3 => (node(), prop_oneof![Just(0), Just(0), Just(20_u64)]).prop_map(|(node, late)| Fault::Late(node, late)),
        2 => node().prop_map(Fault::Cut),
        1 => (node(), 0..3_usize).prop_map(|(node, way)| Fault::ClientsSilent(node, way)),
        3 => node().prop_map(Fault::ClientsFair),
    ]
}

/// `often`: how many other things happen for each fault.
fn op(often: u32) -> impl Strategy<Value = Op> {
    prop_oneof![often => peaceful(), 1 => fault().prop_map(Op::Fault)]
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn two_nodes_are_one_room_whatever_breaks_between_them() {
    check(WITHIN, op(10), |ops| {
        inside::run(async { World::new(Within::start()).run(ops).await })
    });
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn what_a_node_has_missed_it_reads_and_nobody_has_to_come_again() {
    let one = || 0..PEOPLE;
    let node = || 0..2_usize;
    // Who stays sees that the news of the connection that was cut are read: who comes again reads the room anyway.
    let op = prop_oneof![
        12 => one().prop_map(Op::Say),
        2 => (one(), any::<usize>()).prop_map(|(one, which)| Op::Again(one, which)),
        1 => Just(Op::Pass(300)),
        1 => node().prop_map(|node| Op::Fault(Fault::Cut(node))),
    ];
    check(WITHIN, op, |ops| {
        inside::run(async { World::new(Within::start()).run_in_place(ops).await })
    });
}

#[test]
#[ignore = "needs redis-server: run ./test"]
fn two_servers_are_one_room_whatever_breaks_between_them() {
    // Nobody waits for a minute here.
    let op = op(8).prop_map(|op| match op {
        Op::Pass(time) => Op::Pass(time.min(300)),
        op => op,
    });
    check(APART, op, |ops| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async { World::new(Apart::start()).run(ops).await })
    });
}
