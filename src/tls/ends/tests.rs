//! Both ends in memory, with the certificates of `tests/certs`.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use rustls::version::{TLS12, TLS13};

use super::*;

mod errors;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certs").join(name)
}

fn server(name: &str) -> Server {
    Server::from_files(&file(&format!("{name}.pem")), &file(&format!("{name}.key"))).unwrap()
}

fn authority() -> Trust {
    Trust::File(file("ca.pem"))
}

fn client() -> Client {
    Client::new(&authority(), "localhost", Resume::Auto).unwrap()
}

fn client_of(version: &'static rustls::SupportedProtocolVersion, resume: Resume) -> Client {
    Client::with_versions(&authority(), "localhost", resume, &[version]).unwrap()
}

/// One end, and what has come of it so far.
struct Party {
    cipher: Box<dyn Cipher>,
    heard: Vec<u8>,
    ready: Option<Handshake>,
    finished: usize,
    failure: Option<String>,
    /// Where what is said to it is cut.
    cut: usize,
    units: usize,
}

impl Party {
    fn new(cipher: Box<dyn Cipher>) -> Party {
        let (heard, ready, failure) = (Vec::new(), None, None);
        Party { cipher, heard, ready, finished: 0, failure, cut: usize::MAX, units: 0 }
    }

    /// Hears `input`, in pieces. Returns what it has to say to that.
    fn hear(&mut self, input: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::new();
        for piece in input.chunks(self.cut.min(input.len().max(1))) {
            match self.cipher.feed(piece, &mut self.heard, &mut sealed) {
                Ok(fed) => {
                    assert!(fed.ready.is_none() || self.ready.is_none(), "ready twice");
                    self.ready = self.ready.or(fed.ready);
                    self.finished += usize::from(fed.finished);
                    self.units += fed.units;
                }
                Err(line) => {
                    self.failure = Some(line);
                    break;
                }
            }
        }
        sealed
    }

    fn say(&mut self, parts: &[&[u8]]) -> Vec<u8> {
        let parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
        let mut sealed = Vec::new();
        self.cipher.seal(&parts, &mut sealed);
        sealed
    }

    fn close(&mut self) -> Vec<u8> {
        let mut sealed = Vec::new();
        self.cipher.close(&mut sealed);
        sealed
    }
}

/// Carries what `from` has said to `to`, and the answers to and fro, until both are silent.
fn carry(mut said: Vec<u8>, to: &mut Party, from: &mut Party) {
    let (mut to, mut from) = (to, from);
    while !said.is_empty() && to.failure.is_none() {
        said = to.hear(&said);
        std::mem::swap(&mut to, &mut from);
    }
    if !said.is_empty() {
        to.hear(&said); // the alert of a failure
    }
}

/// Both have shaken hands as far as they came; (client, server).
fn shaken_cut(client: &Client, server: &Server, cut: usize) -> (Party, Party) {
    let mut one = Party::new(client.cipher().unwrap());
    let mut other = Party::new(server.cipher().unwrap());
    (one.cut, other.cut) = (cut, cut);
    let mut hello = Vec::new();
    one.cipher.begin(&mut hello);
    let mut nothing = Vec::new();
    other.cipher.begin(&mut nothing);
    assert!(!hello.is_empty() && nothing.is_empty());
    carry(hello, &mut other, &mut one);
    (one, other)
}

fn shaken(client: &Client, server: &Server) -> (Party, Party) {
    shaken_cut(client, server, usize::MAX)
}

/// Both ready, and a word each way is heard.
fn assert_they_talk(one: &mut Party, other: &mut Party) {
    assert_eq!((&one.failure, &other.failure), (&None, &None));
    assert!(one.ready.is_some() && one.ready == other.ready);
    assert_it_is_heard(one, other);
    assert_it_is_heard(other, one);
}

fn assert_it_is_heard(from: &mut Party, to: &mut Party) {
    let before = to.heard.len();
    let said = from.say(&[b"one ", b"", b"two"]);
    assert_eq!(to.hear(&said), b"");
    assert_eq!(&to.heard[before..], b"one two");
    to.heard.truncate(before);
}

#[test]
fn two_ends_shake_hands_and_talk_in_both_versions_with_each_kind_of_key() {
    let all = ["p256", "rsa2048", "ed25519"].map(|key| [(key, &TLS12), (key, &TLS13)]);
    for (key, version) in all.into_iter().flatten().filter(|one| *one != ("ed25519", &TLS12)) {
        let (mut one, mut other) = shaken(&client_of(version, Resume::Auto), &server(key));
        assert_eq!(one.ready, Some(Handshake::Full), "{key} {version:?}");
        assert_they_talk(&mut one, &mut other);
    }
    let (one, other) = shaken(&client_of(&TLS12, Resume::Auto), &server("ed25519"));
    let line = other.failure.unwrap();
    assert!(line.contains("in TLS 1.2 with ECDHE and a key of RSA or ECDSA"), "{line}");
    assert!(one.failure.unwrap().contains("(alert handshake_failure)"));
}

#[test]
fn a_key_may_be_written_in_the_older_forms_and_a_chain_may_follow() {
    for (certificate, key) in [("p256", "p256-sec1"), ("rsa2048", "rsa2048-pkcs1")] {
        let certificate = file(&format!("{certificate}.pem"));
        let server = Server::from_files(&certificate, &file(&format!("{key}.key"))).unwrap();
        let (mut one, mut other) = shaken(&client(), &server);
        assert_they_talk(&mut one, &mut other);
    }
}

#[test]
fn where_what_comes_is_cut_changes_nothing() {
    for version in [&TLS12, &TLS13] {
        let (client, server) = (client_of(version, Resume::Off), server("p256"));
        for cut in (1..64).chain([100, 1000, 4095, 4096, 4097]) {
            let (mut one, mut other) = shaken_cut(&client, &server, cut);
            assert_they_talk(&mut one, &mut other);
            let said = [one.say(&[b"a"]), one.say(&[&[b'b'; 5000]]), one.close()].concat();
            assert_eq!(other.hear(&said), b"");
            assert_eq!((other.heard.len(), other.finished), (5001, 1));
        }
    }
}

#[test]
fn megabytes_pass_whole_and_in_one_piece() {
    let (mut one, mut other) = shaken(&client(), &server("p256"));
    let bulk: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 251) as u8).collect();
    let (first, rest) = bulk.split_at(1_234_567);
    let said = one.say(&[first, rest]);
    assert!(said.len() > bulk.len());
    assert_eq!(other.hear(&said), b"");
    assert!(other.heard == bulk);
    let said = other.say(&[&bulk]);
    one.cut = 70_000;
    assert_eq!(one.hear(&said), b"");
    assert!(one.heard == bulk);
    assert!(other.units > bulk.len());
}

#[test]
fn each_side_ends_for_itself() {
    for version in [&TLS12, &TLS13] {
        let client = client_of(version, Resume::Auto);
        for server_first in [false, true] {
            let (one, other) = shaken(&client, &server("p256"));
            let (mut first, mut last) = if server_first { (other, one) } else { (one, other) };
            let closing = first.close();
            assert_eq!(first.close(), b"", "only one leaves");
            assert!(!last.cipher.is_finished());
            assert_eq!(last.hear(&closing), b"");
            assert!(last.cipher.is_finished() && last.finished == 1);
            // It has not been answered, and may still be: a half-close.
            let said = last.say(&[b"and one more thing"]);
            first.hear(&said);
            assert_eq!(first.heard, b"and one more thing");
            assert!(!first.cipher.is_finished());
            let closing = last.close();
            first.hear(&closing);
            assert!(first.cipher.is_finished());
        }
    }
}

#[test]
fn what_follows_the_end_is_not_heard() {
    let (mut one, mut other) = shaken(&client(), &server("p256"));
    let said = [one.say(&[b"last"]), one.close(), b"anything".to_vec()].concat();
    assert_eq!(other.hear(&said), b"");
    assert_eq!(other.hear(b"more of it"), b"");
    assert_eq!((&other.heard[..], other.finished, &other.failure), (&b"last"[..], 1, &None));
}

#[test]
fn a_fin_without_close_notify_is_no_end() {
    let (mut one, mut other) = shaken(&client(), &server("p256"));
    let said = one.say(&[b"half a thou"]);
    other.hear(&said[..said.len() - 1]);
    assert!(!other.cipher.is_finished() && other.heard.is_empty());
    let unready = Party::new(server("p256").cipher().unwrap());
    assert!(!unready.cipher.is_finished());
}

#[test]
fn a_handshake_has_its_price_and_idle_bytes_have_not() {
    let (mut one, mut other) = shaken(&client(), &server("p256"));
    assert!(one.units > 100_000 && other.units > 100_000);
    let before = other.units;
    let said = one.say(&[b"hi"]);
    other.hear(&said);
    assert!((1..10_000).contains(&(other.units - before)));
}

#[test]
fn a_client_comes_back_with_what_it_was_given() {
    for version in [&TLS12, &TLS13] {
        let server = server("p256");
        let client = client_of(version, Resume::Auto);
        let kinds: Vec<_> = (0..4)
            .map(|_| {
                let (mut one, mut other) = shaken(&client, &server);
                assert_they_talk(&mut one, &mut other);
                one.ready.unwrap()
            })
            .collect();
        assert_eq!(kinds[0], Handshake::Full);
        assert!(kinds[1..].iter().all(|kind| *kind == Handshake::Resumed), "{kinds:?}");
    }
}

#[test]
fn who_does_not_want_to_come_back_keeps_nothing() {
    for version in [&TLS12, &TLS13] {
        let (client, server) = (client_of(version, Resume::Off), server("p256"));
        for _ in 0..2 {
            assert_eq!(shaken(&client, &server).0.ready, Some(Handshake::Full));
            assert_eq!(client.tickets(), 0);
        }
    }
}

#[test]
fn who_must_come_back_fails_where_it_is_not_known() {
    for version in [&TLS12, &TLS13] {
        let (client, server_) = (client_of(version, Resume::Only), server("p256"));
        assert_eq!(shaken(&client, &server_).0.ready, Some(Handshake::Full));
        assert!(client.tickets() > 0);
        assert_eq!(shaken(&client, &server_).0.ready, Some(Handshake::Resumed));
        let failure = shaken(&client, &server("p256")).0.failure.unwrap();
        assert!(failure.contains("has not resumed"), "{failure}");
    }
}

#[test]
fn each_conversation_of_many_at_once_finds_a_ticket() {
    let (client, server) = (client_of(&TLS13, Resume::Only), server("p256"));
    let count = 30;
    shaken(&client, &server);
    while client.tickets() < count {
        let (before, (one, _)) = (client.tickets(), shaken(&client, &server));
        assert_eq!(one.ready, Some(Handshake::Resumed));
        assert!(client.tickets() > before);
    }
    let mut begun: Vec<_> = (0..count).map(|_| client.cipher().unwrap()).collect();
    assert_eq!(client.tickets(), 0);
    begun.clear();
}

#[test]
fn a_new_certificate_is_for_those_who_come_then_and_tickets_go_on() {
    let folder = std::env::temp_dir().join(format!("cooee-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("at.pem"), folder.join("at.key"));
    let put = |name: &str| {
        std::fs::copy(file(&format!("{name}.pem")), &certificate).unwrap();
        std::fs::copy(file("p256.key"), &key).unwrap();
    };
    put("p256");
    let server = Server::from_files(&certificate, &key).unwrap();
    let (mut one, mut other) = shaken(&client(), &server);
    let returning = client();
    shaken(&returning, &server);
    std::fs::write(&key, "nonsense").unwrap();
    assert!(server.reload().unwrap_err().contains("at.key: no private key"));
    put("other");
    server.reload().unwrap();
    assert_they_talk(&mut one, &mut other);
    assert_eq!(shaken(&returning, &server).0.ready, Some(Handshake::Resumed));
    let failure = shaken(&client(), &server).0.failure.unwrap();
    assert!(failure.contains("is for example.org"), "{failure}");
    std::fs::remove_dir_all(&folder).unwrap();
}
