//! The notice board on a server.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use cookbook::axum::{Board, Settings, app};

use crate::client::{Client, Wire};
use crate::host::{Host, Kind};

/// The longest that a test may take. Only failures take as long, so it is generous: a busy machine must not fail a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The board, on a server.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) board: Board,
    wire: Wire,
}

impl Site {
    /// The board as its settings are by default, and with the files of this workspace.
    pub(crate) fn start(kind: Kind, wire: Wire) -> Self {
        Self::start_with(kind, wire, |_| {})
    }

    pub(crate) fn start_with(kind: Kind, wire: Wire, change: fn(&mut Settings)) -> Self {
        let mut settings = Settings {
            files: workspace(),
            ..Settings::default()
        };
        change(&mut settings);
        Self::start_on(kind, wire, &settings, |_| {})
    }

    /// The board with its settings, on a server with others.
    pub(crate) fn start_on(
        kind: Kind,
        wire: Wire,
        settings: &Settings,
        change: fn(&mut server_host::Settings),
    ) -> Self {
        let board = Board::new();
        let host = Host::start(kind, app(board.clone(), settings), change);
        Self { host, board, wire }
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.host.address, self.wire).await
    }

    /// Waits until so many clients watch.
    pub(crate) async fn watched_by(&self, count: usize) {
        let mut watchers = self.board.watchers();
        let reached = watchers.wait_for(|watchers| *watchers == count).await;
        reached.expect("the board is there");
    }

    /// Stops the server as its operator would, and tells the board, as the `main` of either server does.
    pub(crate) fn stop(&self) {
        self.host.stop();
        self.board.close();
    }
}

/// The folder of this workspace.
pub(crate) fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs a test to its end.
#[track_caller]
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("runtimes can be made");
    let ended = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    assert!(ended.is_ok(), "the test took over {PATIENCE:?}");
}

/// Makes of each of these functions one test for each server and wire.
macro_rules! on_every_host {
    (over $wires:ident: $($test:ident),+ $(,)?) => {$(
        mod $test {
            #[allow(unused_imports, reason = "gRPC has one wire")]
            use crate::client::Wire;
            use crate::host::Kind;
            use crate::site::{on_every_host, run};

            on_every_host!(@$wires $test);
        }
    )+};
    (@both $test:ident) => {
        on_every_host!(@http1 $test);
        on_every_host!(@http2 $test);
    };
    (@http1 $test:ident) => {
        on_every_host!(@test at_home, $test, Kind::Home, Wire::Http1);
        on_every_host!(@test raw, $test, Kind::Raw, Wire::Http1);
        on_every_host!(@test hyper, $test, Kind::Hyper, Wire::Http1);
    };
    (@http2 $test:ident) => {
        on_every_host!(@test at_home_http2, $test, Kind::Home, Wire::Http2);
        on_every_host!(@test raw_http2, $test, Kind::Raw, Wire::Http2);
        on_every_host!(@test hyper_http2, $test, Kind::Hyper, Wire::Http2);
    };
    // gRPC has one wire.
    (@grpc $test:ident) => {
        on_every_host!(@test at_home, $test, Kind::Home);
        on_every_host!(@test raw, $test, Kind::Raw);
        on_every_host!(@test hyper, $test, Kind::Hyper);
    };
    (@test $name:ident, $test:ident, $($argument:expr),+) => {
        #[test]
        fn $name() {
            run(super::$test($($argument),+));
        }
    };
}
pub(crate) use on_every_host;
