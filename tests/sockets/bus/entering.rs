//! Who is let in by NATS, with what, and what is said of those who are not.

use std::fs;

use super::node::{Node, OUT_OF_REACH};
use super::node::{REACHED, meet};
#[cfg(feature = "tls")]
use crate::support::Folder;
use crate::support::Server;
use crate::support::nats::Nats;

const USERS: &str = "authorization { users: [ { user: cooee, password: secret } ] }";
const NOT_REACHED: &str = "the bus is not reached: ";

/// Has a server with these words and variables be reached, and its people heard on another.
fn is_let_in(nats: &Nats, variables: &[&str], words: &[&str]) {
    let names = ["north", "south"];
    let mut nodes = names.map(|name| Node::with_variables(variables, &nats.url(), name, words));
    for node in &mut nodes {
        node.server.log.wait_for_line(REACHED);
    }
    let [mut ann, mut bob] = [nodes[0].join("ann"), nodes[1].join("bob")];
    meet(&mut ann, &mut bob);
}

#[test]
fn a_user_and_a_password_come_from_the_environment_or_the_file() {
    let Some(nats) = Nats::configured(USERS) else { return };
    is_let_in(&nats, &["COOEE_BUS_USER=cooee", "COOEE_BUS_PASSWORD=secret"], &[]);
    let file = nats.path("cooee.toml");
    let url = nats.url();
    let text = format!(
        "endpoints = ['chat://:0']\nbus = '{url}'\nbus-name = 'east'\nbus-user = 'cooee'\n\
         bus-password = 'secret'\nbus-ignore-advertised = true\nbus-rate = '50/s'\n"
    );
    fs::write(&file, text).unwrap();
    let mut server = Server::start(&["--config", &file]);
    server.log.wait_for_line(REACHED);
}

#[test]
fn a_token_comes_from_the_environment() {
    let Some(nats) = Nats::configured("authorization { token: sesame }") else { return };
    is_let_in(&nats, &["COOEE_BUS_TOKEN=sesame"], &[]);
}

#[test]
fn a_wrong_password_is_one_line_and_people_go_on_until_it_is_right() {
    let Some(mut nats) = Nats::configured(USERS) else { return };
    let variables = ["COOEE_BUS_USER=cooee", "COOEE_BUS_PASSWORD=wrong"];
    let mut north = Node::with_variables(&variables, &nats.url(), "north", &[]);
    let line = north.server.log.wait_for_line(NOT_REACHED);
    let wanted = ["WARN", &nats.url(), "Authorization Violation", "trying again"];
    wanted.iter().for_each(|word| assert!(line.contains(word), "{word:?} is not in {line}"));
    assert!(!line.contains("wrong"), "{line}");
    let [mut ann, mut abe] = [north.join("ann"), north.join("abe")];
    ann.wait_for(OUT_OF_REACH);
    ann.say("only us?");
    assert_eq!(abe.wait_for("only us?"), "<ann> only us?");
    assert!(north.figures().starts_with("bus: out of reach"));
    // It has tried several times by now.
    assert_eq!(north.server.log.count(NOT_REACHED), 1);
    nats.kill();
    fs::write(nats.path("nats.conf"), USERS.replace("secret", "wrong")).unwrap();
    nats.start_again();
    north.server.log.wait_for_line(REACHED);
}

#[test]
fn what_keeps_each_of_several_servers_from_being_reached_is_said_once() {
    let killed = [(); 2].map(|()| {
        let mut nats = Nats::without_streams(&[])?;
        nats.kill();
        Some(nats)
    });
    let [Some(one), Some(other)] = killed else { return };
    let mut north = Node::at(&format!("{},{}", one.url(), other.url()), "north", &[]);
    north.join("ann").wait_for(OUT_OF_REACH);
    for nats in [one, other] {
        let line = format!("{NOT_REACHED}{}: connection refused; trying again", nats.url());
        assert_eq!(north.server.log.count(&line), 1);
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_credentials_file_is_believed() {
    let Some(nats) = Nats::configured(include_str!("operator.conf")) else { return };
    is_let_in(&nats, &[], &["--bus-credentials", "tests/sockets/bus/north.creds"]);
    let seed = nats.path("user.nk");
    let text = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n";
    fs::write(&seed, text).unwrap();
    let mut stranger = Node::at(&nats.url(), "east", &["--bus-credentials", &seed]);
    let line = stranger.server.log.wait_for_line(NOT_REACHED);
    assert!(line.contains("Authorization Violation"), "{line}");
}

#[cfg(feature = "tls")]
#[test]
fn a_server_that_shows_a_certificate_is_reached_over_tls() {
    let folder = Folder::new("certs");
    let certs = std::env::current_dir().unwrap().join("tests/certs");
    let certs = certs.display();
    // The folder of the project may have any name.
    std::os::unix::fs::symlink(certs.to_string(), folder.0.join("c")).unwrap();
    let at = |name: &str| folder.path(&format!("c/{name}"));
    let (certificate, key, ca) = (at("p256.pem"), at("p256.key"), at("ca.pem"));
    let words = ["--tls", "--tlscert", &certificate, "--tlskey", &key];
    let Some(nats) = Nats::without_streams(&words) else { return };
    let tls = nats.url().replace("nats://", "tls://");
    // A server may ask for it, whatever the address says.
    for url in [&tls, &nats.url()] {
        let mut north = Node::at(url, "north", &["--bus-ca", &ca]);
        let line = north.server.log.wait_for_line("the bus is reached at ");
        assert!(line.contains(&tls), "{line}");
    }
    let mut north = Node::at(&tls, "north", &["--bus-ca", &ca]);
    let mut south = Node::at(&tls, "south", &["--bus-ca", &ca]);
    for node in [&mut north, &mut south] {
        node.server.log.wait_for_line("the bus is reached at ");
    }
    let [mut ann, mut bob] = [north.join("ann"), south.join("bob")];
    meet(&mut ann, &mut bob);
    let mut doubtful = Node::at(&tls, "east", &[]);
    let line = doubtful.server.log.wait_for_line(NOT_REACHED);
    assert!(line.contains("certificate") && line.contains("--bus-ca"), "{line}");
}

#[cfg(feature = "tls")]
#[test]
fn a_server_without_certificates_is_not_reached_over_tls() {
    let Some(nats) = Nats::without_streams(&[]) else { return };
    let tls = nats.url().replace("nats://", "tls://");
    let mut north = Node::at(&tls, "north", &[]);
    let line = north.server.log.wait_for_line(NOT_REACHED);
    assert!(line.contains("TLS"), "{line}");
}

#[test]
fn what_is_no_nats_is_told_apart() {
    // No stream of ours speaks like it: one greets, one waits to be spoken to.
    let mut other = Server::start(&["greet://:0", "echo+tcp://:0"]);
    let greet = other.address("greet+tcp");
    let mut north = Node::at(&format!("nats://{greet}"), "north", &[]);
    let line = north.server.log.wait_for_line(NOT_REACHED);
    assert!(line.contains("no NATS server"), "{line}");
    let echo = other.address("echo+tcp");
    let mut south = Node::at(&format!("nats://{echo}"), "south", &[]);
    let line = south.server.log.wait_for_line(NOT_REACHED);
    assert!(line.contains("NATS"), "{line}");
}
