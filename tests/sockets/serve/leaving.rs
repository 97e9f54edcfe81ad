//! Leaving: a signal, a second one, `/quit`. What is queued goes out, nobody new comes in.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use cooee::engine::Bytes;
use rustix::process::Signal;

use crate::support::{Server, Tcp, is_repeated, pattern};

fn assert_refused(address: SocketAddr) {
    let error = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

/// A server with a client (#1) that is idle and one (#2) to whom bytes are queued, as many as the
/// kernel and the server take.
struct Scene {
    server: Server,
    address: SocketAddr,
    idle: Tcp,
    behind: Tcp,
    /// What the second one sent, again and again.
    piece: Vec<u8>,
}

impl Scene {
    fn set(drain: &str) -> Scene {
        let mut server = Server::start(&["echo+tcp://:0", "--drain", drain]);
        let address = server.address("echo+tcp");
        let mut idle = Tcp::connect(address);
        idle.echoes("hello");
        let mut behind = Tcp::connect(address);
        let piece = pattern(5, 64_007);
        behind.stuff(&piece, 64 << 20);
        Scene { server, address, idle, behind, piece }
    }

    /// Asserts that everything which the server had read comes back, then the end.
    fn behind_gets_all(&mut self, taken: &str) {
        let heard = self.behind.hear_all();
        assert!(is_repeated(&self.piece, &heard), "in order");
        assert_eq!(Bytes(heard.len() as u64).to_string(), taken, "all that had been read");
    }
}

/// Leaving in order, however it was asked for.
fn leaves_in_order(ask: impl FnOnce(&mut Server)) {
    let mut scene = Scene::set("60s");
    let (taken, written) = scene.server.traffic_of(2);
    assert_ne!(taken, written, "something is queued");
    ask(&mut scene.server);
    scene.server.log.wait_for_line("leaving: nobody new; connections to finish: 2");
    assert_refused(scene.address);
    assert_eq!(scene.idle.hear(), "", "the idle one gets its end");
    scene.idle.finish();
    scene.behind_gets_all(&taken);
    scene.behind.finish();
    let ended = scene.server.ended();
    assert_eq!(ended.status, 0);
    let last = ended.log.last().unwrap();
    assert!(last.contains("left: connections: 2 (0 open)"), "{last}");
}

#[test]
fn sigterm_ends_idle_clients_at_once_pays_what_is_owed_and_lets_nobody_in() {
    leaves_in_order(|server| server.signal(Signal::TERM));
}

#[test]
fn quit_at_the_console_is_the_same_as_sigterm() {
    leaves_in_order(|server| server.operator("/quit"));
}

#[test]
fn a_second_signal_leaves_at_once_even_from_a_client_that_never_reads() {
    let mut scene = Scene::set("1h");
    scene.server.signal(Signal::TERM);
    scene.server.log.wait_for_line("leaving");
    scene.server.signal(Signal::INT);
    let ended = scene.server.ended();
    assert_eq!(ended.status, 0);
    assert!(ended.log.last().unwrap().contains("left: connections: 2"), "{:#?}", ended.log);
}

#[test]
fn leaving_takes_no_longer_than_drain_allows() {
    let mut scene = Scene::set("300ms");
    scene.server.signal(Signal::INT);
    let ended = scene.server.ended();
    assert_eq!(ended.status, 0);
    let unfinished = ended.log.iter().filter(|line| line.contains("--drain is over")).count();
    assert_eq!(unfinished, 1, "{:#?}", ended.log);
}

#[test]
fn talk_answers_that_are_queued_go_out_to_the_last_byte() {
    let mut server = Server::start(&["talk://:0", "--drain", "60s"]);
    let mut client = Tcp::connect(server.address("talk+tcp"));
    client.say("tell me\n");
    server.screen.wait_for_line("Client says: tell me");
    let mut lines = 0;
    // The operator talks until the kernel takes no more of it.
    while !is_behind(&mut server, lines) {
        server.operator(&answer(lines));
        lines += 1;
        assert!(lines < 2_000, "the kernel takes everything");
    }
    server.signal(Signal::TERM);
    server.log.wait_for_line("leaving");
    let wanted: String = (0..lines).map(|number| answer(number) + "\n").collect();
    assert!(client.hear_all() == wanted.as_bytes(), "every line");
    client.finish();
    assert_eq!(server.ended().status, 0);
}

fn answer(number: usize) -> String {
    format!("{number:08} {}", "x".repeat(32 << 10))
}

/// Whether less has gone out to peer 1 than `lines` answers.
fn is_behind(server: &mut Server, lines: usize) -> bool {
    let (_, out) = server.traffic_of(1);
    let whole: usize = (0..lines).map(|number| answer(number).len() + 1).sum();
    out != Bytes(whole as u64).to_string()
}

#[test]
fn whoever_has_read_where_it_listens_may_tell_it_to_leave() {
    // The moment between its saying so and its being ready for a signal is short.
    for _ in 0..50 {
        let mut server = Server::start(&["echo+tcp://:0"]);
        server.address("echo+tcp");
        server.signal(Signal::TERM);
        let ended = server.ended();
        assert_eq!(ended.status, 0, "(minus the signal that killed it) {:#?}", ended.log);
        assert!(ended.log.last().unwrap().contains("left: connections: 0"), "{:#?}", ended.log);
    }
}
