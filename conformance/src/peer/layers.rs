//! Middleware around other routes: `/conformance/layers/LAYER/ROUTE…`, well made and badly made.

use std::future::poll_fn;
use std::os::unix::fs::FileExt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use gateway_spec::bytes::Bytes;
use gateway_spec::types::{StatusCode, header};
use gateway_spec::{
    Abort, AppError, BodyLength, Done, Gone, GoneSignal, Http, HttpLayer, HttpReceive, HttpSend,
    HttpTransport, Layered, SendError,
};

use super::describe::describe;
use super::transport::relay_in_memory;
use super::{Routes, false_done};

impl Routes {
    pub(super) async fn layers(&self, path: &[&str], http: Http) -> Result<Done, AppError> {
        let [layer, route @ ..] = path else {
            return http.responder.respond(StatusCode::NOT_FOUND).await;
        };
        let inner = |http| Box::pin(self.recorded(route, http));
        match *layer {
            "unchanged" => {
                let wrap = |inner| Arc::new(Layered(Unchanged(inner))) as _;
                inner(http.map_transport(wrap)).await
            }
            "upper" => {
                let wrap = |inner| {
                    Arc::new(Layered(Upper {
                        inner,
                        tunnel: AtomicBool::new(false),
                    })) as _
                };
                inner(http.map_transport(wrap)).await
            }
            "double" => inner(double(http, Lengths::True)).await,
            "double-lying" => inner(double(http, Lengths::AsTheyWere)).await,
            "prefix" => {
                let mut http = http;
                let length = http.scope.body;
                http.scope.edit().body = match length {
                    BodyLength::Known(length) => BodyLength::Known(length + PREFIX.len() as u64),
                    other => other,
                };
                let wrap = |inner| {
                    Arc::new(Layered(Prefix {
                        inner,
                        given: AtomicBool::new(false),
                    })) as _
                };
                inner(http.map_transport(wrap)).await
            }
            "edit" => self.edit(route, http).await,
            "read-first" => {
                let mut http = http;
                let first = http.body.chunk().await?.unwrap_or_default();
                self.reports
                    .say("layers", format_args!("took {}", first.len()));
                let wrap = |inner| Arc::new(Layered(Unchanged(inner))) as _;
                inner(http.map_transport(wrap)).await
            }
            "read-all-first" => {
                let mut http = http;
                let taken = http.body.collect(1024 * 1024).await;
                self.reports
                    .say("layers", format_args!("{:?}", taken.map(|all| all.len())));
                let (http, events) = http.intercept();
                relay(inner(http), events, Relay::EachAtOnce).await
            }
            "relay" => {
                let (http, events) = http.intercept();
                relay(inner(http), events, Relay::EachAtOnce).await
            }
            "hoard" => {
                let (http, events) = http.intercept();
                relay(inner(http), events, Relay::AllAtTheEnd).await
            }
            "stopped" => {
                let (http, events) = http.intercept();
                let later = async {
                    self.reports.pass("layers").await;
                    Relay::EachAtOnce
                };
                relay_later(inner(http), events, later).await
            }
            "dropped" => {
                let (http, events) = http.intercept();
                let done = inner(http).await;
                drop(events);
                done
            }
            "rescue" => {
                let scope = http.scope.clone();
                let (http, mut events) = http.intercept();
                let result = inner(http).await;
                self.reports
                    .say("layers", format_args!("{:?}", events.aborted()));
                if result.is_err() {
                    // Its own answer, in the place of the application's.
                    events.forward(rescued()).await?;
                }
                Ok(false_done(&scope))
            }
            "memory" => relay_in_memory(http, inner).await,
            "forgets" => Ok(false_done(&http.scope)),
            _ => http.responder.respond(StatusCode::NOT_FOUND).await,
        }
    }

    /// Changes a scope that is shared; only the application sees it.
    async fn edit(&self, route: &[&str], mut http: Http) -> Result<Done, AppError> {
        let above = http.scope.clone();
        let scope = http.scope.edit();
        scope.method = "EDITED".parse()?;
        let done = Box::pin(self.recorded(route, http)).await;
        let text = describe(&above);
        self.reports
            .say("layers", text.lines().next().unwrap_or_default());
        done
    }
}

fn rescued() -> HttpSend {
    HttpSend::Start {
        head: StatusCode::BAD_GATEWAY.into(),
        body: Bytes::from_static(b"rescued"),
        more: false,
        trailers: gateway_spec::TrailersPlan::None,
    }
}

/// Forwards everything.
struct Unchanged(Arc<dyn HttpTransport>);

impl HttpLayer for Unchanged {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.0
    }
}

/// Makes the response's body upper case, files too, and leaves tunnels alone.
struct Upper {
    inner: Arc<dyn HttpTransport>,
    tunnel: AtomicBool,
}

impl HttpLayer for Upper {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let upper = |bytes: Bytes| Bytes::from(bytes.to_ascii_uppercase());
        self.inner.send(match event {
            HttpSend::Upgrade { head } => {
                self.tunnel.store(true, Ordering::Relaxed);
                HttpSend::Upgrade { head }
            }
            event if self.tunnel.load(Ordering::Relaxed) => event,
            HttpSend::Start {
                head,
                body,
                more,
                trailers,
            } => HttpSend::Start {
                head,
                body: upper(body),
                more,
                trailers,
            },
            HttpSend::Body { bytes, more } => HttpSend::Body {
                bytes: upper(bytes),
                more,
            },
            HttpSend::File(region) => {
                // The peer's own regions are small enough to be read here.
                let mut bytes = vec![0; usize::try_from(region.length).unwrap_or(0)];
                let read = region.file.read_exact_at(&mut bytes, region.offset);
                read.map_err(|error| SendError::File(error.kind()))?;
                HttpSend::Body {
                    bytes: upper(bytes.into()),
                    more: true,
                }
            }
            other => other,
        })
    }
}

/// What middleware that changes bodies does with lengths.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lengths {
    True,
    AsTheyWere,
}

/// Sends each part of the response twice.
struct Double {
    inner: Arc<dyn HttpTransport>,
    lengths: Lengths,
}

fn double(http: Http, lengths: Lengths) -> Http {
    http.map_transport(|inner| Arc::new(Layered(Double { inner, lengths })))
}

impl HttpLayer for Double {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let twice = |bytes: Bytes| Bytes::from([&*bytes, &*bytes].concat());
        self.inner.send(match event {
            HttpSend::Start {
                mut head,
                body,
                more,
                trailers,
            } => {
                if self.lengths == Lengths::True {
                    head.headers.remove(&header::CONTENT_LENGTH);
                }
                HttpSend::Start {
                    head,
                    body: twice(body),
                    more,
                    trailers,
                }
            }
            HttpSend::Body { bytes, more } => HttpSend::Body {
                bytes: twice(bytes),
                more,
            },
            other => other,
        })
    }
}

/// What [`Prefix`] puts before a request's body.
const PREFIX: &[u8] = b"before ";

/// Makes the request's body longer.
struct Prefix {
    inner: Arc<dyn HttpTransport>,
    given: AtomicBool,
}

impl HttpLayer for Prefix {
    fn inner(&self) -> &dyn HttpTransport {
        &*self.inner
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        if self.given.swap(true, Ordering::Relaxed) {
            return self.inner.poll_receive(cx);
        }
        Poll::Ready(HttpReceive::Body {
            bytes: Bytes::from_static(PREFIX),
            more: true,
        })
    }

    fn gone(&self) -> GoneSignal {
        self.inner.gone()
    }

    fn abort(&self, why: Abort) {
        self.inner.abort(why);
    }
}

/// When middleware hands events on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relay {
    EachAtOnce,
    AllAtTheEnd,
}

async fn relay(
    call: impl Future<Output = Result<Done, AppError>>,
    events: gateway_spec::Events,
    when: Relay,
) -> Result<Done, AppError> {
    relay_later(call, events, std::future::ready(when)).await
}

/// Polls the application and its relay beside each other.
async fn relay_later(
    call: impl Future<Output = Result<Done, AppError>>,
    mut events: gateway_spec::Events,
    when: impl Future<Output = Relay>,
) -> Result<Done, AppError> {
    let relayed = async {
        let when = when.await;
        let mut held = Vec::new();
        while let Some(event) = events.sent().await {
            match when {
                Relay::EachAtOnce => events.forward(event).await?,
                Relay::AllAtTheEnd => held.push(event),
            }
        }
        for event in held {
            events.forward(event).await?;
        }
        Ok::<_, SendError>(())
    };
    let (mut call, mut relayed) = (pin!(call), pin!(relayed));
    let (mut returned, mut sent) = (None, None);
    poll_fn(|cx| {
        if returned.is_none()
            && let Poll::Ready(result) = call.as_mut().poll(cx)
        {
            returned = Some(result);
        }
        if sent.is_none()
            && let Poll::Ready(result) = relayed.as_mut().poll(cx)
        {
            sent = Some(result);
        }
        match (returned.take(), &sent) {
            (Some(Err(error)), _) => Poll::Ready(Err(error)),
            (Some(Ok(done)), Some(Ok(()))) => Poll::Ready(Ok(done)),
            (_, Some(Err(SendError::Gone(gone)))) => Poll::Ready(Err(Gone::into(*gone))),
            (_, Some(Err(error))) => Poll::Ready(Err(AppError::message(error.to_string()))),
            (result, _) => {
                returned = result;
                Poll::Pending
            }
        }
    })
    .await
}
