//! What guests leave.

use serde::{Deserialize, Serialize};

use super::failure::Failure;

/// Characters of a name: those of the longest that people have, and no letter.
const NAME: usize = 100;

/// Characters of a text: a page of handwriting.
const TEXT: usize = 2000;

/// What a guest wants to leave: known to be neither empty nor too long.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Unchecked")]
pub(super) struct Draft {
    name: String,
    text: String,
}

#[derive(Deserialize)]
struct Unchecked {
    name: String,
    text: String,
}

impl Draft {
    pub(super) fn new(name: &str, text: &str) -> Result<Self, Failure> {
        Ok(Self {
            name: checked("name", name, NAME)?,
            text: checked("text", text, TEXT)?,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn sign(self, number: usize) -> Entry {
        Entry {
            number,
            name: self.name,
            text: self.text,
        }
    }
}

impl TryFrom<Unchecked> for Draft {
    type Error = Failure;

    fn try_from(draft: Unchecked) -> Result<Self, Failure> {
        Self::new(&draft.name, &draft.text)
    }
}

fn checked(field: &'static str, value: &str, most: usize) -> Result<String, Failure> {
    let value = value.trim();
    match value.chars().count() {
        0 => Err(Failure::Missing(field)),
        count if count > most => Err(Failure::TooLong { field, most }),
        _ => Ok(value.to_owned()),
    }
}

/// What a guest has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// From 1 on.
    pub(super) number: usize,
    pub(super) name: String,
    pub(super) text: String,
}

impl Entry {
    /// A line of RFC 4180.
    pub(super) fn csv(&self) -> String {
        let quoted = |text: &str| text.replace('"', "\"\"");
        let (name, text) = (quoted(&self.name), quoted(&self.text));
        format!("{},\"{name}\",\"{text}\"\r\n", self.number)
    }
}
