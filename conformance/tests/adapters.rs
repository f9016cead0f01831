//! Every case on both servers, with two adapters between the server and the application: the one that makes a tower service of
//! the application, and the one that makes an application of that.
//!
//! What an application may rely on is then true of what is mounted in axum on any server, and of what wears tower-http's layers.
//! `cargo test -p conformance --test adapters -- hyper::framing` runs a chapter on one server. The servers are this program
//! too, started as children: `serve --server SERVER [FLAG VALUE]...`.
#![forbid(unsafe_code)]

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use adapters::tower::{from_service, into_service};
use conformance::{Case, Outcome, Peer, Subject, set_by_environment};
use gateway_spec::Application;
use libtest_mimic::{Arguments, Failed, Trial};
use server_host::{Listening, Settings};
use server_hyper::Hyper;
use server_raw::Raw;

/// The cases that do not hold, and why they cannot.
const EXCEPT: &[(&str, &str)] = &[
    (
        "upgrade::an_aborted_tunnel_is_cut_off",
        "an upgraded connection can be dropped, and no more: tower's world has no word for cutting it off",
    ),
    (
        "http2::websocket::a_deliberate_abort_resets_the_stream",
        "the same",
    ),
    (
        "http2::websocket::the_plain_exchange_comes_back",
        "the same, of a handshake that is given up after its answer",
    ),
    (
        "shutdown::a_websocket_that_stays_is_closed_by_the_server",
        "to the server it is a tunnel, which is cut off when the grace period ends",
    ),
    (
        "http2::websocket::a_socket_that_stays_is_closed_with_the_grace",
        "the same",
    ),
    (
        "shutdown::work_after_the_answer_is_waited_for",
        "it goes on in a task of the inner adapter's, of which the server does not know",
    ),
];

/// How many cases run at once: more than there are cores, as most of them wait.
const AT_ONCE: usize = 6;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, flags)) if first == "serve" => serve(flags),
        _ => {
            let mut arguments = Arguments::from_args();
            arguments.test_threads.get_or_insert(AT_ONCE);
            libtest_mimic::run(&arguments, trials()).exit_code()
        }
    }
}

/// The application between two adapters, whose lifespan goes past them.
fn adapted(peer: Peer) -> impl Application {
    from_service(into_service(peer.clone())).with_lifespan(peer)
}

fn serve(flags: &[OsString]) -> ExitCode {
    let mut settings = Settings::default();
    if !set_by_environment(&mut settings) {
        let program = OsString::from("adapters");
        let flags = [program].into_iter().chain(flags.iter().cloned());
        return gateway::run_from(adapted(Peer::new()), flags);
    }
    // Times and limits that the launcher has no flags for.
    settings.bind = vec![([127, 0, 0, 1], 0).into()];
    let served = if flags.iter().any(|flag| flag == "raw") {
        server_host::serve(Raw, adapted(Peer::new()), settings, announce)
    } else {
        server_host::serve(Hyper, adapted(Peer::new()), settings, announce)
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn announce(listening: Listening) {
    let said = writeln!(
        std::io::stdout(),
        "listening on {listening} ({})",
        listening.server
    );
    said.expect("the test reads this");
}

fn trials() -> Vec<Trial> {
    let program = env::current_exe().expect("this program is a file");
    let on = |server: &str| {
        let arguments = ["serve", "--server", server];
        let subject = Arc::new(Subject::new(server, &program, &arguments));
        let trials = conformance::cases().into_iter().map(move |case| {
            let subject = Arc::clone(&subject);
            let name = format!("{}::{}", subject.name(), case.name);
            Trial::test(name, move || verdict(&case, case.run(&subject)))
        });
        trials.collect::<Vec<_>>()
    };
    on("raw").into_iter().chain(on("hyper")).collect()
}

fn verdict(case: &Case, outcome: Outcome) -> Result<(), Failed> {
    let except = EXCEPT.iter().find(|(name, _)| *name == case.name);
    match (outcome, except) {
        (Outcome::Passed, None) | (Outcome::Failed(_), Some(_)) => Ok(()),
        (Outcome::Passed, Some((_, why))) => Err(format!("it holds, in spite of: {why}").into()),
        (Outcome::Failed(evidence), None) => {
            Err(format!("[{}] {evidence}", case.clauses.join(", ")).into())
        }
        (outcome, _) => Err(format!("{outcome:?}").into()),
    }
}
