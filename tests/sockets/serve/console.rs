//! The operator's console: its commands, its mistakes and its end.

#![allow(clippy::disallowed_methods)] // tests, in real time

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::terminal::open_terminal;
use crate::support::{Member, Server, Tcp};

fn echo_and_talk() -> (Server, Tcp) {
    let mut server = Server::start(&["echo+tcp://:0", "talk://:0"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("hello");
    (server, client)
}

#[test]
fn who_lists_peers_and_kick_closes_one() {
    let (mut server, mut client) = echo_and_talk();
    let mut other = Tcp::connect(client.0.peer_addr().unwrap());
    other.echoes("12345678");
    server.operator("/who");
    let one = server.screen.next_line();
    assert!(one.starts_with(&format!("#1 echo {} ", client.local())), "{one}");
    assert!(one.ends_with(" s, in 5 B, out 5 B"), "{one}");
    assert!(server.screen.next_line().starts_with(&format!("#2 echo {}", other.local())));
    server.operator("/kick 1");
    assert_eq!(server.screen.next_line(), "#1 is kicked");
    assert_eq!(client.hear(), "");
    drop(client);
    server.log.wait_for_line("#1 echo closed: kicked");
    other.echoes("still here");
    server.operator("/kick #1");
    assert_eq!(server.screen.next_line(), "no peer #1; /who lists them");
    server.operator("/kick 2");
    assert_eq!(server.screen.next_line(), "#2 is kicked");
    assert_eq!(other.hear(), "");
    drop(other);
    server.log.wait_for_line("#2 echo closed: kicked");
    server.operator("/who");
    assert_eq!(server.screen.next_line(), "nobody is connected");
}

#[test]
fn stats_and_help_answer_and_nonsense_is_explained() {
    let (mut server, client) = echo_and_talk();
    server.operator("/stats");
    let stats = server.screen.next_line();
    assert!(stats.starts_with("connections: 1 (1 open), 5 B in, 5 B out"), "{stats}");
    server.operator("/help");
    let mut help = vec![server.screen.next_line()];
    while !help.last().unwrap().starts_with("/quit") {
        help.push(server.screen.next_line());
    }
    for command in ["/to N", "/who", "/say ROOM TEXT", "/kick N", "/stats"] {
        assert!(help.iter().any(|line| line.starts_with(command)), "{command} in {help:#?}");
    }
    for (line, answer) in [
        ("/nonsense", "no command /nonsense; /help lists them"),
        ("/kick me", "/kick N needs the number of a peer"),
        ("/quit now", "/quit stands alone"),
        ("/to", "TEXT answers whoever speaks last; /to N chooses a talk client"),
        ("/to 7", "no talk client \"7\""),
        ("hello?", "nobody is chosen"),
        ("/to", "TEXT answers whoever speaks last"),
        ("hello?", "nobody to answer"),
        ("/say lobby hello", "chat is not served here"),
    ] {
        server.operator(line);
        server.screen.wait_for_line(answer);
    }
    server.operator("");
    server.operator("   ");
    server.operator("/stats");
    server.screen.wait_for_line("connections: 1 ");
    drop(client);
    server.operator("/quit");
    assert_eq!(server.screen.rest(), [""; 0], "no answer to an empty line");
}

#[test]
fn no_part_of_a_line_that_is_too_long_is_obeyed_or_said() {
    let (mut server, mut client) = echo_and_talk();
    let mut talker = Tcp::connect(server.address("talk+tcp"));
    talker.say("hello\n");
    server.screen.wait_for_line("hello");
    for long in [format!("{}/quit", "x".repeat(64 * 1024)), "y".repeat(200_000)] {
        server.operator(&long);
        assert_eq!(server.screen.next_line(), "that line was longer than 64 KiB: nothing done");
    }
    server.operator("/quitting");
    server.screen.wait_for_line("no command /quitting");
    server.operator("short");
    assert_eq!(talker.hear(), "short\n");
    client.echoes("still served");
}

#[test]
fn who_is_kicked_from_chat_or_talk_is_told_so_and_the_room_sees_it_leave() {
    let mut server = Server::start(&["chat://:0", "talk://:0"]);
    let (chat, talk) = (server.address("chat+tcp"), server.address("talk+tcp"));
    let (mut ann, _) = Member::join(chat);
    let (mut bob, name) = Member::join(chat);
    let mut talker = Tcp::connect(talk);
    talker.say("hi\n");
    server.screen.wait_for_line("hi");
    server.operator("/kick 2");
    bob.wait_for_line("** You were kicked by the operator.");
    assert_eq!(bob.line(), None);
    ann.wait_for_line(&format!("* {name} left"));
    server.operator("/kick 3");
    assert_eq!(talker.hear(), "You were kicked by the operator.\n");
    assert_eq!(talker.hear(), "");
}

#[test]
fn say_reaches_everybody_in_the_room_as_the_operator() {
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp");
    let (mut ann, _) = Member::join(address);
    let (mut bob, _) = Member::join(address);
    server.operator("/say lobby hello from the console");
    for member in [&mut ann, &mut bob] {
        let heard = member.wait_for_line("hello from the console");
        assert_eq!(heard, "<operator> hello from the console");
    }
    assert_eq!(server.screen.next_line(), "said to 2");
    server.operator("/say kitchen hello");
    let refused = "no room kitchen; /who shows who is where; not said";
    assert_eq!(server.screen.next_line(), refused);
}

#[test]
fn without_an_operator_a_talk_client_is_told_so_once() {
    let mut server = Server::start(&["talk://:0"]);
    let address = server.address("talk+tcp");
    let mut early = Tcp::connect(address);
    early.say("anybody?\n");
    server.screen.wait_for_line("anybody?");
    server.operator_leaves();
    let told = early.hear();
    assert!(told.contains("nobody") && told.ends_with('\n'), "{told:?}");
    early.say("really nobody?\n");
    server.screen.wait_for_line("really nobody?");
    early.finish();
    assert_eq!(early.hear(), "", "told once");
    let mut late = Tcp::connect(address);
    late.say("hello?");
    assert_eq!(late.hear(), told.trim_end(), "without a newline, as it speaks itself");
}

#[test]
fn the_end_of_the_console_ends_nothing_else() {
    let (mut server, mut client) = echo_and_talk();
    server.operator_leaves();
    client.echoes("still served");
    Tcp::connect(client.0.peer_addr().unwrap()).echoes("somebody new, too");
}

#[test]
fn what_a_client_says_cannot_drive_the_operators_terminal() {
    let mut server = Server::start(&["talk://:0"]);
    let mut client = Tcp::connect(server.address("talk+tcp"));
    client.say(b"\x1b]0;owned\x07\xff\n");
    assert_eq!(server.screen.next_line(), "Client says: \\x1b]0;owned\\x07\u{fffd}");
}

#[test]
fn a_terminal_that_takes_nothing_more_stops_nobody() {
    let (_nobody, terminal) = open_terminal();
    let words = ["echo+tcp://:0", "talk://:0", "--drain", "300ms"];
    let mut server = Server::start_before(terminal, &words);
    let echo = server.address("echo+tcp");
    let mut talker = Tcp::connect(server.address("talk+tcp"));
    let mut neighbour = Tcp::connect(echo);
    for _ in 0..200 {
        // More than any terminal keeps for a reader who does not come.
        talker.say(format!("{}\n", "x".repeat(1000)));
        neighbour.echoes("still served");
    }
    drop((talker, neighbour));
    server.signal(Signal::TERM);
    assert_eq!(server.ended().status, 0);
}

#[test]
fn an_input_that_never_ends_takes_little_time_and_keeps_nobody_waiting() {
    let cooee = env!("CARGO_BIN_EXE_cooee");
    let script = "exec \"$0\" \"$@\" </dev/zero";
    let mut zeros = Server::run("sh", &["-c", script, cooee, "serve", "echo+tcp://:0"]);
    keeps_time(&mut zeros);
    let mut lines = Server::start(&["echo+tcp://:0"]);
    let mut console = lines.console();
    // It ends with the server.
    std::thread::spawn(move || while console.write_all(&b"yes\n".repeat(1000)).is_ok() {});
    keeps_time(&mut lines);
}

fn keeps_time(server: &mut Server) {
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("served");
    let cpu = server.cpu_ms();
    client.hears_nothing();
    assert!(server.cpu_ms() - cpu < 200, "it spins");
    client.echoes("still served");
}

#[test]
fn faults_are_set_shown_and_ended_while_it_runs() {
    let (mut server, mut client) = echo_and_talk();
    let to = client.0.peer_addr().unwrap();
    server.operator("/fault");
    server.screen.wait_for_line("nothing is done wrong; begin with /fault echo delay=50ms");
    server.operator("/fault 1 delay=50ms&seed=7");
    server.screen.wait_for_line("#1: delay=50ms&seed=7 from now on");
    let begun = Instant::now();
    client.echoes("late");
    assert!(begun.elapsed() >= Duration::from_millis(50));
    server.operator("/fault");
    let line = server.screen.next_line();
    assert_eq!(line, format!("#1 echo {} delay=50ms&seed=7", client.local()));
    server.operator("/fault 1 reset");
    server.screen.wait_for_line("#1 is reset");
    let error = client.read(&mut [0; 9]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    server.log.wait_for_line("#1 echo closed: reset by fault");
    // Of a listener: for those who come from now on.
    let mut before = Tcp::connect(to);
    before.echoes("here before");
    server.operator("/fault echo close=4&seed=7");
    let told = format!("echo+tcp://{to}?close=4&seed=7 for those who connect from now on");
    server.screen.wait_for_line(&told);
    let mut after = Tcp::connect(to);
    after.say("hello");
    assert_eq!(after.hear_all(), b"hell");
    before.echoes("as it was");
    server.operator("/fault 99 reset");
    server.screen.wait_for_line("no peer #99; /who lists them; nothing done");
    server.operator("/fault echo dealy=5ms");
    server.screen.wait_for_line("column 13: no knob is called \"dealy\", did you mean delay?");
    server.operator("/fault off");
    server.screen.wait_for_line("nothing is done wrong any more; listeners that had knobs: 1");
    Tcp::connect(to).echoes("nothing wrong");
    server.operator("/stats");
    let stats = server.screen.wait_for_line("connections: 4 ");
    assert!(stats.ends_with("; faults: 1 delay, 1 reset, 1 close"), "{stats}");
}
