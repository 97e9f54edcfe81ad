//! One conversation over TLS, at either end: a [`Cipher`] that is a connection of rustls.

use std::io::{BufRead, IoSlice, Write};

use rustls::{Connection, HandshakeKind};

use super::words;
use super::{Cipher, Fed, Handshake};

/// What a step of a handshake costs in units of 0.3 ns: some 90 µs. With a key of RSA it is six
/// times as much.
const STEP_UNITS: usize = 300_000;
/// What a record costs beyond its bytes, some 300 ns.
const RECORD_UNITS: usize = 1_000;
/// What a record costs in which nothing is said: an alert, or other keys, some 3 µs.
const SILENT_UNITS: usize = 10_000;
/// What a client may say until the handshake is complete. Most say some hundred bytes, with keys
/// and tickets of tomorrow a few thousand; rustls would keep 64 KiB of a hello, for anybody.
const HANDSHAKE_MAX: usize = 16 * 1024;

/// Which end we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Server,
    Client,
}

/// Counts records: five bytes, of which the last two say how many follow.
#[derive(Default)]
struct Records {
    /// How many bytes of those five have come, and what the last two say so far.
    head: usize,
    length: usize,
    /// How many bytes of the body are still to come.
    rest: usize,
}

impl Records {
    /// How many end in `input`.
    fn end_in(&mut self, mut input: &[u8]) -> usize {
        let mut count = 0;
        while let Some((byte, tail)) = input.split_first() {
            if self.rest > 0 {
                let taken = self.rest.min(input.len());
                (self.rest, input) = (self.rest - taken, &input[taken..]);
            } else {
                (self.head, self.length) = (self.head + 1, (self.length & 0xff) << 8);
                self.length |= usize::from(*byte);
                input = tail;
                if self.head < 5 {
                    continue;
                }
                (self.head, self.rest) = (0, self.length);
            }
            count += usize::from(self.rest == 0);
        }
        count
    }
}

/// One conversation.
pub(super) struct Session {
    connection: Connection,
    records: Records,
    end: End,
    /// Whether it must be resumed.
    must_resume: bool,
    /// Bytes that have come of a handshake that is not complete.
    shaken: usize,
    /// close_notify has come.
    finished: bool,
    /// We have said all.
    closed: bool,
    /// It has come to nothing, and why.
    failure: Option<String>,
}

impl Session {
    /// Begins one. `must_resume` makes a full handshake a failure.
    pub(super) fn new(connection: impl Into<Connection>, end: End, must_resume: bool) -> Session {
        let mut connection = connection.into();
        // Our outbox has limits of its own, and nothing is left here between two calls.
        connection.set_buffer_limit(None);
        Session {
            connection,
            records: Records::default(),
            end,
            must_resume,
            shaken: 0,
            finished: false,
            closed: false,
            failure: None,
        }
    }

    /// Takes `input` apart. Returns how many records had something to say.
    fn open(&mut self, mut input: &[u8], plain: &mut Vec<u8>) -> Result<usize, String> {
        let mut records = 0;
        while !input.is_empty() {
            // At most 4 KiB, so that what it holds of plain text stays far below its limit.
            let taken = self.connection.read_tls(&mut input).map_err(|error| error.to_string())?;
            if taken == 0 {
                break; // after its close_notify the peer is not heard
            }
            let processed = self.connection.process_new_packets();
            records += self.take_plain(plain);
            match processed {
                Ok(state) => self.finished |= state.peer_has_closed(),
                Err(error) => return Err(words::of(&error, self.end)),
            }
            if self.connection.is_handshaking() {
                self.shaken += taken;
                if self.end == End::Server && self.shaken > HANDSHAKE_MAX {
                    return Err(format!("a handshake of more than {HANDSHAKE_MAX} bytes"));
                }
            }
        }
        Ok(records)
    }

    fn take_plain(&mut self, plain: &mut Vec<u8>) -> usize {
        let mut records = 0;
        let mut reader = self.connection.reader();
        while let Ok(chunk) = reader.fill_buf() {
            let length = chunk.len();
            if length == 0 {
                break;
            }
            plain.extend_from_slice(chunk);
            reader.consume(length);
            records += 1;
        }
        records
    }

    /// Writes down whatever is to be sent. Writing to memory does not fail.
    fn take_sealed(&mut self, sealed: &mut Vec<u8>) {
        while self.connection.wants_write() {
            if !matches!(self.connection.write_tls(sealed), Ok(1..)) {
                break;
            }
        }
    }

    /// What a handshake that has just been completed was.
    fn completed(&self) -> Result<Handshake, String> {
        match self.connection.handshake_kind() {
            Some(HandshakeKind::Resumed) => Ok(Handshake::Resumed),
            _ if self.must_resume => Err("the server has not resumed the session: it may have \
                                          been started anew, or remember none"
                .into()),
            _ => Ok(Handshake::Full),
        }
    }

    fn take(
        &mut self,
        input: &[u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Fed, String> {
        let is_first = self.shaken == 0 && self.connection.is_handshaking();
        if let Some(first) = input.first()
            && is_first
            && !words::may_begin_tls(*first)
        {
            return Err(words::plain_text(input, self.end)); // it would not grasp an alert
        }
        let (was_shaking, was_finished) = (self.connection.is_handshaking(), self.finished);
        let (said, sent) = (plain.len(), sealed.len());
        let opened = self.open(input, plain);
        self.take_sealed(sealed);
        let records = opened?;
        let ready = match was_shaking && !self.connection.is_handshaking() {
            true => Some(self.completed()?),
            false => None,
        };
        let has_stepped = was_shaking && (ready.is_some() || sealed.len() > sent);
        let silent = self.records.end_in(input).saturating_sub(records);
        let opening = records * RECORD_UNITS + silent * SILENT_UNITS + (plain.len() - said);
        let units = opening + if has_stepped { STEP_UNITS } else { 0 };
        Ok(Fed { ready, finished: self.finished && !was_finished, units })
    }
}

impl Cipher for Session {
    fn begin(&mut self, sealed: &mut Vec<u8>) {
        self.take_sealed(sealed);
    }

    fn feed(
        &mut self,
        input: &[u8],
        plain: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> Result<Fed, String> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let fed = self.take(input, plain, sealed);
        self.failure = fed.as_ref().err().cloned();
        fed
    }

    fn seal(&mut self, plain: &[IoSlice<'_>], sealed: &mut Vec<u8>) {
        debug_assert!(!self.connection.is_handshaking() && !self.closed);
        if self.failure.is_some() || self.closed {
            return;
        }
        // It takes all of it, or nothing after an error, which `feed` has told.
        let written = self.connection.writer().write_vectored(plain);
        debug_assert_eq!(written.ok(), Some(plain.iter().map(|slice| slice.len()).sum()));
        self.take_sealed(sealed);
    }

    fn close(&mut self, sealed: &mut Vec<u8>) {
        if self.closed || self.failure.is_some() {
            return;
        }
        self.closed = true;
        self.connection.send_close_notify();
        self.take_sealed(sealed);
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_where_they_end_however_they_are_cut() {
        let record = |length: u16| {
            [&[23, 3, 3][..], &length.to_be_bytes(), &vec![9; usize::from(length)]].concat()
        };
        let all = [record(1), record(700), record(0), record(16_401), record(3)].concat();
        for cut in [1, 2, 3, 5, 7, 4096, all.len()] {
            let mut records = Records::default();
            let counts = all.chunks(cut).map(|piece| records.end_in(piece));
            assert_eq!(counts.sum::<usize>(), 5, "{cut}");
        }
        let mut records = Records::default();
        assert_eq!(records.end_in(&all[..all.len() - 1]), 4);
    }
}
