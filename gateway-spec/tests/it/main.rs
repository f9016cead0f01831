//! The contract's own guarantees, by the chapters of SPEC.md.

mod clauses;
