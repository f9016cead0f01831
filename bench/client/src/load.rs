//! A level-triggered epoll over connections that write a message over and over and count the replies.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::Load;
use crate::target::reset;

/// What a reply is: told the bytes that came, says how many replies they completed.
pub(crate) trait Replies {
    fn feed(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// How long nothing may come back.
const STALLED: Duration = Duration::from_secs(10);

struct Connection<R> {
    stream: TcpStream,
    replies: R,
    /// Bytes of the endless repetition of the message that were written, and that are due by now.
    written: u64,
    due: u64,
    interest: EventFlags,
    sent_at: Instant,
}

/// The endless repetition: as long a piece of it as is written at once.
struct Tape<'a> {
    message: &'a [u8],
    copies: Vec<u8>,
}

/// Round trips by powers of 2^(1/8) nanoseconds; kept at depth 1 alone.
struct Times {
    counts: Vec<u64>,
}

/// Keeps `load.depth` copies of the message outstanding on each connection.
pub(crate) fn run<R: Replies>(
    connections: Vec<(TcpStream, R)>,
    message: &[u8],
    load: &Load,
) -> io::Result<String> {
    let depth = load.depth.get();
    let tape = Tape::new(message, depth);
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut connections = enlist(connections, &poll, (message.len() * depth) as u64)?;
    let start = Instant::now();
    for (place, connection) in connections.iter_mut().enumerate() {
        connection.flush(&tape, &poll, place)?;
    }
    let end = start + Duration::from_secs_f64(load.seconds);
    let mut times = Times::default();
    let mut replies = 0;
    let mut events = Vec::with_capacity(512);
    let mut buffer = vec![0; 256 * 1024];
    let mut progress = start;
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    loop {
        events.clear();
        epoll::wait(
            &poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&wait),
        )?;
        let now = Instant::now();
        if now >= end {
            break;
        }
        if !events.is_empty() {
            progress = now;
        } else if now - progress > STALLED {
            return Err(io::Error::other("no reply for ten seconds"));
        }
        for event in &events {
            let place = event.data.u64() as usize;
            let connection = &mut connections[place];
            let came = connection.read(event.flags, &mut buffer)?;
            if came > 0 && depth == 1 {
                times.note(connection);
            }
            replies += came;
            connection.due += (came * message.len()) as u64;
            connection.flush(&tape, &poll, place)?;
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    for connection in connections {
        reset(connection.stream)?;
    }
    Ok(format!(
        r#"{{"rate": {:.0}, "replies": {replies}, "p50_us": {:.1}, "p99_us": {:.1}}}"#,
        replies as f64 / elapsed,
        times.quantile_us(0.5),
        times.quantile_us(0.99)
    ))
}

fn enlist<R>(
    connections: Vec<(TcpStream, R)>,
    poll: &OwnedFd,
    due: u64,
) -> io::Result<Vec<Connection<R>>> {
    let enlist = |(place, (stream, replies)): (usize, (TcpStream, R))| {
        stream.set_nonblocking(true)?;
        epoll::add(
            poll,
            &stream,
            EventData::new_u64(place as u64),
            EventFlags::IN,
        )?;
        Ok(Connection {
            stream,
            replies,
            written: 0,
            due,
            interest: EventFlags::IN,
            sent_at: Instant::now(),
        })
    };
    connections.into_iter().enumerate().map(enlist).collect()
}

impl<R: Replies> Connection<R> {
    fn read(&mut self, flags: EventFlags, buffer: &mut [u8]) -> io::Result<usize> {
        if !flags.contains(EventFlags::IN) {
            return Ok(0);
        }
        match self.stream.read(buffer) {
            Ok(0) => Err(io::Error::other("the server closed a connection")),
            Ok(bytes) => self.replies.feed(&buffer[..bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Writes what is due, and watches for more room while some is left.
    fn flush(&mut self, tape: &Tape<'_>, poll: &OwnedFd, place: usize) -> io::Result<()> {
        while self.due > self.written {
            match self.stream.write(tape.piece(self.written, self.due)) {
                Ok(bytes) => self.written += bytes as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let interest = match self.due > self.written {
            true => EventFlags::IN | EventFlags::OUT,
            false => EventFlags::IN,
        };
        if interest != self.interest {
            self.interest = interest;
            epoll::modify(
                poll,
                &self.stream,
                EventData::new_u64(place as u64),
                interest,
            )?;
        }
        Ok(())
    }
}

impl<'a> Tape<'a> {
    fn new(message: &'a [u8], depth: usize) -> Self {
        // Whatever is due from whichever offset is one slice, up to 256 KiB a write.
        let copies = (depth + 1).min((256 * 1024 / message.len()).max(2));
        Self {
            message,
            copies: message.repeat(copies),
        }
    }

    fn piece(&self, written: u64, due: u64) -> &[u8] {
        let from = (written % self.message.len() as u64) as usize;
        let to = (from as u64 + due - written).min(self.copies.len() as u64) as usize;
        &self.copies[from..to]
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            counts: vec![0; 512],
        }
    }
}

impl Times {
    fn note<R>(&mut self, connection: &mut Connection<R>) {
        let now = Instant::now();
        let nanoseconds = (now - connection.sent_at).as_nanos() as f64;
        let place = (nanoseconds.log2() * 8.0) as usize;
        self.counts[place.min(511)] += 1;
        connection.sent_at = now;
    }

    fn quantile_us(&self, quantile: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let mut seen = 0;
        for (place, count) in self.counts.iter().enumerate() {
            seen += count;
            if total > 0 && seen as f64 >= quantile * total as f64 {
                return 2_f64.powf((place as f64 + 0.5) / 8.0) / 1000.0;
            }
        }
        0.0
    }
}
