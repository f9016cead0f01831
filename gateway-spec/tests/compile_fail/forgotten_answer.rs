//! APP-2: a request that is read and not answered.

use gateway_spec::{AppError, Connection, Done};

async fn app(connection: Connection) -> Result<Done, AppError> {
    let Connection::Http(mut http) = connection else {
        return connection.refuse().await;
    };
    http.body.collect(1024).await?;
    Ok(())
}

fn main() {
    let _ = gateway_spec::application_fn(app);
}
