//! APP-2: the same with an async block.

use gateway_spec::{BoxApplication, application_fn};

fn main() {
    let _ = BoxApplication::new(application_fn(|connection| async move {
        connection.refuse().await?;
    }));
}
