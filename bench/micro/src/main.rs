//! Does a case so many times: `bench-micro CASE TIMES`; without arguments it prints the names of the cases.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use bench_micro::cases;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [case, times] = arguments.as_slice() else {
        cases().iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let found = cases().into_iter().find(|(name, _)| name == case);
    let (Some((_, prepare)), Ok(times)) = (found, times.parse::<u32>()) else {
        eprintln!("usage: bench-micro CASE TIMES");
        return ExitCode::FAILURE;
    };
    let mut work = prepare();
    for _ in 0..times {
        work();
    }
    ExitCode::SUCCESS
}
