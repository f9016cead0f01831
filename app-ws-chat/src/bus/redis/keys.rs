//! What things are called in Redis. All keys of a room are in one slot of a cluster.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::name::{Cid, RoomName, UserId};

/// Where the events of all rooms together go.
pub(super) const HOUSE: &str = "{chat:house}";

/// The rules of all rooms, in the same slot.
pub(super) const HOUSE_RULES: &str = "{chat:house}:rules";

/// The audit log.
pub(super) const AUDIT: &str = "chat:audit";

/// The keys of a room.
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn of(room: &RoomName) -> Self {
        // Braces in a name would move the slot.
        let name = utf8_percent_encode(room.as_str(), NON_ALPHANUMERIC);
        Self {
            prefix: format!("chat:{{{name}}}"),
        }
    }

    /// The room's channel.
    pub(super) fn channel(&self) -> &str {
        &self.prefix
    }

    /// The keys that every step of the script takes.
    pub(super) fn script(&self) -> [String; 7] {
        let parts = ["meta", "log", "here", "nicks", "seats", "counts", "rules"];
        parts.map(|part| format!("{}:{part}", self.prefix))
    }

    pub(super) fn log(&self) -> String {
        format!("{}:log", self.prefix)
    }

    pub(super) fn receipt(&self, user: UserId, cid: &Cid) -> String {
        format!("{}:cid:{user}:{}", self.prefix, cid.as_str())
    }

    pub(super) fn pace(&self, user: UserId) -> String {
        format!("{}:pace:{user}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;
    use crate::name::RoomName;

    #[test]
    fn a_name_with_braces_stays_in_its_slot() {
        let keys = Keys::of(&RoomName::parse("a}{b c").unwrap());
        assert_eq!(keys.channel(), "chat:{a%7D%7Bb%20c}");
        assert_eq!(keys.log(), "chat:{a%7D%7Bb%20c}:log");
    }
}
