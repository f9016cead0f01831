//! WebSockets that stay: `bench-client crowd`, one process a source address.
//!
//! It says `open` when all are open. For each line on its input that says `say` it sends a message from its first socket;
//! for each message that has reached all of its sockets it says `heard`. When the server has closed them all it ends. So
//! whoever started it can time each step.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::load::Replies;
use crate::target::{PATIENCE, Target};
use crate::websocket::{Frames, frame, open_from};

struct Member {
    stream: TcpStream,
    frames: Frames,
    heard: usize,
}

pub(crate) fn run(target: Target, connections: usize, from: Ipv4Addr) -> io::Result<String> {
    let start = Instant::now();
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    let enter = |place| {
        let stream = open_from(target, from, "/crowd")?;
        stream.set_nonblocking(true)?;
        epoll::add(
            &poll,
            &stream,
            EventData::new_u64(place as u64),
            EventFlags::IN,
        )?;
        Ok(Member {
            stream,
            frames: Frames::default(),
            heard: 0,
        })
    };
    let mut members = (0..connections)
        .map(enter)
        .collect::<io::Result<Vec<_>>>()?;
    println!("open");
    let opening = start.elapsed().as_secs_f64();
    follow(&mut members, &poll)?;
    Ok(format!(r#"{{"connect_seconds": {opening:.3}}}"#))
}

/// Until the server has closed every socket.
fn follow(members: &mut [Member], poll: &std::os::fd::OwnedFd) -> io::Result<()> {
    let orders = orders();
    let mut open = members.len();
    let mut counts: Vec<usize> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    let mut progress = Instant::now();
    let wait = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    while open > 0 {
        if orders.try_recv().is_ok() {
            members[0].stream.write_all(&frame(b"to everybody"))?;
            progress = Instant::now();
        }
        events.clear();
        epoll::wait(
            poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&wait),
        )?;
        if !events.is_empty() {
            progress = Instant::now();
        } else if progress.elapsed() > IDLE {
            return Err(io::Error::other("nothing happened for minutes"));
        }
        for event in &events {
            let member = &mut members[event.data.u64() as usize];
            match member.read(&mut buffer)? {
                Some(messages) => {
                    for _ in 0..messages {
                        counts.resize(counts.len().max(member.heard + 1), 0);
                        counts[member.heard] += 1;
                        if counts[member.heard] == open {
                            println!("heard");
                        }
                        member.heard += 1;
                    }
                }
                None => {
                    epoll::delete(poll, &member.stream)?;
                    open -= 1;
                }
            }
        }
    }
    Ok(())
}

/// Nobody leaves a crowd alone for longer: the pings of an idle socket come within it.
const IDLE: Duration = PATIENCE.saturating_mul(5);

fn orders() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let say = line.is_ok_and(|line| line == "say");
            if !say || sender.send(()).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Member {
    /// How many messages came; nothing once the server has closed the socket.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self.stream.read(buffer) {
            Ok(0) => Ok(None),
            // A close frame ends it just as well.
            Ok(bytes) => Ok(self.frames.feed(&buffer[..bytes]).ok()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(0)),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(None),
            Err(error) => Err(error),
        }
    }
}
