//! The targets: which invariants hold for an input, and what to begin with.
//!
//! The invariants themselves stand beside the tests of their packages (`server-raw/http1/tests/it/invariants.rs`,
//! `websocket/tests/it/invariants.rs`), where proptest calls them too. Here they only get names. README.md says how to run them.
#![forbid(unsafe_code)]

mod requests;
mod sockets;

/// One entry for the fuzzer.
pub struct Target {
    /// Its name, as that of its file in `fuzz_targets/`.
    pub name: &'static str,
    /// What must hold for each input; it panics where it does not.
    invariants: &'static [fn(&[u8])],
    seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "http1_wire",
        invariants: &[
            requests::invariants::cuts_change_nothing,
            requests::invariants::the_head_before_changes_nothing,
            requests::invariants::three_times_is_three_times,
            requests::invariants::events_fit_their_head,
            requests::invariants::no_laxer_than_httparse,
        ],
        seeds: requests::wires,
    },
    Target {
        name: "http1_replies",
        invariants: &[requests::invariants::replies_read_back],
        seeds: any_choices,
    },
    Target {
        name: "http1_operations",
        invariants: &[requests::invariants::operations_in_any_order],
        seeds: any_choices,
    },
    Target {
        name: "websocket_wire",
        invariants: &[
            sockets::invariants::cuts_change_nothing,
            sockets::invariants::no_laxer_than_tungstenite,
            sockets::invariants::inflation_is_bounded,
        ],
        seeds: sockets::seeds::wires,
    },
    Target {
        name: "websocket_messages",
        invariants: &[sockets::invariants::messages_go_both_ways],
        seeds: any_choices,
    },
    Target {
        name: "websocket_operations",
        invariants: &[sockets::invariants::operations_in_any_order],
        seeds: any_choices,
    },
    Target {
        name: "websocket_handshake",
        invariants: &[sockets::invariants::handshakes_are_judged_alike],
        seeds: sockets::handshakes,
    },
];

impl Target {
    /// The target of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Panics if `input` breaks an invariant.
    pub fn hold(&self, input: &[u8]) {
        self.invariants.iter().for_each(|holds| holds(input));
    }

    /// Inputs to begin with.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)()
    }
}

/// [`Target::hold`] by the target's name: all that a file in `fuzz_targets/` says.
pub fn hold(target: &str, input: &[u8]) {
    Target::named(target)
        .expect("a target of this table")
        .hold(input);
}

/// Where each byte is a decision, every byte is as good as another; these have the first operations in turn.
fn any_choices() -> Vec<Vec<u8>> {
    let runs = (0..16).map(|first| (0..64).map(|n| first + 3 * n).collect());
    runs.collect()
}
