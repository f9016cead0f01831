//! What the page shows, as JSON: counts as they are now. Rates and percentiles are the page's to make of two of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::access_log::json_string;
use crate::metrics::{Process, Route};
use crate::overview::Overview;
use crate::worker::Worker;

pub(super) fn render(overview: &Overview) -> String {
    let mut json = String::from("{");
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0.0, |now| now.as_secs_f64());
    let process = Process::now();
    text(&mut json, "server", overview.server());
    text(&mut json, "version", env!("CARGO_PKG_VERSION"));
    text(&mut json, "phase", overview.phase().name());
    member(&mut json, "pid", std::process::id());
    member(&mut json, "now", format_args!("{now:.3}"));
    member(&mut json, "started", overview.started_at());
    member(
        &mut json,
        "drain_left",
        number(overview.drain_left().map(|left| left.as_secs_f64())),
    );
    member(&mut json, "cpu", number(process.cpu_seconds));
    member(&mut json, "memory", number(process.resident_bytes));
    member(&mut json, "descriptors", number(process.open_descriptors));
    member(
        &mut json,
        "most_descriptors",
        number(process.most_descriptors),
    );
    let lost_lines = overview.lost_exchanges() + overview.lost_events();
    member(&mut json, "lost_lines", lost_lines);
    member(&mut json, "accept_failures", overview.accept_failures());
    member(
        &mut json,
        "workers",
        list(overview.workers().iter().map(|worker| of_worker(worker))),
    );
    totals(&mut json, overview.workers());
    member(&mut json, "stalls", list(stalls(overview)));
    json.pop();
    json.push('}');
    json
}

fn of_worker(worker: &Worker) -> String {
    let mut json = String::from("{");
    member(&mut json, "number", worker.number());
    member(&mut json, "connections", worker.connections());
    member(&mut json, "streams", worker.counts.streams.get());
    member(&mut json, "exchanges", worker.calls());
    member(&mut json, "websockets", worker.counts.websockets.get());
    member(&mut json, "accepted", worker.counts.accepted.get());
    member(&mut json, "total", worker.counts.total());
    let held = worker.turns.held_since().map(|since| {
        let held = Instant::now().saturating_duration_since(since);
        held.as_secs_f64()
    });
    member(&mut json, "held", number(held));
    json.pop();
    json.push('}');
    json
}

/// Sums over all workers.
fn totals(json: &mut String, workers: &[std::sync::Arc<Worker>]) {
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut outcomes: BTreeMap<&str, u64> = BTreeMap::new();
    let mut durations: BTreeMap<u64, u64> = BTreeMap::new();
    let mut routes: HashMap<String, Route> = HashMap::new();
    let (mut received, mut sent, mut failures) = (0, 0, 0);
    for worker in workers {
        let counts = &worker.counts;
        for (status, count) in counts.statuses().filter(|(_, count)| *count > 0) {
            *statuses.entry(status / 100).or_default() += count;
        }
        for (outcome, count) in counts.outcomes() {
            *outcomes.entry(outcome.kind()).or_default() += count;
        }
        for (bound, count) in counts.durations.buckets().filter(|(_, count)| *count > 0) {
            *durations.entry(bound).or_default() += count;
        }
        counts.routes.add_to(&mut routes);
        received += counts.received.get();
        sent += counts.sent.get();
        failures += counts.failures.get();
    }
    member(json, "received", received);
    member(json, "sent", sent);
    member(json, "failures", failures);
    member(
        json,
        "statuses",
        list(
            statuses
                .iter()
                .map(|(class, count)| format!("[{class},{count}]")),
        ),
    );
    member(
        json,
        "outcomes",
        list(
            outcomes
                .iter()
                .map(|(kind, count)| format!("[\"{kind}\",{count}]")),
        ),
    );
    member(
        json,
        "durations",
        list(
            durations
                .iter()
                .map(|(bound, count)| format!("[{bound},{count}]")),
        ),
    );
    let routes = routes.iter().map(|(label, route)| {
        let mut row = String::from("[");
        json_string(&mut row, label);
        let _ = write!(row, ",{},{:.6}]", route.exchanges, route.took.as_secs_f64());
        row
    });
    member(json, "routes", list(routes));
}

fn stalls(overview: &Overview) -> impl Iterator<Item = String> {
    overview
        .stalls()
        .routes()
        .into_iter()
        .map(|(route, stall)| {
            let mut row = String::from("[");
            json_string(&mut row, &route);
            let (longest, total) = (stall.longest.as_secs_f64(), stall.total.as_secs_f64());
            let _ = write!(row, ",{},{longest:.3},{total:.3}]", stall.count);
            row
        })
}

fn member(json: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(json, "\"{name}\":{value},");
}

fn text(json: &mut String, name: &str, value: &str) {
    let _ = write!(json, "\"{name}\":");
    json_string(json, value);
    json.push(',');
}

fn number(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| String::from("null"), |value| value.to_string())
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(","))
}
