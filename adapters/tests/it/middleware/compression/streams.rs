//! Answers that are streamed: nothing waits, nothing is lost, and leaving is noticed.

use std::fs;
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::Poll;

use adapters::middleware::compress;
use bytes::Bytes;
use gateway_spec::{
    Accept, AppError, Application, CloseCode, Connection, FileRegion, Gone, Http, Response,
    ResponseHead, SendError, WebSocket,
};
use http::{HeaderValue, StatusCode, header};
use test_client::{Exchange, Outcome, Peer, TestClient};
use tokio::sync::Notify;

use super::{decode, decoded, text};
use crate::middleware::support::{Silent, http_app, scope, socket_app};
use crate::support::turn;

fn events() -> ResponseHead {
    ResponseHead::new(StatusCode::OK).with_header(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    )
}

fn open(app: impl Application, coding: &str) -> Exchange {
    let client = TestClient::new(compress(app));
    client.get("/").header("accept-encoding", coding).open()
}

#[tokio::test]
async fn each_event_arrives_before_the_next_is_made() {
    for coding in ["br", "zstd", "gzip"] {
        let next = Arc::new(Notify::new());
        let asked = Arc::clone(&next);
        let app = http_app(move |http: Http| {
            let asked = Arc::clone(&asked);
            async move {
                let mut writer = http.responder.start(events()).await?;
                for n in 0..5 {
                    asked.notified().await;
                    writer.write(format!("data: {n}\n\n")).await?;
                }
                writer.finish().await
            }
        });
        let mut exchange = open(app, coding);
        // The head goes out before there is anything to code.
        let head = exchange.head().await.unwrap();
        assert_eq!(head.headers.get_str("content-encoding"), Some(coding));
        let mut coded = Vec::new();
        for n in 0..5 {
            next.notify_one();
            let expected: String = (0..=n).map(|n| format!("data: {n}\n\n")).collect();
            while seen(coding, &coded) != expected.as_bytes() {
                coded.extend_from_slice(&exchange.chunk().await.unwrap().unwrap());
            }
        }
        while let Some(part) = exchange.chunk().await.unwrap() {
            coded.extend_from_slice(&part);
        }
        assert_eq!(decode(Some(coding), &coded).len(), 5 * 9);
    }
}

/// What a client can decode of a stream so far.
fn seen(coding: &str, coded: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn Read + '_> = match coding {
        "br" => Box::new(brotli::Decompressor::new(coded, 64)),
        "zstd" => Box::new(zstd::Decoder::new(coded).unwrap()),
        _ => Box::new(flate2::read::GzDecoder::new(coded)),
    };
    let (mut plain, mut byte) = (Vec::new(), [0]);
    while let Ok(1) = reader.read(&mut byte) {
        plain.push(byte[0]);
    }
    plain
}

#[tokio::test]
async fn parts_of_all_sizes_are_the_same() {
    let sizes = [1, 0, 100, 70_000, 3, 8 * 1024, 300_000, 8 * 1024 - 1];
    let app = http_app(move |http: Http| async move {
        let mut writer = http.responder.start(events()).await?;
        for size in sizes {
            writer.write(text(size)).await?;
        }
        writer.flush().await?;
        writer.finish().await
    });
    for coding in ["br", "zstd", "gzip"] {
        let reply = open(app.clone(), coding).reply().await.unwrap();
        let expected: Vec<u8> = sizes.iter().flat_map(|size| text(*size)).collect();
        assert!(decoded(&reply) == expected, "{coding}");
        assert!(reply.outcome().await.is_done());
    }
}

#[tokio::test]
async fn what_is_written_from_a_buffer_is_coded_too() {
    let app = adapters::sync(gateway_spec::sync_application_fn(
        |http: gateway_spec::SyncHttp| {
            let mut writer = http.responder.start(events())?;
            writer.write_all(&text(200_000))?;
            writer.finish()
        },
    ));
    let reply = open(app, "gzip").reply().await.unwrap();
    assert!(decoded(&reply) == text(200_000));
}

#[tokio::test]
async fn a_region_of_a_file_is_coded() {
    let path = format!(
        "{}/coded-{}",
        env!("CARGO_TARGET_TMPDIR"),
        std::process::id()
    );
    fs::write(&path, text(500_000)).unwrap();
    let file = Arc::new(fs::File::open(&path).unwrap());
    fs::remove_file(&path).unwrap();
    let app = http_app(move |http: Http| {
        let file = Arc::clone(&file);
        async move {
            let length = if http.scope.path() == "/short" {
                500_000
            } else {
                300_000
            };
            let mut writer = http.responder.start(events()).await?;
            writer.write("before").await?;
            writer
                .write_file(FileRegion {
                    file,
                    offset: 100_000,
                    length,
                })
                .await?;
            writer.write("after").await?;
            writer.finish().await
        }
    });
    let client = TestClient::new(compress(app));
    let request = client.get("/").header("accept-encoding", "zstd");
    let reply = request.send().await.unwrap();
    let expected = [b"before", &text(500_000)[100_000..400_000], b"after"].concat();
    assert!(decoded(&reply) == expected);
    // It is shorter than was said.
    let request = client.get("/short").header("accept-encoding", "zstd");
    let broken = request.send().await.unwrap_err();
    assert_eq!(broken.partial().unwrap().status, 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_application_back() {
    let (sent, written) = mpsc::channel();
    let app = http_app(move |http: Http| {
        let sent = sent.clone();
        async move {
            let mut writer = http.responder.start(events()).await?;
            // None of it was there before, so each part takes room.
            for part in text(3_000_000).chunks(10_000) {
                writer.write(Bytes::copy_from_slice(part)).await?;
                sent.send(()).unwrap();
            }
            writer.finish().await
        }
    });
    let client = TestClient::new(compress(app));
    let request = client.get("/").header("accept-encoding", "gzip");
    let mut exchange = request.peer(Peer::new().window(1000)).open();
    exchange.head().await.unwrap();
    // Until all are full: no turn of anybody's changes anything.
    let mut count = 0;
    loop {
        let before = count;
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        count += written.try_iter().count();
        if count == before && count > 0 {
            break;
        }
    }
    assert!(
        count < 20,
        "{count} parts of 10,000 bytes for a client that takes none"
    );
    let left = exchange.reset();
    assert!(left.outcome().await.gone().is_some());
}

#[tokio::test]
async fn an_application_that_fails_in_the_middle_is_cut_off_behind_what_it_sent() {
    type Way = fn(&str) -> Result<(), AppError>;
    let ways: [(&str, Way); 2] = [
        ("fails", |_| Err(AppError::message("it broke"))),
        ("panics", |text| panic!("{text}")),
    ];
    for (how, way) in ways {
        let app = http_app(move |http: Http| async move {
            let mut writer = http.responder.start(events()).await?;
            writer.write("data: last words\n\n").await?;
            way("it broke")?;
            writer.finish().await
        });
        let broken = open(app, "gzip").reply().await.unwrap_err();
        let partial = broken.partial().unwrap();
        assert_eq!(
            seen("gzip", &partial.body),
            b"data: last words\n\n",
            "{how}"
        );
        assert!(
            broken.outcome().await.to_string().contains("it broke"),
            "{how}"
        );
    }
}

#[tokio::test]
async fn a_panic_after_a_whole_answer_does_not_take_it_back() {
    let app = http_app(async |http: Http| {
        let done = http
            .responder
            .respond(Response::text(text(100_000)))
            .await?;
        if done_is_made() {
            panic!("afterwards");
        }
        Ok(done)
    });
    let reply = open(app, "br").reply().await.unwrap();
    assert!(decoded(&reply) == text(100_000));
    assert!(matches!(reply.outcome().await, Outcome::Panicked(text) if text == "afterwards"));
}

const fn done_is_made() -> bool {
    true
}

#[tokio::test]
async fn the_order_of_events_is_still_kept() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let app = http_app(move |http: Http| {
        let notes = Arc::clone(&notes);
        async move {
            let gone = http.body.gone();
            let mut writer = http.responder.start(events()).await?;
            writer.write(text(3000)).await?;
            let done = writer.finish().await?;
            let why = gone.await;
            notes.lock().unwrap().push(why);
            Ok(done)
        }
    });
    let reply = open(app, "gzip").reply().await.unwrap();
    assert!(decoded(&reply) == text(3000));
    reply.outcome().await;
    assert_eq!(*seen.lock().unwrap(), [Gone::Finished]);
}

#[tokio::test]
async fn a_handle_that_outlives_the_call_is_dead() {
    let silent = Arc::new(Silent::default());
    let kept = Arc::new(std::sync::Mutex::new(None));
    let place = Arc::clone(&kept);
    let app = http_app(move |http: Http| {
        let place = Arc::clone(&place);
        async move {
            let writer = http.responder.start(events()).await?;
            *place.lock().unwrap() = Some(writer);
            Err(AppError::message("it left its writer behind"))
        }
    });
    let app = compress(app);
    let mut scope = scope("/");
    scope
        .headers
        .append(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    {
        let mut call = pin!(app.call(Connection::Http(silent.exchange(scope))));
        assert!(matches!(turn(call.as_mut()), Poll::Ready(Err(_))));
    }
    assert_eq!(silent.calls(), "start 200 true; abort Dropped");
    let mut writer = kept.lock().unwrap().take().unwrap();
    assert_eq!(writer.send("late"), Err(SendError::Gone(Gone::Aborted)));
    drop(writer);
    assert_eq!(silent.calls(), "");
}

#[tokio::test]
async fn work_in_another_task_is_coded_as_well() {
    let app = http_app(async |http: Http| {
        let task = tokio::spawn(async move {
            let mut writer = http.responder.start(events()).await?;
            for _ in 0..20 {
                tokio::task::yield_now().await;
                writer.write(text(10_000)).await?;
            }
            writer.finish().await
        });
        task.await?
    });
    let reply = open(app, "zstd").reply().await.unwrap();
    assert_eq!(decoded(&reply).len(), 200_000);
}

#[tokio::test]
async fn sockets_and_tunnels_pass() {
    let app = socket_app(async |socket: WebSocket| {
        let mut socket = socket.handshake.accept(Accept::new()).await?;
        socket.send("hello").await?;
        socket.close(CloseCode::NORMAL, "").await
    });
    let client = TestClient::new(compress(app));
    let mut socket = client.websocket("/").connect().await.unwrap();
    assert_eq!(socket.text().await.unwrap(), "hello");
    let app = http_app(async |http: Http| {
        let head = ResponseHead::new(StatusCode::SWITCHING_PROTOCOLS)
            .with_header(header::UPGRADE, HeaderValue::from_static("echo"));
        let mut tunnel = http.responder.upgrade(head, http.body).await?;
        while let Some(bytes) = tunnel.read().await? {
            tunnel.write(bytes).await?;
        }
        tunnel.finish().await
    });
    let client = TestClient::new(compress(app));
    let request = client
        .get("/")
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let mut exchange = request.header("accept-encoding", "gzip").open();
    assert_eq!(exchange.head().await.unwrap().status, 101);
    exchange.send("ping").await.unwrap();
    assert_eq!(exchange.chunk().await.unwrap(), Some(Bytes::from("ping")));
}
