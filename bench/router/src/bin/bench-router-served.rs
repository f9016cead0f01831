//! Serves the application of a step: `bench-router-served STEP ROUTES FLAGS...`, with the launcher's flags.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use bench_router::{STEPS, Step, contract};
use gateway_spec::application_fn;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let served = match &arguments[..] {
        [name, routes, flags @ ..] => served(name, routes, flags),
        _ => None,
    };
    served.unwrap_or_else(|| {
        eprintln!("usage: bench-router-served STEP ROUTES FLAGS...");
        eprintln!("steps: {}", STEPS.join(", "));
        ExitCode::FAILURE
    })
}

fn served(name: &str, routes: &str, flags: &[String]) -> Option<ExitCode> {
    let routes = routes.parse().ok()?;
    let program = ["bench-router-served"].into_iter();
    let flags = program.chain(flags.iter().map(String::as_str));
    Some(match name {
        "contract" => gateway::run_from(application_fn(contract), flags),
        _ => gateway::run_from(Step { name, routes }.router()?, flags),
    })
}
