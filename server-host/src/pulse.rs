//! Whether all workers live: each is asked to say so, and whoever started the server is told only if all have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify as Wake;

use crate::notify::Notify;

/// What a worker is asked and answers.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    asked: AtomicU64,
    answered: AtomicU64,
    wake: Wake,
}

impl Pulse {
    /// Answers, on the worker's thread, for as long as that runs.
    pub(crate) async fn beat(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            let asked = self.asked.load(Ordering::Acquire);
            self.answered.store(asked, Ordering::Release);
        }
    }

    /// The worker has ended, which is no fault of it.
    pub(crate) fn end(&self) {
        self.answered.store(u64::MAX, Ordering::Release);
    }

    fn ask(&self, number: u64) {
        self.asked.store(number, Ordering::Release);
        self.wake.notify_one();
    }

    fn has_answered(&self, number: u64) -> bool {
        self.answered.load(Ordering::Acquire) >= number
    }
}

/// Says at each interval that the server lives, if all workers have answered since the last.
pub(crate) async fn watch(pulses: Vec<Arc<Pulse>>, notify: Arc<Notify>, interval: Duration) {
    let mut number = 0;
    loop {
        number += 1;
        pulses.iter().for_each(|pulse| pulse.ask(number));
        tokio::time::sleep(interval).await;
        let silent = pulses.iter().position(|pulse| !pulse.has_answered(number));
        match silent {
            None => notify.alive(),
            Some(worker) => tracing::error!(
                worker,
                "a worker is held by the application: the watchdog is not told that the server lives"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_answers_what_it_was_asked_last() {
        let pulse = Arc::new(Pulse::default());
        let beating = tokio::spawn(Arc::clone(&pulse).beat());
        for number in 1..4 {
            pulse.ask(number);
            assert!(!pulse.has_answered(number));
            while !pulse.has_answered(number) {
                tokio::task::yield_now().await;
            }
        }
        beating.abort();
        pulse.ask(5);
        tokio::task::yield_now().await;
        assert!(!pulse.has_answered(5));
        pulse.end();
        assert!(pulse.has_answered(5));
    }
}
