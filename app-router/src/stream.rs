//! Streams as bodies: items one after another, each on its way before the next is asked for.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use gateway_spec::{AppError, Done, DrainSignal, Gone, Writer};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep};

/// Where the items of a body come from.
pub(crate) type Source<T> = Pin<Box<dyn Stream<Item = Result<T, AppError>> + Send>>;

/// The items of a stream.
pub(crate) fn of<T: 'static>(items: impl Stream<Item = T> + Send + 'static) -> Source<T> {
    Box::pin(Infallible(Box::pin(items)))
}

/// The items that an async function sends. It runs while the stream does, at most one item ahead; an error that it returns
/// ends the stream, after what was sent before.
pub(crate) fn produced<T, F, Fut>(produce: F) -> Source<T>
where
    T: Send + 'static,
    F: FnOnce(mpsc::Sender<T>) -> Fut,
    Fut: Future<Output = Result<(), AppError>> + Send + 'static,
{
    let (sender, items) = mpsc::channel(1);
    Box::pin(Produced {
        producer: Some(Box::pin(produce(sender))),
        failed: None,
        items,
    })
}

/// What happens next to an open stream.
enum Next<T> {
    Item(T),
    Silence,
    End,
    Failed(AppError),
    Gone(Gone),
}

/// Writes all items until the source ends, the server drains or the client leaves. Each is flushed to the kernel before the
/// next is asked for. After so much silence, `keep_alive` is written.
pub(crate) async fn pump<T>(
    mut source: Source<T>,
    write: impl Fn(T) -> Result<Bytes, AppError>,
    keep_alive: Option<(Duration, Bytes)>,
    mut writer: Writer,
    mut drain: DrainSignal,
) -> Result<Done, AppError> {
    let mut gone = writer.gone();
    let silence = keep_alive
        .as_ref()
        .map(|(silence, _)| tokio::time::sleep(*silence));
    let mut silence: Pin<&mut Option<Sleep>> = pin!(silence);
    // The client learns that the stream is open by the head, not by the first item.
    writer.flush().await?;
    loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(gone) = Pin::new(&mut gone).poll(cx) {
                return Poll::Ready(Next::Gone(gone));
            }
            if Pin::new(&mut drain).poll(cx).is_ready() {
                return Poll::Ready(Next::End);
            }
            match source.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(item))) => Poll::Ready(Next::Item(item)),
                Poll::Ready(Some(Err(error))) => Poll::Ready(Next::Failed(error)),
                Poll::Ready(None) => Poll::Ready(Next::End),
                Poll::Pending => match silence.as_mut().as_pin_mut() {
                    Some(silence) => silence.poll(cx).map(|()| Next::Silence),
                    None => Poll::Pending,
                },
            }
        });
        let bytes = match (next.await, &keep_alive) {
            (Next::Item(item), _) => write(item)?,
            (Next::Silence, Some((_, bytes))) => bytes.clone(),
            (Next::Silence, None) => continue,
            (Next::End | Next::Gone(Gone::HalfClosed), _) => return writer.finish().await,
            (Next::Failed(error), _) => return Err(error),
            (Next::Gone(gone), _) => return Err(gone.into()),
        };
        writer.write(bytes).await?;
        writer.flush().await?;
        if let (Some(timer), Some((length, _))) = (silence.as_mut().as_pin_mut(), &keep_alive)
            && let Some(next) = Instant::now().checked_add(*length)
        {
            timer.reset(next);
        }
    }
}

struct Produced<Fut, T> {
    /// Until it has returned.
    producer: Option<Pin<Box<Fut>>>,
    /// Its error, which waits for the items that were sent before it.
    failed: Option<AppError>,
    items: mpsc::Receiver<T>,
}

impl<Fut, T> Unpin for Produced<Fut, T> {}

impl<Fut: Future<Output = Result<(), AppError>>, T> Stream for Produced<Fut, T> {
    type Item = Result<T, AppError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let me = &mut *self;
        if let Some(producer) = &mut me.producer
            && let Poll::Ready(result) = producer.as_mut().poll(cx)
        {
            me.producer = None;
            me.failed = result.err();
        }
        match me.items.poll_recv(cx) {
            Poll::Ready(None) => Poll::Ready(me.failed.take().map(Err)),
            other => other.map(|item| item.map(Ok)),
        }
    }
}

struct Infallible<S>(Pin<Box<S>>);

impl<S: Stream> Stream for Infallible<S> {
    type Item = Result<S::Item, AppError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx).map(|item| item.map(Ok))
    }
}
