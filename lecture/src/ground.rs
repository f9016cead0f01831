//! The server and the workers that the page runs on, which its experiments have where nothing else is said.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use lecture::{Ground, MOST_WORKERS};

/// What these flags, the environment and the file come to. The launcher knows: `--check` says what is in force.
pub(crate) fn of(program: &Path, flags: &[OsString]) -> Ground {
    // What is wrong with them is said by the one who is to serve with them.
    let said = check(program, flags).unwrap_or_default();
    read(&String::from_utf8_lossy(&said))
}

fn check(program: &Path, flags: &[OsString]) -> io::Result<Vec<u8>> {
    let mut check = Command::new(program)
        .arg("subject")
        .args(flags)
        .arg("--check")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // It ends when its standard input does, and has something to say before.
    let leash = check.stdin.take();
    let output = check.wait_with_output()?;
    drop(leash);
    Ok(output.stdout)
}

/// Reads lines such as `workers = 2   # default`.
fn read(said: &str) -> Ground {
    let value = |name: &str| {
        let mut lines = said.lines();
        lines.find_map(|line| {
            let (key, rest) = line.split_once(" = ")?;
            let value = rest.split('#').next()?;
            (key == name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let known = Ground::default();
    let server = value("server").and_then(|server| server.parse().ok());
    let workers = value("workers").and_then(|workers| workers.parse().ok());
    Ground {
        server: server.unwrap_or(known.server),
        workers: workers.unwrap_or(known.workers).clamp(1, MOST_WORKERS),
    }
}

#[cfg(test)]
mod tests {
    use lecture::Server;

    use super::*;

    #[test]
    fn what_is_in_force_is_read() {
        let said = "# The configuration is right. In force:\nserver = \"hyper\"     # --server\n\
                    workers = 3   # default\n";
        let ground = read(said);
        assert_eq!((ground.server, ground.workers), (Server::Hyper, 3));
        assert_eq!(read(""), Ground::default());
        assert_eq!(read("workers = 1000 # --workers").workers, MOST_WORKERS);
    }
}
