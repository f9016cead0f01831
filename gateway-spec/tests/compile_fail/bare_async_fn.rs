//! A function that was not made an application.

use gateway_spec::{AppError, BoxApplication, Connection, Done};

async fn hello(connection: Connection) -> Result<Done, AppError> {
    connection.refuse().await
}

fn main() {
    let _ = BoxApplication::new(hello);
}
