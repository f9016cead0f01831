//! The server of a run: this program again, as a process of its own, with the workers that were asked for.
//!
//! Its workers will be held; the page's must not be. And it is a server as one starts it, with nothing but its flags.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use crate::Run;
use crate::record::{Record, What};

use super::Failed;

/// A server that runs. It is ended when this is dropped, and ends by itself when this process does.
pub(super) struct Process {
    child: Child,
    address: SocketAddr,
    description: String,
}

impl Process {
    /// Starts it. What it says of itself goes to `records`.
    pub(super) fn start(program: &Path, run: Run, records: Sender<Record>) -> Result<Self, Failed> {
        let failed = |why: String| Failed(format!("the server could not be started: {why}"));
        let mut command = Command::new(program);
        command
            .args(["subject", "--server", run.server.name()])
            .args(["--workers", &run.workers.to_string()])
            .args(["--bind", "127.0.0.1:0", "--access-log", "off"])
            .args(["--stall-threshold", "100ms"])
            // The other end of its leash: see `attach`.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // Those are meant for the page's server.
        let settings = std::env::vars_os().map(|(name, _)| name);
        for name in settings.filter(|name| name.to_string_lossy().starts_with("GATEWAY_")) {
            command.env_remove(name);
        }
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut process = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            description: String::new(),
        };
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        read.map_err(|error| failed(error.to_string()))?;
        let Some((address, description)) = listening(&line) else {
            return Err(failed(String::from(
                "what it said of it is on standard error",
            )));
        };
        process.address = address;
        process.description = description.to_owned();
        thread::Builder::new()
            .name(String::from("records"))
            .spawn(move || pass_on(stdout, &records))
            .map_err(|error| failed(error.to_string()))?;
        Ok(process)
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it says of itself: `server-raw, 1 worker`.
    pub(super) fn description(&self) -> &str {
        &self.description
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It keeps nothing, so there is nothing to wait for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the launcher's line: `listening on http://127.0.0.1:43210 (server-raw, 1 worker)`.
fn listening(line: &str) -> Option<(SocketAddr, &str)> {
    let rest = line.trim_end().strip_prefix("listening on http://")?;
    let (address, description) = rest.split_once(" (")?;
    Some((address.parse().ok()?, description.strip_suffix(')')?))
}

fn pass_on(stdout: BufReader<ChildStdout>, records: &Sender<Record>) {
    for line in stdout.lines().map_while(Result::ok) {
        // A program that prints something else is not this one.
        let record = serde_json::from_str(&line).unwrap_or_else(|_| {
            let why = format!("the server said what nobody understands: {line}");
            What::Failed { why }.now()
        });
        if records.send(record).is_err() {
            return;
        }
    }
    let why = String::from("the server has ended by itself");
    // Nobody listens if the run is over.
    let _ = records.send(What::Failed { why }.now());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launchers_line_is_read() {
        let line = "listening on http://127.0.0.1:43210 (server-raw, 1 worker)\n";
        let address = ([127, 0, 0, 1], 43210).into();
        assert_eq!(listening(line), Some((address, "server-raw, 1 worker")));
        for other in [
            "",
            "error: no\n",
            "listening on unix:/a (server-raw, 1 worker)",
        ] {
            assert_eq!(listening(other), None, "{other}");
        }
    }
}
