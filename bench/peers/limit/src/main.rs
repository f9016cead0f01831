//! The floor: what the least costs that could be called a server.
//!
//! - `--mode epoll`: finds the end of each head and writes a fixed answer, on bare epoll.
//! - `--mode tokio`: the same on a current-thread tokio runtime.
//! - `--mode parse`: that with httparse, a match on the path, an answer written anew and a date made twice a second.
//! - `--mode copy`: blocking loops that copy a gigabyte to or from a socket.
#![forbid(unsafe_code)]

mod copy;
mod epoll;
mod parse;
mod tokio_loop;

use peer::{args, fixed_response, per_runtime, per_worker};

/// More answers than this are never written at once.
const MOST: usize = 64;

fn main() {
    let args = args();
    let port = args.port;
    match args.mode.as_str() {
        "epoll" => per_worker(args.workers, move || epoll::run(port).expect("epoll works")),
        "tokio" => per_worker(args.workers, move || tokio_loop::run(port)),
        "parse" => per_runtime(args.workers, move || parse::run(port)),
        "copy" => copy::run(port),
        mode => panic!("unknown mode {mode}"),
    }
}

/// For each number of requests that one read may bring, all their answers in one piece.
fn answers() -> Vec<Vec<u8>> {
    let one = fixed_response();
    (0..=MOST).map(|count| one.repeat(count)).collect()
}
