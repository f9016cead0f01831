//! Parts of a body that lie in a file: read in pieces, off the worker's thread.

use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use gateway_spec::{FileRegion, Gone};

use super::{Exchange, Outgoing, Queued, State, wake};

/// Bytes read at a time: as much as the exchange buffers.
const PIECE: u64 = super::OUTBOUND_BYTES as u64;

/// A region of which a part was read.
#[derive(Debug)]
pub(super) struct Reading {
    region: FileRegion,
    in_flight: bool,
}

impl Reading {
    pub(super) fn of(region: FileRegion) -> Self {
        Self {
            region,
            in_flight: false,
        }
    }
}

/// Reads the next piece, unless one is on its way; it then comes to the front of the queue by itself.
pub(super) fn start(exchange: &Arc<Exchange>, mut reading: Reading, state: &mut State) {
    if !reading.in_flight && state.has_credit() {
        reading.in_flight = true;
        let (file, offset) = (Arc::clone(&reading.region.file), reading.region.offset);
        let length =
            usize::try_from(reading.region.length.min(PIECE)).expect("a piece fits in memory");
        let exchange = Arc::clone(exchange);
        tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; length];
            let read = file.read_exact_at(&mut piece, offset);
            exchange.file_piece(read.map(|()| piece.into()));
        });
    }
    state.output.push_front(Queued::File(reading));
}

impl Exchange {
    /// Brings a piece that was read, or says that it could not be.
    fn file_piece(&self, piece: std::io::Result<Bytes>) {
        let mut state = self.lock();
        // Gone meanwhile: the queue was cleared, and there is nothing to bring.
        let Some(Queued::File(mut reading)) = state.output.pop_front() else {
            return;
        };
        match piece {
            Ok(piece) => {
                reading.region.offset += piece.len() as u64;
                reading.region.length -= piece.len() as u64;
                reading.in_flight = false;
                if reading.region.length > 0 {
                    state.output.push_front(Queued::File(reading));
                }
                state.queued += piece.len();
                state
                    .output
                    .push_front(Queued::Ready(Outgoing::Data(piece)));
            }
            Err(error) => {
                tracing::error!(%error, "a file of a response could not be read");
                state.reply.file_failed();
                state.output.clear();
                state.queued = 0;
                state.output.push_back(Queued::Ready(Outgoing::Abort));
            }
        }
        let (wire, sender) = (state.wire_waker(), state.sender.take());
        let gone = state.gone;
        drop(state);
        debug_assert_ne!(
            gone,
            Some(Gone::Finished),
            "a file is read only while its exchange lives"
        );
        wake([wire, sender]);
    }
}
