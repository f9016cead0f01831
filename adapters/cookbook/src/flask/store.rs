//! Where entries are kept: a file of lines of JSON, which stands for any database whose driver blocks.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway::AppError;

use super::entry::{Draft, Entry};
use super::failure::Failure;

/// Entries that fit in: they are kept in memory too, with some 2 KiB each at the most.
const MOST: usize = 100_000;

#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    file: File,
    /// Bytes of the file that are whole lines.
    length: u64,
    entries: Vec<Entry>,
}

impl Store {
    /// Opens the file, and reads what is in it. Half a line at its end, which a crash left, is taken away.
    pub(super) fn open(path: &Path) -> Result<Self, AppError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path)?;
        let (mut entries, mut length) = (Vec::new(), 0);
        let mut lines = BufReader::new(&file);
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            entries.push(serde_json::from_str(&line)?);
            length += line.len() as u64;
            line.clear();
        }
        file.set_len(length)?;
        let book = Book {
            file,
            length,
            entries,
        };
        Ok(Self {
            path: path.to_owned(),
            book: Mutex::new(book),
        })
    }

    /// Writes an entry down. The file has it when this returns.
    pub(super) fn add(&self, draft: Draft) -> Result<Entry, Failure> {
        let mut book = self.lock();
        if book.entries.len() >= MOST {
            return Err(Failure::Full);
        }
        let entry = draft.sign(book.entries.len() + 1);
        let mut line = serde_json::to_vec(&entry).map_err(AppError::from)?;
        line.push(b'\n');
        book.append(&line)?;
        book.entries.push(entry.clone());
        Ok(entry)
    }

    pub(super) fn get(&self, number: usize) -> Option<Entry> {
        let book = self.lock();
        book.entries.get(number.checked_sub(1)?).cloned()
    }

    pub(super) fn all(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// The latest, the newest first.
    pub(super) fn last(&self, count: usize) -> Vec<Entry> {
        self.lock()
            .entries
            .iter()
            .rev()
            .take(count)
            .cloned()
            .collect()
    }

    /// The file for reading, from its beginning, and how much of it is whole lines.
    pub(super) fn reader(&self) -> io::Result<(File, u64)> {
        let length = self.lock().length;
        Ok((File::open(&self.path)?, length))
    }

    /// Has the disk take what is only in the kernel.
    pub(super) fn close(&self) -> io::Result<()> {
        self.lock().file.sync_all()
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Nothing below panics between two changes that belong together.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Adds a line. One that fails half-way is overwritten by the next, or taken away at the next start.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all_at(line, self.length)?;
        self.length += line.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of this name with this in it.
    fn file(name: &str, content: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn what_was_written_is_there_after_a_restart_and_half_a_line_is_not() {
        let path = file("half", "");
        let store = Store::open(&path).unwrap();
        for text in ["one", "two\nlines"] {
            store.add(Draft::new("Ada", text).unwrap()).unwrap();
        }
        store.close().unwrap();
        let mut content = std::fs::read_to_string(&path).unwrap();
        content.push_str("{\"number\":3,\"na");
        std::fs::write(&path, content).unwrap();

        let store = Store::open(&path).unwrap();
        let third = store.add(Draft::new("Bob", "three").unwrap()).unwrap();
        assert_eq!(third.number, 3);
        let texts = |store: &Store| store.all().into_iter().map(|entry| entry.text);
        assert!(texts(&store).eq(["one", "two\nlines", "three"]));
        assert!(texts(&Store::open(&path).unwrap()).eq(["one", "two\nlines", "three"]));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_file_that_is_something_else_is_not_opened() {
        let path = file("else", "to do: milk\n");
        Store::open(&path).unwrap_err();
        assert_eq!(std::fs::read(&path).unwrap(), b"to do: milk\n");
        std::fs::remove_file(path).unwrap();
    }
}
