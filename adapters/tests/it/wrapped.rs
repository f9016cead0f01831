//! The synchronous adapter under middleware: threads park on what middleware made of the exchange, and are woken through it.

use std::io::{Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::{Context, Poll};

use adapters::blocking::{Caller, Upload};
use adapters::{Pool, PoolSettings, SyncAdapter};
use bytes::Bytes;
use gateway_spec::{
    AppError, Application, Connection, HttpLayer, HttpReceive, HttpSend, HttpTransport, Layered,
    SendError, SyncApplication, SyncHttp, application_fn, sync_application_fn,
};
use http::{Request, StatusCode};

use crate::support::both;

/// Adds one to each byte, both ways.
struct Shift(Arc<dyn HttpTransport>);

fn shifted(bytes: &Bytes) -> Bytes {
    bytes.iter().map(|byte| byte.wrapping_add(1)).collect()
}

impl HttpLayer for Shift {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.0
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        self.0.poll_receive(cx).map(|event| match event {
            HttpReceive::Body { bytes, more } => HttpReceive::Body {
                bytes: shifted(&bytes),
                more,
            },
            other => other,
        })
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        self.0.send(match event {
            HttpSend::Body { bytes, more } => HttpSend::Body {
                bytes: shifted(&bytes),
                more,
            },
            other => other,
        })
    }
}

/// Echoes as it reads, by `Read` and `Write`: through every wait that there is.
fn echo() -> SyncAdapter<impl SyncApplication> {
    let app = sync_application_fn(|mut http: SyncHttp| {
        let mut writer = http.responder.start(StatusCode::OK)?;
        let mut buffer = [0; 10_000];
        loop {
            let read = http.body.read(&mut buffer)?;
            if read == 0 {
                writer.flush()?;
                return writer.finish();
            }
            writer.write_all(&buffer[..read])?;
        }
    });
    let settings = PoolSettings::default().with_threads(NonZeroUsize::MIN);
    SyncAdapter::new(app).with_pool(Pool::new("wrapped", settings))
}

/// Sends a body that fits into no buffer on the way, and reads the answer beside it.
#[track_caller]
fn check(caller: &Caller, shift: u8) {
    let body: Vec<u8> = (0..250_000_u32).flat_map(u32::to_le_bytes).collect();
    for _ in 0..3 {
        let upload = Upload::reader(Cursor::new(body.clone()));
        let request = Request::post("/").body(upload).unwrap();
        let mut response = caller.request(request).unwrap();
        let echoed = response.body_mut().collect(body.len()).unwrap();
        let expected = body.iter().map(|byte| byte.wrapping_add(shift));
        assert!(echoed.iter().copied().eq(expected));
    }
}

#[test]
fn threads_park_on_a_wrapped_transport_and_are_woken_through_it() {
    // There is no lifespan here: nobody starts the pool, and its handle alone stops it.
    let app = Arc::new(echo());
    let pool = app.pool().clone();
    let wrapped = application_fn(move |connection: Connection| {
        let app = Arc::clone(&app);
        async move {
            let Connection::Http(http) = connection else {
                return connection.refuse().await;
            };
            let http = http.map_transport(|inner| Arc::new(Layered(Shift(inner))));
            app.call(Connection::Http(http)).await
        }
    });
    check(&Caller::new(wrapped).unwrap(), 2);
    let stats = pool.stats();
    assert_eq!((stats.threads, stats.completed), (1, 3));
}

#[test]
fn threads_park_on_an_intercepted_exchange_and_are_woken_through_it() {
    let app = Arc::new(echo());
    let relayed = application_fn(move |connection: Connection| {
        let app = Arc::clone(&app);
        async move {
            let Connection::Http(http) = connection else {
                return connection.refuse().await;
            };
            let (inner, mut events) = http.intercept();
            let relay = async move {
                while let Some(event) = events.sent().await {
                    events.forward(event).await?;
                }
                Ok::<_, AppError>(())
            };
            let (done, relayed) = both(app.call(Connection::Http(inner)), relay).await;
            relayed?;
            done
        }
    });
    check(&Caller::new(relayed).unwrap(), 0);
}
