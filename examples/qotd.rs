//! A server of the Quote of the Day protocol (RFC 865), over TCP and UDP: a whole protocol on the
//! loop of this crate, with its tests.
//!
//! ```text
//! cargo run --example qotd               # on 127.0.0.1:1717
//! cargo run --example qotd '[::]:1717'   # on every address of this machine
//! nc 127.0.0.1 1717
//! ```
//!
//! Not among the services of `cooee serve`; CONTRIBUTING.md says how it would become one.

use std::io;
use std::net::SocketAddr;

use cooee::engine::{Arrival, Limits, Net, Peer, Quota, Reply, Responder, Service};
use cooee::reactor::{Families, Listening, Reactor, bind_datagrams, listen};

/// Less than 512 characters, says RFC 865. Over UDP there is one more reason to be brief: a sender
/// may be forged, and whoever was named would be sent more than was asked.
const QUOTE: &[u8] = b"Brevity is the soul of wit.\n";

/// Quote of the day: a quote to everybody who connects, and goodbye.
struct Quote;

impl Service for Quote {
    fn opened(&mut self, peer: Peer, _: &Arrival, net: &mut Net) {
        net.send(peer, QUOTE);
        net.close(peer);
    }

    /// "Any data received is thrown away." What comes after `close` never even gets here.
    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        input.len()
    }
}

impl Responder for Quote {
    /// A quote for whatever comes, except a quote: two such servers that somebody sets on each
    /// other, with a forged sender, would otherwise never stop.
    fn answer<'a>(&'a mut self, _: SocketAddr, payload: &'a [u8]) -> Option<Reply<'a>> {
        (payload != QUOTE).then(|| Reply::answer(QUOTE))
    }
}

/// A loop that serves quotes, and where: first over TCP, then over UDP.
fn serve(address: SocketAddr) -> io::Result<(Reactor, [SocketAddr; 2])> {
    let mut reactor = Reactor::new(Limits::default())?;
    let listening = Listening::default();

    let listener = listen(address, Families::Both, &listening)?;
    let over_tcp = listener.local_addr()?;
    let service = reactor.engine().add_service("qotd", Quota::default(), Box::new(Quote));
    reactor.add_listener(listener, service)?;

    let socket = bind_datagrams(address, Families::Both, &listening)?;
    let over_udp = socket.local_addr()?;
    let responder = reactor.add_responder("qotd", Box::new(Quote));
    reactor.add_datagrams(socket, responder)?;

    Ok((reactor, [over_tcp, over_udp]))
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:1717".into());
    let address = address.parse().map_err(|error| {
        io::Error::other(format!("{address}: {error}; write it like 127.0.0.1:1717"))
    })?;
    let (mut reactor, [over_tcp, over_udp]) = serve(address)?;
    println!("quotes on tcp://{over_tcp} and udp://{over_udp}");
    loop {
        reactor.turn()?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpStream, UdpSocket};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use cooee::engine::stage::Stage;

    use super::*;

    const QUOTE: &str = "Brevity is the soul of wit.\n";
    const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));

    #[test]
    fn who_connects_gets_the_quote_and_then_the_end() {
        let mut stage = Stage::new(Quote);
        let peer = stage.join();
        assert_eq!(stage.hear(peer), QUOTE);
        assert!(stage.is_over(peer));
        stage.finish(peer);
        assert_eq!(stage.engine().connections(), 0);
    }

    #[test]
    fn what_a_peer_says_changes_nothing_however_it_is_cut() {
        for pieces in [&["Who said that?\n"][..], &["Who", " said that?", "\n"]] {
            let mut stage = Stage::new(Quote);
            let peer = stage.join();
            pieces.iter().for_each(|piece| stage.say(peer, piece));
            assert_eq!(stage.hear(peer), QUOTE);
        }
    }

    #[test]
    fn a_peer_that_does_not_leave_is_dropped_in_the_end() {
        let mut stage = Stage::new(Quote);
        let peer = stage.join();
        assert!(stage.standing(peer).is_some());
        stage.pass(Limits::default().linger);
        assert!(stage.standing(peer).is_none());
    }

    #[test]
    fn a_datagram_gets_the_quote_and_a_quote_gets_nothing() {
        let from = ([192, 0, 2, 1], 4000).into();
        for payload in [&b""[..], b"?", &[0xff; 512]] {
            assert_eq!(Quote.answer(from, payload), Some(Reply::answer(QUOTE.as_bytes())));
        }
        assert_eq!(Quote.answer(from, QUOTE.as_bytes()), None);
    }

    #[test]
    fn it_is_served_over_tcp_and_udp() {
        let (sender, receiver) = mpsc::channel();
        // A loop stays in the thread that made it; this one ends with the process.
        thread::spawn(move || {
            let (mut reactor, addresses) = serve(([127, 0, 0, 1], 0).into()).unwrap();
            sender.send(addresses).unwrap();
            loop {
                reactor.turn().unwrap();
            }
        });
        let [over_tcp, over_udp] = receiver.recv().unwrap();

        let mut stream = TcpStream::connect(over_tcp).unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, QUOTE);

        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(PATIENCE).unwrap();
        socket.send_to(b"", over_udp).unwrap();
        let mut datagram = [0; 512];
        let (count, from) = socket.recv_from(&mut datagram).unwrap();
        assert_eq!((&datagram[..count], from), (QUOTE.as_bytes(), over_udp));
    }
}
