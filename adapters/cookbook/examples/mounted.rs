//! The notice board as an application of the contract, inside of axum, on axum's own server.
//!
//! ```sh
//! cargo run -p cookbook --example mounted
//! ```
#![forbid(unsafe_code)]

use cookbook::axum::Board;
use cookbook::mounted::serve;
use cookbook::native::Native;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:8000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let stopped = async {
        // Where it cannot be waited for, there is nothing to wait for.
        let _ = tokio::signal::ctrl_c().await;
    };
    Ok(serve(Native::new(Board::new()), listener, stopped).await?)
}
