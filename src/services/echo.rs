//! Echo (RFC 862): every byte and every datagram comes back.

use std::any::Any;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Offer, Settings};
use crate::engine::{Net, Peer, Reply, Responder, Service};

/// This service in the table of services.
pub const OFFER: Offer = Offer {
    name: "echo",
    port: 5007,
    about: "returns every byte, every datagram (RFC 862)",
    idle: Some(Duration::from_secs(600)),
    fans_out: false,
    single_process: false,
    stream: Some(|settings| Box::new(Echo { mode: settings.echo.clone() })),
    datagram: Some(|_| Box::new(EchoDatagram)),
};

/// How echo over TCP answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Every byte back, for as long as the peer likes.
    #[default]
    Stream,
    /// Closes after the first echo.
    Once,
    /// Answers each read with this text, whatever came: the classic exercise. The network decides
    /// how the peer's bytes are cut into reads, and so how many answers there are.
    Reply(Vec<u8>),
}

/// Echo over TCP. A connection has no state: the engine stops reading from a peer that does not
/// read what comes back.
pub struct Echo {
    mode: Mode,
}

impl Service for Echo {
    fn read_bytes(&self) -> usize {
        match self.mode {
            // What is read is sent back as it is, so larger reads mean fewer calls.
            Mode::Stream => usize::MAX,
            Mode::Once | Mode::Reply(_) => 64 * 1024,
        }
    }

    fn counts_reads(&self) -> bool {
        !matches!(self.mode, Mode::Stream)
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        match &self.mode {
            Mode::Stream => net.send_back(peer, input.len()),
            Mode::Once => {
                net.send_back(peer, input.len());
                net.close(peer);
            }
            Mode::Reply(text) => net.send(peer, text),
        }
        input.len()
    }

    fn reconfigured(&mut self, settings: &dyn Any) {
        if let Some(Settings { echo, .. }) = settings.downcast_ref() {
            self.mode = echo.clone();
        }
    }
}

/// Echo over UDP.
pub struct EchoDatagram;

impl Responder for EchoDatagram {
    fn answer<'a>(&'a mut self, _: SocketAddr, payload: &'a [u8]) -> Option<Reply<'a>> {
        Some(Reply::answer(payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stage::{Stage, assert_cuts_change_nothing};
    use crate::engine::{Limits, Quota};

    #[test]
    fn what_is_said_comes_back_and_goes_on_until_the_peer_ends_it() {
        let mut stage = Stage::new(Echo { mode: Mode::Stream });
        let peer = stage.join();
        stage.say(peer, "hello");
        stage.say(peer, " bye");
        assert_eq!(stage.hear(peer), "hello bye");
        assert!(!stage.is_over(peer));
        stage.finish(peer);
        assert!(stage.is_over(peer));
    }

    #[test]
    fn a_byte_a_second_is_served_for_as_long_as_the_peer_likes() {
        let quota = Quota { idle: Some(Duration::from_secs(10)), ..Quota::default() };
        let mut stage = Stage::with(Limits::default(), quota, Echo { mode: Mode::Stream });
        let peer = stage.join();
        for _ in 0..1000 {
            stage.say(peer, "x");
            stage.pass(Duration::from_secs(1));
            assert_eq!(stage.hear(peer), "x");
        }
        assert!(!stage.is_over(peer));
        stage.pass(Duration::from_secs(10));
        assert!(stage.is_over(peer));
    }

    #[test]
    fn once_ends_after_the_first_echo() {
        let mut stage = Stage::new(Echo { mode: Mode::Once });
        let peer = stage.join();
        stage.say(peer, "hello");
        stage.say(peer, "ignored");
        assert_eq!(stage.hear(peer), "hello");
        assert!(stage.is_over(peer));
    }

    #[test]
    fn a_fixed_reply_answers_each_read() {
        let mut stage = Stage::new(Echo { mode: Mode::Reply(b"Confirmed".to_vec()) });
        let peer = stage.join();
        stage.say(peer, "one");
        stage.say(peer, "two");
        assert_eq!(stage.hear(peer), "ConfirmedConfirmed");
    }

    #[test]
    fn cutting_the_input_anywhere_changes_nothing() {
        let script: &[(usize, &[u8])] = &[(0, b"first \n message"), (1, b"x"), (0, b"second")];
        assert_cuts_change_nothing(|| Echo { mode: Mode::Stream }, script, 2);
    }

    #[test]
    fn datagrams_come_back_whole_even_empty_ones() {
        let from = ([192, 0, 2, 1], 4000).into();
        for payload in [&b""[..], b"x", &[7; 65_507]] {
            let mut echo = EchoDatagram;
            let reply = echo.answer(from, payload);
            assert_eq!(reply.map(|reply| reply.bytes), Some(payload));
        }
    }
}
