//! What an application author depends on: the contract and the launcher
#![forbid(unsafe_code)]
