//! What the application sends goes onto the wire.

use bytes::Bytes;
use gateway_spec::{FileRegion, Headers, ResponseHead};
use http::StatusCode;
use http1::{Payload, ReplyBody, UsageError};
use server_host::{BY_REFERENCE, Context, Outgoing, Output, ReplyLength};

/// What one event of the application means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The reply goes on.
    Goes,
    /// The reply is complete.
    Complete,
    /// The connection is a tunnel from here on.
    Upgraded,
    /// The tunnel's direction to the peer ends.
    Shutdown,
    /// The tunnel ends.
    Close,
    /// The connection ends in a way that the peer can see is not clean.
    Abort,
}

/// Writes one event. Its rules were checked; where the wire finds more, the reply is cut off.
pub(crate) fn write(
    outgoing: Outgoing,
    http1: &mut http1::Connection,
    context: &Context,
    output: &mut Output,
) -> Effect {
    match try_write(outgoing, http1, context, output) {
        Ok(effect) => effect,
        Err(_usage) => Effect::Abort,
    }
}

fn try_write(
    outgoing: Outgoing,
    http1: &mut http1::Connection,
    context: &Context,
    output: &mut Output,
) -> Result<Effect, UsageError> {
    match outgoing {
        Outgoing::Head {
            head,
            length: ReplyLength::Whole,
            first,
        } => {
            write_whole(&head, first, http1, context, output)?;
            Ok(Effect::Complete)
        }
        Outgoing::Head {
            head,
            length: ReplyLength::Known(_) | ReplyLength::Unknown,
            first,
        } => {
            let date = context.date();
            output.with(|out| {
                http1.send_head(head.status, &head.headers, ReplyBody::Stream, &date, out)
            })?;
            data(first, http1, output)?;
            Ok(Effect::Goes)
        }
        Outgoing::Data(bytes) => {
            data(bytes, http1, output)?;
            Ok(Effect::Goes)
        }
        Outgoing::File(region) => {
            file(region, http1, output)?;
            Ok(Effect::Goes)
        }
        Outgoing::End(trailers) => {
            output.with(|out| http1.send_end(trailers.as_ref(), out))?;
            Ok(Effect::Complete)
        }
        Outgoing::Informational(head) => {
            output.with(|out| http1.send_informational(head.status, &head.headers, out))?;
            Ok(Effect::Goes)
        }
        Outgoing::Upgrade(head) => {
            output.with(|out| {
                http1.switch_protocols(head.status, &head.headers, &context.date(), out)
            })?;
            Ok(Effect::Upgraded)
        }
        Outgoing::Shutdown => Ok(Effect::Shutdown),
        Outgoing::Close => Ok(Effect::Close),
        Outgoing::Abort => Ok(Effect::Abort),
    }
}

/// Writes a reply that is one event and goes on to the next request, if both are as usual; else nothing is done.
#[inline]
pub(crate) fn write_usual(
    head: &ResponseHead,
    body: &Bytes,
    http1: &mut http1::Connection,
    context: &Context,
    output: &mut Output,
) -> bool {
    body.len() < BY_REFERENCE
        && output.with(|out| {
            let (status, headers, date) = (head.status, &head.headers, context.date());
            let is_usual = http1.send_usual_frame(status, headers, body.len(), &date, out);
            if is_usual {
                out.extend_from_slice(body);
            }
            is_usual
        })
}

/// Writes a reply that is one event.
#[inline]
pub(crate) fn write_whole(
    head: &ResponseHead,
    body: Bytes,
    http1: &mut http1::Connection,
    context: &Context,
    output: &mut Output,
) -> Result<(), UsageError> {
    let status = head.status;
    let written = output.with(|out| {
        let framed =
            http1.send_whole_frame(status, &head.headers, body.len(), &context.date(), out)?;
        let behind = match framed {
            Payload::Write { suffix: _nothing } if body.len() >= BY_REFERENCE => Behind::All,
            Payload::Write { suffix: _nothing } => {
                out.extend_from_slice(&body);
                Behind::Nothing
            }
            Payload::Skip => Behind::Nothing,
        };
        Ok(behind)
    })?;
    if written == Behind::All {
        output.push(body);
    }
    Ok(())
}

/// What of a body is still to be written behind its head.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    Nothing,
    All,
}

fn data(
    bytes: Bytes,
    http1: &mut http1::Connection,
    output: &mut Output,
) -> Result<(), UsageError> {
    if bytes.is_empty() {
        return Ok(());
    }
    match output.with(|out| http1.send_data_frame(bytes.len(), out))? {
        Payload::Write { suffix } => {
            output.push(bytes);
            output.with(|out| out.extend_from_slice(suffix));
        }
        Payload::Skip => {}
    }
    Ok(())
}

fn file(
    region: FileRegion,
    http1: &mut http1::Connection,
    output: &mut Output,
) -> Result<(), UsageError> {
    let length = usize::try_from(region.length).expect("a part fits in memory");
    match output.with(|out| http1.send_data_frame(length, out))? {
        Payload::Write { suffix } => {
            output.push_file(region);
            output.with(|out| out.extend_from_slice(suffix));
        }
        Payload::Skip => {}
    }
    Ok(())
}

/// Tells a peer that waits for it to send its body.
pub(crate) fn ask_for_body(http1: &mut http1::Connection, output: &mut Output) {
    if http1.expects_continue() {
        let sent =
            output.with(|out| http1.send_informational(StatusCode::CONTINUE, &Headers::new(), out));
        debug_assert_eq!(sent, Ok(()), "no reply has begun, as the question says");
    }
}
