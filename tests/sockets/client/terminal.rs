//! The clients on a terminal: a real pseudo-terminal, and an emulator that says what a person
//! would see on it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use rustix::process::Signal;

use crate::support::terminal::{Terminal, is_cooked};
use crate::support::{Server, Tcp};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";
const LEFT: &str = "\x1b[D";

fn address_of(server: &mut Server, what: &str) -> (SocketAddr, String) {
    let address = server.address(what);
    (address, address.to_string())
}

#[test]
fn a_line_is_edited_sent_and_found_again() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    terminal.press("helo");
    terminal.press(LEFT);
    terminal.press("l");
    terminal.sees(&["> hello"]);
    terminal.press("\r");
    terminal.sees(&["> hello", "hello", ">"]);
    terminal.press(UP);
    terminal.sees(&["> hello"]);
    terminal.press("!\r");
    terminal.sees(&["> hello!", "hello!", ">"]);
    terminal.press("BYE\r");
    terminal.ends(0, &["> BYE", "BYE"]);
}

#[test]
fn what_comes_is_shown_above_the_line_that_is_typed_and_cannot_drive_the_terminal() {
    let mut server = Server::start(&["chat://:0"]);
    let (socket, address) = address_of(&mut server, "chat+tcp");
    let mut terminal = Terminal::start(&["chat", &address, "--nick", "ann"], &[]);
    terminal.sees(&["** You are now ann.", ">"]);
    terminal.press("half a li");
    terminal.sees(&["> half a li"]);
    let mut other = Tcp::connect(socket);
    other.say("/nick bob\nhello \x1b[2J\x1b[31mann\n");
    let shown = "<bob> hello \\x1b[2J\\x1b[31mann";
    terminal.sees(&["* guest1 is now bob", shown, "> half a li"]);
    terminal.press("ne\r");
    terminal.sees(&[shown, "> half a line", ">"]);
    terminal.press("BYE\r");
    terminal.ends(0, &["> BYE", "** Goodbye, ann!"]);
}

#[test]
fn lines_that_are_pasted_while_answers_come_stay_whole_and_in_order() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    for number in 0..200 {
        terminal.press(format!("line {number}\r"));
    }
    terminal.press(CTRL_D);
    terminal.sees(&["line 199"]);
    let text = String::from_utf8(terminal.raw.clone()).unwrap();
    let answers = text.split('\n').map(|line| line.rsplit('\r').find(|part| !part.is_empty()));
    let answers: Vec<&str> =
        answers.flatten().map(|line| line.trim_start_matches("\x1b[K")).collect();
    let answers: Vec<&&str> = answers.iter().filter(|line| line.starts_with("line ")).collect();
    let wanted: Vec<String> = (0..200).map(|number| format!("line {number}")).collect();
    assert_eq!(answers, wanted.iter().collect::<Vec<_>>());
    terminal.ends(0, &["line 199"]);
}

#[test]
fn ctrl_c_leaves_at_once_and_ctrl_d_still_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::start(&["talk", &address], &[]);
    let greeting = format!("* you talk to {address}; BYE ends it, Ctrl-D ends your input");
    terminal.sees(&[&greeting, ">"]);
    terminal.press("typed");
    terminal.press(CTRL_C);
    terminal.dies(Signal::INT, &[&greeting]);

    let mut terminal = Terminal::start(&["talk", &address], &[]);
    let (_, _) = listener.accept().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    terminal.sees(&[">"]);
    terminal.press(CTRL_D);
    terminal.sees(&["* you have said all; Ctrl-C leaves"]);
    stream.write_all(b"at last").unwrap();
    terminal.sees(&["Server says: at last"]);
    assert!(is_cooked(&terminal.line));
    terminal.press(CTRL_C);
    terminal.dies(Signal::INT, &["Server says: at last", "^C"]);
}

#[test]
fn a_server_that_closes_first_and_a_signal_leave_the_terminal_as_it_was() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::start(&["chat", &address], &[]);
    let (mut stream, _) = listener.accept().unwrap();
    terminal.sees(&[">"]);
    terminal.press("typed");
    terminal.sees(&["> typed"]);
    stream.write_all(b"no newline").unwrap();
    drop(stream);
    terminal.ends(0, &["no newline", "* the server has closed the connection"]);

    let mut terminal = Terminal::start(&["chat", &address], &[]);
    terminal.sees(&[">"]);
    terminal.signal(Signal::TERM);
    terminal.dies(Signal::TERM, &[]);
}

#[test]
fn only_who_speaks_is_coloured_and_not_at_all_with_no_color() {
    let mut server = Server::start(&["chat://:0"]);
    let (socket, address) = address_of(&mut server, "chat+tcp");
    for (environment, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let mut terminal = Terminal::start(&["chat", &address, "--nick", "ann"], environment);
        terminal.sees(&["** You are now ann.", ">"]);
        let mut other = Tcp::connect(socket);
        other.say("/nick bob\nhi\n");
        terminal.sees(&["<bob> hi", ">"]);
        let text = String::from_utf8(terminal.raw.clone()).unwrap();
        assert_eq!(text.contains("m<bob>\x1b[0m hi"), is_coloured, "{text:?}");
        assert_eq!(text.matches("\x1b[0m").count(), usize::from(is_coloured), "{text:?}");
        terminal.press("BYE\r");
        terminal.ends(0, &["** Goodbye, ann!"]);
        other.say("BYE\n");
        assert!(other.hear_all().ends_with(b"Goodbye, bob!\n"));
    }
}

#[test]
fn a_dumb_terminal_gets_plain_lines() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[("TERM", "dumb")]);
    terminal.press("hello\r");
    terminal.sees(&["hello", "hello"]);
    terminal.press("bye\r");
    terminal.sees(&["bye", "bye"]);
    assert!(!terminal.raw.contains(&0x1b));
    terminal.ends(0, &["bye", "bye"]);
}

#[test]
fn months_greets_and_asks_until_zero() {
    let mut server = Server::start(&["months://:0"]);
    let (_, address) = address_of(&mut server, "months+udp");
    let mut terminal = Terminal::start(&["months", &address], &[]);
    terminal.sees(&["* 1-12, or 0 to end", ">"]);
    terminal.press("2\r");
    terminal.sees(&["> 2", "February", ">"]);
    terminal.press("0\r");
    terminal.ends(0, &["> 0", "Goodbye!"]);
}

#[test]
fn log_lines_do_not_tear_the_line_that_is_typed() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address, "-v"], &[]);
    terminal.sees(&[">"]);
    terminal.press("hello\r");
    terminal.sees(&["hello", ">"]);
    terminal.press(CTRL_C);
    terminal.sees(&["hello"]);
    let rows = terminal.rows();
    assert!(rows.iter().all(|row| !row.contains("> [")), "{rows:#?}");
    let at = |text: &str| rows.iter().position(|row| row.contains(text)).unwrap();
    assert!(at("> hello") < at("sent 6 bytes") && at("sent 6 bytes") < at("received 6 bytes"));
    terminal.dies(Signal::INT, &["hello"]);
}

#[test]
fn a_broken_character_does_not_swallow_enter() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    // The emulator shows nothing in place of the broken byte.
    terminal.press(b"caf\xe9\r");
    terminal.sees(&["> caf", "caf", ">"]);
    terminal.press(b"\xe4\xb8");
    terminal.press(b"\x96\xf0\x9f!\r");
    terminal.sees(&["> 世!", "世!", ">"]);
    let text = String::from_utf8(terminal.raw.clone()).unwrap();
    assert!(text.contains("> caf\u{fffd}\r\n") && text.contains("> 世\u{fffd}!\r\n"), "{text:?}");
    terminal.press(CTRL_D);
    terminal.ends(0, &["世!"]);
}

#[test]
fn keys_that_it_does_not_know_type_nothing() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    let keys = "\x1b[15;2~ \x1b[1;3D \x1b[[A \x1b[7^ \x1b[7$ \x1bOP \x1bO5P \x1b\x1b[C \x1bx \
                \x1b[27;5;13~ \x1b[97;5u \x1b[<0;3;4M \x1b[I \x1b[200~ \x1b[201~ \x1b[?62;4c";
    for (number, key) in keys.split(' ').enumerate() {
        let line = format!("a{number}b");
        terminal.press(format!("a{key}{number}{key}b{key}\r"));
        terminal.sees(&[&format!("> {line}"), &line, ">"]);
    }
    terminal.press("\x1b[M !!x\x1b");
    terminal.press(CTRL_C);
    terminal.dies(Signal::INT, &["a15b"]);
}

#[test]
fn the_line_is_drawn_again_when_the_terminal_has_another_size() {
    let mut server = Server::start(&["chat://:0"]);
    let (socket, address) = address_of(&mut server, "chat+tcp");
    let mut terminal = Terminal::start(&["chat", &address, "--nick", "ann"], &[]);
    terminal.sees(&["** You are now ann.", ">"]);
    let mut other = Tcp::connect(socket);
    let line = "0123456789".repeat(6);
    terminal.press(&line);
    terminal.sees(&[&format!("> {line}")]);
    let narrow = "> 345678901234567890123456789";
    let sizes = [(24, 30), (1, 1), (24, 120), (2, 5), (0, 0), (24, 80)];
    for (number, (rows, columns)) in sizes.into_iter().enumerate() {
        terminal.resize(rows, columns);
        if columns == 30 {
            terminal.sees(&[narrow]);
        }
        other.say(format!("{number}\n"));
        terminal.hears(&format!("{number}\r\n"));
    }
    // Whatever was still drawn for an earlier size has come once this is seen.
    other.say("more\n");
    terminal.sees(&["<guest1> 5", "<guest1> more", &format!("> {line}")]);
    terminal.resize(24, 30);
    terminal.sees(&["<guest1> more", narrow]);
    terminal.press("\r");
    // Whole, so over two rows and a bit.
    terminal.sees(&[&format!("> {}", &line[..28]), &line[28..58], &line[58..], ">"]);
    terminal.press("BYE\r");
    terminal.ends(0, &["** Goodbye, ann!"]);
}

#[test]
fn the_cursor_goes_by_what_people_count_as_one_character() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let (_, address) = address_of(&mut server, "echo+tcp");
    let mut terminal = Terminal::start(&["echo", &address], &[]);
    terminal.sees(&[">"]);
    let family = "👩\u{200d}👩\u{200d}👧";
    terminal.press(format!("世e\u{301}{family}"));
    terminal.sees(&[&format!("> 世e\u{301}{family}")]);
    terminal.press(format!("{LEFT}|"));
    terminal.sees(&[&format!("> 世e\u{301}|{family}")]);
    assert_eq!(terminal.screen.screen().cursor_position().1, 6);
    terminal.press("\x7f\x7f!\x1b[3~\r");
    terminal.sees(&["> 世!", "世!", ">"]);
    terminal.press(CTRL_D);
    terminal.ends(0, &["世!"]);
}
