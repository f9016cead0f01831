//! Bare epoll, one loop and one listener a worker.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use peer::{Heads, listener};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::{MOST, answers};

/// What the listener's events carry; connections carry their place in the table.
const LISTENER: u64 = u64::MAX;

struct Connection {
    stream: TcpStream,
    heads: Heads,
    /// What a full socket buffer did not take.
    unsent: Vec<u8>,
}

pub(crate) fn run(port: u16) -> io::Result<()> {
    let listener = listener(port);
    let answers = answers();
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut connections = Table::default();
    let mut events = Vec::with_capacity(256);
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            match event.data.u64() {
                LISTENER => accept(&listener, &poll, &mut connections)?,
                place => {
                    let place = usize::try_from(place).expect("a place in memory");
                    let Some(connection) = connections.get(place) else {
                        continue;
                    };
                    if !serve(connection, &answers, &mut buffer, &poll, place)? {
                        connections.remove(place);
                    }
                }
            }
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &impl std::os::fd::AsFd,
    connections: &mut Table,
) -> io::Result<()> {
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let place = connections.place();
        epoll::add(
            poll,
            &stream,
            EventData::new_u64(place as u64),
            EventFlags::IN,
        )?;
        connections.put(
            place,
            Connection {
                stream,
                heads: Heads::default(),
                unsent: Vec::new(),
            },
        );
    }
    Ok(())
}

/// Whether the connection lives on.
fn serve(
    connection: &mut Connection,
    answers: &[Vec<u8>],
    buffer: &mut [u8],
    poll: &impl std::os::fd::AsFd,
    place: usize,
) -> io::Result<bool> {
    let interest = |connection: &Connection, flags| {
        epoll::modify(
            poll,
            &connection.stream,
            EventData::new_u64(place as u64),
            flags,
        )
    };
    if !connection.unsent.is_empty() {
        let sent = connection.stream.write(&connection.unsent).unwrap_or(0);
        connection.unsent.drain(..sent);
        if connection.unsent.is_empty() {
            interest(connection, EventFlags::IN)?;
        }
        return Ok(true);
    }
    let read = match connection.stream.read(buffer) {
        Ok(0) => return Ok(false),
        Ok(read) => read,
        Err(error) => return Ok(error.kind() == ErrorKind::WouldBlock),
    };
    let mut owed = connection.heads.feed(&buffer[..read]);
    while owed > 0 {
        let now = owed.min(MOST);
        owed -= now;
        let answer = &answers[now];
        let sent = connection.stream.write(answer).unwrap_or(0);
        if sent < answer.len() {
            connection.unsent.extend_from_slice(&answer[sent..]);
            connection
                .unsent
                .extend_from_slice(&answers[1].repeat(owed));
            interest(connection, EventFlags::OUT)?;
            break;
        }
    }
    Ok(true)
}

/// Connections by their place, with the free places remembered.
#[derive(Default)]
struct Table {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Table {
    fn place(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() - 1
        })
    }

    fn put(&mut self, place: usize, connection: Connection) {
        self.connections[place] = Some(connection);
    }

    fn get(&mut self, place: usize) -> Option<&mut Connection> {
        self.connections[place].as_mut()
    }

    fn remove(&mut self, place: usize) {
        self.connections[place] = None;
        self.free.push(place);
    }
}
