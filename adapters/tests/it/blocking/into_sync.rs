//! Asynchronous applications within synchronous ones.

use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use adapters::blocking::{Caller, IntoSync, Upload, into_sync};
use gateway_spec::{
    AppError, Capabilities, Connection, ConnectionInfo, Done, Events, Gone, Http, HttpScope, Scope,
    State, SyncApplication, SyncHttp, WorkerThread, application_fn,
};
use http::{Request, StatusCode};

use super::{PATIENCE, exchanges, living, told};

/// A synchronous framework with an asynchronous application in it.
struct Framework {
    mounted: IntoSync,
    state: &'static str,
}

impl SyncApplication for Framework {
    fn call(&self, mut http: SyncHttp) -> Result<Done, AppError> {
        match http.scope.path() {
            "/own" => http.responder.respond(self.state),
            // A framework that looks at what comes.
            "/peek" => {
                http.body.fill_buf()?;
                self.mounted.call(http)
            }
            _ => self.mounted.call(http),
        }
    }

    fn startup(&self) -> Result<State, AppError> {
        self.mounted.startup()?;
        Ok(State::new().with(self.state))
    }

    fn shutdown(&self) -> Result<(), AppError> {
        self.mounted.shutdown()
    }
}

fn framework(mounted: IntoSync) -> Caller {
    let state = "the framework's";
    Caller::new(adapters::sync(Framework { mounted, state })).unwrap()
}

async fn echo(mut http: Http) -> Result<Done, AppError> {
    let mut writer = http.responder.start(StatusCode::OK).await?;
    while let Some(part) = http.body.chunk().await? {
        writer.write(part).await?;
    }
    writer.finish().await
}

#[test]
fn bodies_stream_both_ways_through_the_framework() {
    let caller = framework(into_sync(exchanges(echo)));
    let numbers: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    for path in ["/", "/peek"] {
        let upload = Upload::reader(io::Cursor::new(numbers.clone()));
        let mut response = caller
            .request(Request::post(path).body(upload).unwrap())
            .unwrap();
        assert!(response.body_mut().collect(numbers.len()).unwrap() == numbers);
    }
    assert_eq!(
        caller.get("/own").unwrap().body_mut().text(100).unwrap(),
        "the framework's"
    );
}

#[test]
fn what_blocking_handles_do_not_have_passes_all_the_same() {
    let caller = framework(into_sync(exchanges(async |mut http: Http| {
        http.responder.inform(StatusCode::EARLY_HINTS).await?;
        let writer = http
            .responder
            .start_with_trailers(StatusCode::OK, None)
            .await?;
        let trailers =
            http::HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), 7.into())]);
        writer.finish_with_trailers(trailers).await
    })));
    let request = Request::get("/").version(http::Version::HTTP_2).body(());
    let mut response = caller.request(request.unwrap()).unwrap();
    assert_eq!(response.body_mut().text(100).unwrap(), "");
    assert_eq!(response.body().trailers().unwrap()["x-sum"], "7");
    assert_eq!(response.body().informational().len(), 1);
}

#[test]
fn errors_and_panics_are_those_of_the_call() {
    let caller = framework(into_sync(exchanges(async |http: Http| {
        match http.scope.path() {
            "/panic" => panic!("on purpose"),
            _ => Err(AppError::status(StatusCode::CONFLICT)),
        }
    })));
    assert_eq!(caller.get("/").unwrap().status(), 409);
    assert_eq!(caller.get("/panic").unwrap().status(), 500);

    let app = into_sync(exchanges(async |_| panic!("on purpose")));
    assert_eq!(
        app.call(nowhere()).unwrap_err().to_string(),
        "panicked: on purpose"
    );
}

/// An exchange whose client is not there.
fn nowhere() -> SyncHttp {
    exchange().0
}

fn exchange() -> (SyncHttp, Events) {
    let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
    let (http, events) = Http::in_memory(Scope::new(HttpScope::new(info)));
    (SyncHttp::new(http), events)
}

#[test]
fn a_client_that_leaves_is_noticed_by_the_application_which_goes_on() {
    let (report, told) = told();
    let caller = framework(into_sync(exchanges(move |http: Http| {
        let report = report.clone();
        async move {
            let gone = http.body.gone();
            let _writer = http.responder.start(StatusCode::OK).await?;
            report.send(gone.await)?;
            Err(AppError::message("nobody reads this"))
        }
    })));
    drop(caller.get("/").unwrap());
    assert_eq!(told.next(), Gone::PeerReset);
}

#[test]
fn its_lifespan_runs_within_the_framework_s_and_its_state_is_its_own() {
    let (report, told) = told();
    let caller = framework(into_sync(living(report, "its own")));
    assert_eq!(told.next(), "started");
    let text = |path: &str| caller.get(path).unwrap().body_mut().text(100).unwrap();
    assert_eq!(text("/"), "its own");
    assert_eq!(text("/own"), "the framework's");
    caller.shutdown(PATIENCE).unwrap();
    assert_eq!(told.next(), "stopped");
}

#[test]
fn without_a_startup_it_is_served_without_a_lifespan() {
    let (report, told) = told();
    let app = into_sync(living(report, "its own"));
    let app = gateway_spec::sync_application_fn(move |http: SyncHttp| app.call(http));
    let caller = Caller::new(adapters::sync(app)).unwrap();
    let text = caller.get("/").unwrap().body_mut().text(100).unwrap();
    assert_eq!(text, "nothing");
    drop(caller);
    assert!(told.is_over(), "nothing was told");
}

#[test]
fn it_may_be_started_again_and_is_stopped_when_it_is_dropped() {
    let (report, told) = told();
    let app = into_sync(living(report, "its own"));
    for _ in 0..2 {
        assert_eq!(app.startup().unwrap().get(), Some(&"its own"));
        assert_eq!(told.next(), "started");
        app.shutdown().unwrap();
        assert_eq!(told.next(), "stopped");
        app.shutdown().unwrap();
    }
    app.startup().unwrap();
    assert_eq!(told.next(), "started");
    drop(app);
    assert_eq!(told.next(), "stopped");
    assert!(told.is_over());

    let fails = application_fn(async |_: Connection| Err(AppError::message("no database")));
    let error = into_sync(fails).startup().unwrap_err();
    assert_eq!(error.to_string(), "no database");
}

#[test]
fn what_was_shut_down_is_not_brought_back_by_a_call() {
    let (report, told) = told();
    let app = into_sync(living(report, "its own"));
    let status = |app: &IntoSync| {
        let error = app.call(nowhere()).unwrap_err();
        error.response().head.status
    };
    app.startup().unwrap();
    app.shutdown().unwrap();
    assert_eq!(told.next(), "started");
    assert_eq!(told.next(), "stopped");
    assert_eq!(status(&app), StatusCode::SERVICE_UNAVAILABLE);
    app.startup().unwrap();
    assert_eq!(told.next(), "started");
    let (http, _events) = exchange();
    drop(app.call(http).unwrap());

    let never_started = into_sync(exchanges(echo));
    never_started.shutdown().unwrap();
    assert_eq!(status(&never_started), StatusCode::SERVICE_UNAVAILABLE);
}

/// Panics when it is dropped.
struct Trap;

impl Drop for Trap {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

#[test]
fn a_panic_whose_payload_panics_too_is_an_error() {
    let app = into_sync(exchanges(async |_| std::panic::panic_any(Trap)));
    let error = app.call(nowhere()).unwrap_err();
    assert!(error.to_string().starts_with("panicked"), "{error}");
}

#[test]
fn a_worker_is_not_blocked_by_it() {
    let app = into_sync(exchanges(echo));
    let http = nowhere();
    let _mark = WorkerThread::enter();
    let payload = catch_unwind(AssertUnwindSafe(|| app.call(http))).unwrap_err();
    assert!(payload.downcast_ref::<&str>().unwrap().contains("SYNC-1"));
}

#[test]
fn a_body_that_was_read_in_part_goes_on_where_it_was() {
    let mounted = Arc::new(into_sync(exchanges(echo)));
    let app = gateway_spec::sync_application_fn(move |mut http: SyncHttp| {
        let mut first = [0; 3];
        http.body.read_exact(&mut first)?;
        assert_eq!(&first, b"abc");
        mounted.call(http)
    });
    let caller = Caller::new(adapters::sync(app)).unwrap();
    let request = Request::post("/").body("abcdef").unwrap();
    assert_eq!(
        caller
            .request(request)
            .unwrap()
            .body_mut()
            .text(100)
            .unwrap(),
        "def"
    );
}
