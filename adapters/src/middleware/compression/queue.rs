//! What an application sends, between it and the worker that codes it: the order of events, the bound on them, who waits for what.
//!
//! One mutex, which is held over no call of another's: wakers are called and dropped without it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use gateway_spec::{Abort, FileRegion, Gone, HttpSend, ResponseHead, SendError, TrailersPlan};
use http::HeaderMap;

use crate::ContentCoding;

/// The application may run ahead of its coding by so many events and bytes, and the event that passes them, as by any middleware that
/// intercepts (MW-6).
const EVENTS_AHEAD: usize = 16;
const BYTES_AHEAD: usize = 64 * 1024;

/// Something to code, or the end.
#[derive(Debug)]
pub(super) enum Job {
    /// An answer of which nothing was sent.
    Whole {
        head: ResponseHead,
        body: Bytes,
    },
    Part(Bytes),
    File(FileRegion),
    End(Option<HeaderMap>),
    Abort(Abort),
}

impl Job {
    fn weight(&self) -> usize {
        match self {
            Self::Whole { body, .. } => body.len(),
            Self::Part(bytes) => bytes.len(),
            Self::File(_) | Self::End(_) | Self::Abort(_) => 0,
        }
    }
}

/// How far an answer is.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// Nothing final was sent.
    #[default]
    Before,
    /// It is not coded: all goes by.
    Passing,
    /// What is sent is queued.
    Coding(Open),
    /// The application has ended it; the worker may still be at it.
    Ended,
    /// It cannot be sent any more.
    Gone(Gone),
}

/// A coded answer that the application has not ended.
#[derive(Debug)]
pub(super) struct Open {
    /// The declared length, which the server does not see, and how much of it is still to come (HTTP-24).
    declared: Option<(u64, u64)>,
    trailers: TrailersPlan,
}

impl Open {
    /// Of which so much was sent with the head.
    pub(super) fn new(
        declared: Option<u64>,
        trailers: TrailersPlan,
        sent: u64,
    ) -> Result<Self, SendError> {
        let mut open = Self {
            declared: declared.map(|length| (length, length)),
            trailers,
        };
        open.count(sent)?;
        Ok(open)
    }

    fn count(&mut self, bytes: u64) -> Result<(), SendError> {
        let Some((declared, left)) = &mut self.declared else {
            return Ok(());
        };
        let declared = *declared;
        *left = left
            .checked_sub(bytes)
            .ok_or(SendError::TooMuch { declared })?;
        Ok(())
    }

    fn complete(&self, bytes: u64) -> Result<(), SendError> {
        match self.declared {
            Some((declared, left)) if bytes > left => Err(SendError::TooMuch { declared }),
            Some((_, left)) if bytes < left => Err(SendError::TooLittle {
                missing: left - bytes,
            }),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    coding: Option<ContentCoding>,
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Whether the worker has something that it has not handed on.
    is_working: bool,
    sender: Option<Waker>,
    flusher: Option<Waker>,
    worker: Option<Waker>,
}

impl State {
    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && !self.is_working
    }

    fn push(&mut self, job: Job) {
        self.bytes += job.weight();
        self.jobs.push_back(job);
    }

    fn accept(&mut self, event: HttpSend) -> Result<(), SendError> {
        let Phase::Coding(open) = &mut self.phase else {
            return Err(match self.phase {
                Phase::Gone(gone) => gone.into(),
                Phase::Ended => Gone::Finished.into(),
                _ => SendError::OutOfOrder,
            });
        };
        match event {
            HttpSend::Body { bytes, more: true } => {
                open.count(bytes.len() as u64)?;
                if !bytes.is_empty() {
                    self.push(Job::Part(bytes));
                }
            }
            HttpSend::Body { bytes, more: false } => {
                open.complete(bytes.len() as u64)?;
                if !bytes.is_empty() {
                    self.push(Job::Part(bytes));
                }
                self.end(Job::End(None));
            }
            HttpSend::File(region) => {
                open.count(region.length)?;
                self.push(Job::File(region));
            }
            HttpSend::Trailers(trailers) => {
                let is_planned = match &open.trailers {
                    TrailersPlan::None => false,
                    TrailersPlan::Announced(names) => {
                        trailers.keys().all(|name| names.contains(name))
                    }
                    TrailersPlan::Maybe => true,
                };
                if !is_planned {
                    return Err(SendError::BadTrailer);
                }
                open.complete(0)?;
                self.end(Job::End(Some(trailers)));
            }
            _ => return Err(SendError::OutOfOrder),
        }
        Ok(())
    }

    fn end(&mut self, job: Job) {
        self.push(job);
        self.phase = Phase::Ended;
    }
}

/// What the transport does with an event.
pub(super) enum Way {
    /// It may begin an answer.
    Decide,
    /// It goes by.
    Pass,
    /// It is queued.
    Queue,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The application's side.

    pub(super) fn way(&self) -> Way {
        match self.lock().phase {
            Phase::Before => Way::Decide,
            Phase::Passing => Way::Pass,
            Phase::Coding(_) | Phase::Ended | Phase::Gone(_) => Way::Queue,
        }
    }

    /// The answer is what it is.
    pub(super) fn pass(&self) {
        self.lock().phase = Phase::Passing;
    }

    /// The answer is complete, and was handed on.
    pub(super) fn done(&self) {
        self.lock().phase = Phase::Ended;
    }

    /// Begins an answer whose head was handed on.
    pub(super) fn begin(&self, coding: ContentCoding, open: Open, first: Bytes) {
        let mut state = self.lock();
        state.coding = Some(coding);
        state.phase = Phase::Coding(open);
        if !first.is_empty() {
            state.push(Job::Part(first));
        }
        Self::call_worker(state);
    }

    /// Takes a whole answer.
    pub(super) fn begin_whole(&self, coding: ContentCoding, head: ResponseHead, body: Bytes) {
        let mut state = self.lock();
        state.coding = Some(coding);
        state.end(Job::Whole { head, body });
        Self::call_worker(state);
    }

    pub(super) fn send(&self, event: HttpSend, gone: Option<Gone>) -> Result<(), SendError> {
        let mut state = self.lock();
        match (gone, &state.phase) {
            (Some(gone), Phase::Coding(_)) => return Err(gone.into()),
            _ => state.accept(event)?,
        }
        Self::call_worker(state);
        Ok(())
    }

    /// Whether the application gave up something that is queued, and not an exchange in which all goes by.
    pub(super) fn abort(&self, why: Abort) -> bool {
        let mut state = self.lock();
        match state.phase {
            Phase::Before | Phase::Passing => return false,
            Phase::Coding(_) => state.end(Job::Abort(why)),
            Phase::Ended | Phase::Gone(_) => {}
        }
        Self::call_worker(state);
        true
    }

    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        match state.phase {
            Phase::Gone(gone) => return Poll::Ready(Err(gone)),
            Phase::Ended => return Poll::Ready(Err(Gone::Finished)),
            _ => {}
        }
        if state.jobs.len() < EVENTS_AHEAD && state.bytes < BYTES_AHEAD {
            return Poll::Ready(Ok(()));
        }
        let unused = state.sender.replace(cx.waker().clone());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    /// Waits until all that was sent was handed on.
    pub(super) fn poll_handed_on(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let mut state = self.lock();
        if let Phase::Gone(gone) = state.phase {
            return Poll::Ready(Err(gone));
        }
        if state.is_idle() {
            return Poll::Ready(Ok(()));
        }
        let unused = state.flusher.replace(cx.waker().clone());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    fn call_worker(mut state: MutexGuard<'_, State>) {
        let worker = state.worker.take();
        drop(state);
        worker.into_iter().for_each(Waker::wake);
    }

    // The worker's side.

    /// What is to be made, once there is anything.
    pub(super) fn poll_coding(&self, cx: &mut Context<'_>) -> Poll<ContentCoding> {
        let mut state = self.lock();
        if let Some(coding) = state.coding {
            return Poll::Ready(coding);
        }
        let unused = state.worker.replace(cx.waker().clone());
        drop(state);
        drop(unused);
        Poll::Pending
    }

    /// The next job, if one is there.
    pub(super) fn next_now(&self) -> Option<Job> {
        let mut state = self.lock();
        let job = state.jobs.pop_front()?;
        state.bytes -= job.weight();
        state.is_working = true;
        let sender = state.sender.take();
        drop(state);
        sender.into_iter().for_each(Waker::wake);
        Some(job)
    }

    /// Waits for a job, when all before it was handed on.
    pub(super) fn poll_job(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        state.is_working = false;
        if !state.jobs.is_empty() {
            return Poll::Ready(());
        }
        let unused = state.worker.replace(cx.waker().clone());
        let flusher = state.flusher.take();
        drop(state);
        drop(unused);
        flusher.into_iter().for_each(Waker::wake);
        Poll::Pending
    }

    /// Whether the application can add nothing any more.
    pub(super) fn is_ended(&self) -> bool {
        matches!(self.lock().phase, Phase::Ended | Phase::Gone(_))
    }

    /// Nobody works any more: whether something was begun and is not handed on to its end.
    pub(super) fn leave(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Coding(_)) || !state.is_idle()
    }

    /// All was handed on, or nothing can be any more.
    pub(super) fn finish(&self, gone: Option<Gone>) {
        let mut state = self.lock();
        state.is_working = false;
        let unsent = std::mem::take(&mut state.jobs);
        state.bytes = 0;
        state.phase = match gone {
            Some(gone) => Phase::Gone(gone),
            None => Phase::Ended,
        };
        let wakers = [state.sender.take(), state.flusher.take()];
        let unused = state.worker.take();
        drop(state);
        drop((unsent, unused));
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}
