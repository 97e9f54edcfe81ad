//! TLS over real sockets: every service inside it, by our own clients. `mistakes` has what goes
//! wrong, `renewal` certificates that change, `measured` the bench, `others` programs that nobody
//! here wrote.

#[cfg(feature = "bench")]
mod measured;
mod mistakes;
mod others;
mod renewal;

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin};
use std::thread;

use rustix::process::Signal;

use crate::sim::streams;
use crate::support::filter::Left;
use crate::support::lines::Lines;
use crate::support::{Folder, Server, cooee, end, pattern, start};

/// A file of tests/certs.
fn cert(name: &str) -> String {
    format!("{}/tests/certs/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Serves these endpoints with the certificate that ca.pem vouches for.
fn secured(words: &[&str]) -> Server {
    serving(words, "p256.pem", "p256.key")
}

fn serving(words: &[&str], certificate: &str, key: &str) -> Server {
    let (certificate, key) = (cert(certificate), cert(key));
    Server::start(&[words, &["--tls-cert", &certificate, "--tls-key", &key]].concat())
}

/// Where `service` is to be had over TLS.
fn url(server: &mut Server, service: &str) -> String {
    let address = server.address(&format!("{service}+tls"));
    format!("{service}+tls://{address}")
}

/// Our client, which believes ca.pem, in a pipe.
fn client(words: &[&str], input: impl AsRef<[u8]>) -> Left {
    cooee(&[words, &["--ca", &cert("ca.pem")]].concat(), input)
}

/// A program that is talked with line by line.
struct Partner {
    child: Child,
    input: Option<ChildStdin>,
    out: Lines,
}

impl Partner {
    /// Our client, which believes ca.pem.
    fn ours(words: &[&str]) -> Partner {
        Partner::of(start(&[words, &["--ca", &cert("ca.pem")]].concat()))
    }

    fn of(mut child: Child) -> Partner {
        let out = Lines::of("its output", child.stdout.take().unwrap());
        Partner { input: child.stdin.take(), child, out }
    }

    fn says(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hears(&mut self, text: &str) -> String {
        self.out.wait_for_line(text)
    }

    /// Ends a program that does not end by itself.
    fn cut_short(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends its input, and waits until it has ended.
    fn leaves(mut self) -> Left {
        self.input = None;
        end(self.child)
    }
}

/// The wire between a client and a server, which can be cut.
struct Wire {
    address: SocketAddr,
    ends: thread::JoinHandle<[TcpStream; 2]>,
}

impl Wire {
    /// Carries the bytes of one connection to `server` and back.
    fn to(server: SocketAddr) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ends = thread::spawn(move || {
            let ends = [listener.accept().unwrap().0, TcpStream::connect(server).unwrap()];
            for (from, to) in [(0, 1), (1, 0)] {
                let mut from = ends[from].try_clone().unwrap();
                let mut to = ends[to].try_clone().unwrap();
                // It ends when the wire is cut.
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
            ends
        });
        Wire { address, ends }
    }

    /// One of the ends, the client's or the server's, sees a FIN in the middle of all.
    fn cut(self, end: usize) {
        self.ends.join().unwrap()[end].shutdown(Shutdown::Write).unwrap();
    }
}

#[test]
fn megabytes_come_back_unchanged_after_we_have_said_all() {
    let mut server = secured(&["echo+tls://:0"]);
    let echo = url(&mut server, "echo");
    let said = pattern(14, 5_000_000);
    let left = client(&["echo", &echo], &said).fine();
    assert!(left.out == said, "{} bytes", left.out.len());
    // Its close_notify was a half-close, and ours an end.
    let line = server.log.wait_for_line("#1 echo closed: closed by the peer");
    assert!(line.contains("(in 4.8 MiB, out 4.8 MiB, "), "{line}");
}

#[test]
fn greet_tells_the_address_of_its_client() {
    let mut server = secured(&["greet+tls://:0"]);
    let greet = url(&mut server, "greet");
    let told = client(&["greet", &greet], "").fine();
    assert!(told.text().starts_with("Hello! You are connected to ('127.0.0.1', "), "{told:?}");
    server.log.wait_for_line("#1 greet closed: done");
}

#[test]
fn talk_has_a_conversation_with_somebody_in_a_pipe_who_has_said_all() {
    let mut server = secured(&["talk+tls://:0"]);
    let talk = url(&mut server, "talk");
    let mut caller = Partner::ours(&["talk", &talk]);
    caller.says("Hello? Are you there?");
    server.screen.wait_for_line("Hello? Are you there?");
    server.operator("Yes?");
    caller.hears("Yes?");
    caller.says("that was all");
    caller.input = None;
    server.screen.wait_for_line("that was all");
    server.operator("I see");
    caller.hears("I see");
    server.operator("BYE");
    caller.leaves().fine();
}

#[test]
fn two_members_chat() {
    let mut server = secured(&["chat+tls://:0"]);
    let chat = url(&mut server, "chat");
    let mut members = [Partner::ours(&["chat", &chat]), Partner::ours(&["chat", &chat])];
    let names = members.each_mut().map(|member| {
        let welcome = member.hears("Welcome! You are ");
        let (_, name) = welcome.split_once("You are ").unwrap();
        name.split(',').next().unwrap().to_owned()
    });
    for (from, to) in [(0, 1), (1, 0)] {
        let text = format!("from {from}");
        members[from].says(&text);
        members[to].hears(&format!("<{}> {text}", names[from]));
    }
    for mut member in members {
        member.says("BYE");
        member.leaves().fine();
    }
}

#[cfg(feature = "proxy")]
#[test]
fn a_proxy_header_comes_before_tls() {
    let mut server = secured(&["greet+tls://:0", "--proxy-from", "127.0.0.0/8"]);
    let greet = url(&mut server, "greet");
    for header in ["v1=198.51.100.7:4711", "v2=198.51.100.7:4711"] {
        let told = client(&["greet", &greet, "--proxy-header", header], "").fine();
        assert_eq!(told.text(), "Hello! You are connected to ('198.51.100.7', 4711)\n");
        server.log.wait_for_line(" is 198.51.100.7:4711, by way of 127.0.0.1:");
    }
    client(&["greet", &greet], "").failed(&["TLS"]);
    server.log.wait_for_line("closed: no PROXY header: ");
}

#[test]
fn plain_services_and_those_inside_tls_have_ports_of_their_own() {
    let mut server = secured(&["echo+tcp://:0", "echo+tls://:0"]);
    let plain = server.address("echo+tcp").to_string();
    let inside = url(&mut server, "echo");
    assert_eq!(cooee(&["echo", &plain], "plain\n").fine().text(), "plain\n");
    assert_eq!(client(&["echo", &inside], "inside\n").fine().text(), "inside\n");
    let words = ["serve", "echo+tls", "chat+tls", "--check", "--tls-cert", &cert("p256.pem")];
    let checked = cooee(&[&words[..], &["--tls-key", &cert("p256.key")]].concat(), "").fine();
    assert_eq!(checked.text(), "echo+tls://127.0.0.1:7007\nchat+tls://127.0.0.1:7001\n");
}

#[test]
fn a_wire_that_is_cut_is_no_end_for_either() {
    let mut server = secured(&["echo+tls://:0"]);
    let echo = server.address("echo+tls");
    let [(mut first, before_client), (second, before_server)] = [(); 2].map(|()| {
        let wire = Wire::to(echo);
        let mut caller = Partner::ours(&["echo", &format!("echo+tls://{}", wire.address)]);
        caller.says("hello");
        caller.hears("hello");
        (caller, wire)
    });
    before_client.cut(0);
    first.out.rest();
    let left = first.leaves();
    let what = "the server ended without close_notify, so its end may be missing";
    assert!(left.errors.contains(what), "{left:?}");
    before_server.cut(1);
    server.log.wait_for_line("#2 echo closed: closed by the peer without close_notify");
    second.leaves();
}

#[test]
fn hex_shows_what_was_meant_at_both_ends() {
    let mut server = secured(&["echo+tls://:0", "--hex"]);
    let echo = url(&mut server, "echo");
    let left = client(&["echo", &echo, "--hex"], "a secret\n");
    assert_eq!((left.status, left.text()), (Some(0), "a secret\n"), "{left:?}");
    server.signal(Signal::TERM);
    server.ended();
    for dump in [left.errors, server.log.all().join("\n")] {
        let streams = streams(&dump);
        for arrow in ['<', '>'] {
            let stream = &streams[&(1, arrow)];
            assert_eq!(stream.bytes, b"a secret\n", "{dump}");
        }
    }
}

#[test]
fn a_line_of_json_names_the_transport() {
    let mut server = secured(&["echo+tls://:0", "--log-format", "json"]);
    let listening = server.log.wait_for_line("listening on echo+tls://");
    let (_, rest) = listening.split_once("listening on ").unwrap();
    let echo = rest.split('"').next().unwrap().to_owned();
    client(&["echo", &echo], "hello\n").fine();
    let line = server.log.wait_for_line("\"event\":\"closed\"");
    for member in ["\"transport\":\"tls\"", "\"bytes_in\":6", "\"reason\":\"closed by the peer\""] {
        assert!(line.contains(member), "{line}");
    }
}

#[cfg(feature = "admin")]
#[test]
fn the_metrics_name_the_transport() {
    use crate::support::Tcp;

    let mut server = secured(&["echo+tls://:0", "--admin", ":0"]);
    let echo = url(&mut server, "echo");
    client(&["echo", &echo], "hello\n").fine();
    cooee(&["echo", &echo], "").failed(&["signed by an unknown authority"]);
    for _ in 0..2 {
        server.log.wait_for_line("echo closed: ");
    }
    let admin = server.log.wait_for_line("listening on http://");
    let (_, admin) = admin.split_once("http://").unwrap();
    let mut scraper = Tcp::connect(admin.trim_end_matches('/').parse().unwrap());
    scraper.say("GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n");
    let heard = String::from_utf8(scraper.hear_all()).unwrap();
    let of = |name: &str, more: &str| {
        format!("cooee_{name}_total{{service=\"echo\",transport=\"tls\"{more}}}")
    };
    for line in [
        of("connections_opened", "") + " 2\n",
        of("received_bytes", "") + " 6\n",
        of("sent_bytes", "") + " 6\n",
        of("connections_closed", ",reason=\"eof\"") + " 1\n",
        of("connections_closed", ",reason=\"tls\"") + " 1\n",
    ] {
        assert!(heard.contains(&line), "{line} is not in {heard}");
    }
}
