//! What goes wrong between a client and a server, and at the start: one line each.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::{Folder, cert, client, secured, serving, url};
use crate::support::{Tcp, cooee, refused};

/// A server that reads once, answers that and hangs up once its client has.
fn answering(answer: &'static [u8]) -> SocketAddr {
    for_one(move |stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// A server that does this to one client.
fn for_one(serve: impl FnOnce(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&mut listener.accept().unwrap().0));
    address
}

#[test]
fn a_certificate_that_does_not_do_is_told_by_the_client_and_by_the_server() {
    for (certificate, why) in [
        ("expired.pem", "the certificate of the server expired on 2021-01-01"),
        ("future.pem", "the certificate of the server is valid only from 2198-01-01"),
        ("other.pem", "is for example.org, *.example.net, 192.0.2.1, not for 127.0.0.1"),
        ("nameless.pem", "it needs a subjectAltName"),
    ] {
        let mut server = serving(&["echo+tls://:0"], certificate, "p256.key");
        let echo = url(&mut server, "echo");
        client(&["echo", &echo], "hello\n").failed(&["TLS failed", why]);
        server.log.wait_for_line("#1 echo closed: TLS failed: the client ");
        // Whoever believes anybody believes this one.
        assert_eq!(cooee(&["echo", &echo, "--insecure"], "hello\n").fine().text(), "hello\n");
    }
}

#[test]
fn who_has_signed_has_to_be_known_and_the_name_has_to_be_right() {
    let mut server = secured(&["echo+tls://:0"]);
    let echo = url(&mut server, "echo");
    let stranger = cert("self.pem");
    cooee(&["echo", &echo, "--ca", &stranger], "x\n").failed(&["signed by an unknown authority"]);
    let line = server.log.wait_for_line("#1 echo closed: TLS failed: ");
    assert!(line.contains("does not know who has signed our certificate"), "{line}");
    let named = |name| client(&["echo", &echo, "--server-name", name], "x\n");
    named("localhost").fine();
    named("echo.example.org").failed(&["not for echo.example.org", "--server-name"]);
    let wrong = named("no name at all");
    assert_eq!(wrong.errors.lines().count(), 1, "{wrong:?}");
    assert_ne!(wrong.status, Some(0), "{wrong:?}");
}

#[test]
fn a_certificate_that_has_signed_itself_is_believed_if_it_is_named_and_only_for_its_dates() {
    let mut server = serving(&["echo+tls://:0"], "self.pem", "self.key");
    let echo = url(&mut server, "echo");
    cooee(&["echo", &echo, "--ca", &cert("self.pem")], "x\n").fine();
    client(&["echo", &echo], "x\n").failed(&["only if --ca FILE is that very certificate"]);
    let mut server = serving(&["echo+tls://:0"], "self-expired.pem", "self.key");
    let echo = url(&mut server, "echo");
    let left = cooee(&["echo", &echo, "--ca", &cert("self-expired.pem")], "x\n");
    left.failed(&["expired on 2021-01-01"]);
}

#[test]
fn plain_text_at_a_port_with_tls_is_shown() {
    let mut server = secured(&["echo+tls://:0"]);
    let echo = server.address("echo+tls");
    let mut plain = Tcp::connect(echo);
    plain.say("GET / HTTP/1.0\r\n\r\n");
    assert!(plain.read(&mut [0; 9]).map_or(true, |count| count == 0));
    drop(plain);
    let line = server.log.wait_for_line("#1 echo closed: TLS failed: the client speaks no TLS");
    assert!(line.contains(r#""GET / HTTP/1.0\r\n\r\n""#), "{line}");
    let left = cooee(&["echo", &format!("echo+tcp://{echo}")], "hello\n");
    left.failed(&["the server closed the connection"]);
    server.log.wait_for_line(r#"its first bytes were "hello\n""#);
}

#[test]
fn tls_at_a_port_without_is_told_whatever_is_served_there() {
    let mut server = secured(&["echo+tcp://:0", "greet+tcp://:0", "greet+tls://:0"]);
    let at = |address: SocketAddr| format!("{address}");
    let echo = format!("echo+tls://{}", at(server.address("echo+tcp")));
    client(&["echo", &echo], "x\n").failed(&["sent our own hello back", "without TLS?"]);
    let greet = format!("greet+tls://{}", at(server.address("greet+tcp")));
    let words = ["the server speaks no TLS", "\"Hello! You are connected to"];
    client(&["greet", &greet], "").failed(&words);
}

#[test]
fn without_a_version_in_common_each_side_says_so() {
    let mut server = secured(&["echo+tls://:0"]);
    // A hello of TLS 1.1: no session, one cipher, no compression, no extensions.
    let hello = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x13, 1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat();
    let mut old = Tcp::connect(server.address("echo+tls"));
    old.say(record);
    // An alert, and the end.
    assert_eq!(old.hear_all()[0], 21);
    drop(old);
    let line = server.log.wait_for_line("#1 echo closed: TLS failed: no version of TLS in common");
    assert!(line.contains("we speak 1.2 and 1.3, the client does not"), "{line}");
    let older = answering(&[21, 3, 1, 0, 2, 2, 70]);
    let left = client(&["echo", &format!("echo+tls://{older}")], "x\n");
    left.failed(&["no version of TLS in common (alert protocol_version)", "the server does not"]);
}

#[test]
fn a_server_that_hangs_up_within_the_handshake_is_told() {
    let rude = for_one(|stream| drop(stream.read(&mut [0; 4096])));
    let left = client(&["echo", &format!("echo+tls://{rude}")], "x\n");
    left.failed(&["TLS failed: the peer ended the connection during the handshake"]);
}

#[test]
fn a_certificate_or_key_that_does_not_do_is_one_line_before_anything_is_opened() {
    let folder = Folder::new("start");
    let announced = folder.path("announced");
    for (certificate, key, why) in [
        ("p256.pem", "rsa2048.key", "not the key of the certificate"),
        ("p256.pem", "none.key", "there is no such file"),
        ("none.pem", "p256.key", "there is no such file"),
        ("p256.der", "p256.key", "this looks like DER, and PEM is wanted"),
        ("p256.pem", "p256-key.der", "this looks like DER, and PEM is wanted"),
        ("p256.pem", "encrypted.key", "the key is encrypted"),
        ("p521.pem", "p521.key", "a key of a kind that is not supported"),
        ("rsa1024.pem", "rsa1024.key", "a key of a kind that is not supported"),
        ("p256.pem", "p256.pem", "a certificate, and no private key"),
        ("p256.key", "p256.key", "a private key, and no certificate"),
    ] {
        let (certificate, key) = (cert(certificate), cert(key));
        let files = ["--tls-cert", &certificate, "--tls-key", &key, "--announce", &announced];
        let words = [&["serve", "greet+tcp://:0", "echo+tls://:0"], &files[..]].concat();
        let line = refused(1, &words);
        assert!(line.contains(why), "{line}");
        assert!(line.contains(&certificate) || line.contains(&key), "{line}");
        assert!(!std::fs::exists(&announced).unwrap());
        assert_eq!(refused(2, &[&words[..], &["--check"]].concat()), line);
    }
}

#[test]
fn flags_of_tls_that_do_not_fit_are_named() {
    let (certificate, key) = (cert("p256.pem"), cert("p256.key"));
    let files = ["--tls-cert", &certificate, "--tls-key", &key];
    let line = refused(2, &["serve", "echo+tls://:0"]);
    assert!(line.contains("--tls-cert FILE --tls-key FILE"), "{line}");
    let line = refused(2, &[&["serve", "echo+tcp://:0"], &files[..]].concat());
    assert!(line.contains("for services over TLS, and none is served here"), "{line}");
    let line = refused(2, &["serve", "echo+tls://:0", "--tls-cert", &certificate]);
    assert!(line.contains("--tls-key"), "{line}");
    let line = refused(2, &[&["serve", "months+tls"], &files[..]].concat());
    assert!(line.contains("months is not offered on tls"), "{line}");
    for flags in [&["--ca", &certificate][..], &["--insecure"], &["--server-name", "a"]] {
        let line = refused(2, &[&["echo", "127.0.0.1:9"], flags].concat());
        assert!(line.contains(flags[0]), "{line}");
    }
    let both = ["--ca", &certificate, "--insecure"];
    refused(2, &[&["echo", "echo+tls://127.0.0.1:9"], &both[..]].concat());
}
