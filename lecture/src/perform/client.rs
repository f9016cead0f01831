//! The load client: it fires the requests of a run over loopback, each on a connection of its own to a worker that is known.
//!
//! A browser would not do: it has six connections to a server, and asks for equal addresses one after the other.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::thread;

use crate::Run;
use crate::record::{ROW, Record, What};

/// Connections for each request that may be tried until every worker has its share.
const TRIES: usize = 8;

/// The answers here are some words.
const LONGEST_ANSWER: u64 = 4096;

/// All connections of a run, none of which has sent its request yet.
pub(super) struct Client {
    run: Run,
    /// One for each request, and the bystander's.
    connections: Vec<Connection>,
}

impl Client {
    /// Connects, so that every worker has as many of the requests as any other.
    pub(super) fn connect(address: SocketAddr, run: Run) -> io::Result<Self> {
        let share = run.requests.div_ceil(run.workers) as usize;
        let wanted = run.requests as usize;
        let mut shares: HashMap<String, usize> = HashMap::new();
        let (mut connections, mut surplus) = (Vec::new(), Vec::new());
        while connections.len() < wanted {
            if surplus.len() > TRIES * wanted {
                return Err(io::Error::other(
                    "the server gives its workers unequal shares",
                ));
            }
            let mut connection = Connection::open(address, run)?;
            let worker = connection.ask("/worker")?.text;
            let taken = shares.entry(worker).or_default();
            if *taken == share {
                // Kept open: the server thinks of this worker as the busy one that it is.
                surplus.push(connection);
            } else {
                *taken += 1;
                connections.push(connection);
            }
        }
        let mut bystander = Connection::open(address, run)?;
        bystander.ask("/worker")?;
        connections.push(bystander);
        Ok(Self { run, connections })
    }

    /// Sends all requests, then the bystander's a little later, and reads what is answered. Failures are records too.
    pub(super) fn fire(mut self, records: &Sender<Record>) {
        let say = |what: What| {
            // Who has stopped listening has given the run up.
            let _ = records.send(what.now());
        };
        let (last, path) = (self.connections.len() - 1, self.path());
        for (row, connection) in self.connections.iter_mut().enumerate() {
            let mut path = &*path;
            if row == last {
                // In the middle of what the others do.
                thread::sleep(self.run.length() / 4);
                path = "/quick";
            }
            say(What::Sent { row });
            if let Err(error) = connection.send(path, Some(row)) {
                return say(Connection::failed(&error));
            }
        }
        thread::scope(|scope| {
            for (row, connection) in self.connections.iter_mut().enumerate() {
                scope.spawn(move || {
                    say(match connection.read() {
                        Ok(Answer { status: 200, .. }) => What::Answered { row },
                        Ok(Answer { status, .. }) => What::Failed {
                            why: format!("a request was answered by {status}"),
                        },
                        Err(error) => Connection::failed(&error),
                    });
                    // Behind it on the same worker: what the worker had to say of it has been said.
                    if let Err(error) = connection.ask("/fence") {
                        say(Connection::failed(&error));
                    }
                });
            }
        });
    }

    fn path(&self) -> String {
        format!("/{}/{}", self.run.work.name(), self.run.milliseconds)
    }
}

/// A connection that sends one request at a time.
struct Connection {
    stream: BufReader<TcpStream>,
}

struct Answer {
    status: u16,
    text: String,
}

impl Connection {
    fn open(address: SocketAddr, run: Run) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        // Longer than the run may last, which is given up before.
        let patience = super::patience(run) * (run.requests + 2);
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    fn ask(&mut self, path: &str) -> io::Result<Answer> {
        self.send(path, None)?;
        self.read()
    }

    fn send(&mut self, path: &str, row: Option<usize>) -> io::Result<()> {
        let mut request = format!("GET {path} HTTP/1.1\r\nhost: lecture\r\n");
        if let Some(row) = row {
            request += &format!("{ROW}: {row}\r\n");
        }
        request += "\r\n";
        self.stream.get_mut().write_all(request.as_bytes())
    }

    /// Reads an answer whose length is told, as that of every handler here is.
    fn read(&mut self) -> io::Result<Answer> {
        let malformed =
            || io::Error::new(io::ErrorKind::InvalidData, "not the answer of this server");
        let mut head = (&mut self.stream).take(LONGEST_ANSWER);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            head.read_line(&mut line)?;
            match line.trim_end() {
                "" if line.is_empty() => return Err(io::ErrorKind::UnexpectedEof.into()),
                "" => break,
                text => lines.push(text.to_ascii_lowercase()),
            }
        }
        let status = lines.first().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length:"));
        let length = length.and_then(|length| length.trim().parse().ok());
        let (status, length): (u16, u64) = status.zip(length).ok_or_else(malformed)?;
        if length > LONGEST_ANSWER {
            return Err(malformed());
        }
        let mut text = String::new();
        (&mut self.stream).take(length).read_to_string(&mut text)?;
        Ok(Answer { status, text })
    }

    fn failed(error: &io::Error) -> What {
        What::Failed {
            why: format!("a request got no answer: {error}"),
        }
    }
}
