//! What an operator asks of both servers and no clause rules: configuration, limits by flags, logs, metrics, workers.
//!
//! `cargo test -p conformance --test operation -- hyper::metrics` runs a chapter on one of them. Where the peer would be in the
//! way, for it prints what it does, this program is the server: `serve --server raw`, see `app.rs`.
#![forbid(unsafe_code)]

mod access_log;
mod app;
mod configuration;
mod ending;
mod gauges;
mod limits;
mod logs;
mod metrics;
mod outcomes;
mod recycling;
mod stalls;
mod streams;
mod timers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use conformance::{PATIENCE, Subject};
use libtest_mimic::{Arguments, Trial};

/// A test of one server.
type Test = fn(&Subject);

/// Writes a chapter's table: each test is a function.
macro_rules! chapter {
    ($($function:ident),+ $(,)?) => {
        pub(super) const TESTS: &[(&str, super::Test)] = &[$((stringify!($function), $function)),+];
    };
}
use chapter;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == app::SERVE) {
        return app::serve(arguments);
    }
    let chapters: [(&str, &[(&str, Test)]); 11] = [
        ("configuration", configuration::TESTS),
        ("limits", limits::TESTS),
        ("access_log", access_log::TESTS),
        ("outcomes", outcomes::TESTS),
        ("logs", logs::TESTS),
        ("metrics", metrics::TESTS),
        ("gauges", gauges::TESTS),
        ("timers", timers::TESTS),
        ("stalls", stalls::TESTS),
        ("recycling", recycling::TESTS),
        ("ending", ending::TESTS),
    ];
    let program = env!("CARGO_BIN_EXE_conformance");
    let mut trials = Vec::new();
    for server in ["raw", "hyper"] {
        for (chapter, tests) in chapters {
            for &(name, test) in tests {
                trials.push(Trial::test(
                    format!("{server}::{chapter}::{name}"),
                    move || {
                        test(&Subject::new(
                            server,
                            program,
                            &["peer", "--server", server],
                        ));
                        Ok(())
                    },
                ));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Runs what needs a runtime: clients that others wrote.
#[track_caller]
fn on_runtime(test: impl Future<Output = Result<(), Box<dyn std::error::Error>>>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("the system has room");
    let in_time = runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await });
    in_time.expect("in time").expect("without an error");
}

/// A file with this text, for as long as a test runs.
struct Written(PathBuf);

impl Written {
    fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("operation-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("the temporary folder can be written");
        Self(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("it is of letters")
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // What is left of it is the system's to clean.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A folder of its own, for as long as a test runs.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let file = Written::new("");
        let path = file.0.with_extension("d");
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    /// The path of a file in it.
    fn file(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("it is of letters").to_owned()
    }

    /// Makes a pipe in it.
    fn pipe(&self, name: &str) -> String {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, self.0.join(name), mode).expect("it can be made");
        self.file(name)
    }

    /// Waits until a file has this text in it.
    #[track_caller]
    fn wait_for(&self, name: &str, text: &str) {
        let start = Instant::now();
        loop {
            let read = std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
            if read.contains(text) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} is not in {read:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
