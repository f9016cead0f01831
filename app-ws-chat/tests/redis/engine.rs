//! A Redis of the test's own, behind a socket file: so it needs no port that somebody else may take.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take to come up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running Redis that keeps what it has. Dropped, it is killed and its files go.
pub(crate) struct Engine {
    directory: PathBuf,
    process: Option<Child>,
}

impl Engine {
    pub(crate) fn start() -> Self {
        let name = format!("chat-redis-{}-{:x}", std::process::id(), fastrand::u32(..));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let mut engine = Self {
            directory,
            process: None,
        };
        engine.restart();
        engine
    }

    /// What `--bus` takes.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// SIGKILL: it can put nothing in order.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Starts it again, with what it has kept.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.socket());
        let directory = self.directory.to_str().unwrap();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--dir", directory, "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", "always"])
            .args(["--unixsocket", self.socket().to_str().unwrap()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed: run ./test");
        self.process = Some(process);
        let start = Instant::now();
        while UnixStream::connect(self.socket()).is_err() {
            assert!(start.elapsed() < PATIENCE, "Redis does not come up");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Forgets all it has, as one does that was started without its files.
    pub(crate) fn forget(&mut self) {
        self.kill();
        std::fs::remove_dir_all(self.directory.join("appendonlydir")).unwrap();
        self.restart();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        Path::new(&self.directory).join("redis.sock")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
