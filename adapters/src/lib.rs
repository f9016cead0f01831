//! Other ways to write applications: synchronous ones
#![forbid(unsafe_code)]
