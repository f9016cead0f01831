//! What was seen, as a table for people and JSON for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::plan::{Load, PlanError};
use crate::process::Memory;
use crate::tally::Counts;

/// What was seen.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// How many clients there were.
    pub clients: u32,
    /// In how many rooms.
    pub rooms: u32,
    /// Messages a second that each room was to say.
    pub rate: f64,
    /// How long.
    pub seconds: f64,
    /// Until all were in their rooms; nothing if they never were at once.
    pub gathering_seconds: Option<f64>,
    /// Clients in their rooms at the end.
    pub here: u32,
    /// Messages said.
    pub said: u64,
    /// Messages that the server has answered for.
    pub kept: u64,
    /// Messages that the server has refused.
    pub refused: u64,
    /// Messages without an answer at the end.
    pub unanswered: u64,
    /// Messages that came to a client when they were said.
    pub live: u64,
    /// Messages that came to a client later, with the reply to its join.
    pub replayed: u64,
    /// Messages that a client was not told, counted for each client.
    pub missing: u64,
    /// Messages that came to a client twice on one connection.
    pub duplicates: u64,
    /// Messages of which two clients of a room were told different things.
    pub different: u64,
    /// What else broke a rule of the protocol, by its kind.
    pub faults: BTreeMap<String, u64>,
    /// Links that broke, by how.
    pub broken: BTreeMap<String, u64>,
    /// Links that ended for good, by why.
    pub ended: BTreeMap<String, u64>,
    /// What of the past clients got that came back, by how much.
    pub recovered: BTreeMap<String, u64>,
    /// From the start of a connection to its first room, in milliseconds.
    pub entering_ms: Percentiles,
    /// From a message's turn to each client that it came to, in milliseconds.
    pub delivery_ms: Percentiles,
    /// From a message's turn to its answer, in milliseconds.
    pub answer_ms: Percentiles,
    /// From the end of a link to the room on the next, in milliseconds.
    pub resuming_ms: Percentiles,
    /// The server's resident memory.
    pub server_kib: Option<Memory>,
    /// The server's processor time while messages were said.
    pub server_seconds: Option<f64>,
    #[serde(skip)]
    json: Option<PathBuf>,
}

/// How times are spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// How many there are.
    pub count: u64,
    /// Half of them are no longer.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// 99 of a hundred.
    pub p99: f64,
    /// 999 of a thousand.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl Percentiles {
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            count: times.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: times.max() as f64 / 1_000.0,
        }
    }
}

impl Report {
    pub(crate) fn of(load: &Load, counts: &Counts) -> Self {
        let mut faults = counts.faults.clone();
        let duplicates = faults.remove("again").unwrap_or_default();
        Self {
            clients: load.clients(),
            rooms: load.rooms(),
            rate: load.plan.rate,
            seconds: load.plan.seconds,
            gathering_seconds: None,
            here: counts.here,
            said: counts.said,
            kept: counts.kept,
            refused: counts.refused,
            unanswered: 0,
            live: counts.live,
            replayed: counts.replayed,
            missing: counts.missing,
            duplicates,
            different: counts.different,
            faults,
            broken: counts.broken.clone(),
            ended: counts.ended.clone(),
            recovered: counts.recovered.clone(),
            entering_ms: Percentiles::of(&counts.entering),
            delivery_ms: Percentiles::of(&counts.delivery),
            answer_ms: Percentiles::of(&counts.answer),
            resuming_ms: Percentiles::of(&counts.resuming),
            server_kib: None,
            server_seconds: None,
            json: load.plan.json.clone(),
        }
    }

    /// Whether all clients were there, each was told everything once and in one order, and everything said was answered.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let sums = [
            self.missing,
            self.duplicates,
            self.different,
            self.unanswered,
            self.refused,
        ];
        self.gathering_seconds.is_some()
            && self.here == self.clients
            && sums == [0; 5]
            && self.faults.is_empty()
    }

    /// The report as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and texts always serialise") + "\n"
    }

    pub(crate) fn save(&self) -> Result<(), PlanError> {
        match &self.json {
            Some(file) if !self.json_only() => std::fs::File::create(file)
                .and_then(|mut open| open.write_all(self.to_json().as_bytes()))
                .map_err(|error| PlanError::Json(file.clone(), error)),
            _ => Ok(()),
        }
    }

    fn json_only(&self) -> bool {
        self.json
            .as_ref()
            .is_some_and(|file| file.as_os_str() == "-")
    }

    /// The server's memory above what it had before, for each client, in bytes.
    fn bytes_a_client(&self, kib: u64) -> u64 {
        let before = self.server_kib.map_or(0, |memory| memory.before);
        kib.saturating_sub(before) * 1024 / u64::from(self.clients.max(1))
    }

    fn write_server(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(memory) = self.server_kib else {
            return Ok(());
        };
        let mib = |kib: u64| kib as f64 / 1024.0;
        write!(f, "server memory   {:.1} MiB before", mib(memory.before))?;
        let rows = [
            ("connected", memory.connected),
            ("at most", memory.peak),
            ("after", memory.after),
        ];
        for (when, kib) in rows {
            write!(
                f,
                ", {:.1} {when} ({} B a client)",
                mib(kib),
                self.bytes_a_client(kib)
            )?;
        }
        writeln!(f)?;
        if let Some(seconds) = self.server_seconds {
            let share = 100.0 * seconds / self.seconds.max(0.001);
            writeln!(
                f,
                "server time     {seconds:.2} s of {} s ({share:.0}%)",
                self.seconds
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.json_only() {
            return f.write_str(&self.to_json());
        }
        let Self {
            clients,
            rooms,
            rate,
            seconds,
            ..
        } = self;
        writeln!(
            f,
            "clients         {clients} in {rooms} rooms, {} at the end",
            self.here
        )?;
        match self.gathering_seconds {
            Some(seconds) => writeln!(f, "gathered        after {seconds:.1} s")?,
            None => writeln!(f, "gathered        never all at once")?,
        }
        writeln!(
            f,
            "said            {} ({rate} a second in each room for {seconds} s), {} kept, {} refused, {} unanswered",
            self.said, self.kept, self.refused, self.unanswered
        )?;
        writeln!(
            f,
            "told            {} live, {} replayed",
            self.live, self.replayed
        )?;
        writeln!(
            f,
            "wrong           {} missing, {} twice, {} different{}",
            self.missing,
            self.duplicates,
            self.different,
            listed(&self.faults)
        )?;
        let links = [
            ("broken links", &self.broken),
            ("ended links", &self.ended),
            ("came back", &self.recovered),
        ];
        for (what, kinds) in links {
            if !kinds.is_empty() {
                writeln!(f, "{what:<16}{}", listed(kinds).trim_start_matches(", "))?;
            }
        }
        writeln!(
            f,
            "{:<16}{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}",
            "ms", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        for (what, times) in [
            ("entering", self.entering_ms),
            ("delivery", self.delivery_ms),
            ("answer", self.answer_ms),
            ("resuming", self.resuming_ms),
        ] {
            write!(f, "{what:<16}{:>9}", times.count)?;
            for time in [times.p50, times.p90, times.p99, times.p999, times.max] {
                write!(f, "{time:>10.1}")?;
            }
            writeln!(f)?;
        }
        self.write_server(f)
    }
}

fn listed(kinds: &BTreeMap<String, u64>) -> String {
    kinds
        .iter()
        .map(|(kind, number)| format!(", {number} {kind}"))
        .collect()
}
