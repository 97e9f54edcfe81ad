//! A bus without any care: it shows that the worlds work, and that their judges see what goes
//! wrong.

use std::time::Duration;

use cooee::bus::{News, Port, Wish};
use cooee::engine::{Kind, Net, Operated, Peer, Reason, Service};

const HELLO: &[u8] = b"CONNECT {\"verbose\":false,\"echo\":false,\"headers\":true}\r\n\
    SUB cooee.1.say.* 1\r\nPING\r\n";

/// See the top of this file.
pub(crate) struct Plain {
    port: Port,
    peer: Option<Peer>,
    is_up: bool,
}

impl Plain {
    pub(crate) fn new(port: Port) -> Plain {
        Plain { port, peer: None, is_up: false }
    }

    fn hear(&mut self, line: &str, payload: &[u8], net: &mut Net) {
        let peer = self.peer.expect("it spoke");
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["INFO", ..] => net.send(peer, HELLO),
            ["PING"] => net.send(peer, b"PONG\r\n"),
            ["PONG"] => {
                self.is_up = true;
                self.port.tell(News::Up { has_stream: false });
            }
            ["MSG", subject, ..] => {
                let subject = subject.trim_start_matches("cooee.1.").to_owned();
                let payload = payload.to_vec();
                self.port.tell(News::Line { subject, payload, at: None, is_old: false });
            }
            _ => {}
        }
    }
}

impl Service for Plain {
    fn received(&mut self, _: Peer, input: &[u8], net: &mut Net) -> usize {
        let mut used = 0;
        while let Some(end) = input[used..].windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&input[used..used + end]).into_owned();
            let size = match line.rsplit_once(' ') {
                Some((head, size)) if head.starts_with("MSG") => size.parse().unwrap_or(0) + 2,
                _ => 0,
            };
            let from = used + end + 2;
            let Some(payload) = input.get(from..from + size) else { break };
            self.hear(&line, payload.strip_suffix(b"\r\n").unwrap_or(payload), net);
            used = from + size;
        }
        used
    }

    fn closed(&mut self, _: Peer, reason: Reason, net: &mut Net) {
        if std::mem::take(&mut self.is_up) {
            self.port.tell(News::Down { why: reason.to_string() });
        }
        net.wake_in(Duration::from_secs(1));
    }

    fn alarm(&mut self, net: &mut Net) {
        if self.peer.is_none_or(|peer| !net.is_open(peer)) {
            self.peer = net.dial(([192, 0, 2, 99], 4222).into(), Kind::Stream);
        }
    }

    fn settled(&mut self, net: &mut Net) {
        while let Some(wish) = self.port.next_wish() {
            let (Wish::Keep { subject, payload, .. } | Wish::Publish { subject, payload }) = wish
            else {
                continue;
            };
            if let Some(peer) = self.peer.filter(|_| self.is_up) {
                let line = format!("PUB cooee.1.{subject} {}\r\n", payload.len());
                net.send(peer, line.as_bytes());
                net.send(peer, &payload);
                net.send(peer, b"\r\n");
            }
        }
    }

    fn operated(&mut self) -> Option<&mut dyn Operated> {
        Some(self)
    }
}

impl Operated for Plain {
    fn started(&mut self, net: &mut Net) {
        net.wake_in(Duration::from_millis(1));
    }
}
