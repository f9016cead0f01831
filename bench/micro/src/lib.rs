//! What the parts cost by themselves: heads, replies, masks, deflate, look-ups.
//!
//! `bench/run micro` counts the instructions and allocations of each case under valgrind; `cargo bench -p bench-micro` times
//! them with criterion.
#![forbid(unsafe_code)]

mod http1_cases;
mod lookup_cases;
mod websocket_cases;

/// Something that is done over and over.
pub type Work = Box<dyn FnMut()>;

/// A name, and how the work is prepared: what that takes is not measured.
pub type Case = (&'static str, fn() -> Work);

/// All of them.
///
/// # Examples
///
/// ```
/// for (_, prepare) in bench_micro::cases() {
///     let mut work = prepare();
///     work();
///     work();
/// }
/// ```
#[must_use]
pub fn cases() -> Vec<Case> {
    [
        http1_cases::CASES,
        websocket_cases::CASES,
        lookup_cases::CASES,
    ]
    .concat()
}
