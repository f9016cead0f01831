//! The terminal and the connection around the chat's state.

use std::io::{self, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use chat_cli::{App, Flow, Memory};
use chat_link::{Link, Target};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{
    self, DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange, Event,
};
use ratatui::crossterm::execute;
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

/// How often waits that count down are drawn, and the memory is looked at.
const TICK: Duration = Duration::from_secs(1);

/// If the wall clock is so much further than ours, the machine has slept.
const SLEPT: Duration = Duration::from_secs(5);

/// Keys that wait, of somebody who pastes without a terminal that says so.
const KEYS: usize = 1_024;

/// Frames that are read before the screen is drawn again.
const TURNS: usize = 200;

/// Shows the chat until the user leaves.
pub(crate) async fn run(app: App, target: Target, file: Option<PathBuf>) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    // Terminals that do not know these ignore them.
    let _ = execute!(stdout(), EnableBracketedPaste, EnableFocusChange);
    let mut session = Session {
        link: Link::new(target),
        saved: app.memory(),
        app,
        file,
        clocks: (Instant::now(), SystemTime::now()),
    };
    let ended = session.live(&mut terminal).await;
    let _ = execute!(stdout(), DisableBracketedPaste, DisableFocusChange);
    ratatui::try_restore()?;
    session.link.close().await;
    ended
}

struct Session {
    app: App,
    link: Link,
    file: Option<PathBuf>,
    saved: Memory,
    clocks: (Instant, SystemTime),
}

impl Session {
    async fn live(&mut self, terminal: &mut DefaultTerminal) -> io::Result<()> {
        let mut keys = listen();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.app.hear();
            self.app.set_trouble(self.link.trouble());
            terminal.draw(|frame| self.app.draw(frame, Instant::now()))?;
            select! {
                event = keys.recv() => match event {
                    Some(event) => {
                        let mut flow = self.act(event?, terminal)?;
                        while let Ok(event) = keys.try_recv() {
                            flow = if flow == Flow::Quit { flow } else { self.act(event?, terminal)? };
                        }
                        if flow == Flow::Quit {
                            return self.remember();
                        }
                    }
                    // The terminal has gone.
                    None => return self.remember(),
                },
                () = turns(&mut self.link, &mut self.app) => {}
                _ = tick.tick() => {
                    self.notice_sleep();
                    self.remember()?;
                }
            }
        }
    }

    fn act(&mut self, event: Event, terminal: &mut DefaultTerminal) -> io::Result<Flow> {
        use event::{KeyCode, KeyModifiers};
        let now = Instant::now();
        match event {
            Event::Key(key)
                if key.code == KeyCode::Char('l') && key.modifiers == KeyModifiers::CONTROL =>
            {
                terminal.clear()?;
            }
            Event::Key(key) => return Ok(self.app.key(key, now)),
            Event::Paste(text) => self.app.paste(&text, now),
            Event::FocusGained => self.app.look(true),
            Event::FocusLost => self.app.look(false),
            Event::Mouse(_) | Event::Resize(..) => {}
        }
        Ok(Flow::Stay)
    }

    /// After a sleep the link may be dead without a sign: our clock stood still with the machine.
    fn notice_sleep(&mut self) {
        let (ours, wall) = (Instant::now(), SystemTime::now());
        let passed = ours - self.clocks.0;
        let on_the_wall = wall.duration_since(self.clocks.1).unwrap_or_default();
        self.clocks = (ours, wall);
        if on_the_wall > passed + SLEPT {
            self.app.client.probe(ours);
            self.app.client.hurry(ours);
        }
    }

    /// Writes down what the next run has to know, if it has changed.
    fn remember(&mut self) -> io::Result<()> {
        let memory = self.app.memory();
        if let Some(file) = &self.file
            && memory != self.saved
        {
            memory.save(file)?;
        }
        self.saved = memory;
        Ok(())
    }
}

/// Takes what the link has, so that a flood of messages is not a flood of screens.
async fn turns(link: &mut Link, app: &mut App) {
    link.turn(&mut app.client).await;
    for _ in 0..TURNS {
        let more = std::future::poll_fn(|cx| {
            let turn = std::pin::pin!(link.turn(&mut app.client));
            std::task::Poll::Ready(turn.poll(cx).is_ready())
        });
        if !more.await {
            return;
        }
    }
}

/// Reads the terminal in a thread of its own, because that can only be waited for in one. The thread ends with the
/// process.
fn listen() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        loop {
            let event = event::read();
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
