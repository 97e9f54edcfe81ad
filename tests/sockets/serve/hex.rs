//! `cooee serve --hex`: what goes over each connection, in the log.

use rustix::process::Signal;

use crate::sim::streams;
use crate::support::{Datagrams, Server, Tcp, pattern};

/// Enough for all that a test sends.
const ALL: [&str; 5] = ["--hex", "--hex-bytes", "1M", "--hex-lines", "1000000"];

/// Ends the server and returns its log.
fn log_of(mut server: Server) -> String {
    server.signal(Signal::TERM);
    let ended = server.ended();
    assert_eq!(ended.status, 0);
    server.log.all().join("\n")
}

#[test]
fn what_is_read_and_what_is_written_stand_in_the_log_as_hexdump_has_them() {
    let mut server = Server::start(&["echo+tcp://:0", "--hex"]);
    let first = server.log.next_line();
    assert_eq!(first, "*** --hex: what people send is shown in this log");
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("hello\n");
    client.finish();
    assert_eq!(client.hear(), "");
    let row = "00000000  68 65 6c 6c 6f 0a                                 |hello.|";
    let log = log_of(server);
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with(['<', '-', '0'])).collect();
    let remote = client.local();
    let said = |line: &str| line.split_once(" s ").unwrap().1.to_owned();
    assert_eq!(said(lines[0]), format!("#1 echo from {remote}, 6 bytes"));
    assert_eq!(lines[1], row);
    assert_eq!(said(lines[2]), format!("#1 echo to {remote}, 6 bytes"));
    assert_eq!(lines[3], row);
    assert!(lines[4].ends_with(", FIN: nothing more will come this way"), "{log}");
    assert_eq!(lines.len(), 5, "{log}");
}

#[test]
fn nothing_of_it_is_in_the_log_unless_it_is_asked_for() {
    let mut server = Server::start(&["echo+tcp://:0", "-vv"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("a secret");
    drop(client);
    let log = log_of(server);
    assert!(!log.contains("secret") && !log.contains("73 65 63"), "{log}");
}

#[test]
fn however_many_are_read_together_each_has_its_own_bytes_in_order() {
    // With TEST_NO_URING no server has it anyway.
    let ways = if std::env::var_os("TEST_NO_URING").is_some() { 1 } else { 2 };
    for flags in [&[][..], &["--no-uring"]].into_iter().take(ways) {
        let mut server = Server::start(&[&["echo+tcp://:0"], &ALL[..], flags].concat());
        let address = server.address("echo+tcp");
        let mut clients: Vec<Tcp> = (0..12).map(|_| Tcp::connect(address)).collect();
        for client in &mut clients {
            client.echoes("here");
        }
        for round in 0..3 {
            // All of them lie there when the server goes on.
            server.signal(Signal::STOP);
            for (number, client) in clients.iter_mut().enumerate() {
                client.say(pattern(100 * round + number, 50 + number));
            }
            server.signal(Signal::CONT);
            for (number, client) in clients.iter_mut().enumerate() {
                let said = pattern(100 * round + number, 50 + number);
                assert_eq!(client.hear_bytes(said.len()), said);
            }
        }
        let count = clients.len();
        drop(clients);
        let streams = streams(&log_of(server));
        for number in 0..count {
            let rounds = (0..3).flat_map(|round| pattern(100 * round + number, 50 + number));
            let said: Vec<u8> = b"here".iter().copied().chain(rounds).collect();
            for arrow in ['<', '>'] {
                let stream = &streams[&(number as u64 + 1, arrow)];
                assert!(stream.bytes == said, "{arrow} #{}", number + 1);
            }
        }
    }
}

#[test]
fn of_a_long_read_the_beginning_is_shown_and_of_many_in_a_second_the_first() {
    let mut server = Server::start(&["echo+tcp://:0", "--hex"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.say([b'x'; 3000]);
    client.hear_bytes(3000);
    for _ in ["read", "written"] {
        server.log.wait_for_line("... 2,936 more bytes");
    }
    assert_eq!(server.log.count("78 78 78 78"), 8, "two times 64 bytes");
    for _ in 0..100 {
        client.echoes("once more");
    }
    let line = server.log.wait_for_line("beyond 100 lines a second");
    let (_, rest) = line.split_once("bytes, in ").unwrap();
    let withheld: usize = rest.split_once(' ').unwrap().0.parse().unwrap();
    let shown = server.log.count("#1 echo from") + server.log.count("#1 echo to");
    // It may have gone on in the next second, and that may have been too much as well.
    assert!((40..=202).contains(&(withheld + shown)), "{withheld} and {shown}");
}

#[test]
fn what_the_last_second_has_not_shown_is_told_before_the_last_words() {
    let mut server = Server::start(&["echo+tcp://:0", "--hex", "--hex-lines", "2"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("one");
    client.echoes("two");
    drop(client);
    let log = log_of(server);
    let shown = log.lines().filter(|line| line.starts_with(['<', '-'])).count();
    let withheld: usize = log
        .lines()
        .filter_map(|line| line.split_once("more bytes, in ")?.1.split_once(' ')?.0.parse().ok())
        .max()
        .unwrap_or_else(|| panic!("{log}"));
    assert!(shown + withheld >= 4, "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.contains("left: "), "{log}");
}

#[test]
fn each_datagram_and_its_answer_are_shown_with_whom_they_came_from() {
    let mut server = Server::start(&["echo+udp://:0", "--hex"]);
    let address = server.address("echo+udp");
    let client = Datagrams::to(address);
    let remote = client.0.local_addr().unwrap();
    for text in ["one", "", "three"] {
        client.say(text);
        assert_eq!(client.hear(), text.as_bytes());
    }
    let log = log_of(server);
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with(['<', '-', '0'])).collect();
    let said: Vec<&str> =
        lines.iter().map(|l| l.split_once(" s ").map_or(*l, |(_, s)| s)).collect();
    let (from, to) = (format!("{address} from {remote}"), format!("{address} to {remote}"));
    let row = "00000000  74 68 72 65 65                                    |three|";
    assert_eq!(said[0], format!("{from}, 3 bytes"));
    assert_eq!(said[2], format!("{to}, 3 bytes"));
    assert_eq!(said[4], format!("{from}, 0 bytes"));
    assert_eq!(said[5], format!("{to}, 0 bytes"));
    assert_eq!(said[6..], [&format!("{from}, 5 bytes"), row, &format!("{to}, 5 bytes"), row]);
}
