//! Somebody at a terminal: the program itself in a pseudo terminal, and what a terminal makes of what it writes.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vt100::{Parser, Screen};

const PATIENCE: Duration = Duration::from_secs(30);

/// The program and its terminal. Dropped, the program is killed.
pub(crate) struct Seat {
    program: Child,
    keyboard: File,
    display: Arc<Display>,
}

struct Display {
    terminal: Mutex<Parser>,
    drawn: Condvar,
}

impl Seat {
    /// Starts `chat-cli` with these arguments, in a terminal of this size, as somebody who keeps nothing.
    pub(crate) fn new((columns, rows): (u16, u16), arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(columns, rows)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let end = || terminal.try_clone().unwrap();
        // It is this that makes the terminal the program's own, so that it hears of another size.
        let program = Command::new("setsid")
            .args(["--ctty", "--wait", env!("CARGO_BIN_EXE_chat-cli")])
            .args(arguments)
            .arg("--forget")
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .env_remove("CHAT_TOKEN")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("util-linux is installed");
        let keyboard = File::from(master);
        let display = Arc::new(Display {
            terminal: Mutex::new(Parser::new(cells(rows), cells(columns), 0)),
            drawn: Condvar::new(),
        });
        let (mut written, shared) = (keyboard.try_clone().unwrap(), Arc::clone(&display));
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            // The last one that has the other end closes it: then reading fails.
            while let Ok(length @ 1..) = written.read(&mut part) {
                shared.terminal.lock().unwrap().process(&part[..length]);
                shared.drawn.notify_all();
            }
        });
        Self {
            program,
            keyboard,
            display,
        }
    }

    /// Types, with keys as a terminal sends them.
    pub(crate) fn types(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and Enter.
    pub(crate) fn says(&mut self, line: &str) {
        self.types(&format!("{line}\r"));
    }

    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) {
        // The terminal first: what is drawn next is for the new size.
        let mut terminal = self.display.terminal.lock().unwrap();
        terminal.screen_mut().set_size(cells(rows), cells(columns));
        tcsetwinsize(&self.keyboard, size(columns, rows)).unwrap();
    }

    /// Waits until the screen is so.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let terminal = self.display.terminal.lock().unwrap();
        let unlike = |terminal: &mut Parser| !is_so(terminal.screen());
        let waited = self
            .display
            .drawn
            .wait_timeout_while(terminal, PATIENCE, unlike);
        let (terminal, late) = waited.unwrap();
        assert!(
            !late.timed_out(),
            "{what}:\n{}",
            terminal.screen().contents()
        );
    }

    /// Waits until a text is on the screen, wherever its lines are broken.
    pub(crate) fn sees(&self, text: &str) {
        self.until(&format!("{text:?} is seen"), |screen| shows(screen, text));
    }

    /// Waits for the program to end by itself, and gives its code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.program.wait().unwrap().code()
    }
}

/// Whether a text is on the screen, wherever its lines are broken.
pub(crate) fn shows(screen: &Screen, text: &str) -> bool {
    let words: Vec<_> = screen
        .contents()
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    words.join(" ").contains(text)
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

const fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // `setsid` has the program as its child or is the program itself; without its terminal that one ends too.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
