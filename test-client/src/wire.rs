//! One exchange in memory: the [`HttpTransport`] that the application has, and what the client's side does with it.
//!
//! No waker is called and no file read under the lock (SRV-13).

use std::collections::VecDeque;
use std::fmt;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use gateway_spec::{
    Abort, AppError, BodyError, FileRegion, Gone, GoneSignal, HttpReceive, HttpSend, HttpTransport,
    ResponseHead, SendError, Signal,
};
use http::StatusCode;

use crate::outcome::Outcome;
use crate::rules::{Facts, Output, Rules, Turn, Verdict};
use crate::upload::Upload;

/// Bytes of a response that are kept for a client that does not read (SRV-5); 64 KiB, as the servers.
pub(crate) const WINDOW: usize = 64 * 1024;

/// Events that are kept, however small: bounds what empty ones cost.
const EVENTS: usize = 1024;

/// Bytes of a file that are read at once.
const PIECE: usize = 16 * 1024;

pub(crate) struct Wire {
    state: Mutex<State>,
    /// Why the client is gone.
    gone: Signal<Gone>,
    /// The call has returned.
    returned: Signal<()>,
}

struct State {
    rules: Rules,
    upload: Upload,
    output: VecDeque<Output>,
    /// Bytes in `output`.
    queued: usize,
    window: usize,
    /// Why nothing can be sent or received any more.
    left: Option<Gone>,
    half_close: HalfClose,
    outcome: Option<Outcome>,
    /// The application, receiving and sending.
    receiver: Option<Waker>,
    sender: Option<Waker>,
    /// The client, reading and sending.
    reader: Option<Waker>,
    uploader: Option<Waker>,
    /// The task of the call, which settles what a dropped handle means.
    call: Option<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HalfClose {
    No,
    Untold,
    Told,
}

impl Wire {
    pub(crate) fn new(facts: Facts, upload: Upload, window: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                rules: Rules::new(facts),
                upload,
                output: VecDeque::new(),
                queued: 0,
                window,
                left: None,
                half_close: HalfClose::No,
                outcome: None,
                receiver: None,
                sender: None,
                reader: None,
                uploader: None,
                call: None,
            }),
            gone: Signal::new(),
            returned: Signal::new(),
        })
    }

    // The task of the call.

    /// Before the call is polled.
    pub(crate) fn enter(&self, waker: &Waker) {
        keep(&mut self.lock().call, waker);
    }

    /// After the call was polled: answers for it where a server would.
    pub(crate) fn settle(&self, turn: Turn<'_>) -> Verdict {
        let mut state = self.lock();
        if state.left.is_some_and(|left| left != Gone::Finished) {
            return Verdict::Fine;
        }
        let verdict = state.rules.settle(turn);
        let error = match turn {
            Turn::Failed(error) => Some(error),
            Turn::Pending | Turn::Done | Turn::Panicked => None,
        };
        self.carry_out(state, verdict, error);
        verdict
    }

    /// The call has returned.
    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        self.lock().outcome = Some(outcome);
        self.returned.raise(());
    }

    // The client.

    pub(crate) async fn outcome(&self) -> Outcome {
        loop {
            let returned = self.returned.wait();
            if let Some(outcome) = self.outcome_now() {
                return outcome;
            }
            returned.await;
        }
    }

    pub(crate) fn outcome_now(&self) -> Option<Outcome> {
        self.lock().outcome.clone()
    }

    /// The next thing that the client reads, of a body at most `max` bytes; none of it, if that is 0.
    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, max: usize) -> Poll<Read> {
        let mut state = self.lock();
        if max > 0 && matches!(state.output.front(), Some(Output::File(_))) {
            let Some(Output::File(region)) = state.output.pop_front() else {
                return Poll::Pending;
            };
            drop(state);
            return Poll::Ready(Read::Output(self.read_file(region, max.min(PIECE))));
        }
        let is_data = matches!(
            state.output.front(),
            Some(Output::Data(_) | Output::File(_))
        );
        let next = if is_data && max == 0 {
            None
        } else {
            state.take(max)
        };
        match (next, state.left) {
            (Some(output), _) => {
                let sender = state.has_credit().then(|| state.sender.take()).flatten();
                drop(state);
                wake([sender]);
                Poll::Ready(Read::Output(output))
            }
            (None, Some(gone)) if state.output.is_empty() => Poll::Ready(Read::Left(gone)),
            (None, _) => {
                keep(&mut state.reader, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Waits for something to read; how many bytes of the body are next.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<u64> {
        let mut state = self.lock();
        match state.output.front() {
            Some(Output::Data(bytes)) => Poll::Ready(bytes.len() as u64),
            Some(Output::File(region)) => Poll::Ready(region.length.min(PIECE as u64)),
            Some(_) => Poll::Ready(0),
            None if state.left.is_some() => Poll::Ready(0),
            None => {
                keep(&mut state.reader, cx.waker());
                Poll::Pending
            }
        }
    }

    /// Bytes that were sent and not read.
    pub(crate) fn unread(&self) -> usize {
        self.lock().queued
    }

    pub(crate) fn set_window(&self, bytes: usize) {
        let mut state = self.lock();
        state.window = bytes;
        let sender = state.sender.take();
        drop(state);
        wake([sender]);
    }

    /// Bytes of the body that the application has not received.
    pub(crate) fn unreceived(&self) -> usize {
        self.lock().upload.held()
    }

    /// Waits until the server takes more of the body.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if let Some(gone) = state.left {
            return Poll::Ready(Err(gone));
        }
        if state.upload.has_room() {
            return Poll::Ready(Ok(()));
        }
        keep(&mut state.uploader, cx.waker());
        Poll::Pending
    }

    /// Changes what the client has sent, while it can send.
    pub(crate) fn upload(&self, change: impl FnOnce(&mut Upload)) {
        let mut state = self.lock();
        if state.left.is_some() || state.half_close != HalfClose::No {
            return;
        }
        change(&mut state.upload);
        let receiver = state.receiver.take();
        drop(state);
        wake([receiver]);
    }

    /// The client stops sending (SRV-3): of a tunnel, that is its end in this direction.
    pub(crate) fn half_close(&self) {
        let mut state = self.lock();
        if state.half_close != HalfClose::No || state.left.is_some() {
            return;
        }
        state.half_close = HalfClose::Untold;
        if state.rules.is_tunnel() {
            state.upload.end(None);
        } else {
            // A body that was cut short (HTTP-8).
            state.upload.fail(BodyError::Malformed);
        }
        let receiver = state.receiver.take();
        drop(state);
        self.gone.raise(Gone::HalfClosed);
        wake([receiver]);
    }

    /// The client leaves: nothing more reaches it.
    pub(crate) fn leave(&self, gone: Gone) {
        let mut state = self.lock();
        if state.left.is_some() {
            return;
        }
        state.left = Some(gone);
        let lost = std::mem::take(&mut state.output);
        state.queued = 0;
        let wakers = state.all_wakers();
        drop(state);
        drop(lost);
        self.gone.raise(gone);
        wake(wakers);
    }

    fn read_file(&self, mut region: FileRegion, max: usize) -> Output {
        let mut piece = vec![0; usize::try_from(region.length).map_or(max, |left| left.min(max))];
        if region
            .file
            .read_exact_at(&mut piece, region.offset)
            .is_err()
        {
            // Shorter than it should be, or not readable (HTTP-25).
            let mut state = self.lock();
            state.output.clear();
            state.queued = 0;
            let verdict = state.rules.abort();
            self.carry_out(state, verdict, None);
            return Output::Data(Bytes::new());
        }
        region.offset += piece.len() as u64;
        region.length -= piece.len() as u64;
        let mut state = self.lock();
        if region.length > 0 {
            state.output.push_front(Output::File(region));
        }
        let sender = state.sender.take();
        drop(state);
        wake([sender]);
        Output::Data(piece.into())
    }

    /// Does what was decided, and wakes whom it concerns. Consumes the lock.
    fn carry_out(
        &self,
        mut state: MutexGuard<'_, State>,
        verdict: Verdict,
        error: Option<&AppError>,
    ) {
        match verdict {
            Verdict::Fine => return,
            Verdict::Answer(status) => {
                let State {
                    rules,
                    output,
                    queued,
                    ..
                } = &mut *state;
                let page = match error {
                    Some(error) => error.response(),
                    None => AppError::status(status).response(),
                };
                rules.answer(page, |sent| push(output, queued, sent));
            }
            Verdict::CutOff => state.output.push_back(Output::CutOff),
            Verdict::Close => state.output.push_back(Output::Close),
        }
        self.end(
            state,
            match verdict {
                Verdict::Close => Gone::Finished,
                _ => Gone::Aborted,
            },
        );
    }

    /// Nothing more can be sent. Consumes the lock.
    fn end(&self, mut state: MutexGuard<'_, State>, gone: Gone) {
        let is_new = state.left.is_none();
        state.left.get_or_insert(gone);
        state.upload.stop();
        let wakers = state.all_wakers();
        drop(state);
        if is_new {
            self.gone.raise(gone);
        }
        wake(wakers);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under this lock, so a poisoned one is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Wire")
            .field("rules", &state.rules)
            .field("unread", &state.queued)
            .field("left", &state.left)
            .field("outcome", &state.outcome)
            .finish_non_exhaustive()
    }
}

/// What the client finds when it reads.
pub(crate) enum Read {
    Output(Output),
    /// It left, or the exchange is over and all of it was read.
    Left(Gone),
}

impl State {
    fn has_credit(&self) -> bool {
        self.queued < self.window && self.output.len() < EVENTS
    }

    /// Takes what is next, of data at most so many bytes.
    fn take(&mut self, max: usize) -> Option<Output> {
        let next = match self.output.front_mut()? {
            Output::Data(bytes) if bytes.len() > max => Output::Data(bytes.split_to(max)),
            _ => self.output.pop_front()?,
        };
        if let Output::Data(bytes) = &next {
            self.queued -= bytes.len();
        }
        Some(next)
    }

    fn all_wakers(&mut self) -> [Option<Waker>; 4] {
        [
            self.receiver.take(),
            self.sender.take(),
            self.reader.take(),
            self.uploader.take(),
        ]
    }
}

impl HttpTransport for Wire {
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<HttpReceive> {
        let mut state = self.lock();
        let continues = state.rules.is_before() && state.upload.ask();
        if continues {
            // SRV-8.
            let head = ResponseHead::new(StatusCode::CONTINUE);
            state.output.push_back(Output::Informational(head));
        }
        let reader = continues.then(|| state.reader.take()).flatten();
        let event = state.upload.next().or_else(|| {
            if let Some(gone) = state.left {
                return Some(HttpReceive::Disconnect(gone));
            }
            let is_news = state.half_close == HalfClose::Untold;
            is_news.then(|| {
                state.half_close = HalfClose::Told;
                HttpReceive::Disconnect(Gone::HalfClosed)
            })
        });
        let uploader = if event.is_some() {
            state.uploader.take()
        } else {
            keep(&mut state.receiver, cx.waker());
            None
        };
        drop(state);
        wake([reader, uploader]);
        event.map_or(Poll::Pending, Poll::Ready)
    }

    fn stop_receiving(&self) {
        let mut state = self.lock();
        state.upload.stop();
        let uploader = state.uploader.take();
        drop(state);
        wake([uploader]);
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if let Some(gone) = state.left {
            return Poll::Ready(Err(gone));
        }
        if state.has_credit() {
            return Poll::Ready(Ok(()));
        }
        keep(&mut state.sender, cx.waker());
        Poll::Pending
    }

    fn send(&self, event: HttpSend) -> Result<(), SendError> {
        let mut state = self.lock();
        if let Some(gone) = state.left {
            return Err(SendError::Gone(gone));
        }
        let was_tunnel = state.rules.is_tunnel();
        let State {
            rules,
            output,
            queued,
            ..
        } = &mut *state;
        rules.accept(event, |sent| push(output, queued, sent))?;
        if state.rules.is_ended() {
            self.end(state, Gone::Finished);
            return Ok(());
        }
        if state.rules.is_tunnel() && !was_tunnel {
            state.upload.become_tunnel();
        }
        let reader = state.reader.take();
        drop(state);
        wake([reader]);
        Ok(())
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize, SendError>> {
        ready!(self.poll_ready(cx))?;
        let room = {
            let state = self.lock();
            state.window.saturating_sub(state.queued).max(1)
        };
        let piece = &bytes[..bytes.len().min(room)];
        self.send(HttpSend::Body {
            bytes: Bytes::copy_from_slice(piece),
            more: true,
        })?;
        Poll::Ready(Ok(piece.len()))
    }

    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        match state.left {
            Some(gone) if gone != Gone::Finished => Poll::Ready(Err(gone)),
            // What waits below the window is what a kernel would hold.
            _ if state.has_credit() => Poll::Ready(Ok(())),
            _ => {
                keep(&mut state.sender, cx.waker());
                Poll::Pending
            }
        }
    }

    fn poll_buffered(&self, cx: &mut Context<'_>, n: usize) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if state.upload.has(n) {
            return Poll::Ready(Ok(()));
        }
        if let Some(gone) = state.left {
            return Poll::Ready(Err(gone));
        }
        keep(&mut state.receiver, cx.waker());
        Poll::Pending
    }

    fn gone(&self) -> GoneSignal {
        self.gone.wait()
    }

    fn close(&self) {
        let mut state = self.lock();
        let verdict = state.rules.close();
        if state.left.is_none() {
            self.carry_out(state, verdict, None);
        }
    }

    fn abort(&self, why: Abort) {
        let mut state = self.lock();
        if state.left.is_some() {
            return;
        }
        let verdict = match why {
            Abort::Deliberate => state.rules.abort(),
            Abort::Dropped => state.rules.abandon(),
        };
        // The call may be pending, and this another task: who polls the call answers for it.
        let call = state.call.take();
        self.carry_out(state, verdict, None);
        wake([call]);
    }
}

fn push(output: &mut VecDeque<Output>, queued: &mut usize, sent: Output) {
    if let Output::Data(bytes) = &sent {
        *queued += bytes.len();
    }
    output.push_back(sent);
}

/// Keeps a waker in the place of an older one.
fn keep(place: &mut Option<Waker>, waker: &Waker) {
    match place {
        Some(kept) if kept.will_wake(waker) => {}
        _ => *place = Some(waker.clone()),
    }
}

fn wake<const N: usize>(wakers: [Option<Waker>; N]) {
    wakers.into_iter().flatten().for_each(Waker::wake);
}
