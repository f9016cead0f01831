//! Calls the application of a step so many times over a transport that does next to nothing: `bench-router 'STEP ROUTES' TIMES`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use bench_contract::Caller;
use bench_router::{BODY, PATH, STEPS, Step, contract};
use gateway_spec::{Application, application_fn};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let called = match &arguments[..] {
        [step, times] => step
            .split_once(' ')
            .and_then(|(name, routes)| called(name, routes, times)),
        _ => None,
    };
    if called.is_none() {
        eprintln!("usage: bench-router 'STEP ROUTES' TIMES");
        eprintln!("steps: {}", STEPS.join(", "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn called(name: &str, routes: &str, times: &str) -> Option<()> {
    let routes = routes.parse().ok()?;
    let times = times.parse().ok()?;
    let step = Step { name, routes };
    let mut caller = Caller::new(PATH);
    if step.has_body() {
        caller = caller.posting("application/json", BODY);
    }
    match name {
        "contract" => call(&caller, &application_fn(contract), times),
        _ => call(&caller, &step.router()?, times),
    }
    Some(())
}

fn call(caller: &Caller, app: &impl Application, times: u32) {
    for _ in 0..times {
        caller.call(app);
    }
}
