//! What outlives the program: who we are, which rooms, what was read, what is not sent yet.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use chat_client::Position;
use serde::{Deserialize, Serialize};

/// What one run leaves to the next.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Memory {
    /// The secret by which the chat knows us again.
    pub key: Box<str>,
    /// What we want to be called.
    pub nick: Option<Box<str>>,
    /// The rooms, in the order of the screen.
    #[serde(default)]
    pub rooms: Vec<RoomMemory>,
}

/// What is remembered of a room.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RoomMemory {
    /// Its name.
    pub name: Box<str>,
    /// How far it was read.
    pub mark: Option<Position>,
    /// What is not sent yet, or not known to be kept.
    #[serde(default)]
    pub drafts: Vec<DraftMemory>,
}

/// Something that is to be said.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct DraftMemory {
    /// Its id, under which it is said again.
    pub cid: Box<str>,
    /// Its text.
    pub text: Box<str>,
}

impl Memory {
    /// Somebody new.
    ///
    /// # Errors
    ///
    /// If the kernel has no random bytes.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; 16];
        let got = rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
        if got < bytes.len() {
            return Err(io::Error::other("too few random bytes"));
        }
        let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self {
            key: key.into(),
            ..Self::default()
        })
    }

    /// Reads what an earlier run has left; somebody new, if there was none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is not one of ours: it is not overwritten then.
    pub fn load(file: &Path) -> io::Result<Self> {
        match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::new(),
            Err(error) => Err(error),
        }
    }

    /// Leaves it to the next run: at once or not at all, and for nobody else's eyes.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, file: &Path) -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut new = file.as_os_str().to_owned();
        new.push(format!(".{}", std::process::id()));
        let new = PathBuf::from(new);
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let mut open = fs::OpenOptions::new();
        let mut open = open
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        open.write_all(&text)?;
        open.sync_all()?;
        fs::rename(&new, file)
    }
}

/// Where a chat's memory is kept if nobody says otherwise: `~/.local/state/chat-cli/`, or below `$XDG_STATE_HOME`; a file
/// for each address.
#[must_use]
pub fn default_file(address: &str) -> Option<PathBuf> {
    let folder = match std::env::var_os("XDG_STATE_HOME") {
        Some(folder) if Path::new(&folder).is_absolute() => PathBuf::from(folder),
        _ => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '_'
        }
    };
    let name: String = address.chars().map(plain).collect();
    Some(folder.join("chat-cli").join(name + ".json"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{DraftMemory, Memory, RoomMemory};

    #[test]
    fn what_is_left_is_found_again_and_nobody_else_can_read_it() {
        let folder = std::env::temp_dir().join(format!("chat-cli-{}", std::process::id()));
        let file = folder.join("a/b.json");
        let new = Memory::load(&file).unwrap();
        assert_eq!(new.key.len(), 32);
        assert_ne!(new.key, Memory::load(&file).unwrap().key, "not guessable");
        let left = Memory {
            nick: Some("Ada".into()),
            rooms: vec![RoomMemory {
                name: "lobby".into(),
                mark: None,
                drafts: vec![DraftMemory {
                    cid: "c".into(),
                    text: "t".into(),
                }],
            }],
            ..new
        };
        left.save(&file).unwrap();
        assert_eq!(Memory::load(&file).unwrap(), left);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&file, "{").unwrap();
        Memory::load(&file).unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
