//! The operator's console on a terminal: a real pseudo-terminal, and an emulator that says what a
//! person would see on it.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::support::terminal::{COOEE, Terminal, is_cooked};
use crate::support::{Member, Server, Tcp};

const CTRL_A: &str = "\x01";
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_E: &str = "\x05";
const CTRL_U: &str = "\x15";
const CTRL_W: &str = "\x17";
const UP: &str = "\x1b[A";

/// A server of these endpoints with its console on a terminal.
pub(super) fn serve(words: &[&str]) -> Terminal {
    let mut terminal = Terminal::start(&[&["serve", "--drain", "300ms"], words].concat(), &[]);
    terminal.sees(&["to nobody>"]);
    terminal
}

/// Where it listens for `what`, such as `echo+tcp`.
pub(super) fn address(terminal: &mut Terminal, what: &str) -> SocketAddr {
    let start = format!("listening on {what}://");
    loop {
        let rows = terminal.rows();
        if let Some((_, address)) = rows.iter().find_map(|row| row.split_once(&start)) {
            return address.parse().expect("an address behind the service");
        }
        terminal.look_for(&start);
    }
}

/// The same with the screen cleared behind it, and no log but warnings.
fn quiet(terminal: &mut Terminal) {
    terminal.press("/quiet\r\x0c");
    terminal.sees(&["to nobody>"]);
    while terminal.rows() != ["to nobody>"] {
        terminal.look_for("an empty screen");
    }
}

#[test]
fn what_arrives_is_shown_above_the_line_that_is_typed_and_that_goes_to_whom_the_prompt_names() {
    let mut terminal = serve(&["talk://:0"]);
    let talk = address(&mut terminal, "talk+tcp");
    quiet(&mut terminal);
    let (mut one, mut two) = (Tcp::connect(talk), Tcp::connect(talk));
    one.say("first\n");
    terminal.sees(&["Client says: first", "to #1>"]);
    terminal.press("for the fir");
    terminal.sees(&["to #1> for the fir"]);
    two.say("second\x1b[2J\n");
    let second = format!("--- #2 {}", two.local());
    let said = "Client says: second\\x1b[2J";
    terminal.sees(&[&second, said, "to #1> for the fir"]);
    terminal.press("st\r");
    terminal.sees(&[&second, said, "to #1> for the first", "to #2>"]);
    assert_eq!(one.hear(), "for the first\n");
    terminal.press("yes\r");
    terminal.sees(&["to #2> yes", "to #2>"]);
    assert_eq!(two.hear(), "yes\n");
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn a_choice_holds_and_a_line_for_somebody_who_has_left_goes_to_nobody_else() {
    let mut terminal = serve(&["talk://:0"]);
    let talk = address(&mut terminal, "talk+tcp");
    quiet(&mut terminal);
    let mut peers: Vec<Tcp> = (0..3).map(|_| Tcp::connect(talk)).collect();
    peers[2].say("hi\n");
    terminal.sees(&["Client says: hi", "to #3>"]);
    // What is typed at once is shown behind whom each line is for.
    terminal.press("/to 2\r/to 1\r");
    terminal.sees(&["to #3> /to 2", "to #2> /to 1", "to #1>"]);
    peers[1].say("me too\n");
    terminal.sees(&["Client says: me too", "to #1>"]);
    terminal.press("hello\r");
    assert_eq!(peers[0].hear(), "hello", "it has not shown how it ends lines");
    terminal.press("half");
    terminal.sees(&["to #1> half"]);
    drop(peers.remove(0));
    terminal.sees(&["#1 has left: closed by the peer", "to #1> half"]);
    terminal.press("\r");
    let refused = "#1 has left; /to N chooses another, /to alone whoever speaks last; not sent";
    terminal.sees(&["to #1> half", refused, "to #1 (left)>"]);
    terminal.press("/to\r");
    let told = "TEXT answers whoever speaks last; /to N chooses a talk client";
    terminal.sees(&["to #1 (left)> /to", told, "to #2>"]);
    terminal.press("to the last");
    terminal.sees(&["to #2> to the last"]);
    // Having spoken, it would be waited for if it only closed its side.
    set_socket_linger(&peers[0].0, Some(Duration::ZERO)).unwrap();
    drop(peers.remove(0));
    terminal.sees(&["#2 has left: reset by the peer", "to #2> to the last"]);
    peers[0].say("still here\n");
    terminal.hears("still here");
    terminal.press("\r");
    terminal.sees(&["to #2> to the last", "#2 has left: not sent", "to #3>"]);
    peers[0].hears_nothing();
    terminal.press(CTRL_C);
    terminal.ends(0, &[""; 0]);
}

#[test]
fn the_keys_of_the_clients_edit_it_and_tab_completes_commands_numbers_and_rooms() {
    let mut terminal = serve(&["talk://:0", "chat://:0"]);
    let (talk, chat) = (address(&mut terminal, "talk+tcp"), address(&mut terminal, "chat+tcp"));
    quiet(&mut terminal);
    let talker = Tcp::connect(talk);
    let (mut ann, _) = Member::join(chat);
    ann.say("/join den");
    ann.wait_for_line("You are now in den");
    for (keys, line) in [
        ("ello".to_owned() + CTRL_A + "h" + CTRL_E + "!", "hello!"),
        (CTRL_U.to_owned(), ""),
        ("one two".to_owned() + CTRL_W, "one"),
        (CTRL_U.to_owned() + UP, "/quiet"),
        (CTRL_U.to_owned() + "/k\t\t", "/kick 1"),
        ("\t".to_owned(), "/kick 1"),
        (CTRL_U.to_owned() + "/kick \t\t", "/kick 2"),
        (CTRL_U.to_owned() + "/to #\t", "/to #1"),
        (CTRL_U.to_owned() + "/say d\t", "/say den"),
        (CTRL_U.to_owned() + "/x\t", "/x"),
        (CTRL_U.to_owned() + "/qui\t\t", "/quit"),
    ] {
        terminal.press(&keys);
        let shown = format!("to nobody> {line}");
        terminal.sees(&[shown.trim_end()]);
    }
    terminal.press(format!("{CTRL_U}/say den hi\r"));
    assert_eq!(ann.wait_for_line("hi"), "<operator> hi");
    terminal.press("/nonsense\r");
    terminal.sees(&[
        "to nobody> /nonsense",
        "no command /nonsense; /help lists them",
        "to nobody>",
    ]);
    drop((talker, ann));
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn who_is_sorted_by_number_with_names_and_rooms() {
    let mut terminal = serve(&["talk://:0", "chat://:0"]);
    let (talk, chat) = (address(&mut terminal, "talk+tcp"), address(&mut terminal, "chat+tcp"));
    quiet(&mut terminal);
    let first = Tcp::connect(talk);
    let (mut ann, _) = Member::join(chat);
    ann.say("/nick ann\n/join den");
    ann.wait_for_line("You are now in den");
    drop(first);
    ann.say("/nick anna");
    ann.wait_for_line("You are now anna.");
    // The place of the first has been given to the third.
    let (_bob, _) = Member::join(chat);
    terminal.press("/who\r");
    terminal.sees(&["to nobody>"]);
    let rows = loop {
        let rows: Vec<String> =
            terminal.rows().into_iter().filter(|row| row.contains(" chat 127")).collect();
        if rows.len() == 2 {
            break rows;
        }
        terminal.look_for("two lines about members");
    };
    assert!(rows[0].starts_with("#2 ") && rows[0].contains(" (anna in den) "), "{rows:#?}");
    assert!(rows[1].starts_with("#3 ") && rows[1].contains(" (guest1 in lobby) "), "{rows:#?}");
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn quiet_holds_back_the_log_and_loud_tells_what_was_missed() {
    let mut terminal = serve(&["echo+tcp://:0", "talk://:0"]);
    let (echo, talk) = (address(&mut terminal, "echo+tcp"), address(&mut terminal, "talk+tcp"));
    Tcp::connect(echo).echoes("seen");
    terminal.hears("#1 echo closed");
    quiet(&mut terminal);
    Tcp::connect(echo).echoes("not seen");
    let mut client = Tcp::connect(talk);
    client.say("said\n");
    terminal.sees(&["Client says: said", "to #3>"]);
    assert!(!terminal.rows().iter().any(|row| row.contains("echo")), "{:#?}", terminal.rows());
    terminal.press("/quiet\r");
    terminal.sees(&["it is quiet already; /loud ends that", "to #3>"]);
    terminal.press("/loud\r");
    let told = "loud again; connections since /quiet: 2 came, 1 went";
    terminal.sees(&["to #3> /loud", told, "to #3>"]);
    terminal.press("/loud\r");
    terminal.sees(&["it is loud already", "to #3>"]);
    client.say("BYE\n");
    terminal.hears("#3 talk closed");
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn quiet_holds_back_what_hex_shows_too() {
    let mut terminal = serve(&["echo+tcp://:0", "talk://:0", "--hex"]);
    let echo = address(&mut terminal, "echo+tcp");
    quiet(&mut terminal);
    Tcp::connect(echo).echoes("held back");
    terminal.press("/loud\r");
    terminal.hears("loud again");
    Tcp::connect(echo).echoes("shown");
    terminal.hears("|shown|");
    let rows = terminal.rows();
    assert!(!rows.iter().any(|row| row.contains("|held back|")), "{rows:#?}");
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn quiet_holds_back_what_hex_shows_even_of_a_log_that_has_little_else() {
    let mut terminal = serve(&["-q", "echo+tcp://127.0.0.1:0", "talk://:0", "--hex"]);
    terminal.press("/who\r");
    terminal.hears("nobody is connected");
    terminal.press("/quiet\r");
    let told = "quiet: of the log only warnings and errors come here; /loud ends it";
    terminal.sees(&[told, "to nobody>"]);
}

#[test]
fn without_a_screen_for_the_log_there_is_nothing_to_hold_back() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    server.operator("/quiet");
    let told = "the log does not come to this screen: there is nothing to hold back";
    assert_eq!(server.screen.next_line(), told);
    server.operator("/loud");
    assert_eq!(server.screen.next_line(), "it is loud already");
    Tcp::connect(server.address("echo+tcp")).echoes("logged");
    server.log.wait_for_line("#1 echo closed");
}

#[test]
fn once_it_leaves_nothing_can_be_typed_and_ctrl_c_leaves_at_once() {
    let words = ["serve", "chat://:0", "talk://:0", "--drain", "10m"];
    let mut terminal = Terminal::start(&words, &[]);
    terminal.sees(&["to nobody>"]);
    let (mut member, _) = Member::join(address(&mut terminal, "chat+tcp"));
    terminal.press("/quit\r/who\r");
    assert_eq!(member.line(), None);
    terminal.writes("leaving: nobody new; connections to finish: 1");
    // It has left raw mode before it wrote that.
    assert!(is_cooked(&terminal.line));
    assert!(!terminal.rows().iter().any(|row| row == "to nobody>" || row.contains(" in lobby")));
    terminal.press(CTRL_C);
    terminal.ends(0, &[""; 0]);
}

#[test]
fn the_line_is_drawn_again_when_the_terminal_has_another_size() {
    let mut terminal = serve(&["talk://:0"]);
    let talk = address(&mut terminal, "talk+tcp");
    quiet(&mut terminal);
    let mut client = Tcp::connect(talk);
    client.say("hi\n");
    terminal.sees(&["Client says: hi", "to #1>"]);
    let line = "0123456789".repeat(5);
    terminal.press(&line);
    terminal.sees(&[&format!("to #1> {line}")]);
    for (number, (rows, columns)) in
        [(24, 40), (1, 1), (24, 120), (2, 5), (0, 0), (24, 80)].into_iter().enumerate()
    {
        terminal.resize(rows, columns);
        if columns == 40 {
            terminal.sees(&[&format!("to #1> {}", &line[50 - 32..])]);
        }
        client.say(format!("{number}\n"));
        terminal.hears(&format!("{number}\r\n"));
    }
    client.say("more\n");
    terminal.sees(&["Client says: 5", "Client says: more", &format!("to #1> {line}")]);
    terminal.press(format!("{CTRL_U}/quit\r"));
    terminal.ends(0, &[""; 0]);
}

#[test]
fn a_terminal_that_was_left_raw_gets_whole_rows() {
    let script = format!("stty raw -echo; exec {COOEE} serve talk://:0");
    let mut terminal = Terminal::run(&["sh", "-c", &script], &[]);
    terminal.sees(&["to nobody>"]);
    terminal.press("/who\r/stats x\r");
    let refused = "/stats stands alone; nothing done";
    terminal.sees(&["nobody is connected", "to nobody> /stats x", refused, "to nobody>"]);
}

#[test]
fn a_line_that_was_too_long_for_the_editor_is_said_to_be_and_does_nothing() {
    let mut terminal = serve(&["talk://:0"]);
    let mut client = Tcp::connect(address(&mut terminal, "talk+tcp"));
    client.say("hello\n");
    terminal.sees(&["Client says: hello", "to #1>"]);
    terminal.press(format!("{}\r", "x".repeat(16 * 1024 + 1)));
    terminal.sees(&["that line was longer than 16384 characters: nothing done", "to #1>"]);
    terminal.press("short\r");
    assert_eq!(client.hear(), "short\n");
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);
}

#[test]
fn a_dumb_terminal_and_one_without_a_keyboard_get_plain_lines() {
    let mut terminal = Terminal::start(&["serve", "talk://:0"], &[("TERM", "dumb")]);
    let talk = address(&mut terminal, "talk+tcp");
    let mut client = Tcp::connect(talk);
    client.say("hello\n");
    terminal.sees(&["Client says: hello"]);
    terminal.press("hi\r");
    assert_eq!(client.hear(), "hi\n");
    terminal.sees(&["Client says: hello", "hi"]);
    terminal.press(CTRL_D);
    assert_eq!(client.hear(), "There is nobody at the console.\n");
    terminal.press(CTRL_C);
    assert!(!terminal.raw.contains(&0x1b));
    terminal.ends(0, &[""; 0]);

    let script = format!("{COOEE} serve talk://:0 </dev/null");
    let mut terminal = Terminal::run(&["sh", "-c", &script], &[]);
    address(&mut terminal, "talk+tcp");
    terminal.press(CTRL_C);
    while terminal.child.try_wait().unwrap().is_none() {
        terminal.writes("left: ");
    }
    let text = String::from_utf8_lossy(&terminal.raw);
    assert!(!text.contains("\x1b[K") && !text.contains('>'), "{text:?}");
}

#[test]
fn a_log_that_goes_elsewhere_stays_there_and_the_line_is_edited_all_the_same() {
    let log = std::env::temp_dir().join(format!("cooee-log-{}", std::process::id()));
    let script = format!("exec {COOEE} serve talk://127.0.0.1:0 2>{}", log.display());
    let mut terminal = Terminal::run(&["sh", "-c", &script], &[]);
    terminal.sees(&["to nobody>"]);
    terminal.press("/quiet\r");
    let told = "the log does not come to this screen: there is nothing to hold back";
    terminal.sees(&["to nobody> /quiet", told, "to nobody>"]);
    terminal.press("/quit\r");
    terminal.ends(0, &["to nobody> /quit"]);
    let mut text = String::new();
    File::open(&log).unwrap().read_to_string(&mut text).unwrap();
    std::fs::remove_file(&log).unwrap();
    assert!(text.contains("listening on talk+tcp") && text.contains("left: "), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
}

#[test]
fn many_log_lines_and_words_at_once_never_tear_each_other_or_the_line() {
    let mut terminal = serve(&["talk://:0", "echo+tcp://:0"]);
    let (talk, echo) = (address(&mut terminal, "talk+tcp"), address(&mut terminal, "echo+tcp"));
    terminal.press("half");
    terminal.sees(&["to nobody> half"]);
    let mut talker = Tcp::connect(talk);
    for number in 0..30 {
        talker.say(format!("word {number}\n"));
        drop(Tcp::connect(echo));
    }
    terminal.sees(&["to nobody> half"]);
    terminal.writes("Client says: word 29\r\n");
    terminal.writes("#31 echo closed");
    terminal.sees(&["to nobody> half"]);
    let text = String::from_utf8(terminal.raw.clone()).unwrap();
    let lines = text.split_inclusive("\r\n").map(|line| line.rsplit("\x1b[K").next().unwrap());
    let (logged, said): (Vec<&str>, Vec<&str>) =
        lines.filter(|line| line.ends_with("\r\n")).partition(|line| line.contains("INFO"));
    assert!(logged.iter().all(|line| line.matches("INFO").count() == 1), "{logged:#?}");
    let wanted: Vec<String> = (0..30).map(|n| format!("Client says: word {n}\r\n")).collect();
    assert_eq!(said, wanted);
    terminal.press(format!("{CTRL_U}/quit\r"));
    terminal.ends(0, &[""; 0]);
}
