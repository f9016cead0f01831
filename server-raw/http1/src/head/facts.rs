//! What the fields of a request say that the server itself needs.

use gateway_spec::Field;
use http::Version;

use super::{Expectation, Finished, HeadFacts, Persistence, RequestLine, Trailers, Upgrade};
use crate::error::PeerError;
use crate::field_lines::Plain;
use crate::framing::{BodyFraming, Lengths};
use crate::scan;
use crate::state::MethodKind;
use crate::target::Host;

/// What the fields said that the server itself needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(super) host: Host,
    lengths: Lengths,
    connection: Options,
    expect: Expect,
    upgrade: UpgradeField,
    trailers: Trailers,
}

/// Whether a field may be one of those that are noted, by the length of its name and the first letter: most are not, and need no second
/// look.
#[inline(always)]
pub(super) fn may_matter(line: &Plain<'_>) -> bool {
    /// The first letter of those of each length, as a bit.
    const LETTERS: [u32; 32] = {
        let mut letters = [0; 32];
        // One without a name is wrong, whatever stands in its place.
        letters[0] = u32::MAX;
        letters[2] = 1 << (b't' & 31);
        letters[4] = 1 << (b'h' & 31);
        letters[6] = 1 << (b'e' & 31);
        letters[7] = 1 << (b'u' & 31);
        letters[10] = 1 << (b'c' & 31);
        letters[14] = 1 << (b'c' & 31);
        letters[17] = 1 << (b't' & 31);
        letters
    };
    // A name of 34 bytes passes for one of two here, and not when it is noted.
    LETTERS[line.name_length() % 32] >> line.first_letter() & 1 == 1
}

/// The options that `Connection` listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Expect {
    #[default]
    Absent,
    Continue,
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum UpgradeField {
    #[default]
    Absent,
    Present,
}

impl Facts {
    pub(super) const NONE: Self = Self {
        host: Host::Absent,
        lengths: Lengths::NONE,
        connection: Options {
            close: false,
            keep_alive: false,
            upgrade: false,
        },
        expect: Expect::Absent,
        upgrade: UpgradeField::Absent,
        trailers: Trailers::Unasked,
    };

    /// Notes what a field says, if it is one that matters.
    pub(super) fn note(&mut self, name: &[u8], value: &[u8], place: Field) {
        let Some(first) = name.first() else { return };
        match (name.len(), first | 0x20) {
            (2, b't') if scan::is(name, b"te") => self.note_te(value),
            (4, b'h') if scan::is(name, b"host") => self.host.note(place.value()),
            (6, b'e') if scan::is(name, b"expect") => self.note_expect(value),
            (7, b'u') if scan::is(name, b"upgrade") => self.upgrade = UpgradeField::Present,
            (10, b'c') if scan::is(name, b"connection") => self.connection.note(value),
            (14, b'c') if scan::is(name, b"content-length") => {
                self.lengths.note_content_length(value)
            }
            (17, b't') if scan::is(name, b"transfer-encoding") => {
                self.lengths.note_transfer_encoding(value)
            }
            _ => {}
        }
    }

    /// Decides what only the whole head can tell.
    #[inline(always)]
    pub(super) fn decide(&self, bytes: &[u8], line: &RequestLine) -> Result<Finished, PeerError> {
        let method = line.method_kind(bytes);
        let length = bytes.len();
        let framing = self.lengths.framing(line.version())?;
        if line.version() == Version::HTTP_10 {
            return Ok(self.decide_in_http10(length, method, framing));
        }
        Ok(Finished {
            length,
            method,
            persistence: if self.connection.close {
                Persistence::Close
            } else {
                Persistence::KeepOpen
            },
            facts: HeadFacts {
                version: Version::HTTP_11,
                framing,
                upgrade: match (self.connection.upgrade, self.upgrade) {
                    (true, UpgradeField::Present) => Upgrade::Offered,
                    (false, UpgradeField::Present) => Upgrade::Unlisted,
                    (_, UpgradeField::Absent) => Upgrade::None,
                },
                expectation: match self.expect {
                    Expect::Absent => Expectation::None,
                    // There is nothing to wait for without a body.
                    Expect::Continue if framing == BodyFraming::Empty => Expectation::None,
                    Expect::Continue => Expectation::Continue,
                    Expect::Unknown => return Err(PeerError::Expectation),
                },
                trailers: self.trailers,
            },
        })
    }

    /// HTTP/1.0 knows neither upgrades nor expectations nor trailers; what such a request says of them was meant for
    /// another hop.
    fn decide_in_http10(
        &self,
        length: usize,
        method: MethodKind,
        framing: BodyFraming,
    ) -> Finished {
        Finished {
            length,
            method,
            persistence: match self.connection {
                Options {
                    close: false,
                    keep_alive: true,
                    ..
                } => Persistence::KeepOpen,
                Options { .. } => Persistence::Close,
            },
            facts: HeadFacts {
                version: Version::HTTP_10,
                framing,
                upgrade: Upgrade::None,
                expectation: Expectation::None,
                trailers: Trailers::Unasked,
            },
        }
    }

    fn note_te(&mut self, value: &[u8]) {
        if value
            .split(|&byte| byte == b',')
            .any(|member| scan::is(scan::trim(member), b"trailers"))
        {
            self.trailers = Trailers::Wanted;
        }
    }

    fn note_expect(&mut self, value: &[u8]) {
        self.expect = match self.expect {
            Expect::Absent | Expect::Continue if value.eq_ignore_ascii_case(b"100-continue") => {
                Expect::Continue
            }
            Expect::Absent | Expect::Continue | Expect::Unknown => Expect::Unknown,
        };
    }
}

impl Options {
    #[inline]
    fn note(&mut self, value: &[u8]) {
        if scan::is(value, b"keep-alive") {
            self.keep_alive = true;
            return;
        }
        for option in value.split(|&byte| byte == b',').map(scan::trim) {
            self.close |= scan::is(option, b"close");
            self.keep_alive |= scan::is(option, b"keep-alive");
            self.upgrade |= scan::is(option, b"upgrade");
        }
    }
}
