//! Runs the cases on a server that is known by its address.

use std::fs;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use conformance::{Outcome, Report, Subject, cases, clauses, start_command};

/// `--url http://ADDR [--core] [--report FILE.json] [--only CLAUSE] [--start COMMAND]`
#[derive(Debug, Args)]
pub(super) struct Flags {
    /// Where the server is that serves the peer application, such as http://127.0.0.1:8000
    #[arg(long, value_parser = address)]
    url: SocketAddr,

    /// Run only the core: leave out what tests how a program is operated, and protocols that a server may be without
    #[arg(long)]
    core: bool,

    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Run only the cases of this clause, such as HTTP-24; may be given several times
    #[arg(long, value_name = "CLAUSE", value_parser = clause)]
    only: Vec<String>,

    /// How the same server is started again, for the cases that end it or need other flags: a program and its arguments,
    /// split at spaces; `--bind ADDR` is added [default: what the server itself says]
    #[arg(long, value_name = "COMMAND")]
    start: Option<String>,
}

pub(super) fn run(flags: &Flags) -> ExitCode {
    let start = match &flags.start {
        Some(command) => command.split_whitespace().map(str::to_owned).collect(),
        None => start_command(flags.url),
    };
    let mut subject = Subject::at(flags.url);
    if let [program, arguments @ ..] = &start[..] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        subject = subject.started_by(program, &arguments);
    }
    let mut report = Report::default();
    for case in cases() {
        if flags.core
            && let Some(why) = case.outside_core()
        {
            println!("outside the core: {}, for {why}", case.name);
            continue;
        }
        let is_wanted = |clause: &&str| flags.only.iter().any(|only| only == clause);
        if flags.only.is_empty() || case.clauses.iter().any(is_wanted) {
            let outcome = case.run(&subject);
            if let Outcome::Failed(_) = outcome {
                eprintln!("failed: {}", case.name);
            }
            report.add(&case, outcome);
        }
    }
    if let Some(file) = &flags.report
        && let Err(error) = write(file, &report)
    {
        eprintln!(
            "error: the report cannot be written to {}: {error}",
            file.display()
        );
        return ExitCode::FAILURE;
    }
    println!("{report}");
    if report.is_green() && report.passed() > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn write(file: &PathBuf, report: &Report) -> io::Result<()> {
    fs::write(file, format!("{:#}\n", report.to_json()))
}

fn address(url: &str) -> Result<SocketAddr, String> {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let authority = authority.trim_end_matches('/');
    let found = authority
        .to_socket_addrs()
        .ok()
        .and_then(|mut all| all.next());
    found.ok_or_else(|| "a URL is http://HOST:PORT, such as http://127.0.0.1:8000".to_owned())
}

fn clause(id: &str) -> Result<String, String> {
    match clauses().iter().find(|clause| clause.id == id) {
        Some(clause) => Ok(clause.id.clone()),
        None => Err("SPEC.md has no such clause; they are written as in HTTP-24".to_owned()),
    }
}
