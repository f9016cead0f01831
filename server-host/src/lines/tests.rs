//! What becomes of lines that nobody takes, and of those that somebody does.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::io::ioctl_fionread;
use rustix::pipe::{PIPE_BUF, PipeFlags, fcntl_getpipe_size, pipe_with};

use super::*;
use crate::LogTarget;

const NONBLOCK: i32 = OFlags::NONBLOCK.bits().cast_signed();

/// Tells what is said.
struct Told(mpsc::Sender<String>);

impl Losses for Told {
    fn failed(&mut self, error: &io::Error, lost: u64) {
        self.say(format!("{lost} are lost: {error}"));
    }

    fn line(&self, lost: u64) -> Option<String> {
        Some(format!("({lost} are missing)\n"))
    }

    fn over(&mut self, lost: u64) {
        self.say(format!("it flows: {lost} were lost"));
    }

    fn kept(&self, error: &io::Error) {
        self.say(format!("kept: {error}"));
    }
}

impl Told {
    fn say(&self, text: String) {
        self.0.send(text).expect("the test goes on");
    }
}

/// Lines that go to a file.
fn to_file(path: impl Into<std::path::PathBuf>) -> (OpenLines, mpsc::Receiver<String>) {
    let output = Output::open(&LogTarget::File(path.into())).expect("it can be opened");
    started(output.expect("it is a target"), 1 << 20)
}

/// Lines that go to a pipe of which each read is what one write was.
fn to_pipe(room: usize) -> (OpenLines, mpsc::Receiver<String>, File) {
    let (reader, writer) = packets();
    let (lines, said) = started(Output::of(writer), room);
    (lines, said, reader.into())
}

fn packets() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).expect("the system has room")
}

fn started(output: Output, room: usize) -> (OpenLines, mpsc::Receiver<String>) {
    let (sender, said) = mpsc::channel();
    let lines = Lines::start("lines", output, room, Told(sender));
    (lines.expect("the system has room"), said)
}

fn read(from: &mut File) -> String {
    let mut bytes = [0; 2 * PIPE_BUF];
    let read = from.read(&mut bytes).expect("somebody writes");
    String::from_utf8(bytes[..read].to_vec()).expect("it is text")
}

#[test]
fn a_full_disk_loses_lines_and_nothing_else() {
    let (open, said) = to_file("/dev/full");
    let lines = Arc::clone(open.lines());
    for _ in 0..100 {
        lines.take(String::from("one\ntwo\n"));
    }
    drop(open);
    assert_eq!(lines.lost(), 200);
    lines.take(String::from("too late\n"));
    assert_eq!(lines.lost(), 201);
    let first = said.recv().expect("it is said");
    assert!(first.starts_with("2 are lost: No space left"), "{first}");
}

#[test]
fn no_more_waits_than_there_is_room_for() {
    // Nobody writes.
    let lines = Lines::new(1_000);
    let batch = format!("{}\n", "x".repeat(249));
    for _ in 0..10 {
        lines.take(batch.clone());
    }
    assert_eq!(lines.lost(), 6);
    assert_eq!(lines.lock().bytes, 1_000);
}

#[test]
fn what_is_lost_is_said_in_its_place_when_it_flows_again() {
    let (open, said, mut reader) = to_pipe(2 * PIPE_BUF);
    let lines = open.lines();
    let line = |n: usize| format!("{n} {}\n", "x".repeat(PIPE_BUF - 10));
    // More than the pipe and the queue have room for, so the last ones are lost.
    let mut given = 0;
    while lines.lost() < 3 {
        lines.take(line(given));
        given += 1;
        // Each that there is room for is dealt with before the next one is given: at last nobody takes any.
        while lines.lost() == 0 && lines.lock().bytes > PIPE_BUF {
            if !lines.flush(Duration::from_millis(20)) {
                break;
            }
        }
    }
    let kept = given - 3;
    for n in 0..kept {
        assert_eq!(read(&mut reader), line(n));
    }
    assert_eq!(read(&mut reader), "(3 are missing)\n");
    assert_eq!(said.recv().as_deref(), Ok("it flows: 3 were lost"));
    lines.take(line(given));
    assert_eq!(read(&mut reader), line(given));
}

#[test]
fn who_waits_for_a_stuck_reader_waits_once() {
    let (open, _said, mut reader) = to_pipe(1 << 20);
    let lines = open.lines();
    // Until the pipe is full.
    let mut given = 0;
    loop {
        lines.take(format!("{}\n", "x".repeat(PIPE_BUF - 1)));
        given += 1;
        if !lines.flush(Duration::from_millis(50)) {
            break;
        }
    }
    assert!(
        !lines.flush(Duration::from_secs(3_600)),
        "it is still stuck"
    );
    for _ in 0..given {
        let _ = read(&mut reader);
    }
    // What is written ends it.
    while !lines.flush(Duration::from_secs(30)) {
        thread::yield_now();
    }
    assert_eq!(lines.lost(), 0);
}

#[test]
fn a_write_to_a_pipe_is_whole_lines_and_one_that_nobody_tears() {
    let (open, _said, mut reader) = to_pipe(1 << 20);
    let long = "y".repeat(PIPE_BUF + 1_000);
    let given: String = (0..300)
        .map(|n| format!("a line of some length {n}\n"))
        .collect();
    let given = format!("{given}{long}\nthe last\n");
    open.lines().take(given.clone());
    let (mut taken, mut long_ones) = (String::new(), 0);
    while taken.len() < given.len() {
        let piece = read(&mut reader);
        if piece.starts_with('y') {
            // The pipe itself cuts what it does not keep together.
            long_ones += 1;
        } else {
            assert!(piece.ends_with('\n'), "{piece:?} is torn");
            assert!(
                piece.starts_with("a line") || piece == "the last\n",
                "{piece:?}"
            );
        }
        taken.push_str(&piece);
    }
    assert_eq!((taken, long_ones), (given, 2));
}

#[test]
fn a_line_that_was_cut_off_is_ended_before_the_next() {
    let folder = folder("cut");
    let path = folder.join("pipe");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("it can be made");
    let open = || {
        OpenOptions::new()
            .read(true)
            .custom_flags(NONBLOCK)
            .open(&path)
    };
    let reader = open().expect("it is there");
    let output = Output::open(&LogTarget::File(path.clone())).expect("somebody reads");
    let mut output = output.expect("it is a target");
    // More than the pipe takes; then its reader is gone.
    let room = fcntl_getpipe_size(&reader).expect("it is a pipe");
    let long = "x".repeat(2 * room);
    let writing = thread::spawn(move || {
        let cut = output.write(&format!("{long}\ntwo\n"));
        (output, cut.expect_err("nobody reads"))
    });
    while ioctl_fionread(&reader).expect("it is a pipe") < room as u64 {
        thread::yield_now();
    }
    drop(reader);
    let (mut output, cut) = writing.join().expect("it does not panic");
    assert_eq!(cut.lost, 2);
    assert_eq!(cut.error.kind(), io::ErrorKind::BrokenPipe);

    let mut reader = open().expect("it is there");
    let mut before = vec![0; room];
    reader.read_exact(&mut before).expect("it is there still");
    assert!(before.iter().all(|byte| *byte == b'x'));
    output.write("three\n").expect("somebody reads");
    assert_eq!(read(&mut reader) + &read_if_any(&mut reader), "\nthree\n");
    std::fs::remove_dir_all(&folder).expect("it is there");
}

fn read_if_any(from: &mut File) -> String {
    match ioctl_fionread(&*from) {
        Ok(1..) => read(from),
        _ => String::new(),
    }
}

#[test]
fn what_cannot_be_opened_is_said_with_the_mend() {
    let folder = folder("wrong");
    let pipe = folder.join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).expect("it can be made");
    let socket = folder.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("it can be made");
    let nowhere = folder.join("none/log");
    let open = |path: &Path| Output::open(&LogTarget::File(path.into())).map(drop);
    let check = |path: &Path| output::check(&LogTarget::File(path.into()));
    for (path, mend, is_seen_by_check) in [
        (
            &pipe,
            "nobody reads this pipe; start its reader first",
            false,
        ),
        (&socket, "it is a socket; give a file or a pipe", true),
        (&folder, "it is a folder; give a file in it", true),
        (&nowhere, "/none; make it first", true),
    ] {
        let error = open(path).expect_err("it cannot be").to_string();
        assert!(error.ends_with(mend), "{path:?}: {error}");
        let checked = check(path).map_err(|error| error.to_string());
        let expected = if is_seen_by_check { Err(error) } else { Ok(()) };
        assert_eq!(checked, expected, "{path:?}");
    }
    let new = folder.join("new");
    check(&new).expect("it could be made");
    assert!(!new.exists(), "a check makes no file");
    std::fs::remove_dir_all(&folder).expect("it is there");
}

#[test]
fn a_file_is_opened_anew_where_it_was() {
    let folder = folder("anew");
    let (path, moved) = (folder.join("log"), folder.join("log.1"));
    let (open, said) = to_file(path.clone());
    let lines = open.lines();
    lines.take(String::from("first\n"));
    assert!(lines.flush(Duration::from_secs(30)));
    std::fs::rename(&path, &moved).expect("it is there");
    lines.reopen();
    lines.take(String::from("second\n"));
    drop(open);
    let read = |path| std::fs::read_to_string(path).expect("it is there");
    assert_eq!(
        (read(&moved), read(&path)),
        ("first\n".into(), "second\n".into())
    );
    std::fs::remove_dir_all(&folder).expect("it is there");
    assert!(said.try_recv().is_err(), "nothing went wrong");
}

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("lines-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temporary folder can be written");
    folder
}
