//! What Redis was asked for and what it told, in its own order: for the record of a case.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::model::record::Record;

/// A connection to Redis that hears everything. Dropped, it hears no more when Redis ends.
pub(crate) struct Tap {
    over: Arc<AtomicBool>,
}

impl Tap {
    pub(crate) fn begin(socket: PathBuf, record: Record) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if let Ok(stream) = UnixStream::connect(&socket) {
                    listen(stream, &record);
                }
                // It is starting again.
                thread::sleep(Duration::from_millis(5));
            }
        });
        Self { over }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn listen(mut stream: UnixStream, record: &Record) {
    if stream.write_all(b"MONITOR\r\n").is_err() {
        return;
    }
    let lines = BufReader::new(stream).lines();
    for line in lines.map_while(Result::ok) {
        if let Some(what) = of_a_room(&line) {
            record.note(format_args!("redis {what}"));
        }
    }
}

/// Who asked for what step of a room's script, and what that told.
fn of_a_room(line: &str) -> Option<String> {
    if let Some((_, told)) = line.split_once("lua] \"PUBLISH\" ") {
        return Some(format!("tells {told}"));
    }
    let (head, tail) = line.split_once("\"EVALSHA\"")?;
    let who = head.split_once('[').map_or("", |(_, who)| who.trim());
    let (_, step) = tail.split_once(":rules\" ")?;
    Some(format!("{who} {step}"))
}
