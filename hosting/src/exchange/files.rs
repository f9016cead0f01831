//! Parts of a body that lie in a file: read in pieces, and never while a disk is waited for on the worker's thread.
//!
//! What the kernel has in memory is read at once, which it does in less time than another thread takes to wake up; or it is left where
//! it is, for a wire that has the kernel send it from there. Where it has to be fetched, and where a file system cannot say, tokio's
//! blocking threads read it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use gateway_spec::{FileRegion, Gone};
use parking_lot::MutexGuard;

use super::{Exchange, FilesTaken, Outgoing, Queued, State, wake};

/// Bytes read at a time: as much as the exchange buffers.
const PIECE: u64 = super::OUTBOUND_BYTES as u64;

/// Bytes of a file that a wire is given to send from where they are: more saves nothing, and a socket seldom has room for as many.
const SENT_AT_ONCE: u64 = 4 * PIECE;

/// Bytes between two looks at whether a file is in memory: as many as the kernel fetches at once, at the least.
const STRIDE: usize = 32 * 1024;

/// Bytes that are taken without a wait before others on the thread have their turn (SRV-15).
const TURN: u64 = 16 * PIECE;

/// A region of which a part was read.
#[derive(Debug)]
pub(super) struct Reading {
    region: FileRegion,
    in_flight: bool,
    /// Bytes that were taken since the thread was given away.
    taken: u64,
}

impl Reading {
    pub(super) fn of(region: FileRegion) -> Self {
        Self {
            region,
            in_flight: false,
            taken: 0,
        }
    }
}

/// Takes the next piece of the region that is first in the queue, or has it read: it then comes there by itself.
#[cold]
pub(super) fn next(
    exchange: &Arc<Exchange>,
    mut reading: Reading,
    mut state: MutexGuard<'_, State>,
    files: FilesTaken,
) -> Option<Outgoing> {
    let may_read = !reading.in_flight && state.has_credit();
    let is_long = reading.taken >= TURN;
    if may_read {
        reading.in_flight = !is_long;
        reading.taken = 0;
    }
    let region = reading.region.clone();
    state.output.push_front(Queued::File(reading));
    if !may_read {
        return None;
    }
    if is_long {
        let wire = state.wire.clone();
        drop(state);
        wake([wire]);
        return None;
    }
    // The system is asked without the lock.
    drop(state);
    if files == FilesTaken::Yes {
        let length = region.length.min(SENT_AT_ONCE);
        if is_in_memory(&region.file, region.offset, length) {
            let part = FileRegion { length, ..region };
            return exchange.taken(length).then_some(Outgoing::File(part));
        }
    }
    let length = usize::try_from(region.length.min(PIECE)).expect("a piece fits in memory");
    if let Some(piece) = read_now(&region.file, region.offset, length) {
        let is_there = exchange.taken(piece.len() as u64);
        return is_there.then_some(Outgoing::Data(piece));
    }
    let exchange = Arc::clone(exchange);
    tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; length];
        let read = region.file.read_exact_at(&mut piece, region.offset);
        exchange.file_piece(read.map(|()| piece.into()));
    });
    None
}

/// Reads so many bytes if the kernel has them all in memory.
fn read_now(file: &File, offset: u64, length: usize) -> Option<Bytes> {
    // Of a file that is not in memory not even the room is needed.
    if !fill_now(file, offset, &mut [0]) {
        return None;
    }
    let mut piece = vec![0; length];
    fill_now(file, offset, &mut piece).then(|| piece.into())
}

/// Whether the kernel has these bytes in memory, by samples. What is not there in spite of it is waited for, once.
fn is_in_memory(file: &File, offset: u64, length: u64) -> bool {
    let mut samples = (0..length).step_by(STRIDE).chain([length - 1]);
    samples.all(|at| fill_now(file, offset + at, &mut [0]))
}

/// Reads without waiting; whether all was there. What is missing is waited for elsewhere, and so is an error.
#[cfg(target_os = "linux")]
fn fill_now(file: &File, offset: u64, into: &mut [u8]) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};

    let length = into.len();
    let slices = &mut [std::io::IoSliceMut::new(into)];
    preadv2(file, slices, offset, ReadWriteFlags::NOWAIT) == Ok(length)
}

#[cfg(not(target_os = "linux"))]
const fn fill_now(_: &File, _: u64, _: &mut [u8]) -> bool {
    false
}

impl Exchange {
    /// The wire takes so much of the region that is first: whether it is still there.
    fn taken(&self, length: u64) -> bool {
        let mut state = self.lock();
        // Gone meanwhile: the queue was cleared.
        let Some(Queued::File(mut reading)) = state.output.pop_front() else {
            return false;
        };
        reading.region.offset += length;
        reading.region.length -= length;
        reading.taken += length;
        reading.in_flight = false;
        if reading.region.length > 0 {
            state.output.push_front(Queued::File(reading));
        }
        state.unsent += usize::try_from(length).expect("a piece fits in memory");
        true
    }

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
