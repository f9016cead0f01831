//! A device that says again what its user has said elsewhere, and goes.

use serde_json::{Value, json};

use crate::model::ledger::Ledger;
use crate::model::person::{ROOM, Taken, Wire};

/// One that was let in somewhere, with what it says. It knows nothing of what is kept, so nothing but the server can know
/// that it says it again: a client looks into the room first, and mostly finds it there.
pub(crate) struct Echo<W> {
    wire: W,
    said: Said,
}

/// What somebody has said, with the key and the name of their user.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) key: String,
    pub(crate) user: String,
    pub(crate) cid: String,
    pub(crate) text: String,
}

impl<W: Wire> Echo<W> {
    pub(crate) fn new(mut wire: W, said: Said) -> Self {
        let Said { key, cid, text, .. } = &said;
        for frame in [
            json!({ "t": "join", "id": 1, "room": ROOM, "nick": "echo", "key": key }),
            json!({ "t": "send", "id": 2, "room": ROOM, "cid": cid, "text": text }),
        ] {
            wire.send(frame.to_string());
        }
        Self { wire, said }
    }

    /// Takes all there is. Whether that was the last.
    pub(crate) fn turn(&mut self, ledger: &mut Ledger) -> Result<bool, String> {
        loop {
            match self.wire.take() {
                Taken::Frame(frame) => {
                    let frame: Value = serde_json::from_str(&frame).expect("it is JSON");
                    if frame["id"] != 2 {
                        continue;
                    }
                    if let Some(offset) = frame["o"].as_u64() {
                        let Said {
                            user, cid, text, ..
                        } = &self.said;
                        ledger.keep(user, cid, offset, text)?;
                    }
                    return Ok(true);
                }
                Taken::Nothing => return Ok(false),
                Taken::Closed(_) => return Ok(true),
            }
        }
    }
}
