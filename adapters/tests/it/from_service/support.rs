//! Services and bodies that do as they are told, and write down what becomes of them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use adapters::tower::{FromService, from_service};
use bytes::Bytes;
use gateway_spec::RequestBody;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use test_client::TestClient;
use tokio::sync::Notify;
use tower::util::ServiceFn;

/// A client of a service made of a function.
pub(crate) fn client<F, Fut, B>(function: F) -> TestClient
where
    F: FnMut(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    TestClient::new(service(function))
}

/// An application of a service made of a function.
pub(crate) fn service<F: 'static>(function: F) -> FromService<ServiceFn<F>> {
    from_service(tower::service_fn(function))
}

/// Counts how often something happened, for whoever waits for it.
#[derive(Clone, Default)]
pub(crate) struct Count {
    inner: Arc<(AtomicUsize, Notify)>,
}

impl Count {
    pub(crate) fn get(&self) -> usize {
        self.inner.0.load(Ordering::SeqCst)
    }

    pub(crate) fn add(&self) {
        self.inner.0.fetch_add(1, Ordering::SeqCst);
        self.inner.1.notify_waiters();
    }

    /// Waits until it has happened so often.
    pub(crate) async fn reach(&self, count: usize) {
        loop {
            let more = self.inner.1.notified();
            if self.get() >= count {
                return;
            }
            more.await;
        }
    }

    /// Counts when it is dropped.
    pub(crate) fn on_drop(&self) -> OnDrop {
        OnDrop(self.clone())
    }
}

pub(crate) struct OnDrop(Count);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// A body that gives these frames one by one, and then does as its end says.
pub(crate) struct Script {
    frames: VecDeque<Frame<Bytes>>,
    end: End,
    size: Option<u64>,
    pub(crate) polls: Count,
    dropped: Option<OnDrop>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// And says so with the last frame.
    Told,
    Clean,
    Never,
    Failure,
}

impl Script {
    pub(crate) fn of<const N: usize>(parts: [&'static str; N], end: End) -> Self {
        Self {
            frames: parts.map(|part| Frame::data(Bytes::from(part))).into(),
            end,
            size: None,
            polls: Count::default(),
            dropped: None,
        }
    }

    pub(crate) fn sized(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    pub(crate) fn trailers<const N: usize>(mut self, trailers: [(&'static str, &str); N]) -> Self {
        self.frames.push_back(Frame::trailers(fields(trailers)));
        self
    }

    pub(crate) fn counting_drops(mut self, dropped: &Count) -> Self {
        self.dropped = Some(dropped.on_drop());
        self
    }

    pub(crate) fn counting_polls(mut self, polls: &Count) -> Self {
        self.polls = polls.clone();
        self
    }
}

pub(crate) fn fields<const N: usize>(fields: [(&'static str, &str); N]) -> HeaderMap {
    let field = |(name, value): (&'static str, &str)| {
        let name = http::HeaderName::from_static(name);
        (name, HeaderValue::from_str(value).unwrap())
    };
    fields.into_iter().map(field).collect()
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.polls.add();
        match (self.frames.pop_front(), self.end) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, End::Told | End::Clean) => Poll::Ready(None),
            (None, End::Never) => Poll::Pending,
            (None, End::Failure) => Poll::Ready(Some(Err(std::io::Error::other("it broke")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.end == End::Told && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// The body of a response, whatever it is made of.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

pub(crate) fn any<B>(body: B) -> AnyBody
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Lets every task of a runtime of one thread go as far as it can without anything from outside.
pub(crate) async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
