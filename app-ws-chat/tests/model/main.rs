//! What people see of a room, whatever happens to them and to it: random cases, on one node without sockets. Those with
//! several nodes are in `tests/redis`.
#![forbid(unsafe_code)]

mod alone;
#[expect(dead_code, reason = "one node has fewer faults than several")]
mod model;
