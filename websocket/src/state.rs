//! The life of a socket after its handshake (RFC 6455 §5.5.1, §7.1): every transition, and nothing else.

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages go both ways.
    Open,
    /// We sent a close frame and read on until the peer's; data that still comes is skipped.
    CloseSent,
    /// The peer sent a close frame: nothing is read any more, and a close frame is owed.
    CloseReceived,
    /// The peer broke the protocol: nothing is read any more, and a close frame that says why is owed.
    Failed,
    /// Both close frames are through, or will never be.
    Closed,
}

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A message, ping or pong is to be sent.
    Send,
    /// A close frame is to be sent.
    SendClose,
    /// A frame came that is not a close frame.
    Receive,
    /// A close frame came.
    ReceiveClose,
    /// The peer broke a rule.
    Fail,
}

impl State {
    /// The state after `input`, or `None` where it is out of place: refused if it is ours, not read if it is the peer's.
    pub(crate) const fn on(self, input: Input) -> Option<Self> {
        match (self, input) {
            (Self::Open, Input::Send | Input::Receive) => Some(Self::Open),
            (Self::Open, Input::SendClose) => Some(Self::CloseSent),
            (Self::Open, Input::ReceiveClose) => Some(Self::CloseReceived),
            (Self::Open, Input::Fail) => Some(Self::Failed),
            (Self::CloseSent, Input::Receive) => Some(Self::CloseSent),
            (Self::CloseSent, Input::ReceiveClose | Input::Fail) => Some(Self::Closed),
            (Self::CloseReceived | Self::Failed, Input::SendClose) => Some(Self::Closed),
            (Self::CloseSent, Input::Send | Input::SendClose)
            | (
                Self::CloseReceived | Self::Failed,
                Input::Send | Input::Receive | Input::ReceiveClose | Input::Fail,
            )
            | (Self::Closed, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_table() {
        use Input::{Fail, Receive, ReceiveClose, Send, SendClose};
        use State::{CloseReceived, CloseSent, Closed, Failed, Open};

        let mut table = String::new();
        for state in [Open, CloseSent, CloseReceived, Failed, Closed] {
            for input in [Send, SendClose, Receive, ReceiveClose, Fail] {
                if let Some(next) = state.on(input) {
                    table += &format!("{state:?} + {input:?} = {next:?}\n");
                }
            }
        }
        assert_eq!(
            table,
            "\
Open + Send = Open
Open + SendClose = CloseSent
Open + Receive = Open
Open + ReceiveClose = CloseReceived
Open + Fail = Failed
CloseSent + Receive = CloseSent
CloseSent + ReceiveClose = Closed
CloseSent + Fail = Closed
CloseReceived + SendClose = Closed
Failed + SendClose = Closed
"
        );
    }
}
