//! One line for each exchange, gathered and written to stderr at each tick.
//!
//! `127.0.0.1:50000 "GET /user/7 HTTP/1.1" 200 13 1.204ms /user/{id}`: client, request line, status, bytes of the body,
//! time from the head's end to the answer's, and the label if the application set one. A dash stands for what there was
//! none of.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateway_spec::HttpScope;
use hosting::Sent;
use http::Version;

/// Bytes after which lines are written without waiting for the tick.
const FULL: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(crate) struct AccessLog {
    lines: Mutex<String>,
}

impl AccessLog {
    pub(crate) fn exchange(&self, scope: &HttpScope, sent: Sent, took: Duration) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        client(&mut lines, scope.connection.client.as_ref());
        let target = scope
            .uri
            .path_and_query()
            .map_or_else(|| scope.uri.to_string(), |target| target.to_string());
        let _ = write!(lines, " \"{} ", scope.method);
        // Control bytes in a log are an attack on whoever reads it in a terminal.
        target.chars().for_each(|c| escape(&mut lines, c));
        let _ = write!(lines, " {}\"", version(scope.version));
        match sent.status {
            Some(status) => drop(write!(lines, " {}", status.as_u16())),
            None => lines.push_str(" -"),
        }
        let _ = write!(
            lines,
            " {} {:.3}ms",
            sent.bytes,
            took.as_secs_f64() * 1000.0
        );
        if let Some(label) = scope.label.get() {
            lines.push(' ');
            label.chars().for_each(|c| escape(&mut lines, c));
        }
        lines.push('\n');
        self.flush_if(lines, FULL);
    }

    /// A request that was refused before it was one.
    pub(crate) fn refused(
        &self,
        from: Option<&gateway_spec::Address>,
        status: u16,
        why: &dyn std::fmt::Display,
    ) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        client(&mut lines, from);
        let _ = writeln!(lines, " \"-\" {status} 0 - {why}");
        self.flush_if(lines, FULL);
    }

    pub(crate) fn flush(&self) {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush_if(lines, 1);
    }

    fn flush_if(&self, mut lines: std::sync::MutexGuard<'_, String>, at_least: usize) {
        if lines.len() < at_least {
            return;
        }
        let full = std::mem::take(&mut *lines);
        drop(lines);
        // Nobody is left to be told that the log cannot be written.
        let _ = std::io::stderr().lock().write_all(full.as_bytes());
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.is_empty() {
            *lines = full;
            lines.clear();
        }
    }
}

fn client(lines: &mut String, from: Option<&gateway_spec::Address>) {
    match from {
        Some(address) => drop(write!(lines, "{address}")),
        None => lines.push('-'),
    }
}

fn escape(lines: &mut String, c: char) {
    match c {
        '"' => lines.push_str("%22"),
        '\\' => lines.push_str("%5C"),
        c if c.is_control() || !c.is_ascii() => {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(lines, "%{byte:02X}");
            }
        }
        c => lines.push(c),
    }
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/?",
    }
}
