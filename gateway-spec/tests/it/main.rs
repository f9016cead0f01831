//! The contract's own guarantees, by the chapters of SPEC.md.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clauses;
mod compile_fail;
