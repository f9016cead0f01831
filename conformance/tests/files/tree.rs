//! The directory of a test, and a server of it.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use conformance::{Client, Method, Options, Response, Server, Subject};

use crate::app::DIRECTORY;

/// A server, and the directory that it serves.
pub(crate) struct Served {
    pub(crate) server: Server,
    pub(crate) directory: PathBuf,
}

impl Served {
    /// One with the files that all tests have.
    pub(crate) fn start(subject: &Subject) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!(
            "{}/files-{}-{number}",
            env!("CARGO_TARGET_TMPDIR"),
            process::id()
        );
        fs::create_dir_all(format!("{path}/below")).expect("there is room");
        let options = Options::new().environment(DIRECTORY, &path);
        let directory = PathBuf::from(&path);
        let write = |name: &str, content: &[u8]| {
            let path = directory.join(name);
            fs::write(&path, content).expect("there is room");
            let file = fs::File::options().write(true).open(path);
            let settled = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
            file.and_then(|file| file.set_modified(settled))
                .expect("it is ours");
        };
        write("small.txt", b"a small file");
        write("large.bin", &bytes(3_000_001));
        write("text.txt", text(300_000).as_bytes());
        write("styled.css", b"plain");
        write("styled.css.br", b"not really brotli");
        write("below/index.html", b"<h1>below</h1>");
        Self {
            server: subject.start_with(options),
            directory,
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Bytes of which no two places are alike.
pub(crate) fn bytes(length: u32) -> Vec<u8> {
    (0..length.div_ceil(4))
        .flat_map(u32::to_le_bytes)
        .take(length as usize)
        .collect()
}

/// Text that gets smaller, though not by much.
pub(crate) fn text(length: usize) -> String {
    let numbers = (0_u32..).map(|n| n.wrapping_mul(1_664_525).to_string());
    let mut text = String::new();
    for number in numbers {
        text += &number;
        text.push(' ');
        if text.len() >= length {
            break;
        }
    }
    text.truncate(length);
    text
}

/// The answer to a request with these fields, each with its line end.
#[track_caller]
pub(crate) fn get(client: &mut Client, path: &str, fields: &str) -> Response {
    client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    client.read_response()
}

#[track_caller]
pub(crate) fn head(client: &mut Client, path: &str, fields: &str) -> Response {
    client.send(format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
    client.read_response_to(Method::Head)
}
