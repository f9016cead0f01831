//! What may happen in a case of the model, and the cases themselves: drawn from a seed, shrunk when one fails.

use std::fmt::Debug;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// Who takes part: the first one is the moderator.
pub(crate) const PEOPLE: usize = 6;

/// How many users they are: the others have a device more.
pub(crate) const USERS: usize = 4;

/// Something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Say(usize),
    /// Says something again that was said and kept: the how-manieth.
    Again(usize, usize),
    /// Another device says again what is not answered yet, else what is kept, at another node: the how-manieth.
    Echo(usize, usize),
    /// Says something, the connection breaks before the answer, and another device says it again at once.
    SayAndBreak(usize),
    Type(usize),
    Leave(usize),
    Enter(usize),
    Rename(usize, usize),
    /// The connection breaks.
    Break(usize),
    /// Comes back at once.
    Hurry(usize),
    /// The network of somebody swallows everything.
    Sleep(usize),
    /// It has found another network.
    Wake(usize),
    /// The moderator decides something about a user.
    Moderate(Verb, usize),
    Slow(u64),
    /// Time passes.
    Pass(u64),
    Fault(Fault),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Kick,
    Ban,
    Unban,
    Mute,
    Unmute,
}

/// What breaks. Each is of one node, but the engine is of all.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// kill -9 of a node, and a new one in its place.
    Node(usize),
    /// kill -9 of Redis, which starts again with what it has kept.
    Engine,
    /// The network between a node and Redis: swallows what goes to Redis, what comes from it, or both.
    Silent(usize, usize),
    /// It carries everything, so much later, in milliseconds.
    Late(usize, u64),
    /// It ends all connections.
    Cut(usize),
    /// The same between the clients and a node.
    ClientsSilent(usize, usize),
    ClientsFair(usize),
}

/// One that is no fault of the ground.
pub(crate) fn peaceful() -> impl Strategy<Value = Op> {
    let one = || 0..PEOPLE;
    let verb = prop_oneof![
        Just(Verb::Kick),
        Just(Verb::Ban),
        Just(Verb::Unban),
        Just(Verb::Mute),
        Just(Verb::Mute),
        Just(Verb::Unmute),
    ];
    prop_oneof![
        12 => one().prop_map(Op::Say),
        3 => (one(), any::<usize>()).prop_map(|(one, which)| Op::Again(one, which)),
        2 => (one(), any::<usize>()).prop_map(|(one, which)| Op::Echo(one, which)),
        2 => one().prop_map(Op::SayAndBreak),
        1 => one().prop_map(Op::Type),
        1 => one().prop_map(Op::Leave),
        4 => one().prop_map(Op::Enter),
        1 => (one(), 0..3_usize).prop_map(|(one, nick)| Op::Rename(one, nick)),
        3 => one().prop_map(Op::Break),
        3 => one().prop_map(Op::Hurry),
        1 => one().prop_map(Op::Sleep),
        2 => one().prop_map(Op::Wake),
        2 => (verb, 1..USERS).prop_map(|(verb, user)| Op::Moderate(verb, user)),
        1 => prop_oneof![Just(0), Just(20_u64)].prop_map(Op::Slow),
        2 => prop_oneof![Just(10_u64), Just(300), Just(2_000), Just(45_000)].prop_map(Op::Pass),
    ]
}

/// How many cases there are, how long each is, and for how long a failing one is made shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) cases: u32,
    pub(crate) ops: usize,
    pub(crate) shrink: Duration,
}

/// Runs cases. `CHAT_MODEL_CASES` multiplies their number, and `CHAT_MODEL_SEED` begins with the seed of a run that failed.
pub(crate) fn check<T: Debug>(
    size: Size,
    op: impl Strategy<Value = T>,
    case: impl Fn(Vec<T>) -> Result<(), String>,
) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed: u64 = number("CHAT_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..));
    let times: u64 = number("CHAT_MODEL_CASES").unwrap_or(1);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: size
            .cases
            .saturating_mul(u32::try_from(times).unwrap_or(u32::MAX)),
        max_shrink_time: u32::try_from(size.shrink.as_millis()).unwrap_or(u32::MAX),
        max_shrink_iters: if size.shrink.is_zero() { 0 } else { u32::MAX },
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, random);
    // One that is never made shorter is long enough to break something.
    let least = if size.shrink.is_zero() {
        size.ops / 2
    } else {
        1
    };
    let ops = prop::collection::vec(op, least..size.ops);
    let run = runner.run(&ops, |ops| case(ops).map_err(TestCaseError::fail));
    if let Err(error) = run {
        panic!("CHAT_MODEL_SEED={seed}: {error}");
    }
}
