//! Whether all workers live: each is asked to say so, and whoever started the server is told only if all have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify as Wake;

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

/// The longest pause between two looks at a worker that is silent.
const AGAIN: Duration = Duration::from_secs(1);

/// Says at each interval, by `alive`, that the server lives, if all workers have answered since the last.
///
/// A worker that is silent just then is looked at again every second: it is told late and not never that the worker lives. Were it
/// asked at the next interval only, a stall that ends before that would kill the process all the same, since whoever waits for
/// word waits for no more than two of them.
pub(crate) async fn watch(pulses: Vec<Arc<Pulse>>, alive: impl Fn(), interval: Duration) {
    // Several looks in what is left, however short that is.
    let again = AGAIN.min(interval / 4);
    let mut number = 0;
    loop {
        number += 1;
        pulses.iter().for_each(|pulse| pulse.ask(number));
        tokio::time::sleep(interval).await;
        let silent = || pulses.iter().position(|pulse| !pulse.has_answered(number));
        if let Some(worker) = silent() {
            tracing::error!(
                worker,
                "a worker is held by the application: the watchdog is not told that the server lives before it answers"
            );
            while silent().is_some() {
                tokio::time::sleep(again).await;
            }
            tracing::info!("all workers answer again");
        }
        alive();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::Instant;

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

    /// Seconds, from the start, at which it was said that the server lives; the worker answers from `held` to `until` to nobody.
    async fn told(held: u64, until: u64) -> Vec<u64> {
        let (pulse, said) = (Arc::new(Pulse::default()), Arc::new(Mutex::new(Vec::new())));
        let (start, telling) = (Instant::now(), Arc::clone(&said));
        let alive = move || {
            let now = (start.elapsed()).as_secs();
            telling.lock().expect("not poisoned").push(now);
        };
        let interval = Duration::from_secs(15);
        let watching = tokio::spawn(watch(vec![Arc::clone(&pulse)], alive, interval));
        let beating = tokio::spawn(Arc::clone(&pulse).beat());
        tokio::time::sleep(Duration::from_secs(held)).await;
        beating.abort();
        tokio::time::sleep(Duration::from_secs(until - held)).await;
        let beating = tokio::spawn(pulse.beat());
        tokio::time::sleep(Duration::from_secs(61 - until)).await;
        watching.abort();
        beating.abort();
        let said = said.lock().expect("not poisoned");
        said.clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_at_the_wrong_moment_delays_the_word_by_a_second() {
        assert_eq!(told(1, 2).await, [15, 30, 45, 60], "it was over in time");
        // It is held from before it is asked until after it is looked at.
        assert_eq!(told(14, 31).await, [15, 32, 47]);
    }
}
