//! What the tests share: exchanges in memory, a way to wait, a pool of a given size.

use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use adapters::{Pool, PoolSettings, SyncAdapter};
use bytes::Bytes;
use gateway_spec::{
    AppError, BodyLength, Capabilities, Connection, ConnectionInfo, Done, Events, Http,
    HttpReceive, HttpScope, HttpSend, ResponseHead, Scope, SyncApplicationFn, SyncHttp,
    sync_application_fn,
};

/// An exchange whose request has no body.
pub(crate) fn get() -> (Connection, Events) {
    request(BodyLength::Empty)
}

/// An exchange whose request's body is still to be delivered.
pub(crate) fn post() -> (Connection, Events) {
    request(BodyLength::Unknown)
}

pub(crate) fn request(body: BodyLength) -> (Connection, Events) {
    let info = Arc::new(ConnectionInfo::new(Capabilities::new("test")));
    let mut scope = HttpScope::new(info);
    scope.body = body;
    let (http, events) = Http::in_memory(Scope::new(scope));
    (Connection::Http(http), events)
}

pub(crate) fn settings(threads: usize) -> PoolSettings {
    PoolSettings::default().with_threads(NonZeroUsize::new(threads).unwrap())
}

pub(crate) fn pool(threads: usize, queue: usize) -> Pool {
    Pool::new("test", settings(threads).with_queue(queue))
}

pub(crate) fn app<F>(pool: &Pool, function: F) -> SyncAdapter<SyncApplicationFn<F>>
where
    F: Fn(SyncHttp) -> Result<Done, AppError> + Send + Sync + 'static,
{
    SyncAdapter::new(sync_application_fn(function)).with_pool(pool.clone())
}

/// One part of a body, with more to follow.
pub(crate) fn part(bytes: impl Into<Bytes>) -> HttpReceive {
    HttpReceive::Body {
        bytes: bytes.into(),
        more: true,
    }
}

pub(crate) fn last_part(bytes: impl Into<Bytes>) -> HttpReceive {
    HttpReceive::Body {
        bytes: bytes.into(),
        more: false,
    }
}

/// The head that was sent, and the bytes sent with it.
#[track_caller]
pub(crate) fn sent_head(events: &mut Events) -> (ResponseHead, Bytes) {
    match block_on(events.sent()) {
        Some(HttpSend::Start { head, body, .. }) => (head, body),
        other => panic!("{other:?} instead of a head"),
    }
}

/// The future's first turn, or one more; nobody is told when the next is due.
pub(crate) fn turn<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Wakes::of_this_thread()));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A place where the application waits until the test lets it go on.
pub(crate) struct Gate {
    arrived: mpsc::Sender<()>,
    open: Mutex<mpsc::Receiver<()>>,
}

/// The test's side of a [`Gate`].
pub(crate) struct Keeper {
    arrivals: mpsc::Receiver<()>,
    open: mpsc::Sender<()>,
}

pub(crate) fn gate() -> (Gate, Keeper) {
    let (arrived, arrivals) = mpsc::channel();
    let (open, opened) = mpsc::channel();
    let gate = Gate {
        arrived,
        open: Mutex::new(opened),
    };
    (gate, Keeper { arrivals, open })
}

impl Gate {
    pub(crate) fn pass(&self) {
        self.arrived.send(()).unwrap();
        self.open.lock().unwrap().recv().unwrap();
    }
}

impl Keeper {
    pub(crate) fn wait_for_arrival(&self) {
        self.arrivals.recv().unwrap();
    }

    pub(crate) fn open(&self) {
        self.open.send(()).unwrap();
    }
}

/// Drives a call to its end, which is a good one.
#[track_caller]
pub(crate) fn serve(call: impl Future<Output = Result<Done, AppError>>) {
    drop(block_on(call).unwrap());
}

/// Drives both to their ends on one task.
pub(crate) async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|cx| {
        if of_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(cx)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(cx)
        {
            of_b = Some(output);
        }
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// A waker that counts, and unparks the thread that made it.
pub(crate) struct Wakes {
    count: AtomicUsize,
    thread: Thread,
}

impl Wakes {
    pub(crate) fn of_this_thread() -> Self {
        Self {
            count: AtomicUsize::new(0),
            thread: thread::current(),
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.thread.unpark();
    }
}
