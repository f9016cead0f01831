//! `lecture run`: an experiment in the terminal.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use lecture::{
    Experiment, Ground, Marks, Moment, Run, Seen, Server, Timeline, Work, draw, perform,
};

/// What is to be seen: an experiment by its name, or one run of one's own.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// waiting, workers, pool, computing or stall
    #[arg(default_value = "waiting", conflicts_with = "work")]
    experiment: String,
    /// One run of this work: blocking, awaiting, pooled, computing or computing-beside
    #[arg(long)]
    work: Option<Work>,
    /// Requests of that run
    #[arg(long, default_value_t = 2, requires = "work")]
    requests: u32,
    /// How long each of them takes
    #[arg(long, default_value_t = 2000, requires = "work")]
    milliseconds: u32,
    /// Workers of its server
    #[arg(long, default_value_t = 1, requires = "work")]
    workers: u32,
    /// raw or hyper
    #[arg(long, default_value = "raw")]
    server: Server,
    /// Draw with ASCII
    #[arg(long)]
    ascii: bool,
}

pub(crate) fn run(flags: &Flags) -> ExitCode {
    match flags.runs().and_then(|runs| flags.perform(runs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Asked(why)) => complain(&why, 2),
        Err(Trouble::Seen(why)) => complain(&why, 1),
    }
}

/// What keeps an experiment from being seen.
enum Trouble {
    /// It cannot be asked for.
    Asked(String),
    /// It was begun.
    Seen(String),
}

impl Flags {
    fn runs(&self) -> Result<Vec<Run>, Trouble> {
        if let Some(work) = self.work {
            let run = Run::new(
                work,
                self.requests,
                self.milliseconds,
                self.workers,
                self.server,
            );
            let run = run.map_err(|error| Trouble::Asked(error.to_string()))?;
            return Ok(vec![run]);
        }
        let all = Experiment::all(Ground {
            server: self.server,
            workers: cores(),
        });
        let names: Vec<&str> = all.iter().map(|known| known.name).collect();
        let unknown = format!(
            "{}: no such experiment; there are {}",
            self.experiment,
            names.join(", ")
        );
        let named = all.into_iter().find(|known| known.name == self.experiment);
        let Experiment {
            title, idea, runs, ..
        } = named.ok_or(Trouble::Asked(unknown))?;
        let width = Screen::new(Marks::PLAIN).width;
        print(&wrapped(&format!("{title}. {idea}"), width));
        Ok(runs)
    }

    fn perform(&self, runs: Vec<Run>) -> Result<(), Trouble> {
        let seen = |why: String| Trouble::Seen(why);
        let program = env::current_exe().map_err(|error| seen(error.to_string()))?;
        let marks = if self.ascii {
            Marks::PLAIN
        } else {
            Marks::BLOCKS
        };
        for run in runs {
            self.perform_one(&program, run, marks)
                .map_err(|failed| seen(format!("{run}: {failed}")))?;
        }
        Ok(())
    }

    fn perform_one(&self, program: &Path, run: Run, marks: Marks) -> Result<(), lecture::Failed> {
        let mut screen = Screen::new(marks);
        let mut look = |seen: Seen<'_>| {
            if let Seen::Changed(timeline, _) | Seen::Nothing(timeline) = seen {
                screen.show(timeline);
            }
            ControlFlow::Continue(())
        };
        let timeline = perform(program, run, &mut look)?;
        screen.show_last(&timeline);
        let indent = "            ";
        for stall in timeline.stalls() {
            print(&format!("{indent}stall detector: {stall}\n"));
        }
        print(&format!("{indent}{}\n", timeline.summary()));
        Ok(())
    }
}

/// The terminal, on which a drawing grows; or what is no terminal, which gets it when it is done.
struct Screen {
    marks: Marks,
    width: usize,
    is_live: bool,
    /// Lines that are drawn over next time.
    lines: usize,
}

impl Screen {
    fn new(marks: Marks) -> Self {
        let size = rustix::termios::tcgetwinsize(io::stdout());
        let width = size.map_or(0, |size| usize::from(size.ws_col));
        Self {
            marks,
            width: if width == 0 { 100 } else { width - 1 },
            is_live: io::stdout().is_terminal(),
            lines: 0,
        }
    }

    fn show(&mut self, timeline: &Timeline) {
        if self.is_live {
            self.show_last(timeline);
        }
    }

    fn show_last(&mut self, timeline: &Timeline) {
        let drawing = draw(timeline, Moment::now(), self.width, self.marks);
        if self.lines == 0 {
            print("\n");
        } else {
            // Up by so many lines, and all below is cleared.
            print(&format!("\x1b[{}A\x1b[J", self.lines));
        }
        self.lines = drawing.lines().count();
        // A line that the terminal would break is two, and what is drawn over it would not meet.
        let width = if self.is_live { self.width } else { usize::MAX };
        let lines = drawing.lines().map(|line| line.chars().take(width));
        print(
            &lines
                .flat_map(|line| line.chain(['\n']))
                .collect::<String>(),
        );
    }
}

/// Text in lines of whole words.
fn wrapped(text: &str, width: usize) -> String {
    let (mut lines, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += length;
    }
    lines + "\n"
}

fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    // Whoever closed it does not want to know.
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

fn cores() -> u32 {
    let cores = std::thread::available_parallelism();
    cores.map_or(1, |cores| cores.get() as u32)
}

fn complain(why: &str, code: u8) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two  three", 7), "one two\nthree\n");
        assert_eq!(wrapped("indivisible é two", 5), "indivisible\né two\n");
        assert_eq!(wrapped("", 5), "\n");
    }
}
