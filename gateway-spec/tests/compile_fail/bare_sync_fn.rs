//! A function that was not made a synchronous application.

use gateway_spec::{AppError, Done, SyncApplication, SyncHttp};

fn hello(http: SyncHttp) -> Result<Done, AppError> {
    http.responder.respond("Hello, world!")
}

fn serve(_: impl SyncApplication) {}

fn main() {
    serve(hello);
}
