//! The counts as Prometheus collects them: its text format, version 0.0.4.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{Display, Write as _};

use super::histogram::is_doubling;
use super::{OTHERS, Process, ROUTES, Route};
use crate::overview::Overview;
use crate::worker::Worker;

/// Buckets of durations that are told: from 64 microseconds on, each doubling.
const FIRST_BOUND: u64 = 64;

/// All that is counted, as text.
pub(crate) fn render(overview: &Overview) -> String {
    let mut page = Page::default();
    overview_of_process(&mut page, overview);
    let workers = overview.workers();
    connections(&mut page, workers);
    exchanges(&mut page, workers);
    durations(&mut page, workers);
    routes(&mut page, workers);
    stalls(&mut page, overview);
    page.text
}

fn overview_of_process(page: &mut Page, overview: &Overview) {
    page.head(
        "gateway_info",
        "gauge",
        "The server that serves, and its version.",
    );
    let labels = [
        ("server", overview.server()),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    page.labelled("gateway_info", &labels, 1);
    let phase = overview.phase();
    page.head("gateway_ready", "gauge", "Whether requests are taken.");
    page.plain("gateway_ready", u8::from(phase.is_ready()));
    page.head(
        "gateway_draining",
        "gauge",
        "Whether a shutdown is under way.",
    );
    page.plain("gateway_draining", u8::from(phase.is_draining()));
    page.one(
        "gateway_start_time_seconds",
        "gauge",
        "When this run began, since the epoch.",
        overview.started_at(),
    );
    page.one(
        "gateway_workers",
        "gauge",
        "Worker threads.",
        overview.workers().len(),
    );
    page.one(
        "gateway_access_log_lost_lines_total",
        "counter",
        "Lines of the access log that could not be written.",
        overview.lost_exchanges(),
    );
    page.one(
        "gateway_event_log_lost_lines_total",
        "counter",
        "Lines of events that could not be written.",
        overview.lost_events(),
    );
    page.one(
        "gateway_accept_failures_total",
        "counter",
        "Times that no connection could be accepted, for want of descriptors or memory.",
        overview.accept_failures(),
    );
    let process = Process::now();
    page.if_any(
        "process_cpu_seconds_total",
        "counter",
        "Processor time.",
        process.cpu_seconds,
    );
    page.if_any(
        "process_resident_memory_bytes",
        "gauge",
        "Memory in use.",
        process.resident_bytes,
    );
    page.if_any(
        "process_open_fds",
        "gauge",
        "Open descriptors.",
        process.open_descriptors,
    );
    page.if_any(
        "process_max_fds",
        "gauge",
        "Descriptors that may be open.",
        process.most_descriptors,
    );
}

fn connections(page: &mut Page, workers: &[std::sync::Arc<Worker>]) {
    let gauge = |page: &mut Page, name, help, of: fn(&Worker) -> u64| {
        page.head(name, "gauge", help);
        for worker in workers {
            page.labelled(
                name,
                &[("worker", &worker.number().to_string())],
                of(worker),
            );
        }
    };
    gauge(
        page,
        "gateway_connections",
        "Connections that are open, those at a handshake among them.",
        |worker| worker.connections() as u64,
    );
    gauge(
        page,
        "gateway_http2_streams",
        "Streams of HTTP/2 that are open.",
        |worker| worker.counts.streams.get(),
    );
    gauge(
        page,
        "gateway_exchanges_active",
        "Calls of the application under way, those of WebSockets and those that are left behind among them.",
        |worker| worker.calls() as u64,
    );
    gauge(
        page,
        "gateway_calls_left_behind",
        "Calls of the application that go on after their answer, or without their client.",
        |worker| worker.counts.left_behind.get(),
    );
    gauge(
        page,
        "gateway_websockets",
        "WebSockets that are open.",
        |worker| worker.counts.websockets.get(),
    );
    let name = "gateway_connections_accepted_total";
    page.head(name, "counter", "Connections that were accepted.");
    for worker in workers {
        page.labelled(
            name,
            &[("worker", &worker.number().to_string())],
            worker.counts.accepted.get(),
        );
    }
}

fn exchanges(page: &mut Page, workers: &[std::sync::Arc<Worker>]) {
    let name = "gateway_responses_total";
    page.head(
        name,
        "counter",
        "Responses by their status; none is that of exchanges that ended before it.",
    );
    let mut by_status: BTreeMap<u16, u64> = BTreeMap::new();
    for (status, count) in workers.iter().flat_map(|worker| worker.counts.statuses()) {
        if count > 0 {
            *by_status.entry(status).or_default() += count;
        }
    }
    for (status, count) in by_status {
        page.labelled(name, &[("status", &status.to_string())], count);
    }
    page.labelled(
        name,
        &[("status", "none")],
        sum(workers, |worker| worker.counts.unanswered()),
    );

    let name = "gateway_exchanges_total";
    page.head(
        name,
        "counter",
        "Exchanges that are over, by how they ended.",
    );
    for outcome in super::outcomes() {
        let count = sum(workers, |worker| {
            let mut all = worker.counts.outcomes();
            all.find(|(one, _)| *one == outcome)
                .map_or(0, |(_, count)| count)
        });
        page.labelled(name, &[("outcome", &outcome.to_string())], count);
    }
    page.one(
        "gateway_failures_total",
        "counter",
        "Exchanges that were answered with a 5xx, aborted by the application, or panicked: each once.",
        sum(workers, |worker| worker.counts.failures.get()),
    );
    page.one(
        "gateway_received_bytes_total",
        "counter",
        "Bytes of requests' bodies and of tunnels.",
        sum(workers, |worker| worker.counts.received.get()),
    );
    page.one(
        "gateway_sent_bytes_total",
        "counter",
        "Bytes of responses' bodies and of tunnels.",
        sum(workers, |worker| worker.counts.sent.get()),
    );
    let name = "gateway_timeouts_total";
    page.head(name, "counter", "Timers of connections that ran out.");
    let mut by_timer: BTreeMap<&str, u64> = BTreeMap::new();
    for (timer, count) in workers.iter().flat_map(|worker| worker.counts.timers()) {
        *by_timer.entry(timer).or_default() += count;
    }
    for (timer, count) in by_timer {
        page.labelled(name, &[("timer", timer)], count);
    }
}

fn durations(page: &mut Page, workers: &[std::sync::Arc<Worker>]) {
    let name = "gateway_exchange_duration_seconds";
    page.head(name, "histogram", "From the head's end to the answer's.");
    let mut by_bound: BTreeMap<u64, u64> = BTreeMap::new();
    for (bound, count) in workers
        .iter()
        .flat_map(|worker| worker.counts.durations.buckets())
    {
        *by_bound.entry(bound).or_default() += count;
    }
    let mut so_far = 0;
    let last = by_bound.keys().next_back().copied();
    for (bound, count) in by_bound {
        so_far += count;
        // The last one has all that is beyond.
        if is_doubling(bound) && bound >= FIRST_BOUND && Some(bound) != last {
            let bound = (bound as f64 / 1e6).to_string();
            page.labelled(&format!("{name}_bucket"), &[("le", &bound)], so_far);
        }
    }
    page.labelled(&format!("{name}_bucket"), &[("le", "+Inf")], so_far);
    let seconds: f64 = workers
        .iter()
        .map(|worker| worker.counts.durations.sum())
        .sum();
    page.plain(&format!("{name}_sum"), seconds);
    page.plain(&format!("{name}_count"), so_far);
}

fn routes(page: &mut Page, workers: &[std::sync::Arc<Worker>]) {
    let mut all: HashMap<String, Route> = HashMap::new();
    for worker in workers {
        worker.counts.routes.add_to(&mut all);
    }
    let all: BTreeMap<String, Route> = all.into_iter().collect();
    let name = "gateway_route_exchanges_total";
    page.head(
        name,
        "counter",
        &format!("Exchanges by what the application calls them: the first {ROUTES} of the process, and {OTHERS}."),
    );
    for (label, route) in &all {
        page.labelled(name, &[("route", label)], route.exchanges);
    }
    let name = "gateway_route_seconds_total";
    page.head(name, "counter", "How long they took together.");
    for (label, route) in &all {
        page.labelled(name, &[("route", label)], route.took.as_secs_f64());
    }
}

fn stalls(page: &mut Page, overview: &Overview) {
    let stalls = overview.stalls();
    page.one(
        "gateway_stalled_workers",
        "gauge",
        "Workers that the application's code holds right now.",
        stalls.held(),
    );
    let routes = stalls.routes();
    let name = "gateway_stalls_total";
    page.head(
        name,
        "counter",
        &format!("Times that the application's code held a worker for too long, by route: the first {ROUTES} of the process, and {OTHERS}."),
    );
    for (route, stall) in &routes {
        page.labelled(name, &[("route", route)], stall.count);
    }
    let name = "gateway_stalled_seconds_total";
    page.head(name, "counter", "How long it held them together.");
    for (route, stall) in &routes {
        page.labelled(name, &[("route", route)], stall.total.as_secs_f64());
    }
}

fn sum(workers: &[std::sync::Arc<Worker>], of: impl Fn(&Worker) -> u64) -> u64 {
    workers.iter().map(|worker| of(worker)).sum()
}

/// The text, as it grows.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn plain(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.text, "{name} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.plain(name, value);
    }

    fn if_any(&mut self, name: &str, kind: &str, help: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.one(name, kind, help, value);
        }
    }

    fn labelled(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"");
            for c in value.chars() {
                match c {
                    '"' => self.text.push_str("\\\""),
                    '\\' => self.text.push_str("\\\\"),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page::default();
        page.labelled("a", &[("b", "\"\\\n\u{e4}"), ("c", "")], 1.5);
        assert_eq!(page.text, "a{b=\"\\\"\\\\\\n\u{e4}\",c=\"\"} 1.5\n");
    }
}
