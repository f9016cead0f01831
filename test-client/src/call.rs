//! The application's call: polled to its end whatever the client does, its panics confined, its missing answers given.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_spec::{AppError, Application, BoxApplication, Connection, Done, Http};
use websocket::{Settings, Upgrade};

use crate::outcome::Outcome;
use crate::rules::{Turn, Verdict};
use crate::wire::Wire;

/// How long a client's close frame is waited for (WS-19); 5 seconds, as the servers.
const CLOSE: Duration = Duration::from_secs(5);

/// Calls the application for an exchange, in a task of its own (SRV-1).
///
/// # Panics
///
/// Outside of a tokio runtime (SRV-11).
pub(crate) fn spawn(app: &BoxApplication, settings: Settings, http: Http, wire: Arc<Wire>) {
    let app = app.clone();
    let call = async move { serve(&app, &settings, http).await };
    drop(tokio::spawn(Call {
        future: Some(Box::pin(call)),
        wire,
    }));
}

/// As the servers: every exchange that asks for a WebSocket becomes one.
async fn serve(app: &BoxApplication, settings: &Settings, http: Http) -> Result<Done, AppError> {
    match websocket::upgrade(http, settings) {
        Upgrade::Http(http) => app.call(Connection::Http(http)).await,
        Upgrade::Refused(http, error) => http.responder.respond(error).await,
        Upgrade::WebSocket(socket, watch) => {
            let result = app.call(Connection::WebSocket(socket)).await;
            // A close frame that never comes is not the application's error.
            let _ = tokio::time::timeout(CLOSE, watch).await;
            result
        }
    }
}

/// A call under way.
struct Call<F> {
    /// `None` once it has returned or panicked.
    future: Option<Pin<Box<F>>>,
    wire: Arc<Wire>,
}

impl<F: Future<Output = Result<Done, AppError>>> Future for Call<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        let Some(future) = &mut me.future else {
            return Poll::Ready(());
        };
        me.wire.enter(cx.waker());
        // The future is dropped after a panic, so nobody sees what it left half done.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let returned = match polled {
            Ok(Poll::Pending) => {
                me.wire.settle(Turn::Pending);
                return Poll::Pending;
            }
            Ok(Poll::Ready(returned)) => Ok(returned),
            Err(panic) => Err(panic),
        };
        // Dropping it runs the application's code too, and may let go of its handles.
        let dropped = catch_unwind(AssertUnwindSafe(|| me.future = None));
        let outcome = match returned.and_then(|result| dropped.map(|()| result)) {
            Ok(Ok(_done)) => match me.wire.settle(Turn::Done) {
                Verdict::Fine | Verdict::Close => Outcome::Done,
                Verdict::Answer(_) | Verdict::CutOff => Outcome::Unfinished,
            },
            Ok(Err(error)) => {
                me.wire.settle(Turn::Failed(&error));
                Outcome::Failed(Arc::new(error))
            }
            Err(panic) => {
                me.wire.settle(Turn::Panicked);
                Outcome::Panicked(text_of(&*panic))
            }
        };
        me.wire.set_outcome(outcome);
        Poll::Ready(())
    }
}

/// What a panic said.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| String::from("something that is no text"))
}
