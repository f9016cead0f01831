//! What a response comes to, for each way to answer.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use adapters::tower::ResponseBody;
use gateway_spec::{AppError, BodyError, FileRegion, Http, Response, ResponseHead, SendError};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Body as _;

use super::support::{ask, endless, get, read, read_all, service, soon, turn};
use crate::from_service::support::{Count, fields, settle};

fn with_length(status: StatusCode, length: &'static str) -> ResponseHead {
    ResponseHead::new(status).with_header(header::CONTENT_LENGTH, HeaderValue::from_static(length))
}

#[tokio::test]
async fn a_whole_answer_is_one_frame_of_a_known_size() {
    let service = service(async |http: Http| http.responder.respond("Hello, world!").await);
    let response = ask(&service, get("/")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=utf-8"
    );
    assert_eq!(response.headers()["content-length"], "13");
    let mut body = response.into_body();
    assert_eq!(body.size_hint().exact(), Some(13));
    assert!(!body.is_end_stream());
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "Hello, world!");
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());

    let service = super::support::service(async |http: Http| http.responder.respond("").await);
    let body = ask(&service, get("/")).await.into_body();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
}

#[tokio::test]
async fn a_stream_says_what_was_declared_and_ends_with_its_last_part() {
    let service = service(async |http: Http| {
        let mut writer = http
            .responder
            .start(with_length(StatusCode::OK, "6"))
            .await?;
        writer.write("abc").await?;
        writer.write("def").await?;
        writer.finish().await
    });
    let mut body = ask(&service, get("/")).await.into_body();
    assert_eq!(body.size_hint().exact(), Some(6));
    let frame = soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "abc");
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(!body.is_end_stream());
    let frame = soon(body.frame()).await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "def");
    assert!(
        body.is_end_stream(),
        "so that the last frame can end the stream"
    );
    assert!(soon(body.frame()).await.is_none());
}

#[tokio::test]
async fn a_stream_without_a_length_has_no_size_though_all_of_it_is_there() {
    let service = service(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("abc").await?;
        writer.finish().await
    });
    let response = ask(&service, get("/")).await;
    assert!(!response.headers().contains_key(header::CONTENT_LENGTH));
    let body = response.into_body();
    assert_eq!(body.size_hint().exact(), None);
    let (bytes, end) = read(body).await;
    assert!(end.is_ok());
    assert_eq!(bytes, "abc");
}

#[tokio::test]
async fn the_default_body_is_empty() {
    let body = ResponseBody::default();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert_eq!(read(body).await.0, "");
}

#[tokio::test]
async fn what_has_no_body_says_what_it_may_and_swallows_what_is_written() {
    for (method, version, status, declared, stated, told) in [
        (
            Method::HEAD,
            Version::HTTP_11,
            200,
            Some("9"),
            Some("9"),
            None,
        ),
        (Method::HEAD, Version::HTTP_2, 200, None, None, None),
        (Method::GET, Version::HTTP_11, 204, Some("9"), None, None),
        (
            Method::GET,
            Version::HTTP_11,
            205,
            Some("9"),
            Some("0"),
            None,
        ),
        // hyper's HTTP/1 strikes the field out of a head whose body says that it is empty.
        (
            Method::GET,
            Version::HTTP_11,
            304,
            Some("9"),
            Some("9"),
            Some(9),
        ),
        (
            Method::GET,
            Version::HTTP_2,
            304,
            Some("9"),
            Some("9"),
            None,
        ),
    ] {
        let wrote = Count::default();
        let written = wrote.clone();
        let service = service(move |http: Http| {
            let written = written.clone();
            async move {
                let status = StatusCode::from_u16(status).unwrap();
                let head = match declared {
                    Some(length) => with_length(status, length),
                    None => ResponseHead::new(status),
                };
                let mut writer = http.responder.start(head).await?;
                // More than is kept of any response.
                for _ in 0..10 {
                    writer.write(vec![b'x'; 100_000]).await?;
                    tokio::task::yield_now().await;
                }
                writer.flush().await?;
                let done = writer.finish().await?;
                written.add();
                Ok(done)
            }
        });
        let request = Request::builder().method(method.clone()).version(version);
        let response = ask(&service, request.body(Empty::new()).unwrap()).await;
        let what = format!("{method} {version:?} {status}");
        let length = response.headers().get(header::CONTENT_LENGTH);
        assert_eq!(
            length.map(|length| length.to_str().unwrap()),
            stated,
            "{what}"
        );
        let body = response.into_body();
        assert_eq!(body.size_hint().exact(), told, "{what}");
        assert_eq!(body.is_end_stream(), told.is_none(), "{what}");
        // As hyper does, which does not ask for any of it.
        drop(body);
        soon(wrote.reach(1)).await;
    }
}

#[tokio::test]
async fn a_whole_answer_to_head_states_its_length() {
    let service = service(async |http: Http| http.responder.respond("Hello, world!").await);
    let request = Request::head("/").body(Empty::new()).unwrap();
    let response = ask(&service, request).await;
    assert_eq!(response.headers()["content-length"], "13");
    assert!(response.body().is_end_stream());
    assert_eq!(read(response.into_body()).await.0, "");
}

#[tokio::test(start_paused = true)]
async fn an_endless_answer_to_head_comes_to_an_end() {
    let left = Count::default();
    let count = left.clone();
    let service = service(move |http: Http| {
        let count = count.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            let _counts = count.on_drop();
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                writer.write("tick\n").await?;
            }
        }
    });
    let request = Request::head("/").body(Empty::new()).unwrap();
    drop(ask(&service, request).await);
    tokio::time::sleep(std::time::Duration::from_secs(29)).await;
    assert_eq!(left.get(), 0, "a body that ends may take its time");
    soon(left.reach(1)).await;
}

#[tokio::test]
async fn the_connection_is_not_the_application_s() {
    let service = service(async |http: Http| {
        let response = Response::new("x")
            .with_header(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            )
            .with_header(
                HeaderName::from_static("keep-alive"),
                HeaderValue::from_static("x"),
            )
            .with_header(header::UPGRADE, HeaderValue::from_static("x"))
            .with_header(header::CONNECTION, HeaderValue::from_static("x, close"));
        http.responder.respond(response).await
    });
    let response = ask(&service, get("/")).await;
    let expected = fields([("connection", "close"), ("content-length", "1")]);
    assert_eq!(*response.headers(), expected);
}

#[tokio::test]
async fn heads_lengths_and_order_are_judged() {
    let service = service(async |mut http: Http| {
        assert!(http.responder.inform(StatusCode::EARLY_HINTS).await.is_ok());
        let no_hint = http.responder.inform(StatusCode::OK).await;
        assert_eq!(no_hint, Err(SendError::BadHead));
        let mut writer = http
            .responder
            .start(with_length(StatusCode::OK, "3"))
            .await?;
        let too_much = writer.write("abcd").await;
        assert_eq!(too_much, Err(SendError::TooMuch { declared: 3 }));
        writer.write("ab").await?;
        writer.finish().await
    });
    let body = ask(&service, get("/")).await.into_body();
    let (bytes, end) = soon(read(body)).await;
    assert_eq!(bytes, "ab");
    assert!(end.is_err(), "a byte is missing");

    let service = super::support::service(async |http: Http| {
        http.responder
            .respond(with_length(StatusCode::OK, "+3"))
            .await
    });
    assert_eq!(ask(&service, get("/")).await.status(), 500);
}

#[tokio::test]
async fn trailers_are_sent_where_the_client_takes_them() {
    let name = HeaderName::from_static("x-sum");
    let te: Option<&str> = None;
    for (version, te, announced, expected) in [
        (Version::HTTP_11, Some("trailers"), true, true),
        (Version::HTTP_11, Some("trailers"), false, false),
        (Version::HTTP_11, te, true, false),
        (Version::HTTP_10, Some("trailers"), true, false),
        (Version::HTTP_2, None, false, true),
    ] {
        let name = name.clone();
        let service = service(move |http: Http| {
            let name = name.clone();
            async move {
                assert_eq!(
                    http.scope.connection.capabilities.trailers(),
                    version > Version::HTTP_10
                );
                let names = announced.then_some(std::slice::from_ref(&name));
                let mut writer = http
                    .responder
                    .start_with_trailers(StatusCode::OK, names)
                    .await?;
                writer.write("abc").await?;
                writer.finish_with_trailers(fields([("x-sum", "7")])).await
            }
        });
        let mut request = Request::get("/").version(version);
        if let Some(te) = te {
            request = request.header("te", te);
        }
        let response = ask(&service, request.body(Empty::new()).unwrap()).await;
        assert_eq!(response.headers().contains_key(header::TRAILER), announced);
        let (bytes, trailers, end) = read_all(response.into_body()).await;
        assert!(end.is_ok());
        assert_eq!(bytes, "abc");
        let what = format!("{version:?} {te:?} {announced}");
        assert_eq!(
            trailers,
            expected.then(|| fields([("x-sum", "7")])),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_trailer_that_frames_is_refused() {
    let service = service(async |http: Http| {
        let writer = http
            .responder
            .start_with_trailers(StatusCode::OK, None)
            .await?;
        let bad: HeaderMap = fields([("content-length", "7")]);
        writer.finish_with_trailers(bad).await
    });
    let request = Request::get("/").version(Version::HTTP_2);
    let response = ask(&service, request.body(Empty::new()).unwrap()).await;
    assert!(read(response.into_body()).await.1.is_err());
}

#[tokio::test]
async fn who_does_not_start_is_answered_for() {
    type Answer = fn(
        Http,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<gateway_spec::Done, AppError>> + Send>,
    >;
    let too_large: Answer = |http| {
        Box::pin(async move {
            drop(http);
            Err(BodyError::TooLarge { limit: 1 }.into())
        })
    };
    let status: Answer = |_| Box::pin(async { Err(AppError::status(StatusCode::IM_A_TEAPOT)) });
    let panics: Answer = |_| Box::pin(async { panic!("on purpose") });
    let forgets: Answer = |http| {
        Box::pin(async move {
            drop(http);
            std::future::pending().await
        })
    };
    for (app, expected) in [
        (too_large, 413),
        (status, 418),
        (panics, 500),
        (forgets, 500),
    ] {
        let service = service(app);
        let response = soon(ask(&service, get("/"))).await;
        assert_eq!(response.status(), expected);
        let (bytes, end) = read(response.into_body()).await;
        assert!(end.is_ok());
        assert!(bytes.starts_with(expected.to_string().as_bytes()));
    }
}

#[tokio::test]
async fn who_stops_in_the_middle_is_cut_off_behind_what_was_accepted() {
    type End = fn(gateway_spec::Writer) -> Result<gateway_spec::Done, AppError>;
    let aborts: End = |writer| Ok(writer.abort());
    let fails: End = |_| Err(AppError::message("it broke"));
    let panics: End = |_| panic!("on purpose");
    for end in [aborts, fails, panics] {
        for waits in [false, true] {
            let service = service(move |http: Http| async move {
                let mut writer = http.responder.start(StatusCode::OK).await?;
                writer.write("abc").await?;
                if waits {
                    tokio::task::yield_now().await;
                }
                end(writer)
            });
            let (bytes, end) =
                soon(async { read(ask(&service, get("/")).await.into_body()).await }).await;
            assert_eq!(bytes, "abc");
            let error = end.unwrap_err();
            let cause = AppError::from(error).gone();
            assert_eq!(cause, Some(gateway_spec::Gone::Aborted));
        }
    }
}

#[tokio::test]
async fn a_cut_comes_a_turn_behind_the_last_part() {
    let service = service(async |http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        writer.write("abc").await?;
        Ok(writer.abort())
    });
    let mut body = ask(&service, get("/")).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    let mut last = body.frame();
    assert!(
        turn(&mut last).is_pending(),
        "hyper sends what it has while it waits"
    );
    assert!(soon(last).await.unwrap().is_err());
}

#[tokio::test]
async fn an_abort_before_the_start_is_a_body_that_fails_at_once() {
    let service = service(async |http: Http| Ok(http.responder.abort()));
    let response = ask(&service, get("/")).await;
    assert_eq!(response.status(), 500);
    let mut body = response.into_body();
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), None);
    let mut first = body.frame();
    let std::task::Poll::Ready(Some(Err(error))) = turn(&mut first) else {
        panic!("hyper sends the head before a body that lets wait");
    };
    assert_eq!(error.to_string(), "the response is cut off");
}

fn file(length: usize) -> Arc<File> {
    let path = std::env::temp_dir().join(format!("into-service-{}-{length}", std::process::id()));
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
    file.write_all(&bytes).unwrap();
    Arc::new(file)
}

#[tokio::test]
async fn a_region_of_a_file_is_sent_in_pieces() {
    let file = file(300_000);
    let service = service(move |http: Http| {
        let file = Arc::clone(&file);
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("before").await?;
            writer
                .write_file(FileRegion {
                    file,
                    offset: 1_000,
                    length: 250_000,
                })
                .await?;
            writer.write("behind").await?;
            writer.finish().await
        }
    });
    let mut body = ask(&service, get("/")).await.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = soon(body.frame()).await {
        let part = frame.unwrap().into_data().unwrap();
        assert!(part.len() <= 64 * 1024, "{}", part.len());
        bytes.extend_from_slice(&part);
    }
    let expected: Vec<u8> = (1_000..251_000).map(|n| (n % 251) as u8).collect();
    assert!(bytes == [b"before", &expected[..], b"behind"].concat());
}

#[tokio::test]
async fn a_file_that_is_too_short_cuts_the_response_off() {
    let file = file(100);
    let service = service(move |http: Http| {
        let file = Arc::clone(&file);
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer
                .write_file(FileRegion {
                    file,
                    offset: 0,
                    length: 101,
                })
                .await?;
            writer.finish().await
        }
    });
    let body = ask(&service, get("/")).await.into_body();
    assert!(soon(read(body)).await.1.is_err());
}

#[tokio::test]
async fn a_body_that_is_not_read_holds_its_application_up_at_the_bound() {
    let wrote = Count::default();
    let service = endless(&wrote);
    let mut body = ask(&service, get("/")).await.into_body();
    settle().await;
    assert_eq!(wrote.get(), 64, "64 KiB");
    assert!(body.frame().await.unwrap().is_ok());
    settle().await;
    assert_eq!(wrote.get(), 64, "who has a frame may not have passed it on");
    assert!(body.frame().await.unwrap().is_ok());
    settle().await;
    assert_eq!(wrote.get(), 65);
}

#[tokio::test]
async fn a_flush_waits_until_the_outer_server_asks_for_more() {
    let flushed = Count::default();
    let count = flushed.clone();
    let service = service(move |http: Http| {
        let count = count.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("abc").await?;
            writer.flush().await?;
            count.add();
            writer.finish().await
        }
    });
    let mut body = ask(&service, get("/")).await.into_body();
    settle().await;
    assert_eq!(flushed.get(), 0);
    assert!(body.frame().await.unwrap().is_ok());
    settle().await;
    assert_eq!(flushed.get(), 0);
    assert!(soon(body.frame()).await.is_none());
    assert_eq!(flushed.get(), 1);
}
