//! Bodies, writers and tunnels as the traits of tokio and of futures.
