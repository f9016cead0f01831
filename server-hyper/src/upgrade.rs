//! A connection, or a stream of HTTP/2, that is a tunnel: its bytes are the application's, both ways.

use std::task::Context as Task;

use gateway_spec::Gone;
use server_host::{Call, Context, Exchange, INBOUND_BYTES, OUTBOUND_BYTES, Outgoing, Output};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::Over;
use crate::io::{Io, News, Received};
use crate::service::Turn;

/// What one event of the application means for the tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The tunnel goes on.
    Goes,
    /// Its direction to the peer ends.
    Shutdown,
    /// It ends.
    Close,
    /// It ends in a way that the peer can see is not clean.
    Abort,
}

/// Whether a tunnel is still one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tunnel {
    Open(Turn),
    /// It ends after what is to be written.
    Closed,
}

/// One turn: reads, polls the application, takes what it has sent.
pub(crate) fn advance<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io<S>,
    call: &mut Call,
    context: &Context,
    task: &mut Task<'_>,
) -> Result<Tunnel, Over> {
    let read = read(io, call.exchange(), context, task)?;
    let brought = bring(io, call.exchange());
    let had_room = may_read(io, call.exchange());
    let progress = call.poll(task);
    let mut wrote = false;
    while progress.output
        && io.output.len() < OUTBOUND_BYTES
        && let Some(outgoing) = call.exchange().next_output()
    {
        wrote = true;
        match write(outgoing, &mut io.output) {
            Effect::Goes => {}
            Effect::Shutdown => io.shut_down(),
            Effect::Close => return Ok(Tunnel::Closed),
            Effect::Abort => return Err(Over(Gone::Aborted)),
        }
    }
    // Where the application has made room meanwhile, what waits for it was not asked for yet.
    let made_room = !had_room && call.exchange().wanted().room() > 0;
    Ok(Tunnel::Open(if read || brought || wrote || made_room {
        Turn::Again
    } else {
        Turn::Rest
    }))
}

/// Writes what there is, and keeps the deadline for it.
pub(crate) fn flush<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io<S>,
    context: &mut Context,
    task: &mut Task<'_>,
) -> Result<News, Over> {
    io.poll_write(task)?;
    let sent = io.take_sent();
    if io.output.is_empty() {
        context.expect_no_write();
    } else {
        context.expect_write(sent);
    }
    Ok(match sent {
        0 => News::None,
        _ => News::Bytes,
    })
}

/// Whether what comes can be used.
pub(crate) fn may_read<S>(io: &Io<S>, exchange: &Exchange) -> bool {
    io.input.len() < INBOUND_BYTES && exchange.wanted().room() > 0
}

fn read<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io<S>,
    exchange: &Exchange,
    context: &Context,
    task: &mut Task<'_>,
) -> Result<bool, Over> {
    if !may_read(io, exchange) {
        return Ok(false);
    }
    match io.poll_read(task, context)? {
        Received::Bytes | Received::End => Ok(true),
        Received::Nothing => Ok(false),
    }
}

/// Brings what was read to the application, as far as it has room, and the end behind it.
fn bring<S: AsyncRead + AsyncWrite + Unpin>(io: &mut Io<S>, exchange: &Exchange) -> bool {
    let length = io.input.len().min(exchange.wanted().room());
    if length > 0 {
        exchange.push_body(io.input.split_to(length).freeze());
    }
    if io.read_ended() && io.input.is_empty() {
        exchange.end_body(None);
        exchange.half_close();
    }
    length > 0
}

/// Puts onto the wire what the application has sent.
fn write(outgoing: Outgoing, output: &mut Output) -> Effect {
    match outgoing {
        Outgoing::Data(bytes) => {
            output.push(bytes);
            Effect::Goes
        }
        Outgoing::Shutdown => Effect::Shutdown,
        Outgoing::Close => Effect::Close,
        Outgoing::Abort
        | Outgoing::End(_)
        | Outgoing::File(_)
        | Outgoing::Head { .. }
        | Outgoing::Informational(_)
        | Outgoing::Upgrade(_) => Effect::Abort,
    }
}
