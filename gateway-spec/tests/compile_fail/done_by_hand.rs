//! APP-2: a proof without an answer.

use gateway_spec::{AppError, Connection, Done};

async fn app(_: Connection) -> Result<Done, AppError> {
    Ok(Done(()))
}

async fn other(_: Connection) -> Result<Done, AppError> {
    Ok(Done::default())
}

fn main() {
    let _ = (app, other);
}
