//! Who has signed, by a cookie: Flask's `session`, kept here and not in the cookie.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateway::HttpScope;
use gateway::types::{HeaderValue, header};

/// Sessions that are kept: a megabyte or so. Beyond that the oldest are forgotten, and whose they were may sign again.
const KEPT: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Sessions {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    names: HashMap<String, Session>,
    /// How many were begun.
    begun: u64,
}

#[derive(Debug)]
struct Session {
    name: String,
    begun: u64,
}

impl Sessions {
    /// The name of whoever asks, if it is known.
    pub(super) fn find(&self, scope: &HttpScope) -> Option<String> {
        let known = self.lock();
        let session = known.names.get(cookie(scope)?)?;
        Some(session.name.clone())
    }

    /// Remembers the name of whoever asks, and gives the cookie for it. The one that it came with is forgotten.
    pub(super) fn begin(&self, scope: &HttpScope, name: String) -> io::Result<HeaderValue> {
        let id = random_id()?;
        // No other site's form can sign with it, and no script can read it.
        let value = format!("session={id}; Path=/; HttpOnly; SameSite=Lax");
        let mut known = self.lock();
        if let Some(old) = cookie(scope) {
            known.names.remove(old);
        }
        known.remember(id, name);
        Ok(value.try_into().expect("hexadecimal digits are plain"))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A request that panicked left whole entries behind.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remember(&mut self, id: String, name: String) {
        if self.names.len() >= KEPT {
            // Half of them at once, so that this is not done again for each.
            let newest = self.begun - KEPT as u64 / 2;
            self.names.retain(|_, session| session.begun > newest);
        }
        self.begun += 1;
        let begun = self.begun;
        self.names.insert(id, Session { name, begun });
    }
}

/// The session's cookie, in any of the fields (SCOPE-8).
fn cookie(scope: &HttpScope) -> Option<&str> {
    let fields = scope.headers.get_all(header::COOKIE);
    let fields = fields.filter_map(|field| str::from_utf8(field).ok());
    let mut cookies = fields.flat_map(|field| field.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix("session="))
}

/// 128 bits that nobody can guess. Reading them blocks for some microseconds, which is what these threads are for.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut id = String::with_capacity(32);
    for byte in bytes {
        write!(id, "{byte:02x}").expect("writing to memory cannot fail");
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let mut known = Known::default();
        for number in 0..3 * KEPT {
            known.remember(number.to_string(), String::new());
            assert!(known.names.len() <= KEPT);
            assert!(known.names.contains_key(&number.to_string()));
        }
        assert!(known.names.len() >= KEPT / 2);
        assert!(!known.names.contains_key("0"));
    }
}
