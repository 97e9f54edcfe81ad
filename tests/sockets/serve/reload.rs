//! SIGHUP with a configuration: what changes, what stays, and that nobody is lost over it.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::configuration::Config;
use crate::support::terminal::{COOEE, Terminal, open_terminal, spawn_on};
use crate::support::{Member, Server, Tcp};

fn serve(config: &Config) -> Server {
    Server::start(&["--config", config.path()])
}

/// Puts `text` into effect, and returns what the server says about it.
fn reload(server: &mut Server, config: &Config, text: &str) -> String {
    config.write(text);
    server.signal(Signal::HUP);
    server.log.wait_for_line("configuration read again: ")
}

#[test]
fn another_rate_holds_for_who_is_here_and_for_who_comes() {
    let text = |rate: &str| format!("endpoints = [\"chat://:0\"]\nchat-rate = \"{rate}\"\n");
    let config = Config::new("rate", &text("1/m"));
    let mut server = serve(&config);
    let chat = server.address("chat+tcp");
    let (mut listener, _) = Member::join(chat);
    let (mut speaker, _) = Member::join(chat);
    let speak = |who: &mut Member, words: &str| words.chars().for_each(|c| who.say(&c.to_string()));
    speak(&mut speaker, "1234");
    speaker.wait_for_line("Too fast");
    listener.wait_for_line("<guest2> 1");
    let told = reload(&mut server, &config, &text("off"));
    assert!(told.ends_with("changed chat-rate"), "{told}");
    speak(&mut speaker, "56789");
    listener.wait_for_line("<guest2> 9");
    let (mut newcomer, _) = Member::join(chat);
    speak(&mut newcomer, "abcdef");
    listener.wait_for_line("<guest3> f");
    reload(&mut server, &config, &text("1/h"));
    let (mut last, _) = Member::join(chat);
    for member in [&mut newcomer, &mut last] {
        speak(member, "ghij");
        member.wait_for_line("Too fast");
    }
}

#[test]
fn another_limit_counts_who_is_here_and_sends_nobody_away() {
    let text = |most: &str| format!("endpoints = [\"echo+tcp://:0\"]\nmax-per-ip = {most}\n");
    let config = Config::new("limit", &text("\"off\""));
    let mut server = serve(&config);
    let echo = server.address("echo+tcp");
    let mut clients = [Tcp::connect(echo), Tcp::connect(echo)];
    clients.iter_mut().for_each(|client| client.echoes("here"));
    reload(&mut server, &config, &text("1"));
    let is_refused = |client: &mut Tcp| client.read(&mut [0; 9]).map_or(true, |count| count == 0);
    assert!(is_refused(&mut Tcp::connect(echo)));
    clients.iter_mut().for_each(|client| client.echoes("still here"));
    reload(&mut server, &config, &text("3"));
    let mut third = Tcp::connect(echo);
    third.echoes("in");
    assert!(is_refused(&mut Tcp::connect(echo)));
}

#[test]
fn a_time_to_be_idle_holds_for_connections_that_had_none() {
    let text = |time: &str| format!("endpoints = [\"echo+tcp://:0\"]\nidle-timeout = \"{time}\"");
    let config = Config::new("idle", &text("off"));
    let mut server = serve(&config);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("here");
    reload(&mut server, &config, &text("100ms"));
    server.log.wait_for_line("#1 echo closed: idle");
}

#[test]
fn what_needs_a_restart_is_named_and_a_mistake_changes_nothing() {
    let first = "endpoints = [\"greet://:0\"]\ngreeting = \"one\"\n";
    let config = Config::new("mistake", first);
    let mut server = serve(&config);
    let greet = server.address("greet+tcp");
    let greeting = |text: &str| assert_eq!(Tcp::connect(greet).hear_all(), text.as_bytes());
    greeting("one");
    let text = "endpoints = [\"greet://:0\", \"echo\"]\ngreeting = \"two\"\nbacklog = 9\n";
    let told = reload(&mut server, &config, text);
    assert!(told.ends_with("changed greeting"), "{told}");
    let told = server.log.wait_for_line("with a restart only: ");
    assert!(told.ends_with(": backlog, endpoints"), "{told}");
    greeting("two");
    config.write("endpoints = [\"greet://:0\"]\ngreeting = \"three\"\ndrain = 5\n");
    server.signal(Signal::HUP);
    let told = server.log.wait_for_line("everything stays as it was");
    assert!(told.contains(&format!("{}:3:9: drain", config.path())), "{told}");
    greeting("two");
    let told = reload(&mut server, &config, first);
    assert!(told.ends_with("changed greeting"), "{told}");
    greeting("one");
    drop(config);
    server.signal(Signal::HUP);
    server.log.wait_for_line("No such file");
    greeting("one");
}

#[test]
fn twenty_reloads_lose_no_connection() {
    let text = |round: usize| {
        format!(
            "endpoints = [\"echo+tcp://:0\", \"greet://:0\"]\ngreeting = \"{round}\"\n\
             max-connections = {}\nmax-buffered = \"{}M\"\naccept-rate = \"{}/s\"\n",
            100 + round,
            10 + round,
            10_000 + round,
        )
    };
    let config = Config::new("twenty", &text(0));
    let mut server = serve(&config);
    let (echo, greet) = (server.address("echo+tcp"), server.address("greet+tcp"));
    let mut clients: Vec<Tcp> = Vec::new();
    for round in 1..=20 {
        clients.push(Tcp::connect(echo));
        // On its way while everything changes.
        clients.iter_mut().for_each(|client| client.say("on its way"));
        reload(&mut server, &config, &text(round));
        for client in &mut clients {
            assert_eq!(client.hear_bytes(10), b"on its way");
            client.echoes("and after");
        }
        assert_eq!(Tcp::connect(greet).hear_all(), round.to_string().as_bytes());
    }
    server.signal(Signal::TERM);
    let ended = server.ended();
    assert_eq!(ended.status, 0);
    assert!(ended.log.iter().all(|line| !line.contains("refused")), "{:?}", ended.log);
}

#[test]
fn what_can_be_read_once_only_is_not_read_again() {
    let config = Config::new("once", "endpoints = [\"greet://:0\"]\ngreeting = \"first\"\n");
    let script = format!("exec {COOEE} serve --config <(cat {})", config.path());
    let mut server = Server::run("bash", &["-c", &script]);
    let greet = server.address("greet+tcp");
    server.signal(Signal::HUP);
    server.log.wait_for_line("it is no regular file");
    assert_eq!(Tcp::connect(greet).hear_all(), b"first");
}

#[test]
fn without_a_file_a_hangup_ends_it_as_ever() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    server.address("echo+tcp");
    server.signal(Signal::HUP);
    assert_eq!(server.ended().status, -Signal::HUP.as_raw());
}

#[test]
fn on_a_terminal_sighup_reloads_and_the_end_of_the_terminal_ends_it() {
    let config = Config::new("terminal", "endpoints = [\"talk://:0\"]\n");
    let words = ["serve", "--config", config.path()];
    let mut terminal = Terminal::start(&words, &[]);
    terminal.sees(&["to nobody>"]);
    config.write("endpoints = [\"talk://:0\"]\ndrain = \"1s\"\n");
    terminal.signal(Signal::HUP);
    terminal.hears("read again: changed drain");
    terminal.press("/quit\r");
    terminal.ends(0, &[""; 0]);

    let (mut keyboard, line) = open_terminal();
    let mut child = spawn_on(&line, &[&[COOEE], &words[..]].concat(), &[]);
    let mut seen = String::new();
    while !seen.contains("to nobody> ") {
        let mut piece = [0; 1000];
        let count = keyboard.read(&mut piece).unwrap();
        seen.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    drop(keyboard);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::HUP.as_raw()));
}
