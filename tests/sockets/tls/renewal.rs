//! SIGHUP has certificate and key read again, for newcomers only.

use std::fs;

use rustix::process::Signal;

use super::{Folder, Partner, cert, url};
use crate::support::{Server, cooee};

/// A server whose certificate and key are files that can be changed.
struct Renewed {
    folder: Folder,
    server: Server,
    echo: String,
}

impl Renewed {
    fn start(name: &str, words: &[&str]) -> Renewed {
        let folder = Folder::new(name);
        put(&folder, "p256.pem", "p256.key");
        let (certificate, key) = (folder.path("cert"), folder.path("key"));
        let files = ["--tls-cert", &certificate, "--tls-key", &key];
        let mut server = Server::start(&[words, &files].concat());
        let echo = url(&mut server, "echo");
        Renewed { folder, server, echo }
    }

    /// Asserts that a newcomer is shown the certificate that `believed` vouches for, and no other.
    fn shows(&self, believed: &str) {
        for ca in ["ca.pem", "self.pem"] {
            let left = cooee(&["echo", &self.echo, "--ca", &cert(ca)], "hello\n");
            match ca == believed {
                true => assert_eq!(left.fine().text(), "hello\n"),
                false => drop(left.failed(&["TLS failed: the certificate of the server is "])),
            }
        }
    }

    fn hangup(&mut self, told: &str) -> String {
        self.server.signal(Signal::HUP);
        self.server.log.wait_for_line(told)
    }
}

fn put(folder: &Folder, certificate: &str, key: &str) {
    fs::copy(cert(certificate), folder.path("cert")).unwrap();
    fs::copy(cert(key), folder.path("key")).unwrap();
}

#[test]
fn newcomers_are_shown_the_new_one_and_who_is_here_notices_nothing() {
    let mut renewed = Renewed::start("new", &["echo+tls://:0"]);
    let mut old = Partner::ours(&["echo", &renewed.echo]);
    old.says("before");
    old.hears("before");
    renewed.shows("ca.pem");
    put(&renewed.folder, "self.pem", "self.key");
    renewed.shows("ca.pem"); // nobody has told the server yet
    // On its way while everything changes.
    old.says("meanwhile");
    renewed.hangup("certificate read again: it is for those who connect from now on");
    renewed.shows("self.pem");
    old.hears("meanwhile");
    old.says("after");
    old.hears("after");
    old.leaves().fine();
    renewed.server.signal(Signal::TERM);
    assert_eq!(renewed.server.ended().status, 0);
}

#[test]
fn a_broken_file_changes_nothing_and_is_named() {
    let mut renewed = Renewed::start("broken", &["echo+tls://:0"]);
    let mut old = Partner::ours(&["echo", &renewed.echo]);
    let path = renewed.folder.path("cert");
    for (text, why) in [
        ("", "no certificate in it"),
        ("-----BEGIN CERTIFICATE-----\nMII", "it is cut off"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "not base64"),
    ] {
        fs::write(&path, text).unwrap();
        let line = renewed.hangup("everything stays as it was");
        assert!(line.contains(&path) && line.contains(why), "{line}");
        renewed.shows("ca.pem");
    }
    // A certificate that has been renewed, and its key not yet.
    fs::copy(cert("self.pem"), &path).unwrap();
    renewed.hangup("not the key of the certificate");
    fs::remove_file(&path).unwrap();
    renewed.hangup("there is no such file");
    renewed.shows("ca.pem");
    old.says("still here");
    old.hears("still here");
    old.leaves().fine();
    put(&renewed.folder, "self.pem", "self.key");
    renewed.hangup("certificate read again");
    renewed.shows("self.pem");
}

#[cfg(feature = "config")]
#[test]
fn with_a_configuration_both_are_read_again_or_neither() {
    let folder = Folder::new("both");
    put(&folder, "p256.pem", "p256.key");
    let config = folder.path("cooee.toml");
    let text = |drain: &str| {
        format!(
            "endpoints = ['echo+tls://:0']\ntls-cert = '{}'\ntls-key = '{}'\ndrain = '{drain}'\n",
            folder.path("cert"),
            folder.path("key")
        )
    };
    fs::write(&config, text("1s")).unwrap();
    let mut server = Server::start(&["--config", &config]);
    let echo = url(&mut server, "echo");
    let shown = |ca: &str| cooee(&["echo", &echo, "--ca", &cert(ca)], "hello\n");
    shown("ca.pem").fine();
    fs::write(folder.path("key"), "nonsense").unwrap();
    fs::write(&config, text("2s")).unwrap();
    server.signal(Signal::HUP);
    let line = server.log.wait_for_line("everything stays as it was");
    assert!(line.contains("no private key in it"), "{line}");
    shown("ca.pem").fine();
    put(&folder, "self.pem", "self.key");
    server.signal(Signal::HUP);
    server.log.wait_for_line("configuration read again: changed drain");
    server.log.wait_for_line("certificate read again");
    shown("self.pem").fine();
}
