//! The chat client: lines at the server's pace, those that are too long or too many, names.

use std::sync::mpsc::channel;

use super::pipes::{read, server};
use crate::support::terminal::Terminal;
use crate::support::{Member, Server, cooee};

#[test]
fn a_line_that_is_too_long_for_chat_goes_out_whole_and_is_refused_whole() {
    let long = format!("{}/quit{}", "x".repeat(65_536), "BYE".repeat(400));
    let input = format!("{long}\nhi\n");
    let (said, heard) = channel();
    let address = server(move |mut stream| said.send(read(&mut stream, 99_999)).unwrap());
    cooee(&["chat", &address], &input).fine();
    assert!(heard.recv().unwrap() == input.as_bytes());
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp").to_string();
    let left = cooee(&["chat", &address], format!("{long}\n/who\nBYE\n"));
    let left = left.failed(&["1 of 2 lines was dropped: longer than the server takes"]);
    let lines: Vec<&str> = left.text().lines().collect();
    assert!(lines[1].contains("longer and is dropped"), "{lines:?}");
    assert_eq!(lines[2..], ["** 1 in lobby: guest1", "** Goodbye, guest1!"]);
}

#[test]
fn lines_beyond_the_rate_wait_here_and_all_arrive_in_order() {
    let mut server = Server::start(&["chat://:0", "--chat-rate", "100/s"]);
    let address = server.address("chat+tcp");
    let (mut listener, _) = Member::join(address);
    let lines: Vec<String> = (1..=400).map(|number| number.to_string()).collect();
    let words = ["chat", &address.to_string(), "--nick", "seq", "--rate", "100/s"];
    cooee(&words, lines.join("\n")).fine();
    listener.wait_for_line("is now seq");
    for number in &lines {
        assert_eq!(listener.line(), Some(format!("<seq> {number}")));
    }
    assert_eq!(listener.line().as_deref(), Some("* seq left"));
}

#[test]
fn a_filter_that_is_too_fast_fails_and_says_how_many_lines_were_dropped() {
    let mut server = Server::start(&["chat://:0", "--chat-rate", "1/m"]);
    let address = server.address("chat+tcp").to_string();
    for words in [&["chat", &address][..], &["chat", &address, "--rate", "off"]] {
        for end in ["", "BYE\n"] {
            let left = cooee(words, format!("1\n2\n3\n4\n{end}"));
            left.failed(&["3 of 4 lines were dropped", "try a lower --rate"]);
        }
    }
}

#[test]
fn chat_takes_name_and_room_says_its_lines_and_leaves() {
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp").to_string();
    let words = ["chat", &address, "--nick", "ann", "--room", "den"];
    let left = cooee(&words, "/who\nBYE\n").fine();
    let lines: Vec<&str> = left.text().lines().collect();
    assert_eq!(
        lines[1..],
        [
            "** You are now ann.",
            "** You are now in den (1 here).",
            "** 1 in den: ann",
            "** Goodbye, ann!"
        ]
    );
    // The end of input will do as well.
    assert!(cooee(&["chat", &address], "").fine().text().starts_with("** Welcome!"));
}

#[test]
fn a_filter_whose_name_is_taken_says_nothing_as_somebody_else_and_a_person_is_told() {
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp");
    let (mut ann, _) = Member::join(address);
    ann.say("/nick ann");
    ann.wait_for_line("You are now ann");
    let target = address.to_string();
    for (name, why) in [("ann", "That name is taken."), ("Server", "That name is reserved.")] {
        let left = cooee(&["chat", &target, "--nick", name, "--room", "den"], "not said\n");
        left.failed(&[&format!("--nick {name} was refused: {why:?}; choose another, or leave it")]);
    }
    for _ in 0..2 {
        assert_eq!(ann.line().as_deref(), Some("* guest1 joined"));
        assert_eq!(ann.line().as_deref(), Some("* guest1 left"));
    }
    let mut terminal = Terminal::start(&["chat", &target, "--nick", "ann"], &[]);
    let told = "* --nick ann was refused: \"That name is taken.\"; /nick chooses another";
    terminal.sees(&["** That name is taken.", told, ">"]);
    terminal.press("hello\r");
    assert_eq!(ann.wait_for_line("hello"), "<guest1> hello");
    // Who was there before and has said nothing is known all the same.
    terminal.press("a\t");
    terminal.sees(&["> ann:"]);
    terminal.press("\x15BYE\r");
    terminal.ends(0, &["** Goodbye, guest1!"]);
}

#[test]
fn tab_completes_names_that_were_heard_and_commands_and_shows_the_next_if_pressed_again() {
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp");
    let (mut bob, _) = Member::join(address);
    bob.say("/nick bob\nearly");
    bob.wait_for_line("You are now bob");
    let mut terminal = Terminal::start(&["chat", &address.to_string(), "--nick", "ann"], &[]);
    terminal.sees(&["** You are now ann.", ">"]);
    let is_old = |row: &String| row.starts_with("[earlier, ") && row.ends_with(" <bob> early");
    assert!(terminal.rows().iter().any(is_old), "{:#?}", terminal.rows());
    let (mut bert, _) = Member::join(address);
    bert.say("/nick bert");
    terminal.sees(&["* guest1 is now bert", ">"]);
    for (keys, line) in [
        ("b\t", "> bert:"),
        ("\t", "> bob:"),
        ("\t", "> b"),
        ("\to\t", "> bert: o"),
        ("\x15/m\t", "> /me"),
        ("\t", "> /msg"),
        ("bo\tpsst\r", ">"),
    ] {
        terminal.press(keys);
        terminal.sees(&[line]);
    }
    assert_eq!(bob.wait_for_line("psst"), "[from ann] psst");
    terminal.press("BYE\r");
    terminal.ends(0, &["** Goodbye, ann!"]);
}
