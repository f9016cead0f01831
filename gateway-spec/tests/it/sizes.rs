//! How large the types are that every request moves, in bytes on a 64-bit machine. A larger one is a slower one:
//! `bench/contract` says by how much.

use gateway_spec::{
    AppError, BodyError, Connection, Done, Finish, Headers, Http, HttpReceive, HttpSend, Message,
    Plain, RequestBody, Respond, Responder, Response, Scope, SendError, SendMessage, Sending,
    Start, WebSocketReceive, WebSocketSend, Writer,
};
use http::StatusCode;

use crate::support::exchange;

macro_rules! check {
    ($($kind:ty = $bytes:literal),* $(,)?) => {
        $(assert_eq!(size_of::<$kind>(), $bytes, stringify!($kind));)*
    };
}

#[test]
#[cfg(target_pointer_width = "64")]
fn what_every_request_moves_stays_small() {
    check! {
        Connection = 72,
        Http = 72,
        Scope = 8,
        RequestBody = 48,
        Responder = 16,
        Writer = 16,
        Headers = 168,
        Response = 208,
        HttpSend = 240,
        HttpReceive = 96,
        Message = 40,
        WebSocketSend = 208,
        WebSocketReceive = 48,
        SendError = 16,
        BodyError = 16,
        Result<Done, AppError> = 8,
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn what_an_application_waits_for_stays_small() {
    check! {
        Respond = 256,
        Start<Plain> = 264,
        Sending<'_> = 56,
        Finish = 32,
        SendMessage<'_> = 48,
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn an_applications_future_is_little_more_than_what_it_holds() {
    async fn whole(http: Http) -> Result<Done, AppError> {
        http.responder.respond("Hello, world!").await
    }
    async fn stream(mut http: Http) -> Result<Done, AppError> {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        while let Some(chunk) = http.body.chunk().await? {
            writer.write(chunk).await?;
        }
        writer.finish().await
    }
    assert!(size_of_val(&whole(exchange([]).0)) <= 416);
    assert!(size_of_val(&stream(exchange([]).0)) <= 432);
}
