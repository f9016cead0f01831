//! An application that panics at each point of an exchange.

use gateway_spec::types::{HeaderValue, StatusCode, header};
use gateway_spec::{AppError, Done, Http, ResponseHead};

/// The points before an answer was started, and those after.
pub(crate) const BEFORE: &[&str] = &[
    "at-once",
    "body-dropped",
    "body-begun",
    "body-read",
    "informed",
];
pub(crate) const AFTER: &[&str] = &["started", "written", "flushed"];

/// Panics where it is told to; an answer that was finished before is `finished`.
pub(super) async fn panics(point: &str, http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        mut responder,
        ..
    } = http;
    match point {
        "body-dropped" => drop(body),
        "body-begun" => drop(body.chunk().await?),
        "body-read" => drop(body.collect(1024).await?),
        "informed" => {
            let hint = ResponseHead::new(StatusCode::EARLY_HINTS)
                .with_header(header::LINK, HeaderValue::from_static("</a>; rel=preload"));
            responder.inform(hint).await?;
        }
        "started" => {
            let _writer = responder.start(StatusCode::OK).await?;
            on_purpose();
        }
        "written" => {
            let mut writer = responder.start(StatusCode::OK).await?;
            writer.write("partial").await?;
            on_purpose();
        }
        "flushed" => {
            let mut writer = responder.start(StatusCode::OK).await?;
            writer.write("partial").await?;
            writer.flush().await?;
            on_purpose();
        }
        "finished" => drop(responder.respond("finished").await?),
        "tunnel" => {
            let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
                .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
            let mut tunnel = responder.upgrade(head, body).await?;
            tunnel.write("open").await?;
            on_purpose();
        }
        _ => {}
    }
    on_purpose()
}

fn on_purpose() -> ! {
    panic!("the peer panics on purpose")
}
