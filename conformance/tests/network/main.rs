//! What lies between a client and a server's first byte of HTTP, on both servers: sockets, TLS, proxies, restarts.
//!
//! No clause rules it, and every operator counts on it. `cargo test -p conformance --test network -- hyper::sockets` runs a chapter
//! on one of the servers.
#![forbid(unsafe_code)]

mod certificates;
mod goaway;
mod http2;
mod processes;
mod proxies;
mod restart;
mod sockets;
mod successors;
mod tls;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use conformance::Subject;
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

/// The program that serves the application of the cases.
const PROGRAM: &str = env!("CARGO_BIN_EXE_conformance");

fn main() {
    let chapters: [(&str, &[(&str, Test)]); 6] = [
        ("sockets", sockets::TESTS),
        ("tls", tls::TESTS),
        ("proxies", proxies::TESTS),
        ("restart", restart::TESTS),
        ("successors", successors::TESTS),
        ("goaway", goaway::TESTS),
    ];
    let mut trials = Vec::new();
    for server in ["raw", "hyper"] {
        for (chapter, tests) in chapters {
            for &(name, test) in tests {
                let name = format!("{server}::{chapter}::{name}");
                trials.push(Trial::test(name, move || {
                    test(&Subject::new(
                        server,
                        PROGRAM,
                        &["peer", "--server", server],
                    ));
                    Ok(())
                }));
            }
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A folder for one test, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("network-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("the temporary folder can be written");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file.
    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.file(name);
        std::fs::write(&file, text).expect("the folder can be written");
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left of it is the system's to clean.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("it is of letters")
}
