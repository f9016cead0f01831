//! The application of the metrics bind: metrics, health, readiness and the page. It is served as any other, by a worker of
//! its own.
//!
//! What is rendered is kept for a moment and given to all who ask within it, and who asks again at once waits for the next:
//! a collector that never pauses takes no more of the processor than one that asks ten times a second.

mod live;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gateway_spec::{AppError, Application, Connection, Done, Http, Response};
use http::{HeaderValue, Method, StatusCode, header};
use tokio::time::Instant;

use crate::metrics;
use crate::overview::{Overview, Phase};

/// How long something rendered is given again. Shorter than anything that people or collectors look at.
const KEPT: Duration = Duration::from_millis(100);

/// Metrics, health, readiness and the page.
#[derive(Debug)]
pub(crate) struct Admin {
    overview: Arc<Overview>,
    metrics: Rendered,
    live: Rendered,
}

/// The page's files.
const FILES: [(&str, &str, &str); 4] = [
    (
        "/",
        "text/html; charset=utf-8",
        include_str!("admin/page.html"),
    ),
    (
        "/page.css",
        "text/css; charset=utf-8",
        include_str!("admin/page.css"),
    ),
    (
        "/page.js",
        "text/javascript; charset=utf-8",
        include_str!("admin/page.js"),
    ),
    ("/icon.svg", "image/svg+xml", include_str!("admin/icon.svg")),
];

/// The text format that Prometheus collects.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Admin {
    pub(crate) fn new(overview: Arc<Overview>) -> Self {
        Self {
            overview,
            metrics: Rendered::default(),
            live: Rendered::default(),
        }
    }

    async fn answer(&self, path: &str) -> Response {
        if let Some((_, kind, text)) = FILES.iter().find(|(name, ..)| *name == path) {
            return answer(Bytes::from_static(text.as_bytes()), kind);
        }
        let overview = &self.overview;
        match path {
            "/metrics" => {
                let text = self.metrics.get(|| metrics::render(overview)).await;
                answer(text, EXPOSITION)
            }
            "/live" => {
                let text = self.live.get(|| live::render(overview)).await;
                answer(text, "application/json")
            }
            "/health" => said("alive\n"),
            "/ready" => {
                let phase = overview.phase();
                let status = match phase {
                    Phase::Ready => StatusCode::OK,
                    Phase::Starting | Phase::Draining => StatusCode::SERVICE_UNAVAILABLE,
                };
                said(format!("{}\n", phase.name())).with_status(status)
            }
            _ => said("not found; there are /, /metrics, /health and /ready\n")
                .with_status(StatusCode::NOT_FOUND),
        }
    }
}

impl Application for Admin {
    async fn call(&self, connection: Connection) -> Result<Done, AppError> {
        match connection {
            Connection::Http(http) => self.http(http).await,
            other => other.refuse().await,
        }
    }
}

impl Admin {
    async fn http(&self, http: Http) -> Result<Done, AppError> {
        let Http {
            scope, responder, ..
        } = http;
        let answer = match scope.method {
            Method::GET | Method::HEAD => self.answer(scope.path()).await,
            _ => said("only GET and HEAD\n")
                .with_status(StatusCode::METHOD_NOT_ALLOWED)
                .with_header(header::ALLOW, HeaderValue::from_static("GET, HEAD")),
        };
        responder.respond(answer).await
    }
}

fn said(text: impl Into<String>) -> Response {
    answer(Bytes::from(text.into()), "text/plain; charset=utf-8")
}

/// What is answered shows this moment, and loads nothing from elsewhere.
fn answer(body: Bytes, kind: &'static str) -> Response {
    Response::new(body)
        .with_header(header::CONTENT_TYPE, HeaderValue::from_static(kind))
        .with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_header(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'"),
        )
        .with_header(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        )
}

/// Something that is rendered when it is asked for, and not again for a moment.
#[derive(Debug, Default)]
struct Rendered {
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Rendered {
    async fn get(&self, render: impl Fn() -> String) -> Bytes {
        let asked = Instant::now();
        loop {
            let before = self.lock().as_ref().map(|(at, _)| *at + KEPT);
            if let Some(again) = before
                && again > Instant::now()
            {
                tokio::time::sleep_until(again).await;
            }
            let mut last = self.lock();
            if let Some((at, text)) = &*last
                && *at > asked
            {
                // Another one who waited has had it rendered.
                return text.clone();
            }
            if last
                .as_ref()
                .is_none_or(|(at, _)| *at + KEPT <= Instant::now())
            {
                let text = Bytes::from(render());
                *last = Some((Instant::now(), text.clone()));
                return text;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Instant, Bytes)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_without_pause_has_it_rendered_ten_times_a_second() {
        let (rendered, renders) = (Rendered::default(), AtomicU32::new(0));
        let render = || renders.fetch_add(1, Ordering::Relaxed).to_string();
        let start = Instant::now();
        let mut answers = 0;
        while start.elapsed() < Duration::from_secs(2) {
            assert_eq!(rendered.get(render).await, answers.to_string());
            answers += 1;
        }
        assert!((20..=21).contains(&answers), "{answers}");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_together_share_one() {
        let (rendered, renders) = (Rendered::default(), AtomicU32::new(0));
        let render = || renders.fetch_add(1, Ordering::Relaxed).to_string();
        assert_eq!(rendered.get(render).await, "0");
        let (one, other) = tokio::join!(rendered.get(render), rendered.get(render));
        assert_eq!((&one[..], &other[..]), (&b"1"[..], &b"1"[..]));
        assert_eq!(renders.load(Ordering::Relaxed), 2);
    }
}
