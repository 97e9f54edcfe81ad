//! More than is let through, and several processes behind one port.

use std::time::Instant;

use super::node::{Node, Person, REACHED, meet};
use crate::support::nats::Nats;
use crate::support::{Server, free_port, refused};

/// So many lines are more than `RATE` lets through in a second or two.
const LINES: usize = 300;
const RATE: &str = "--bus-rate=100/s";

/// Ann on north, who says all that, and bob on south, where no more than `RATE` is taken.
fn two(nats: &Nats) -> ([Node; 2], Person) {
    let nodes = [Node::on(nats, "north", &[]), Node::on(nats, "south", &[RATE])];
    let [mut ann, mut bob] = [nodes[0].join("ann"), nodes[1].join("bob")];
    meet(&mut ann, &mut bob);
    let all: Vec<String> = (1..=LINES).map(|number| format!("line {number}")).collect();
    ann.say(&all.join("\n"));
    (nodes, bob)
}

#[test]
fn with_a_stream_what_is_too_much_waits_there() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let begun = Instant::now();
    let (mut nodes, mut bob) = two(&nats);
    let heard = bob.lines_until(&format!("line {LINES}"));
    assert!(begun.elapsed().as_secs_f64() > 1.0, "{:?}", begun.elapsed());
    let said: Vec<&String> = heard.iter().filter(|line| line.contains("line ")).collect();
    for (number, line) in (1..).zip(&said) {
        assert_eq!(**line, format!("<ann@north> line {number}"));
    }
    assert_eq!(said.len(), LINES);
    let figures = nodes[1].figures();
    assert!(figures.ends_with("lines that never came: 0"), "{figures}");
}

#[test]
fn without_a_stream_what_is_too_much_is_dropped_counted_and_told() {
    let Some(nats) = Nats::without_streams(&[]) else { return };
    let (mut nodes, mut bob) = two(&nats);
    let (mut heard, mut gone) = (0, 0);
    while heard + gone < LINES {
        let line = bob.wait_for("line");
        if line.starts_with("<ann@north> line ") {
            heard += 1;
        } else {
            let told = line.strip_prefix("** ").and_then(|rest| rest.split_once(' '));
            let (number, words) = told.unwrap_or_else(|| panic!("{line}"));
            assert_eq!(words, "lines of other servers were too many and are gone.");
            gone += number.parse::<usize>().unwrap();
        }
    }
    assert_eq!(heard + gone, LINES);
    assert!((50..LINES).contains(&heard), "{heard}");
    let figures = nodes[1].figures();
    assert!(figures.contains(&format!("dropped: {gone} (rate)")), "{figures}");
}

#[test]
fn two_processes_behind_one_port_are_one_chat() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let (url, endpoint) = (nats.url(), format!("chat://:{}", free_port(11)));
    let mut servers = ["one", "two"].map(|name| {
        let words = [&endpoint, "--reuse-port", "--bus", &url, "--bus-name", name];
        let mut server = Server::start(&words);
        server.log.wait_for_line(REACHED);
        let chat = server.address("chat+tcp");
        Node { name: name.into(), server, chat }
    });
    let mut people: Vec<Person> = (0..32).map(|n| servers[0].join(&format!("p{n}"))).collect();
    for node in &mut servers {
        // Of 32 spread by chance, all go to the same one once in 2^31 runs.
        node.server.log.wait_for_line("chat connection established");
        assert_eq!(node.complains(), 0);
    }
    let (first, others) = people.split_first_mut().unwrap();
    first.say("hello all");
    for person in others {
        let line = person.wait_for("hello all");
        assert!(line.starts_with("<p0> ") || line.starts_with("<p0@"), "{line}");
    }
}

#[test]
fn without_a_bus_a_port_of_chat_is_not_shared() {
    let endpoint = format!("chat://:{}", free_port(12));
    let mut alone = Server::start(&[&endpoint, "--reuse-port"]);
    let line = alone.log.wait_for_line("--reuse-port does nothing for chat");
    assert!(line.contains("WARN") && line.contains("--bus"), "{line}");
    alone.address("chat+tcp");
    let line = refused(1, &["serve", &endpoint, "--reuse-port"]);
    assert!(line.contains("another server is there"), "{line}");
}
