//! APP-2: the answer is made and thrown away.

use gateway_spec::{Connection, application_fn};

fn main() {
    let _ = application_fn(async |connection: Connection| {
        connection.refuse().await;
    });
}
