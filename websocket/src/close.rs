//! The payload of a close frame, both ways (RFC 6455 §5.5.1, §7.4).
//!
//! Which codes may be sent is [`CloseCode`]'s rule; the same codes may be received.

use bytes::{BufMut, Bytes, BytesMut};
use gateway_spec::{CloseCode, CloseFrame, Text};

use crate::error::ProtocolError;

/// Reads the payload. `None`: the peer gave no code.
pub(crate) fn parse(payload: &Bytes) -> Result<Option<CloseFrame>, ProtocolError> {
    let code = match payload[..] {
        [] => return Ok(None),
        [_] => return Err(ProtocolError::CloseTooShort),
        [high, low, ..] => u16::from_be_bytes([high, low]),
    };
    let code = CloseCode::try_from(code).map_err(|_| ProtocolError::CloseCode)?;
    // Copied: a reason that is kept for a log should not keep a read buffer.
    let reason = std::str::from_utf8(&payload[2..]).map_err(|_| ProtocolError::NotUtf8)?;
    Ok(Some(CloseFrame::new(code, Text::from(reason))))
}

/// Writes the payload, which never has more than 125 bytes.
pub(crate) fn payload(frame: Option<&CloseFrame>) -> Bytes {
    let Some(frame) = frame else {
        return Bytes::new();
    };
    // The field is open, so a reason may be longer than `CloseFrame::new` makes it.
    let end = frame.reason.floor_char_boundary(CloseFrame::REASON_BYTES);
    let mut payload = BytesMut::with_capacity(2 + end);
    payload.put_u16(frame.code.get());
    payload.put_slice(&frame.reason.as_bytes()[..end]);
    payload.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_does_not_fit_is_cut_between_characters() {
        let mut frame = CloseFrame::new(CloseCode::NORMAL, "");
        frame.reason = "é".repeat(100).into();
        let payload = payload(Some(&frame));
        assert_eq!(payload.len(), 124);
        assert_eq!(parse(&payload).unwrap().unwrap().reason, "é".repeat(61));
    }
}
