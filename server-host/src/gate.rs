//! Threads that serve: each has what it needs, or says why not, before any of them takes a client.

use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};

/// Holds threads back until all is there that they need and that may be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate(Arc<OnceLock<bool>>);

impl Gate {
    /// One that holds nobody back.
    pub(crate) fn opened() -> Self {
        let gate = Self::default();
        gate.decide(true);
        gate
    }

    /// Starts a thread, which makes its runtime and runs this when the gate opens. Blocks until it has its runtime.
    pub(crate) fn start(
        &self,
        name: String,
        run: impl FnOnce(Runtime) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let (says, said) = sync_channel(1);
        let gate = self.clone();
        // Not made here: a runtime that no thread can be had for must not be dropped in another one.
        let thread = thread::Builder::new().name(name).spawn(move || {
            let (runtime, made) = match runtime() {
                Ok(runtime) => (Some(runtime), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // There is room for it.
            let _ = says.send(made);
            if let Some(runtime) = runtime
                && gate.opens()
            {
                run(runtime);
            }
        })?;
        match said.recv() {
            Ok(made) => made.map(|()| thread),
            Err(_) => Err(io::Error::other("a thread ended before it had begun")),
        }
    }

    /// Decides whether it opens, once: what is said later counts for nothing.
    pub(crate) fn decide(&self, opens: bool) {
        let _ = self.0.set(opens);
    }

    /// Waits until that is known.
    fn opens(&self) -> bool {
        *self.0.wait()
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_gate_opens_or_does_not_and_stays_so() {
        for opens in [true, false] {
            let (gate, ran) = (Gate::default(), Arc::new(AtomicBool::new(false)));
            let runs = Arc::clone(&ran);
            let run = move |_| runs.store(true, Ordering::Relaxed);
            let thread = gate.start("waits".into(), run).expect("a thread");
            assert!(!ran.load(Ordering::Relaxed));
            gate.decide(opens);
            gate.decide(!opens);
            thread.join().expect("it ends");
            assert_eq!(ran.load(Ordering::Relaxed), opens);
        }
    }

    #[test]
    fn one_that_is_open_holds_nobody_back() {
        let run = |runtime: Runtime| runtime.block_on(async {});
        let thread = Gate::opened().start("runs".into(), run).expect("a thread");
        thread.join().expect("it ends");
    }
}
