//! A call of the application, polled where nothing of it can do harm: its panics are errors, and what it failed at is logged.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use gateway_spec::{AppError, Done, HttpScope};
use http::Method;

use crate::exchange::{Exchange, Progress, Turn, Verdict};
use crate::printable;

/// Polls a call. A panic is an error that says so (SRV-7); do not poll again after it.
pub fn poll_confined<F>(call: Pin<&mut F>, task: &mut Context<'_>) -> Poll<Result<Done, AppError>>
where
    F: Future<Output = Result<Done, AppError>> + ?Sized,
{
    confine(|polled| *polled = call.poll(task))
}

/// The same by a function, which may also drop the call once it has noted its result: a panic is then one [while it is dropped](drop_confined), and
/// the result stands.
#[inline]
pub fn confine(
    poll: impl FnOnce(&mut Poll<Result<Done, AppError>>),
) -> Poll<Result<Done, AppError>> {
    let mut polled = Poll::Pending;
    // The future is dropped after a panic, so nobody sees what it left half done.
    match catch_unwind(AssertUnwindSafe(|| poll(&mut polled))) {
        Ok(()) => polled,
        Err(payload) => after_panic(polled, &*payload),
    }
}

#[cold]
fn after_panic(
    polled: Poll<Result<Done, AppError>>,
    payload: &(dyn Any + Send),
) -> Poll<Result<Done, AppError>> {
    if polled.is_pending() {
        return Poll::Ready(Err(panicked(payload)));
    }
    tracing::error!("{PANICKED_WHILE_DROPPED}");
    polled
}

const PANICKED_WHILE_DROPPED: &str = "the application panicked while its call was dropped";

/// Drops what is the application's, whose destructors are its code too.
pub fn drop_confined(drop: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(drop)).is_err() {
        tracing::error!("{PANICKED_WHILE_DROPPED}");
    }
}

/// The error that a panic is, from its payload.
///
/// # Examples
///
/// ```
/// let payload = std::panic::catch_unwind(|| panic!("the {} is full", "disk")).unwrap_err();
/// assert_eq!(hosting::panicked(&*payload).to_string(), "panicked: the disk is full");
/// ```
#[must_use]
pub fn panicked(payload: &(dyn Any + Send)) -> AppError {
    AppError::new(Panicked(panic_text(payload)))
}

/// Whether an error is a panic's, as [`panicked`] makes them.
#[must_use]
pub fn is_panic(error: &AppError) -> bool {
    error.source().is_some_and(|source| source.is::<Panicked>())
}

/// What a panic said.
#[derive(Debug)]
struct Panicked(String);

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panicked: {}", self.0)
    }
}

impl Error for Panicked {}

/// What a panic said, from its payload.
///
/// # Examples
///
/// ```
/// let payload = std::panic::catch_unwind(|| panic!("the {} is full", "disk")).unwrap_err();
/// assert_eq!(hosting::panic_text(&*payload), "the disk is full");
/// ```
#[must_use]
pub fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| String::from("something that is no text"))
}

/// Logs what a call failed with, with its label (APP-6): a leaving client is not the application's error (APP-5); neither is a status
/// that it chose, unless it is a server's. However much it says, it is a line ([`printable()`]).
pub fn report(scope: &HttpScope, error: &AppError) {
    report_of(&scope.method, scope.uri.path(), scope.label.get(), error);
}

/// As [`report`], where no scope is kept.
pub fn report_of(method: &Method, path: &str, label: Option<&str>, error: &AppError) {
    match error.gone() {
        Some(gone) => tracing::debug!(%method, path, label, %gone, "the client is gone"),
        None if error.status_code().is_server_error() => {
            tracing::error!(%method, path, label, "{}", printable(error));
        }
        None => {
            let status = error.status_code().as_u16();
            tracing::info!(%method, path, label, status, "{}", printable(error));
        }
    }
}

impl Exchange {
    /// After the application was polled: answers in its place where a server does (APP-6, SRV-12), and logs why.
    pub fn settle(&self, polled: &Poll<Result<Done, AppError>>, scope: &HttpScope) -> Progress {
        let (turn, forgot) = match polled {
            Poll::Pending => (
                Turn::Pending,
                "the application dropped its responder without an answer (SRV-12)",
            ),
            Poll::Ready(Ok(_done)) => (
                Turn::Done,
                "the application returned `Done` without finishing its answer (SRV-12)",
            ),
            Poll::Ready(Err(error)) => {
                report(scope, error);
                return self.leave(Turn::Failed(error)).0;
            }
        };
        let (progress, verdict) = self.leave(turn);
        match verdict {
            Verdict::Answer(_) | Verdict::CutOff => {
                let (method, label) = (&scope.method, scope.label.get());
                tracing::error!(%method, path = scope.uri.path(), label, "{forgot}");
            }
            Verdict::Fine | Verdict::CloseTunnel => {}
        }
        progress
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::StatusCode;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// Keeps the fields of events, a line each, as a log shows them.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().expect("not poisoned").push(line.0);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            self.0 += &format!(" {field}={value:?}");
        }
    }

    #[test]
    fn a_result_stands_whatever_is_dropped_after_it() {
        let polled = confine(|polled| {
            *polled = Poll::Ready(Err(AppError::message("it failed")));
            panic!("dropped")
        });
        assert!(matches!(polled, Poll::Ready(Err(error)) if !is_panic(&error)));
        let polled = confine(|_| panic!("polled"));
        assert!(matches!(polled, Poll::Ready(Err(error)) if is_panic(&error)));
        assert!(confine(|_| {}).is_pending());
    }

    #[test]
    fn a_failure_is_a_line_with_its_label() {
        let kept = Kept::default();
        let failed = AppError::message("a text\n2026-11-30 ERROR forged");
        tracing::subscriber::with_default(kept.clone(), || {
            report_of(&Method::GET, "/a", Some("the\nlabel"), &failed);
            report_of(
                &Method::GET,
                "/a",
                None,
                &AppError::status(StatusCode::GONE),
            );
            report_of(
                &Method::GET,
                "/a",
                None,
                &gateway_spec::Gone::PeerReset.into(),
            );
        });
        let kept = kept.0.lock().expect("not poisoned");
        assert_eq!(
            kept[0],
            r#"ERROR message=a text\n2026-11-30 ERROR forged method=GET path="/a" label="the\nlabel""#
        );
        assert!(kept[1].starts_with("INFO "), "{kept:?}");
        assert!(
            kept[2].starts_with("DEBUG ") && !kept[2].contains("label"),
            "{kept:?}"
        );
        assert_eq!(kept.len(), 3);
    }
}
