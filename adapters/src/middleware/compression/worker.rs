//! Codes what is queued and hands it on, a slice at a time, beside the application's call.

use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use gateway_spec::{Abort, FileRegion, Gone, HttpSend, ResponseHead, SendError, TrailersPlan};
use http::HeaderMap;

use super::encoder::{Encoder, Place};
use super::layer::{Layer, SLICE};
use super::queue::Job;
use crate::ContentCoding;

/// Coded bytes that are handed on at a time while the application has more.
const OUT: usize = 16 * 1024;

/// Coded bytes of a whole answer that are held until it is known how many there are; beyond it goes out as a stream.
const WHOLE: usize = 64 * 1024;

/// Bytes that are given to a thread at a time, and read from a file.
const PIECE: usize = 64 * 1024;

/// Why an answer cannot be coded to its end.
enum Failure {
    Gone(Gone),
    /// Handed on before its end, or refused by what it was handed to.
    Broken(Box<dyn std::error::Error + Send + Sync>),
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Gone(gone) => Self::Gone(gone),
            other => Self::Broken(other.into()),
        }
    }
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// Works until the answer is complete, or cannot be completed.
pub(super) async fn work(layer: Arc<gateway_spec::Layered<Layer>>, coding: ContentCoding) {
    let layer = &layer.0;
    let mut worker = Worker {
        layer,
        coding,
        encoder: None,
        is_unflushed: false,
    };
    match worker.run().await {
        Ok(()) => layer.queue.finish(None),
        Err(Failure::Gone(gone)) => layer.queue.finish(Some(gone)),
        Err(Failure::Broken(error)) => {
            tracing::error!(%error, %coding, "an answer could not be coded to its end");
            layer.queue.finish(Some(Gone::Aborted));
            layer.inner.abort(Abort::Dropped);
        }
    }
}

struct Worker<'a> {
    layer: &'a Layer,
    coding: ContentCoding,
    /// Made for the first bytes, so that a stream without any holds no memory for it.
    encoder: Option<Encoder>,
    is_unflushed: bool,
}

impl Worker<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        loop {
            let Some(job) = self.layer.queue.next_now() else {
                // The application has no more for now: the client is to have what there is (MW-5).
                self.flush().await?;
                poll_fn(|cx| self.layer.queue.poll_job(cx)).await;
                continue;
            };
            match job {
                Job::Part(bytes) => self.encode(bytes).await?,
                Job::File(region) => self.encode_file(region).await?,
                Job::Whole { head, body } => return self.encode_whole(head, body).await,
                Job::End(trailers) => return self.end(trailers).await,
                Job::Abort(why) => {
                    self.flush().await?;
                    self.layer.inner.abort(why);
                    return Ok(());
                }
            }
        }
    }

    fn encoder(&mut self) -> io::Result<&mut Encoder> {
        if self.encoder.is_none() {
            let encoder = Encoder::new(self.coding, self.layer.settings.levels)?;
            self.encoder = Some(encoder);
        }
        Ok(self.encoder.as_mut().expect("it was made above"))
    }

    async fn encode(&mut self, mut bytes: Bytes) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let slice = self.write_slice(&mut bytes).await?;
            self.is_unflushed = true;
            let encoder = self.encoder()?;
            if encoder.len() >= OUT {
                let coded = encoder.take();
                self.hand_on(coded).await?;
            }
            if slice == SLICE {
                give_way().await;
            }
        }
        Ok(())
    }

    /// Codes the first of these bytes, as many as are coded at a time, and says how many.
    async fn write_slice(&mut self, bytes: &mut Bytes) -> io::Result<usize> {
        match self.place() {
            Place::Here => {
                let slice = bytes.split_to(bytes.len().min(SLICE));
                self.encoder()?.write(&slice)?;
                Ok(slice.len())
            }
            Place::Thread => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                let length = piece.len();
                self.on_thread(move |encoder| encoder.write(&piece)).await?;
                Ok(length)
            }
        }
    }

    fn place(&self) -> Place {
        self.layer.settings.levels.place(self.coding)
    }

    /// Lends the encoder to a thread that may take its time.
    async fn on_thread(
        &mut self,
        work: impl FnOnce(&mut Encoder) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        self.encoder()?;
        let Some(mut encoder) = self.encoder.take() else {
            return Ok(());
        };
        let worked = tokio::task::spawn_blocking(move || {
            let result = work(&mut encoder);
            (encoder, result)
        });
        let (encoder, result) = worked.await.map_err(io::Error::other)?;
        self.encoder = Some(encoder);
        result
    }

    async fn encode_file(&mut self, mut region: FileRegion) -> Result<(), Failure> {
        while region.length > 0 {
            let (file, offset) = (Arc::clone(&region.file), region.offset);
            let length = usize::try_from(region.length).map_or(PIECE, |left| left.min(PIECE));
            let read = tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, offset).map(|()| bytes)
            });
            let bytes = read.await.map_err(io::Error::other)??;
            region.offset += length as u64;
            region.length -= length as u64;
            self.encode(bytes.into()).await?;
        }
        Ok(())
    }

    /// Codes an answer before its head, unless it gets too long: then nobody is told how long.
    async fn encode_whole(&mut self, head: ResponseHead, body: Bytes) -> Result<(), Failure> {
        let mut rest = body;
        while !rest.is_empty() {
            self.write_slice(&mut rest).await?;
            if self.encoder()?.len() >= WHOLE {
                break;
            }
            give_way().await;
        }
        let is_complete = rest.is_empty();
        let coded = if is_complete {
            self.finish().await?
        } else {
            self.encoder()?.take()
        };
        self.send(HttpSend::Start {
            head,
            body: coded,
            more: !is_complete,
            trailers: TrailersPlan::None,
        })
        .await?;
        if is_complete {
            return Ok(());
        }
        self.encode(rest).await?;
        self.end(None).await
    }

    /// Brings out all that was written, if anything was.
    async fn flush(&mut self) -> Result<(), Failure> {
        if !std::mem::take(&mut self.is_unflushed) {
            return Ok(());
        }
        match self.place() {
            Place::Here => self.encoder()?.flush()?,
            Place::Thread => self.on_thread(Encoder::flush).await?,
        }
        let coded = self.encoder()?.take();
        self.hand_on(coded).await
    }

    async fn finish(&mut self) -> io::Result<Bytes> {
        if self.place() == Place::Thread {
            // What is left to do then is little.
            self.on_thread(Encoder::flush).await?;
        }
        self.encoder()?;
        match self.encoder.take() {
            Some(encoder) => encoder.finish(),
            None => Ok(Bytes::new()),
        }
    }

    async fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), Failure> {
        let bytes = self.finish().await?;
        let Some(trailers) = trailers else {
            return self.send(HttpSend::Body { bytes, more: false }).await;
        };
        self.hand_on(bytes).await?;
        self.send(HttpSend::Trailers(trailers)).await
    }

    async fn hand_on(&self, bytes: Bytes) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.send(HttpSend::Body { bytes, more: true }).await
    }

    async fn send(&self, event: HttpSend) -> Result<(), Failure> {
        let inner = &self.layer.inner;
        poll_fn(|cx| inner.poll_ready(cx)).await?;
        Ok(inner.send(event)?)
    }
}

/// Lets the others on this thread have their turn.
fn give_way() -> impl Future<Output = ()> {
    let mut has_given = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut has_given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}
