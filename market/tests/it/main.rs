//! The market in the process: each route as programs and as forms use it, and each way in which a request can be wrong.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may; clippy knows functions marked as tests only"
)]

mod accounts;

mod forms;

mod items;

mod live;

mod overrides;

mod pictures;

mod support;
