//! The classic exercises byte for byte, each with a client as its lab sheet writes it: blocking,
//! one read per turn, no newlines.

use crate::support::{Datagrams, MONTHS, Member, Server, Tcp};

#[test]
fn hello_tells_each_of_four_clients_its_own_address_and_the_log_names_it() {
    let mut server = Server::start(&["greet://:0"]);
    let address = server.address("greet+tcp");
    for _ in 0..4 {
        let mut client = Tcp::connect(address);
        let local = client.local();
        let wanted = format!("Hello! You are connected to ('127.0.0.1', {})\n", local.port());
        assert_eq!(client.hear(), wanted);
        assert_eq!(client.hear(), "", "and then the end");
        server.log.wait_for_line(&format!("greet connection established with {local}"));
    }
    assert_eq!(server.log.count("connection established"), 4);
}

#[test]
fn a_greeting_read_six_bytes_at_a_time_comes_in_pieces_of_six_and_a_rest() {
    let greeting = "Socket programming in python!";
    let mut server = Server::start(&["greet://:0", "--greeting", greeting]);
    let mut client = Tcp::connect(server.address("greet+tcp"));
    let mut pieces = Vec::new();
    loop {
        let mut buffer = [0; 6];
        match client.read(&mut buffer).unwrap() {
            0 => break,
            count => pieces.push(String::from_utf8(buffer[..count].to_vec()).unwrap()),
        }
    }
    assert_eq!(pieces, ["Socket", " progr", "amming", " in py", "thon!"]);
    assert_eq!(pieces.concat(), greeting);
}

/// A talk server and its address.
fn talk() -> (Server, std::net::SocketAddr) {
    let mut server = Server::start(&["talk://:0"]);
    let address = server.address("talk+tcp");
    (server, address)
}

fn the_classic_talk(server: &mut Server, client: &mut Tcp) {
    client.say("Hello? Are you there?");
    server.screen.wait_for_line("Client says: Hello? Are you there?");
    server.operator("Yes? Whats the big idea?");
    assert_eq!(client.hear(), "Yes? Whats the big idea?");
    client.say("Nothing");
    server.screen.wait_for_line("Client says: Nothing");
    server.operator("Stop wasting my time");
    assert_eq!(client.hear(), "Stop wasting my time");
    client.say("BYE");
    server.screen.wait_for_line("Client says: BYE");
    assert_eq!(client.hear(), "", "the conversation is over");
}

#[test]
fn talk_goes_in_turns_without_newlines_until_bye_and_then_the_next_client_is_served() {
    let (mut server, address) = talk();
    for number in 1..=2 {
        let mut client = Tcp::connect(address);
        the_classic_talk(&mut server, &mut client);
        drop(client);
        server.log.wait_for_line(&format!("#{number} talk closed"));
    }
}

#[test]
fn talk_shows_the_operator_exactly_what_was_said_line_for_line() {
    let (mut server, address) = talk();
    let mut client = Tcp::connect(address);
    the_classic_talk(&mut server, &mut client);
    server.operator("/quit");
    drop(client);
    let ended = server.ended();
    assert_eq!(ended.screen, [""; 0], "nothing but the three messages");
    assert_eq!(ended.status, 0);
}

#[test]
fn two_talks_at_once_do_not_mix() {
    let (mut server, address) = talk();
    let mut one = Tcp::connect(address);
    one.say("I am one");
    assert_eq!(server.screen.next_line(), "Client says: I am one");
    let mut two = Tcp::connect(address);
    two.say("I am two");
    let headline = server.screen.next_line();
    assert!(headline.contains("#2") && headline.contains(&two.local().to_string()), "{headline}");
    assert_eq!(server.screen.next_line(), "Client says: I am two");
    server.operator("for the last who spoke");
    server.operator("/to 1 once for one");
    server.operator("still for two");
    assert_eq!(one.hear(), "once for one");
    let heard = "for the last who spokestill for two";
    assert_eq!(String::from_utf8(two.hear_bytes(heard.len())).unwrap(), heard);
    server.operator("/to 1");
    server.operator("from now on for one");
    assert_eq!(one.hear(), "from now on for one");
    two.say("BYE");
    assert_eq!(two.hear(), "");
    server.operator("/to 1 BYE");
    assert_eq!((one.hear(), one.hear()), ("BYE".into(), String::new()));
}

#[test]
fn a_talk_client_with_newlines_is_answered_with_newlines() {
    let (mut server, address) = talk();
    for ending in ["\n", "\r\n"] {
        let mut client = Tcp::connect(address);
        client.say(format!("hello{ending}"));
        server.screen.wait_for_line("Client says: hello");
        server.operator("yes");
        assert_eq!(client.hear(), format!("yes{ending}"));
        client.say(format!("BYE{ending}"));
        assert_eq!(client.hear(), "");
    }
}

const HINT: &str = "1-12, or 0 to end";
const HELLO: &str = "Hello I just want to use your Service";
const INTRODUCTION: &str =
    "\nHey there I am going to provide you the month, if you Provide me an integer from 1-12\n";

#[test]
fn months_introduces_itself_names_every_month_and_says_goodbye() {
    let mut server = Server::start(&["months://:0"]);
    let client = Datagrams::to(server.address("months+udp"));
    assert_eq!(client.ask(HELLO), INTRODUCTION);
    assert_eq!(client.ask("12"), "December");
    for (number, name) in (1..).zip(MONTHS) {
        assert_eq!(client.ask(number.to_string()), name);
    }
    assert_eq!(client.ask(" 2\n"), "February", "blanks around it");
    assert_eq!(client.ask("0"), "Goodbye!");
    assert_eq!(client.ask("1"), "January", "and has no memory");
}

#[test]
fn months_answers_nonsense_with_a_hint_and_lives() {
    let mut server = Server::start(&["months://:0"]);
    let client = Datagrams::to(server.address("months+udp"));
    let long = [b'x'; 1000];
    let broken = [0xff_u8, 0xfe, 0x80];
    let nonsense: [&[u8]; 9] =
        [b"32", b"-1", b"13", b"abc", b"", b"1 2", b"99999999999999999999", &long, &broken];
    for bytes in nonsense {
        assert_eq!(client.ask(bytes), HINT, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(client.ask("6"), "June");
    }
}

#[test]
fn two_clients_ask_for_months_at_once_and_each_gets_its_own() {
    let mut server = Server::start(&["months://:0"]);
    let address = server.address("months+udp");
    let ask_all = |mut numbers: Vec<usize>| {
        let client = Datagrams::to(address);
        assert_eq!(client.ask(HELLO), INTRODUCTION);
        for number in numbers.drain(..) {
            assert_eq!(client.ask(number.to_string()), MONTHS[number - 1]);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| ask_all((1..=12).cycle().take(240).collect()));
        scope.spawn(|| ask_all((1..=12).rev().cycle().take(240).collect()));
    });
}

#[test]
fn echo_returns_every_message_of_the_exercise_even_bye() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    let long = "x".repeat(1023);
    for message in ["Hello", "how are you?", "Grüße, 世界", "0", &long, "bye", "after bye"] {
        client.say(message);
        assert_eq!(client.hear(), message);
    }
    client.finish();
    assert_eq!(client.hear(), "");
}

#[test]
fn echo_once_closes_after_the_first_echo_and_takes_the_client_again() {
    let mut server = Server::start(&["echo+tcp://:0", "--echo-once"]);
    let address = server.address("echo+tcp");
    for message in ["one", "two", "bye"] {
        let mut client = Tcp::connect(address);
        client.say(message);
        assert_eq!(client.hear(), message);
        assert_eq!(client.hear(), "", "closed after {message:?}");
    }
}

#[test]
fn echo_reply_answers_each_message_with_the_same_text() {
    let reply = "Echo confirmed, thank you for Connecting!";
    let mut server = Server::start(&["echo+tcp://:0", "--echo-reply", reply]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    for message in ["Hello", "again", "bye"] {
        client.say(message);
        assert_eq!(client.hear(), reply);
    }
}

/// What is left of `lines` without those that `name` said.
fn not_from(name: &str, lines: &[String]) -> Vec<String> {
    let own = format!("<{name}> ");
    lines.iter().filter(|line| !line.starts_with(&own)).cloned().collect()
}

#[test]
fn chat_tells_of_joining_passes_lines_on_and_bye_leaves() {
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp");
    let (mut ann, ann_name) = Member::join(address);
    let (mut bob, bob_name) = Member::join(address);
    assert_eq!(ann.wait_for_line("joined"), format!("* {bob_name} joined"));
    let (mut cat, cat_name) = Member::join(address);
    for other in [&mut ann, &mut bob] {
        assert_eq!(other.wait_for_line("joined"), format!("* {cat_name} joined"));
    }
    ann.say("hello everybody");
    for other in [&mut bob, &mut cat] {
        assert_eq!(other.wait_for_line("hello"), format!("<{ann_name}> hello everybody"));
    }
    ann.say("/nick Ann");
    ann.say("it is me");
    for other in [&mut bob, &mut cat] {
        assert_eq!(other.wait_for_line("it is me"), "<Ann> it is me");
    }
    bob.say("BYE");
    while bob.line().is_some() {}
    for other in [&mut ann, &mut cat] {
        assert!(other.wait_for_line("left").starts_with(&format!("* {bob_name} left")));
    }
}

#[test]
fn chat_shows_everybody_the_same_lines_in_the_same_order() {
    let mut server = Server::start(&["chat://:0"]);
    let address = server.address("chat+tcp");
    // The last one only listens, and so hears all.
    let mut members: Vec<(Member, String)> = (0..4).map(|_| Member::join(address)).collect();
    let heard: Vec<Vec<String>> = std::thread::scope(|scope| {
        let talks = members.iter_mut().enumerate().map(|(index, (member, name))| {
            let name = name.clone();
            scope.spawn(move || {
                let speaks = index < 3;
                (0..20).filter(|_| speaks).for_each(|n| member.say(&format!("{name} line {n}")));
                let wanted = if speaks { 40 } else { 60 };
                (0..wanted).map(|_| member.wait_for_line(" line ")).collect()
            })
        });
        let talks: Vec<_> = talks.collect();
        talks.into_iter().map(|talk| talk.join().unwrap()).collect()
    });
    let (listener, speakers) = heard.split_last().unwrap();
    for (lines, (_, name)) in speakers.iter().zip(&members) {
        assert_eq!(*lines, not_from(name, listener), "as {name} heard it");
    }
}

#[test]
fn telnet_is_refused_each_option_once_and_answered_at_every_interruption() {
    let mut server = Server::start(&["chat://:0", "talk://:0"]);
    let (chat, talk) = (server.address("chat+tcp"), server.address("talk+tcp"));
    let (mut listener, _) = Member::join(chat);
    let mut telnet = Tcp::connect(chat);
    assert!(telnet.hear().starts_with("** Welcome!"));
    // As PuTTY begins, and twice.
    let wishes = b"\xff\xfb\x1f\xff\xfb\x20\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03";
    telnet.say(wishes);
    let refusals = b"\xff\xfe\x1f\xff\xfe\x20\xff\xfc\x01\xff\xfe\x03\xff\xfc\x03";
    assert_eq!(telnet.hear_bytes(refusals.len()), refusals);
    telnet.say([&wishes[..], b"/nick ann\r\n"].concat());
    listener.wait_for_line("is now ann");
    assert_eq!(telnet.hear(), "** You are now ann.\n");
    let mut talker = Tcp::connect(talk);
    for client in [&mut telnet, &mut talker] {
        for _ in 0..2 {
            client.say(b"\xff\xf4\xff\xfd\x06");
            assert_eq!(client.hear_bytes(3), b"\xff\xfc\x06");
        }
        client.say(b"after\r\n");
    }
    assert_eq!(listener.wait_for_line("after"), "<ann> after");
    assert_eq!(server.screen.next_line(), "Client says: after");
}
