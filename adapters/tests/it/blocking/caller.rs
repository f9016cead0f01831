//! One call: what the application is told, and what the thread gets.

use std::io::{ErrorKind, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use adapters::blocking::{CallErrorKind, Caller, CallerSettings, Upload};
use gateway_spec::{AppError, BodyLength, FileRegion, Gone, Http, WorkerThread};
use http::{Method, Request, StatusCode, Version, header};

use super::{caller, told};

#[test]
fn an_application_is_told_what_it_would_be_behind_a_wire() {
    let caller = caller(async |http: Http| {
        let scope = &http.scope;
        let fields = scope.headers.iter();
        let fields: Vec<_> = fields
            .map(|(name, value)| format!("{name}={}", value.escape_ascii()))
            .collect();
        let seen = format!(
            "{} {} {:?} {} {:?} {:?} {:?}",
            scope.method,
            scope.uri,
            scope.version,
            scope.connection.scheme,
            scope.body,
            scope.extensions.get::<u8>(),
            fields,
        );
        http.responder.respond(seen).await
    });
    let request = |builder: http::request::Builder| builder.body(()).unwrap();
    for (request, seen) in [
        (
            request(Request::get("/a?b")),
            r#"GET /a?b HTTP/1.1 http Empty None ["host=localhost"]"#,
        ),
        (
            request(
                Request::delete("https://user@a.example:8443/x")
                    .header("x", "y")
                    .extension(7_u8),
            ),
            r#"DELETE /x HTTP/1.1 https Empty Some(7) ["x=y", "host=a.example:8443"]"#,
        ),
        (
            request(
                Request::options("*")
                    .header("host", "b")
                    .header("content-length", "5"),
            ),
            r#"OPTIONS * HTTP/1.1 http Empty None ["host=b"]"#,
        ),
        (
            request(Request::get("http://a.example").version(Version::HTTP_2)),
            r#"GET / HTTP/2.0 http Empty None ["host=a.example"]"#,
        ),
        (
            request(
                Request::builder()
                    .method(Method::CONNECT)
                    .uri("a.example:443"),
            ),
            r#"CONNECT a.example:443 HTTP/1.1 http Empty None ["host=a.example:443"]"#,
        ),
    ] {
        assert_eq!(
            caller
                .request(request)
                .unwrap()
                .body_mut()
                .text(1000)
                .unwrap(),
            seen
        );
    }
}

#[test]
fn the_body_says_how_long_it_is() {
    let caller = caller(async |mut http: Http| {
        let stated = ["content-length", "transfer-encoding"]
            .map(|name| http.scope.headers.get_str(name).map(str::to_owned));
        let body = http.body.collect(100).await?;
        http.responder
            .respond(format!(
                "{:?} {stated:?} {}",
                http.scope.body,
                body.escape_ascii()
            ))
            .await
    });
    let seen = |stated: Option<&str>, body: Upload| {
        let mut request = Request::post("/");
        if let Some(stated) = stated {
            request = request.header(header::CONTENT_LENGTH, stated);
        }
        let request = request.body(body).unwrap();
        caller
            .request(request)
            .unwrap()
            .body_mut()
            .text(1000)
            .unwrap()
    };
    let reader = || &b"abcdef"[..];
    assert_eq!(seen(None, ().into()), r#"Empty [None, None] "#);
    assert_eq!(seen(None, "".into()), r#"Known(0) [Some("0"), None] "#);
    assert_eq!(
        seen(Some("9"), "abc".into()),
        r#"Known(3) [Some("3"), None] abc"#
    );
    assert_eq!(
        seen(None, Upload::reader(reader())),
        r#"Unknown [None, Some("chunked")] abcdef"#
    );
    assert_eq!(
        seen(Some("4"), Upload::reader(reader())),
        r#"Known(4) [Some("4"), None] abcd"#
    );
    assert_eq!(
        seen(None, Upload::sized_reader(reader(), 2)),
        r#"Known(2) [Some("2"), None] ab"#
    );
    let trailing = Upload::bytes("abc").with_trailers(http::HeaderMap::new());
    assert_eq!(
        seen(None, trailing),
        r#"Unknown [None, Some("chunked")] abc"#
    );
}

#[test]
fn each_clone_has_its_own_address_and_deadline() {
    let caller = caller(async |http: Http| {
        let client = http.scope.connection.client.clone();
        let client = client.map_or(String::from("none"), |client| client.to_string());
        http.responder.respond(client).await
    });
    let address: std::net::SocketAddr = "192.0.2.1:5000".parse().unwrap();
    let placed = caller
        .clone()
        .with_address(address)
        .with_deadline(super::PATIENCE);
    assert_eq!(
        placed.get("/").unwrap().body_mut().text(100).unwrap(),
        "192.0.2.1:5000"
    );
    assert_eq!(
        caller.get("/").unwrap().body_mut().text(100).unwrap(),
        "none"
    );
}

#[test]
fn what_an_application_fails_at_is_answered_as_a_server_does() {
    let caller = caller(async |http: Http| match http.scope.path() {
        "/panic" => panic!("on purpose"),
        "/conflict" => Err(AppError::status(StatusCode::CONFLICT)),
        "/forget" => {
            drop(http);
            std::future::pending().await
        }
        "/length" => {
            let head = gateway_spec::ResponseHead::new(StatusCode::OK)
                .with_header(header::CONTENT_LENGTH, 3.into());
            let mut writer = http.responder.start(head).await?;
            writer.write("too long").await?;
            writer.finish().await
        }
        "/abort" => Ok(http.responder.abort()),
        _ => {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("part").await?;
            panic!("on purpose")
        }
    });
    for (path, status) in [("/panic", 500), ("/conflict", 409), ("/forget", 500)] {
        let mut response = caller.get(path).unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(
            response
                .body_mut()
                .text(100)
                .unwrap()
                .starts_with(&status.to_string())
        );
    }
    let error = caller.get("/abort").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::CutOff);
    for (path, before) in [("/length", ""), ("/", "part")] {
        let mut response = caller.get(path).unwrap();
        assert_eq!(response.status(), 200);
        let mut text = String::new();
        let error = response.body_mut().read_to_string(&mut text).unwrap_err();
        assert_eq!(
            (error.kind(), text.as_str()),
            (ErrorKind::UnexpectedEof, before)
        );
        let again = response.body_mut().chunk().unwrap_err();
        assert_eq!(again.kind(), CallErrorKind::CutOff);
    }
}

#[test]
fn a_head_request_has_the_length_and_no_body() {
    let caller = caller(async |http: Http| match http.scope.path() {
        "/whole" => http.responder.respond("four").await,
        _ => {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer.write("four").await?;
            writer.finish().await
        }
    });
    for (path, length) in [("/whole", Some("4")), ("/parts", None)] {
        let mut response = caller
            .request(Request::head(path).body(()).unwrap())
            .unwrap();
        let stated = response
            .headers()
            .get("content-length")
            .map(|length| length.to_str().unwrap());
        assert_eq!(stated, length);
        assert_eq!(response.body_mut().text(100).unwrap(), "");
    }
}

#[test]
fn informational_responses_and_trailers_are_kept() {
    let caller = caller(async |mut http: Http| {
        http.responder.inform(StatusCode::EARLY_HINTS).await?;
        let sums = [http::HeaderName::from_static("x-sum")];
        let mut writer = http
            .responder
            .start_with_trailers(StatusCode::OK, Some(&sums))
            .await?;
        writer.write("part").await?;
        let trailers = http.body.trailers().await?.unwrap_or_default();
        writer.finish_with_trailers(trailers).await
    });
    let sum = || http::HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), 7.into())]);
    let request = Request::post("/")
        .header("te", "trailers")
        .body(Upload::reader(&b"body"[..]).with_trailers(sum()));
    let mut response = caller.request(request.unwrap()).unwrap();
    assert_eq!(response.body().trailers(), None, "not before the end");
    assert_eq!(response.body_mut().text(100).unwrap(), "part");
    assert_eq!(response.body().trailers(), Some(&sum()));
    let informational = response.body().informational();
    assert_eq!(informational.len(), 1);
    assert_eq!(informational[0].status, 103);
}

#[test]
fn a_file_is_read_as_a_server_reads_it() {
    let path = std::env::temp_dir().join(format!("gateway-blocking-{}", std::process::id()));
    let mut file = std::fs::File::create_new(&path).unwrap();
    file.write_all(&vec![b'x'; 200_000]).unwrap();
    let file = Arc::new(std::fs::File::open(&path).unwrap());
    std::fs::remove_file(&path).unwrap();
    let caller = caller(move |http: Http| {
        let file = Arc::clone(&file);
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            writer
                .write_file(FileRegion {
                    file,
                    offset: 50_000,
                    length: 150_000,
                })
                .await?;
            writer.finish().await
        }
    });
    assert_eq!(
        caller
            .get("/")
            .unwrap()
            .body_mut()
            .collect(1_000_000)
            .unwrap()
            .len(),
        150_000
    );
}

#[test]
fn a_body_over_the_limit_is_not_collected() {
    let caller = caller(async |http: Http| http.responder.respond("four").await);
    assert_eq!(
        caller.get("/").unwrap().body_mut().collect(4).unwrap(),
        "four"
    );
    let error = caller.get("/").unwrap().body_mut().collect(3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FileTooLarge);
    let text = caller.get("/").unwrap().body_mut().text(100);
    assert_eq!(text.unwrap(), "four");
}

#[test]
fn a_call_that_is_late_is_given_up_and_its_application_goes_on() {
    let (report, told) = told();
    let caller = caller(move |http: Http| {
        let report = report.clone();
        async move {
            let gone = http.body.gone();
            let mut writer = match http.scope.path() {
                "/head" => None,
                _ => Some(http.responder.start(StatusCode::OK).await?),
            };
            if let Some(writer) = &mut writer {
                writer.write("part").await?;
            }
            report.send(gone.await).unwrap();
            Err(AppError::message("nobody reads this"))
        }
    });
    let hasty = caller.with_deadline(Duration::from_millis(50));
    assert_eq!(
        hasty.get("/head").unwrap_err().kind(),
        CallErrorKind::Deadline
    );
    assert_eq!(told.next(), Gone::PeerReset);
    let mut late = hasty.get("/body");
    // On a machine that is busy the head is late too.
    if let Ok(response) = &mut late {
        let mut text = String::new();
        let error = response.body_mut().read_to_string(&mut text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        let again = response.body_mut().chunk().unwrap_err();
        assert_eq!(again.kind(), CallErrorKind::Deadline);
    }
    assert_eq!(told.next(), Gone::PeerReset, "though the response is kept");
    drop(late);
}

#[test]
fn times_beyond_the_clock_are_for_ever() {
    let settings = CallerSettings::default().with_startup(Duration::MAX);
    let app = super::exchanges(async |http: Http| http.responder.respond("hello").await);
    let caller = Caller::with_settings(app, settings).unwrap();
    let patient = caller.with_deadline(Duration::MAX);
    assert_eq!(
        patient.get("/").unwrap().body_mut().text(100).unwrap(),
        "hello"
    );
    patient.shutdown(Duration::MAX).unwrap();
}

#[test]
fn many_threads_may_call_at_once() {
    let caller = caller(async |mut http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        while let Some(part) = http.body.chunk().await? {
            writer.write(part).await?;
        }
        writer.finish().await
    });
    std::thread::scope(|scope| {
        for thread in 0..16_u8 {
            let caller = &caller;
            scope.spawn(move || {
                for call in 0..20 {
                    let body = vec![thread; 1000 * call];
                    let upload = match call % 2 {
                        0 => Upload::bytes(body.clone()),
                        _ => Upload::reader(std::io::Cursor::new(body.clone())),
                    };
                    let mut response = caller
                        .request(Request::post("/").body(upload).unwrap())
                        .unwrap();
                    assert_eq!(response.body_mut().collect(1_000_000).unwrap(), body);
                }
            });
        }
    });
}

/// What a panic says.
fn panic_of<T>(call: impl FnOnce() -> T) -> String {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else {
        panic!("it did not panic");
    };
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| {
        payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
    })
    .unwrap()
}

#[test]
fn a_thread_that_drives_a_runtime_is_not_blocked() {
    let hello = || caller(async |http: Http| http.responder.respond("hello").await);
    let outside = hello();
    let mut response = outside.get("/").unwrap();
    for flavour in ["current", "multi"] {
        let mut builder = match flavour {
            "current" => tokio::runtime::Builder::new_current_thread(),
            _ => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = builder.build().unwrap();
        runtime.block_on(async {
            for panic in [
                panic_of(hello),
                panic_of(|| outside.get("/")),
                panic_of(|| outside.shutdown(Duration::ZERO)),
            ] {
                assert!(panic.contains("runtime"), "{panic}");
            }
            let blocking = outside.clone();
            let answer = tokio::task::spawn_blocking(move || blocking.get("/").unwrap().status());
            assert_eq!(answer.await.unwrap(), 200, "such a thread may block");
        });
    }
    let mark = WorkerThread::enter();
    for panic in [panic_of(hello), panic_of(|| outside.get("/"))] {
        assert!(panic.contains("SYNC-1"), "{panic}");
    }
    drop(mark);
    assert_eq!(response.body_mut().text(100).unwrap(), "hello");
}

#[test]
fn an_application_that_calls_itself_panics_instead_of_waiting_for_itself() {
    let me: Arc<std::sync::OnceLock<Caller>> = Arc::default();
    let inside = Arc::clone(&me);
    let caller = caller(move |http: Http| {
        let inside = Arc::clone(&inside);
        async move {
            let body = inside.get().unwrap().get("/").unwrap().into_body();
            http.responder.respond(format!("{body:?}")).await
        }
    });
    me.set(caller.clone()).unwrap();
    assert_eq!(caller.get("/").unwrap().status(), 500);
    // The application holds itself, so nobody ever drops it.
    caller.shutdown(Duration::ZERO).unwrap();
}

#[test]
fn a_length_that_the_application_asks_for_is_the_one_of_the_scope() {
    let caller = caller(async |http: Http| {
        let same =
            http.scope.body == http.body.remaining() && http.scope.body == BodyLength::Known(3);
        http.responder.respond(same.to_string()).await
    });
    let request = Request::post("/").body("abc").unwrap();
    assert_eq!(
        caller
            .request(request)
            .unwrap()
            .body_mut()
            .text(100)
            .unwrap(),
        "true"
    );
}
