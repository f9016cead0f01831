//! A connection that is a tunnel: its bytes are the application's, both ways.

use server_host::{Exchange, Io, Outgoing, Output};

use crate::reply::Effect;

/// Brings what was read to the application, as far as it has room, and the end behind it.
pub(crate) fn bring(io: &mut Io, exchange: &Exchange) -> bool {
    let length = io.input.len().min(exchange.wanted().room());
    if length > 0 {
        exchange.push_body(io.input.split_to(length).freeze());
    }
    if io.read_ended() && io.input.is_empty() {
        exchange.end_body(None);
    }
    length > 0
}

/// Puts onto the wire what the application has sent.
pub(crate) fn write(outgoing: Outgoing, output: &mut Output) -> Effect {
    match outgoing {
        Outgoing::Data(bytes) => {
            output.push(bytes);
            Effect::Goes
        }
        Outgoing::File(region) => {
            output.push_file(region);
            Effect::Goes
        }
        Outgoing::Shutdown => Effect::Shutdown,
        Outgoing::Close => Effect::Close,
        Outgoing::Abort
        | Outgoing::End(_)
        | Outgoing::Head { .. }
        | Outgoing::Informational(_)
        | Outgoing::Upgrade(_) => Effect::Abort,
    }
}
