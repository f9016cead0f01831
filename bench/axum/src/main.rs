//! One axum application, under `axum::serve` and on both servers: `bench-axum SERVER APP PORT`.
//!
//! SERVER is `axum`, `raw` or `hyper`; APP is `bare`, or `layers` for the two that most applications wear. All of them have one
//! thread, nodelay sockets, and logs of the level `info`.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

use adapters::tower::from_service;
use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower_http::compression::CompressionLayer;
use tower_http::trace::TraceLayer;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, app, port] = arguments.as_slice() else {
        return usage();
    };
    let bare = Router::new().route("/", get(async || "Hello, world!"));
    let app = match app.as_str() {
        "bare" => bare,
        "layers" => bare
            .layer(CompressionLayer::new())
            .layer(TraceLayer::new_for_http()),
        _ => return usage(),
    };
    match server.as_str() {
        "axum" => match by_axum(app, port) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        },
        "raw" | "hyper" => {
            let flags = format!("--bind 127.0.0.1:{port} --workers 1 --access-log off");
            let flags = ["bench-axum", "--server", server]
                .into_iter()
                .chain(flags.split(' '));
            gateway::run_from(from_service(app), flags)
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: bench-axum axum|raw|hyper bare|layers PORT");
    ExitCode::from(2)
}

/// As the launcher of the two servers, as far as it matters here.
fn by_axum(app: Router, port: &str) -> io::Result<()> {
    let logs = tracing_subscriber::fmt().with_env_filter(EnvFilter::new("info"));
    logs.with_writer(io::stderr).init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
        let listener = listener.tap_io(|stream| {
            // A socket without it serves as well.
            let _ = stream.set_nodelay(true);
        });
        tokio::select! {
            served = async { axum::serve(listener, app).await } => served,
            _ = terminate.recv() => Ok(()),
        }
    })
}
