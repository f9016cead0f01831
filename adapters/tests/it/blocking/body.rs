//! Bodies that stream, both ways.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use adapters::blocking::{CallErrorKind, Upload};
use gateway_spec::{AppError, BodyError, Gone, Http};
use http::{Request, StatusCode};
use tokio::sync::Notify;

use super::{caller, told, until};

/// What a thread reads ahead of an application, and an application writes ahead of a thread, with the event that passes it.
const AHEAD: usize = 64 * 1024 + 16 * 1024;

#[test]
fn the_head_comes_as_soon_as_it_is_started_and_parts_as_they_are_written() {
    let next = Arc::new(Notify::new());
    let wait = Arc::clone(&next);
    let caller = caller(move |http: Http| {
        let wait = Arc::clone(&wait);
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            for part in ["one\n", "two\n"] {
                wait.notified().await;
                writer.write(part).await?;
                // The thread has not read it: a flush does not wait for that.
                writer.flush().await?;
            }
            wait.notified().await;
            writer.finish().await
        }
    });
    let mut response = caller.get("/").unwrap();
    let mut line = String::new();
    for part in ["one\n", "two\n"] {
        next.notify_one();
        line.clear();
        response.body_mut().read_line(&mut line).unwrap();
        assert_eq!(line, part);
    }
    next.notify_one();
    assert_eq!(response.body_mut().chunk().unwrap(), None);
}

/// Gives zeros for ever, and counts them.
struct Zeros(Arc<AtomicUsize>);

impl Read for Zeros {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        assert!(!into.is_empty(), "it is asked for what there is room for");
        into.fill(0);
        self.0.fetch_add(into.len(), Relaxed);
        Ok(into.len())
    }
}

#[test]
fn an_upload_is_read_as_the_application_takes_it() {
    let (read, next) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let wait = Arc::clone(&next);
    let (report, told) = told();
    let caller = caller(move |mut http: Http| {
        let (wait, report) = (Arc::clone(&wait), report.clone());
        async move {
            let writer = http.responder.start(StatusCode::OK).await?;
            wait.notified().await;
            let mut received = 0;
            while received < 1_000_000 {
                received += http.body.chunk().await?.map_or(0, |part| part.len());
            }
            report.send(received)?;
            wait.notified().await;
            drop(http.body);
            writer.finish().await
        }
    });
    let upload = Upload::reader(Zeros(Arc::clone(&read)));
    let mut response = caller
        .request(Request::post("/").body(upload).unwrap())
        .unwrap();
    until(|| read.load(Relaxed) >= 64 * 1024);
    assert!(read.load(Relaxed) <= AHEAD, "{read:?}");
    next.notify_one();
    let received = told.next();
    until(|| read.load(Relaxed) >= received);
    assert!(
        read.load(Relaxed) <= received + AHEAD,
        "{read:?} of {received}"
    );
    next.notify_one();
    assert_eq!(response.body_mut().chunk().unwrap(), None);
    // The reader is let go of, though it has no end.
    until(|| Arc::strong_count(&read) == 1);
}

#[test]
fn an_application_writes_as_the_thread_reads() {
    const ALL: usize = 4_000_000;
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let caller = caller(move |http: Http| {
        let count = Arc::clone(&count);
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            for _ in 0..ALL / 1000 {
                writer.write(vec![0; 1000]).await?;
                count.fetch_add(1000, Relaxed);
            }
            writer.finish().await
        }
    });
    let mut response = caller.get("/").unwrap();
    until(|| written.load(Relaxed) >= 100_000);
    assert!(written.load(Relaxed) <= 2 * AHEAD, "{written:?}");
    let mut some = vec![0; 1_000_000];
    response.body_mut().read_exact(&mut some).unwrap();
    assert!(
        written.load(Relaxed) <= some.len() + 2 * AHEAD,
        "{written:?}"
    );
    let rest = response.body_mut().collect(ALL).unwrap();
    assert_eq!(some.len() + rest.len(), ALL);
}

#[test]
fn both_ways_at_once_without_an_end_to_either_before_the_other() {
    let caller = caller(async |mut http: Http| {
        let mut writer = http.responder.start(StatusCode::OK).await?;
        while let Some(part) = http.body.chunk().await? {
            writer.write(part).await?;
        }
        writer.finish().await
    });
    let numbers: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let upload = Upload::reader(io::Cursor::new(numbers.clone()));
    let mut response = caller
        .request(Request::post("/").body(upload).unwrap())
        .unwrap();
    assert!(response.body_mut().collect(numbers.len()).unwrap() == numbers);
}

#[test]
fn a_thread_that_drops_its_response_has_left() {
    let (report, told) = told();
    let caller = caller(move |mut http: Http| {
        let report = report.clone();
        async move {
            let mut writer = http.responder.start(StatusCode::OK).await?;
            let wrote = loop {
                if let Err(error) = writer.write("part").await {
                    break error.to_string();
                }
            };
            let read = http.body.chunk().await;
            report.send((wrote, read))?;
            Err(AppError::message("nobody reads this"))
        }
    });
    for upload in [Upload::none(), Upload::reader(io::repeat(0))] {
        let is_empty = format!("{upload:?}").contains("none");
        drop(
            caller
                .request(Request::post("/").body(upload).unwrap())
                .unwrap(),
        );
        let (wrote, read) = told.next();
        assert_eq!(wrote, "nobody is left to send to");
        match read {
            Ok(None) => assert!(is_empty),
            Ok(Some(_)) => assert!(!is_empty, "what was there before is still read"),
            Err(error) => assert_eq!(error, BodyError::Gone(Gone::PeerReset)),
        }
    }
}

#[test]
fn a_reader_that_cannot_go_on_ends_the_call() {
    enum Fails {
        Error,
        Panic,
        Short,
    }
    struct Reader(Fails, usize);
    impl Read for Reader {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            match (self.1, &self.0) {
                (1, _) => {
                    into[0] = b'x';
                    Ok(1)
                }
                (2, _) => Err(io::ErrorKind::Interrupted.into()),
                (_, Fails::Error) => Err(io::ErrorKind::PermissionDenied.into()),
                (_, Fails::Panic) => panic!("on purpose"),
                (_, Fails::Short) => Ok(0),
            }
        }
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    let caller = caller(move |http: Http| {
        let see = Arc::clone(&see);
        async move {
            // All of it, the responder too.
            let mut http = http;
            let error = http.body.collect(100).await.unwrap_err();
            see.lock().unwrap().push(error);
            Err(error.into())
        }
    });
    for (fails, kind) in [
        (Fails::Error, io::ErrorKind::PermissionDenied),
        (Fails::Panic, io::ErrorKind::Other),
        (Fails::Short, io::ErrorKind::UnexpectedEof),
    ] {
        let upload = Upload::sized_reader(Reader(fails, 0), 9);
        let error = caller
            .request(Request::post("/").body(upload).unwrap())
            .unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Upload);
        assert_eq!(io::Error::from(error).kind(), kind);
    }
    until(|| seen.lock().unwrap().len() == 3);
    assert!(
        seen.lock()
            .unwrap()
            .iter()
            .all(|error| *error == BodyError::Gone(Gone::PeerReset))
    );
}

#[test]
fn a_reader_that_is_to_wait_is_not_read_before_the_application_asks() {
    let read = Arc::new(AtomicUsize::new(0));
    let before = Arc::clone(&read);
    let caller = caller(move |mut http: Http| {
        let before = before.load(Relaxed);
        async move {
            if http.scope.path() == "/answer" {
                return http.responder.respond("unread").await;
            }
            // Others have their turn.
            tokio::task::yield_now().await;
            let read = http.body.chunk().await?.map_or(0, |part| part.len());
            http.responder
                .respond(format!("{before} {}", read > 0))
                .await
        }
    });
    let call = |path: &str| {
        let upload = Upload::reader(Zeros(Arc::clone(&read)));
        let request = Request::post(path)
            .header("expect", "100-continue")
            .body(upload);
        caller
            .request(request.unwrap())
            .unwrap()
            .body_mut()
            .text(100)
            .unwrap()
    };
    assert_eq!(call("/answer"), "unread");
    until(|| Arc::strong_count(&read) == 2);
    assert_eq!(read.load(Relaxed), 0);
    assert_eq!(call("/ask"), "0 true");
}
