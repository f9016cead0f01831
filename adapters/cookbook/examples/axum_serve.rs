//! The notice board of `cookbook::axum` on the server that it was written for, to compare.
//!
//! ```sh
//! cargo run -p cookbook --example axum_serve
//! ```
#![forbid(unsafe_code)]

use std::io;
use std::net::SocketAddr;

use cookbook::axum::{Board, Settings, app};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let board = Board::new();
    let router = app(board.clone(), &Settings::default());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut terminate = signal(SignalKind::terminate())?;
    let stopped = async move {
        tokio::select! {
            // That they cannot be waited for is no reason to stop.
            Ok(()) = tokio::signal::ctrl_c() => {}
            Some(()) = terminate.recv() => {}
        }
        board.close();
    };
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
}
