//! Two parts at once by one writer: their order would be chance.

use gateway_spec::{AppError, Done, Writer};

async fn app(mut writer: Writer) -> Result<Done, AppError> {
    let first = writer.write("one");
    let second = writer.write("two");
    second.await?;
    first.await?;
    writer.finish().await
}

fn main() {
    let _ = app;
}
