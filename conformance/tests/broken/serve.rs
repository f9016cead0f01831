//! The server that is tested: a right one, with one thing wrong.
//!
//! The flags and times are those of the launcher and of `conformance peer`, as far as cases set them.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use conformance::{Peer, set_by_environment};
use gateway_spec::{AppError, Application, Connection, Done};
use server_host::{Listening, LogTarget, ServeError, Settings};
use server_hyper::Hyper;
use server_raw::Raw;

use crate::catalogue::faults;
use crate::fault::{How, NO_FAULT, NO_FAULT_OF_STREAMS, NO_FAULT_ON_THE_WIRE};
use crate::relay::{self, Relay};
use crate::{exchange, lifespan, socket};

/// What goes wrong in the control.
const NOTHING: How = How::Exchange(exchange::FAITHFUL);

/// The same, of streams.
const NOTHING_OF_STREAMS: How = How::StreamScope(|_| {});

/// The same, with a relay.
const NOTHING_ON_THE_WIRE: How = How::Wire(relay::FAITHFUL);

/// `FAULT [FLAG VALUE]...`
pub(crate) fn serve(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let how = words.first().and_then(|name| find(name));
    let (Some(how), true) = (how, words.len() == arguments.len()) else {
        eprintln!("error: there is no fault of this name");
        return ExitCode::from(2);
    };
    log_to_stderr();
    let mut settings = settings(&words[1..]);
    if let How::Settings(change) = how {
        change(&mut settings);
    }
    let mut relays = Vec::new();
    let announce = |listening: Listening| {
        let mut address = listening.address.tcp().expect("it is of TCP");
        if let How::Wire(wire) = how {
            let relay = Relay::start(address, *wire).expect("sockets can be made");
            address = relay.address;
            relays.push(relay);
        }
        println!("listening on http://{address} ({})", listening.server);
    };
    let app = Broken {
        peer: Peer::new(),
        how,
    };
    let served = match how {
        How::StreamScope(_) => server_host::serve(Hyper, app, settings, announce),
        _ => server_host::serve(Raw, app, settings, announce),
    };
    relays.iter().for_each(Relay::finish);
    match how {
        How::Exit(exit) => exit(served),
        _ => exit_code(served),
    }
}

fn find(name: &str) -> Option<&'static How> {
    match name {
        NO_FAULT => Some(&NOTHING),
        NO_FAULT_OF_STREAMS => Some(&NOTHING_OF_STREAMS),
        NO_FAULT_ON_THE_WIRE => Some(&NOTHING_ON_THE_WIRE),
        _ => {
            let fault = faults().find(|fault| fault.name() == name)?;
            Some(&fault.how)
        }
    }
}

/// The launcher's exit codes.
fn exit_code(served: Result<(), ServeError>) -> ExitCode {
    let Err(error) = served else {
        return ExitCode::SUCCESS;
    };
    eprintln!("error: {error}");
    match error {
        ServeError::Forced => ExitCode::from(130),
        _ => ExitCode::FAILURE,
    }
}

fn log_to_stderr() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

fn settings(flags: &[&str]) -> Settings {
    let mut settings = Settings::default();
    for flag in flags.chunks(2) {
        match flag {
            ["--bind", address] => {
                settings.bind = vec![address.parse().expect("an address")];
            }
            ["--workers", count] => settings.workers = count.parse().expect("a number"),
            ["--grace", seconds] => {
                settings.grace = Duration::from_secs(seconds.parse().expect("a number"));
            }
            ["--access-log", "off"] => settings.access_log = LogTarget::Off,
            _ => panic!("no case has set {flag:?} before"),
        }
    }
    set_by_environment(&mut settings);
    settings
}

/// The peer, behind what plays a wrong server to it.
struct Broken {
    peer: Peer,
    how: &'static How,
}

impl Application for Broken {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match self.how {
            How::Call(call) => call(self.peer.clone(), connection).await,
            How::Returned(change) => change(self.peer.call(connection).await),
            how => self.peer.call(wrap(how, connection)).await,
        }
    }
}

fn wrap(how: &How, connection: Connection) -> Connection {
    match (connection, how) {
        (Connection::Http(mut http), How::Scope(change) | How::StreamScope(change)) => {
            change(http.scope.edit());
            Connection::Http(http)
        }
        (Connection::Http(http), How::Exchange(exchange)) => {
            Connection::Http(exchange::wrap(http, *exchange))
        }
        (Connection::WebSocket(mut websocket), How::Scope(change)) => {
            change(websocket.scope.edit());
            Connection::WebSocket(websocket)
        }
        (Connection::WebSocket(mut websocket), How::Handshake(change)) => {
            change(&mut websocket);
            Connection::WebSocket(websocket)
        }
        (Connection::WebSocket(websocket), How::Socket(socket)) => {
            Connection::WebSocket(socket::wrap(websocket, *socket))
        }
        // The control has the layers of all kinds.
        (Connection::WebSocket(websocket), How::Exchange(_)) => {
            Connection::WebSocket(socket::wrap(websocket, socket::FAITHFUL))
        }
        (Connection::Lifespan(lifespan), How::Life(life)) => {
            Connection::Lifespan(lifespan::wrap(lifespan, *life))
        }
        (Connection::Lifespan(lifespan), How::Exchange(_)) => {
            Connection::Lifespan(lifespan::wrap(lifespan, lifespan::FAITHFUL))
        }
        (connection, _) => connection,
    }
}
