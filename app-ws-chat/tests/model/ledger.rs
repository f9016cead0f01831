//! What was asked, what was answered, and what the room must therefore be.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

/// A message as somebody sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) offset: u64,
    pub(crate) user: String,
    pub(crate) cid: String,
    pub(crate) text: String,
}

/// Whether a ban or a mute is in force.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Known {
    #[default]
    No,
    Yes,
    /// It was ordered, and there was no answer.
    Doubt,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// All texts that somebody has said, or tried to.
    pub(crate) said: BTreeSet<String>,
    /// What is kept: the offset of a user's message.
    pub(crate) kept: BTreeMap<(String, String), (u64, String)>,
    pub(crate) refused: BTreeSet<String>,
    /// What two devices say at once: a refusal is of one of them.
    pub(crate) echoed: BTreeSet<String>,
    pub(crate) bans: HashMap<String, Known>,
    pub(crate) mutes: HashMap<String, Known>,
}

impl Ledger {
    /// A message is kept, at this place and no other.
    pub(crate) fn keep(
        &mut self,
        user: &str,
        cid: &str,
        offset: u64,
        text: &str,
    ) -> Result<(), String> {
        let place = (offset, text.to_owned());
        let before = self.kept.insert((user.into(), cid.into()), place.clone());
        match before {
            Some(before) if before != place => {
                Err(format!("{cid} of {user} is at {before:?} and {place:?}"))
            }
            _ => Ok(()),
        }
    }

    /// An order was answered, or its answer is lost.
    pub(crate) fn ruled(&mut self, order: &Value, answer: Option<&Value>) {
        let (Some(act), Some(user)) = (order["act"].as_str(), order["user"].as_str()) else {
            return;
        };
        let (table, set) = match act {
            "kick" | "ban" => (&mut self.bans, Known::Yes),
            "unban" => (&mut self.bans, Known::No),
            "mute" => (&mut self.mutes, Known::Yes),
            "unmute" => (&mut self.mutes, Known::No),
            _ => return,
        };
        let known = table.entry(user.to_owned()).or_default();
        match answer {
            Some(answer) if answer["t"] == "ok" && *known != Known::Doubt => *known = set,
            Some(answer) if answer["t"] == "ok" => {}
            // Refused for what it was: it was not carried out.
            Some(answer) if answer["code"] != 503 => {}
            // It may be carried out at any time.
            _ => *known = Known::Doubt,
        }
    }

    /// All that was kept is gone, with its epoch.
    pub(crate) fn forget(&mut self) {
        *self = Self {
            said: std::mem::take(&mut self.said),
            ..Self::default()
        };
    }

    /// The last place where something is kept for certain.
    pub(crate) fn end(&self) -> usize {
        let places = self.kept.values().map(|(offset, _)| *offset);
        places.max().map_or(0, |last| {
            usize::try_from(last).expect("a room is not so long")
        })
    }

    /// Holds what everybody sees against what was answered.
    pub(crate) fn check(&self, room: &[Seen]) -> Result<(), String> {
        let mut places = BTreeMap::new();
        for (at, one) in room.iter().enumerate() {
            if one.offset != at as u64 + 1 {
                return Err(format!("a hole or a repetition at {}: {one:?}", at + 1));
            }
            let name = (one.user.clone(), one.cid.clone());
            if let Some(before) = places.insert(name, (one.offset, one.text.clone())) {
                return Err(format!("said twice, at {before:?} and {one:?}"));
            }
            if !self.said.contains(&one.text) {
                return Err(format!("nobody said {one:?}"));
            }
            if self.refused.contains(&one.text) && !self.echoed.contains(&one.text) {
                return Err(format!("{one:?} was refused"));
            }
        }
        for (name, place) in &self.kept {
            if places.get(name) != Some(place) {
                return Err(format!(
                    "{name:?} was kept at {place:?}, and is at {:?}",
                    places.get(name)
                ));
            }
        }
        Ok(())
    }
}
