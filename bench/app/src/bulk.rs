//! Bodies in many pieces, both ways.

use bytes::Bytes;
use gateway::types::StatusCode;
use gateway::types::header::CONTENT_LENGTH;
use gateway::{AppError, Done, Http, Responder, ResponseHead};

/// `GET /stream` has so many chunks, and each so many bytes.
const CHUNKS: usize = 64;
static CHUNK: [u8; 1024] = [b'x'; 1024];

/// As much as `GET /bytes/{n}` writes at once.
static PIECE: [u8; 64 * 1024] = [b'x'; 64 * 1024];

pub(crate) async fn echo(http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let mut writer = responder.start(ResponseHead::new(StatusCode::OK)).await?;
    while let Some(chunk) = body.chunk().await? {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

pub(crate) async fn stream(responder: Responder) -> Result<Done, AppError> {
    let mut writer = responder.start(ResponseHead::new(StatusCode::OK)).await?;
    for _ in 0..CHUNKS {
        writer.write(Bytes::from_static(&CHUNK)).await?;
    }
    writer.finish().await
}

pub(crate) async fn bytes(responder: Responder, count: u64) -> Result<Done, AppError> {
    let head = ResponseHead::new(StatusCode::OK).with_header(CONTENT_LENGTH, count.into());
    let mut writer = responder.start(head).await?;
    let mut left = count;
    while left > 0 {
        let piece = Bytes::from_static(&PIECE);
        // What is left fits wherever a piece does.
        let piece = piece.slice(..left.min(PIECE.len() as u64) as usize);
        left -= piece.len() as u64;
        writer.write(piece).await?;
    }
    writer.finish().await
}

pub(crate) async fn sink(http: Http) -> Result<Done, AppError> {
    let Http {
        mut body,
        responder,
        ..
    } = http;
    let mut count = 0;
    while let Some(chunk) = body.chunk().await? {
        count += chunk.len() as u64;
    }
    responder.respond(count.to_string()).await
}
