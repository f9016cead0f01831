//! What is to be sent, in its order: bytes, and regions of files that are read when their turn comes (HTTP-25).

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use gateway_spec::FileRegion;

/// Bytes of a file that are read at a time.
const FILE_PART: u64 = 64 * 1024;

/// A queue of bytes and files.
#[derive(Default)]
pub(crate) struct Output {
    pieces: VecDeque<Piece>,
}

enum Piece {
    Bytes(Vec<u8>),
    File(FileRegion),
}

impl Output {
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0 && !self.pieces.iter().any(|p| matches!(p, Piece::File(_)))
    }

    /// Bytes in memory.
    pub(crate) fn len(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            Piece::File(_) => 0,
        };
        self.pieces.iter().map(length).sum()
    }

    /// Where the next bytes go.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        if !matches!(self.pieces.back(), Some(Piece::Bytes(_))) {
            self.pieces.push_back(Piece::Bytes(Vec::new()));
        }
        match self.pieces.back_mut() {
            Some(Piece::Bytes(bytes)) => bytes,
            _ => unreachable!("bytes were put there"),
        }
    }

    pub(crate) fn push_file(&mut self, region: FileRegion) {
        self.pieces.push_back(Piece::File(region));
    }

    /// Writes as much as the socket takes: all of it, or the error is `WouldBlock`. A file that ends early is `UnexpectedEof`:
    /// the response can only be cut off.
    pub(crate) fn write_to(&mut self, mut socket: impl Write) -> io::Result<()> {
        while let Some(piece) = self.pieces.front_mut() {
            match piece {
                Piece::Bytes(bytes) if bytes.is_empty() => {
                    self.pieces.pop_front();
                }
                Piece::Bytes(bytes) => {
                    let written = socket.write(bytes)?;
                    bytes.drain(..written);
                }
                Piece::File(region) if region.length == 0 => {
                    self.pieces.pop_front();
                }
                Piece::File(region) => {
                    let part = read_part(region)?;
                    self.pieces.push_front(Piece::Bytes(part));
                }
            }
        }
        Ok(())
    }
}

fn read_part(region: &mut FileRegion) -> io::Result<Vec<u8>> {
    let mut part = vec![0; region.length.min(FILE_PART) as usize];
    region.file.read_exact_at(&mut part, region.offset)?;
    region.offset += part.len() as u64;
    region.length -= part.len() as u64;
    Ok(part)
}
