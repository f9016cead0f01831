//! The signals that a server listens to.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{LogTarget, Settings};

/// All of them. One that comes while the server starts waits here until it is asked for; before there is this, it ends the
/// process.
pub(crate) struct Signals {
    pub(crate) ends: Ends,
    /// SIGUSR2.
    pub(crate) restarts: Signal,
    pub(crate) reloads: Reloads,
    pub(crate) reopens: Reopens,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub(crate) fn new(settings: &Settings) -> io::Result<Self> {
        Ok(Self {
            ends: Ends {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            },
            restarts: signal(SignalKind::user_defined2())?,
            reloads: Reloads(hangup_if(settings.tls.is_on())?),
            reopens: Reopens {
                user: signal(SignalKind::user_defined1())?,
                hangup: hangup_if(matches!(settings.access_log, LogTarget::File(_)))?,
            },
        })
    }
}

/// SIGINT and SIGTERM: the server is to end.
pub(crate) struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP, if there are certificates to read again.
pub(crate) struct Reloads(Option<Signal>);

impl Reloads {
    pub(crate) async fn next(&mut self) {
        next(&mut self.0).await;
    }
}

/// The signals at which the access log is opened anew: SIGUSR1, and SIGHUP if it is a file.
pub(crate) struct Reopens {
    user: Signal,
    hangup: Option<Signal>,
}

impl Reopens {
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.user.recv() => {}
            () = next(&mut self.hangup) => {}
        }
    }
}

/// SIGHUP, if anything is done at it; without that, the end of the terminal ends the server.
fn hangup_if(is_wanted: bool) -> io::Result<Option<Signal>> {
    is_wanted.then(|| signal(SignalKind::hangup())).transpose()
}

/// The next signal; never, if it is not listened to.
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}
