//! What tokio, tokio-util, futures and hyper have for readers, writers, streams and sinks, over these.

use std::io::{self, BufRead, Write};

use adapters::io::{BodyReader, BodyWriter, TunnelIo, send_stream};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use gateway_spec::{
    AppError, Application, BodyError, Connection, Done, Http, ResponseHead, application_fn,
};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use test_client::{Exchange, TestClient};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::codec::{Framed, LinesCodec};
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

/// An application that serves every exchange.
fn exchanges<F>(serve: fn(Http) -> F) -> impl Application
where
    F: Future<Output = Result<Done, AppError>> + Send + 'static,
{
    application_fn(move |connection: Connection| async move {
        match connection {
            Connection::Http(http) => serve(http).await,
            other => other.refuse().await,
        }
    })
}

/// More than all buffers on the way.
fn long_body() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n % 251) as u8).collect()
}

/// Sends a long body in parts, and reads what comes back meanwhile.
async fn check_echo(app: impl Application) {
    let client = TestClient::new(app);
    let body = long_body();
    let request = client
        .post("/")
        .body_chunks(body.chunks(7_001).map(<[u8]>::to_vec));
    let reply = request.send().await.unwrap();
    assert!(reply.body == body, "{} bytes came back", reply.body.len());
    assert!(reply.outcome().await.is_done());
    // And of nothing, nothing.
    let reply = client.post("/").send().await.unwrap();
    assert_eq!(reply.body, "");
}

async fn by_tokio_copy(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    tokio::io::copy(&mut BodyReader::new(http.body), &mut out).await?;
    out.into_inner().finish().await
}

async fn by_tokio_copy_buf(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    tokio::io::copy_buf(&mut BodyReader::new(http.body), &mut out).await?;
    out.into_inner().finish().await
}

async fn by_futures_copy(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    futures_util::io::copy(BodyReader::new(http.body), &mut out).await?;
    out.into_inner().finish().await
}

async fn by_futures_copy_buf(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    futures_util::io::copy_buf(BodyReader::new(http.body), &mut out).await?;
    out.into_inner().finish().await
}

async fn by_forward(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    http.body.map_err(io::Error::from).forward(&mut out).await?;
    out.into_inner().finish().await
}

async fn by_stream_reader(http: Http) -> Result<Done, AppError> {
    let mut out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    tokio::io::copy(&mut StreamReader::new(http.body), &mut out).await?;
    out.into_inner().finish().await
}

async fn by_reader_stream(http: Http) -> Result<Done, AppError> {
    let writer = http.responder.start(StatusCode::OK).await?;
    send_stream(writer, ReaderStream::new(BodyReader::new(http.body))).await
}

#[tokio::test]
async fn a_body_goes_back_by_everything_that_copies() {
    check_echo(exchanges(by_tokio_copy)).await;
    check_echo(exchanges(by_tokio_copy_buf)).await;
    check_echo(exchanges(by_futures_copy)).await;
    check_echo(exchanges(by_futures_copy_buf)).await;
    check_echo(exchanges(by_forward)).await;
    check_echo(exchanges(by_stream_reader)).await;
    check_echo(exchanges(by_reader_stream)).await;
}

/// Counts the lines of the body, by code that blocks.
async fn blocking(http: Http) -> Result<Done, AppError> {
    let out = BodyWriter::new(http.responder.start(StatusCode::OK).await?);
    let input = SyncIoBridge::new(BodyReader::new(http.body));
    let mut out = SyncIoBridge::new(out);
    let counting = tokio::task::spawn_blocking(move || {
        for (number, line) in input.lines().enumerate() {
            writeln!(out, "{}: {}", number + 1, line?)?;
        }
        out.flush()?;
        Ok::<_, io::Error>(out.into_inner())
    });
    counting.await??.into_inner().finish().await
}

#[tokio::test]
async fn blocking_code_reads_and_writes_by_a_bridge() {
    let client = TestClient::new(exchanges(blocking));
    let request = client.post("/").body_chunks(["milk\nbr", "ead\n"]);
    let reply = request.send().await.unwrap();
    assert_eq!(reply.text(), "1: milk\n2: bread\n");
}

async fn limited(http: Http) -> Result<Done, AppError> {
    let mut text = String::new();
    BodyReader::new(http.body).read_to_string(&mut text).await?;
    http.responder.respond(text).await
}

#[tokio::test]
async fn an_upload_that_cannot_be_read_on_is_answered_for_by_its_reason() {
    let client = TestClient::new(exchanges(limited));
    for (error, status) in [
        (BodyError::TooLarge { limit: 3 }, 413),
        (BodyError::Timeout, 408),
        (BodyError::Malformed, 400),
    ] {
        let mut exchange = client.post("/").body_to_come().open();
        exchange.send("some").await.unwrap();
        exchange.fail(error);
        assert_eq!(exchange.head().await.unwrap().status, status);
    }
    let mut exchange = client.post("/").body_to_come().open();
    exchange.send("some").await.unwrap();
    let outcome = exchange.reset().outcome().await;
    assert!(outcome.gone().is_some(), "{outcome}");
}

async fn tunnel(http: Http) -> Result<TunnelIo, AppError> {
    let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
        .with_header(header::UPGRADE, HeaderValue::from_static("bytes"));
    Ok(TunnelIo::new(
        http.responder.upgrade(head, http.body).await?,
    ))
}

async fn upgraded(client: &TestClient) -> Exchange {
    let request = client
        .get("/")
        .header("connection", "upgrade")
        .header("upgrade", "bytes");
    let mut exchange = request.open();
    assert_eq!(exchange.head().await.unwrap().status, 101);
    exchange
}

/// All that comes until the end.
async fn rest(exchange: &mut Exchange) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(part) = exchange.chunk().await.unwrap() {
        all.extend_from_slice(&part);
    }
    all
}

/// A protocol of lines: each is answered by itself backwards.
async fn lines(http: Http) -> Result<Done, AppError> {
    let mut lines = Framed::new(tunnel(http).await?, LinesCodec::new_with_max_length(80));
    while let Some(line) = lines.next().await {
        let backwards: String = line?.chars().rev().collect();
        lines.send(backwards).await?;
    }
    lines.into_inner().finish().await
}

#[tokio::test]
async fn a_tunnel_is_framed_by_a_codec() {
    let client = TestClient::new(exchanges(lines));
    let mut exchange = upgraded(&client).await;
    exchange.send("on").await.unwrap();
    exchange.send("e\ntwo\nthr").await.unwrap();
    exchange.send("ee").await.unwrap();
    exchange.half_close();
    assert_eq!(rest(&mut exchange).await, b"eno\nowt\neerht\n");
    assert!(exchange.outcome().await.is_done());
}

/// A proxy to a server that answers each byte by two, and says goodbye once its client has stopped.
async fn proxy(http: Http) -> Result<Done, AppError> {
    let (mut near, mut far) = tokio::io::duplex(64);
    let server = async move {
        let mut byte = [0];
        while far.read(&mut byte).await? > 0 {
            far.write_all(&[byte[0], byte[0]]).await?;
        }
        far.write_all(b"bye").await
    };
    let mut client = tunnel(http).await?;
    let proxy = tokio::io::copy_bidirectional(&mut client, &mut near);
    let (served, copied) = tokio::join!(server, proxy);
    served?;
    copied?;
    client.finish().await
}

#[tokio::test]
async fn a_tunnel_is_joined_to_another_stream() {
    let client = TestClient::new(exchanges(proxy));
    let mut exchange = upgraded(&client).await;
    exchange.send("abc").await.unwrap();
    exchange.half_close();
    assert_eq!(rest(&mut exchange).await, b"aabbccbye");
    assert!(exchange.outcome().await.is_done());
}

/// Half of the connection in each of two tasks.
async fn two_tasks(http: Http) -> Result<Done, AppError> {
    let (mut reading, mut writing) = tokio::io::split(tunnel(http).await?);
    let copying = tokio::spawn(async move {
        tokio::io::copy(&mut reading, &mut writing).await?;
        writing.shutdown().await?;
        Ok::<_, io::Error>(reading.unsplit(writing))
    });
    copying.await??.finish().await
}

#[tokio::test]
async fn a_tunnel_is_split_for_two_tasks() {
    let client = TestClient::new(exchanges(two_tasks));
    let mut exchange = upgraded(&client).await;
    exchange.send("there and back").await.unwrap();
    exchange.half_close();
    assert_eq!(rest(&mut exchange).await, b"there and back");
    assert!(exchange.outcome().await.is_done());
}

/// hyper as a server in the tunnel, which it owns until its connection is over.
async fn hyper_inside(http: Http) -> Result<Done, AppError> {
    let (io, returned) = tunnel(http).await?.lend();
    let service = service_fn(async |request: Request<hyper::body::Incoming>| {
        let text = format!("{} inside", request.uri());
        Ok::<_, io::Error>(hyper::Response::new(http_body_util::Full::<Bytes>::from(
            text,
        )))
    });
    let serving =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(io), service);
    tokio::spawn(serving);
    returned.await.finish().await
}

#[tokio::test]
async fn a_library_that_owns_its_stream_gives_the_tunnel_back_when_it_is_done() {
    let client = TestClient::new(exchanges(hyper_inside));
    let mut exchange = upgraded(&client).await;
    let request = "GET /there HTTP/1.1\r\nhost: inside\r\nconnection: close\r\n\r\n";
    exchange.send(request).await.unwrap();
    let answer = String::from_utf8(rest(&mut exchange).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n/there inside"), "{answer}");
    assert!(exchange.outcome().await.is_done());
}
