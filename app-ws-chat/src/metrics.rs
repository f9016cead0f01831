//! What the chat counts, and how Prometheus reads it.

use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the acknowledgement histogram, in microseconds: from a hash map to a disk that is ill.
const BOUNDS_US: [u64; 10] = [
    100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000,
];

/// The chat's counts. Every one is monotone but [`connections`](Self::connections).
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    connections: AtomicU64,
    pub(crate) opened: Count,
    pub(crate) joins: Count,
    pub(crate) recovered: Count,
    pub(crate) messages: Count,
    pub(crate) deliveries: Count,
    pub(crate) rulings: Count,
    refusals: Mutex<Vec<(&'static str, u64)>>,
    byes: Mutex<Vec<(u16, u64)>>,
    acknowledged: Histogram,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

/// That a connection is open, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Open<'a>(&'a Metrics);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Numbers that are not counted but looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gauges {
    pub(crate) rooms: usize,
    pub(crate) members: usize,
}

impl Metrics {
    pub(crate) fn connection(&self) -> Open<'_> {
        self.opened.add(1);
        self.connections.fetch_add(1, Ordering::Relaxed);
        Open(self)
    }

    pub(crate) fn refused(&self, why: &'static str) {
        add(&self.refusals, why);
    }

    pub(crate) fn bye(&self, code: u16) {
        add(&self.byes, code);
    }

    /// A message was acknowledged so long after it was sent.
    pub(crate) fn acknowledged(&self, after: Duration) {
        let us = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        let Histogram {
            buckets,
            count,
            sum_us,
        } = &self.acknowledged;
        if let Some(bucket) = BOUNDS_US.iter().position(|&bound| us <= bound) {
            buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
        count.fetch_add(1, Ordering::Relaxed);
        sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// All of it in Prometheus' text format.
    pub(crate) fn render(&self, gauges: Gauges) -> String {
        let mut text = String::new();
        let connections = self.connections.load(Ordering::Relaxed);
        for (name, help, value) in [
            ("connections", "Open sockets.", connections),
            (
                "rooms",
                "Rooms with somebody of this node in them.",
                gauges.rooms as u64,
            ),
            (
                "members",
                "Connections in rooms, once for each room.",
                gauges.members as u64,
            ),
        ] {
            family(&mut text, name, "gauge", help);
            line(&mut text, name, "", value);
        }
        for (name, help, count) in [
            ("connections_total", "Sockets opened.", &self.opened),
            ("joins_total", "Joins of rooms.", &self.joins),
            (
                "recovered_total",
                "Joins that resumed without a gap.",
                &self.recovered,
            ),
            ("messages_total", "Messages acknowledged.", &self.messages),
            (
                "deliveries_total",
                "Frames handed to members.",
                &self.deliveries,
            ),
            (
                "rulings_total",
                "Rulings of moderators and of the host.",
                &self.rulings,
            ),
        ] {
            family(&mut text, name, "counter", help);
            line(&mut text, name, "", count.get());
        }
        labelled(
            &mut text,
            "refusals_total",
            "Requests refused.",
            "why",
            &self.refusals,
        );
        labelled(
            &mut text,
            "byes_total",
            "Connections ended by the chat.",
            "code",
            &self.byes,
        );
        self.acknowledged.render(&mut text);
        text
    }
}

impl Histogram {
    fn render(&self, text: &mut String) {
        const NAME: &str = "acknowledged_seconds";
        family(
            text,
            NAME,
            "histogram",
            "From a send to its acknowledgement.",
        );
        let mut below = 0;
        for (bound, bucket) in BOUNDS_US.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            let label = format!("_bucket{{le=\"{}\"}}", seconds(*bound));
            line(text, NAME, &label, below);
        }
        let count = self.count.load(Ordering::Relaxed);
        line(text, NAME, "_bucket{le=\"+Inf\"}", count);
        line(
            text,
            NAME,
            "_sum",
            seconds(self.sum_us.load(Ordering::Relaxed)),
        );
        line(text, NAME, "_count", count);
    }
}

fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}

fn add<K: PartialEq + Copy>(counts: &Mutex<Vec<(K, u64)>>, key: K) {
    let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
    match counts.iter_mut().find(|(known, _)| *known == key) {
        Some((_, count)) => *count += 1,
        None => counts.push((key, 1)),
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "# HELP chat_{name} {help}\n# TYPE chat_{name} {kind}\n"
    );
}

fn line(text: &mut String, name: &str, label: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "chat_{name}{label} {value}");
}

fn labelled<K: std::fmt::Display + Ord + Copy>(
    text: &mut String,
    name: &str,
    help: &str,
    label: &str,
    counts: &Mutex<Vec<(K, u64)>>,
) {
    family(text, name, "counter", help);
    let mut counts = counts
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    counts.sort_unstable();
    for (key, count) in counts {
        line(text, name, &format!("{{{label}=\"{key}\"}}"), count);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Gauges, Metrics};

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        let open = metrics.connection();
        metrics.messages.add(2);
        metrics.refused("rate");
        metrics.refused("rate");
        metrics.bye(4001);
        metrics.acknowledged(Duration::from_micros(400));
        metrics.acknowledged(Duration::from_secs(9));
        let gauges = Gauges {
            rooms: 1,
            members: 3,
        };
        let text = metrics.render(gauges);
        for line in [
            "# TYPE chat_connections gauge",
            "chat_connections 1",
            "chat_rooms 1",
            "chat_members 3",
            "chat_messages_total 2",
            "chat_refusals_total{why=\"rate\"} 2",
            "chat_byes_total{code=\"4001\"} 1",
            "chat_acknowledged_seconds_bucket{le=\"0.0001\"} 0",
            "chat_acknowledged_seconds_bucket{le=\"0.0005\"} 1",
            "chat_acknowledged_seconds_bucket{le=\"5\"} 1",
            "chat_acknowledged_seconds_bucket{le=\"+Inf\"} 2",
            "chat_acknowledged_seconds_sum 9.0004",
            "chat_acknowledged_seconds_count 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        drop(open);
        assert!(metrics.render(gauges).contains("chat_connections 0\n"));
    }
}
