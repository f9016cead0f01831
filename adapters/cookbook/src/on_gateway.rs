//! What an application tells a gateway server of itself, beyond being one: what `main` has besides the line that serves.

use adapters::tower::{FromService, from_service};
use gateway::{Application, Connection, State, application_fn};
use tonic::transport::server::TcpConnectInfo;

use crate::axum::Board;

/// A lifespan that tells the board when the server begins to stop: what `with_graceful_shutdown` is for under
/// `axum::serve`, and `serve_with_shutdown` under tonic's server.
///
/// # Examples
///
/// ```no_run
/// use adapters::tower::from_service;
/// use cookbook::axum::{Board, Settings, app};
/// use cookbook::on_gateway::closing;
///
/// fn main() -> std::process::ExitCode {
///     let board = Board::new();
///     let router = app(board.clone(), &Settings::default());
///     gateway::run(from_service(router).with_lifespan(closing(board)))
/// }
/// ```
pub fn closing(board: Board) -> impl Application {
    application_fn(move |connection| {
        let board = board.clone();
        async move {
            let Connection::Lifespan(lifespan) = connection else {
                return connection.refuse().await;
            };
            let drain = lifespan.scope.drain();
            let running = lifespan.started(State::new());
            drain.await;
            board.close();
            running.shutdown_requested().await;
            Ok(running.stopped())
        }
    })
}

/// tonic's routes, or a router with them in it, as an application: what [`from_service`] makes of them, with the addresses where
/// `tonic::Request::remote_addr` looks for them.
///
/// # Examples
///
/// ```no_run
/// use cookbook::axum::Board;
/// use cookbook::on_gateway::grpc;
/// use cookbook::tonic::routes;
///
/// fn main() -> std::process::ExitCode {
///     gateway::run(grpc(routes(Board::new())))
/// }
/// ```
pub fn grpc<S: 'static>(service: S) -> FromService<S> {
    from_service(service).with_request(|scope, parts| {
        let connection = &scope.connection;
        parts.extensions.insert(TcpConnectInfo {
            local_addr: connection.server.as_ref().and_then(|server| server.tcp()),
            remote_addr: connection.client.as_ref().and_then(|client| client.tcp()),
        });
    })
}
