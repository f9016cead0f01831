//! WebSockets that stay: `bench-client crowd`, one process an address of the server.
//!
//! It says `open` when all are open. For each line on its input that says `say` it sends a message from its first socket;
//! when one more message has reached all of its sockets it says `heard`. When the server has closed them all it ends. So
//! whoever started it can time each step.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::load::Replies;
use crate::target::Target;
use crate::websocket::{CLOSE, Frames, PONG, frame, open};

/// Nobody leaves a crowd alone for longer: the server's pings alone come oftener.
const PATIENCE: Duration = Duration::from_secs(300);

/// How late an order may be seen.
const TURN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 5_000_000,
};

/// A socket until the server closes it.
struct Member {
    stream: Option<TcpStream>,
    frames: Frames,
    heard: usize,
}

struct Crowd {
    members: Vec<Member>,
    poll: OwnedFd,
    open: usize,
    /// For the first message, the second and so on: how many have heard it.
    heard: Vec<usize>,
}

pub(crate) fn run(target: Target, connections: usize) -> io::Result<String> {
    let start = Instant::now();
    let mut crowd = Crowd::gather(target, connections)?;
    println!("open");
    let seconds = start.elapsed().as_secs_f64();
    crowd.stay(&orders())?;
    Ok(format!(r#"{{"connect_seconds": {seconds:.3}}}"#))
}

/// A message for each line that asks for one.
fn orders() -> Receiver<()> {
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

impl Crowd {
    fn gather(target: Target, connections: usize) -> io::Result<Self> {
        let mut crowd = Self {
            members: Vec::with_capacity(connections),
            poll: epoll::create(CreateFlags::CLOEXEC)?,
            open: connections,
            heard: Vec::new(),
        };
        for place in 0..connections {
            let stream = open(target, "/crowd")?;
            stream.set_nonblocking(true)?;
            let place = EventData::new_u64(place as u64);
            epoll::add(&crowd.poll, &stream, place, EventFlags::IN)?;
            crowd.members.push(Member {
                stream: Some(stream),
                frames: Frames::default(),
                heard: 0,
            });
        }
        Ok(crowd)
    }

    /// Until the server has closed every socket.
    fn stay(&mut self, orders: &Receiver<()>) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        let mut buffer = vec![0; 64 * 1024];
        let mut progress = Instant::now();
        while self.open > 0 {
            if orders.try_recv().is_ok() {
                self.members[0].say(&frame(b"to everybody"))?;
            }
            events.clear();
            let room = rustix::buffer::spare_capacity(&mut events);
            epoll::wait(&self.poll, room, Some(&TURN))?;
            if !events.is_empty() {
                progress = Instant::now();
            } else if progress.elapsed() > PATIENCE {
                return Err(io::Error::other("nothing happened for minutes"));
            }
            for event in &events {
                self.hear(event.data.u64() as usize, &mut buffer)?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, place: usize, buffer: &mut [u8]) -> io::Result<()> {
        let everybody = self.members.len();
        let member = &mut self.members[place];
        let messages = member.read(buffer)?;
        if member.stream.is_none() {
            self.open -= 1;
        }
        for _ in 0..messages {
            self.heard.resize(self.heard.len().max(member.heard + 1), 0);
            self.heard[member.heard] += 1;
            if self.heard[member.heard] == everybody {
                println!("heard");
            }
            member.heard += 1;
        }
        Ok(())
    }
}

impl Member {
    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Some(stream) => stream.write_all(bytes),
            None => Ok(()),
        }
    }

    /// How many messages came. A ping is answered; so is a close frame, which ends the socket.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &mut self.stream else {
            return Ok(0);
        };
        let read = match stream.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) => return Err(error),
        };
        let messages = self.frames.feed(&buffer[..read])?;
        if self.frames.pinged() {
            self.say(PONG)?;
        }
        if self.frames.closed() {
            self.say(CLOSE)?;
        }
        if self.frames.closed() || read == 0 {
            self.stream = None;
        }
        Ok(messages)
    }
}
