//! Directories of tests.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adapters::files::Files;
use test_client::{Reply, TestClient};

/// When all files were changed, unless a test says otherwise.
pub(crate) const MODIFIED: &str = "Tue, 14 Nov 2023 22:13:20 GMT";
pub(crate) const BEFORE: &str = "Tue, 14 Nov 2023 22:13:19 GMT";

/// A directory, and what is in it, until the test ends.
pub(crate) struct Tree(PathBuf);

impl Tree {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!(
            "{}/files-{}-{number}",
            env!("CARGO_TARGET_TMPDIR"),
            process::id()
        );
        fs::create_dir_all(&path).unwrap();
        Self(path.into())
    }

    pub(crate) fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content, time());
        self
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>, modified: SystemTime) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(modified).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn files(&self) -> Files {
        Files::new(&self.0).unwrap()
    }

    pub(crate) fn client(&self) -> TestClient {
        TestClient::new(self.files())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// An answer of the files: every one is done, and none is empty of what belongs to it.
pub(crate) async fn get(client: &TestClient, path: &str, fields: &[(&str, &str)]) -> Reply {
    ask(client, "GET", path, fields).await
}

pub(crate) async fn ask(
    client: &TestClient,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Reply {
    let mut request = client.request(method.parse().unwrap(), path);
    for (name, value) in fields {
        request = request.header(name, value);
    }
    let reply = request.send().await.unwrap();
    assert!(reply.outcome().await.is_done(), "{path}");
    reply
}
