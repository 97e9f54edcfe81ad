//! What goes wrong, and the line for it.

use super::*;

/// The line for a client that goes by `trust` and expects `name`; and the server's.
fn refused(trust: &Trust, name: &str, server: &Server) -> (String, String) {
    let client = Client::new(trust, name, Resume::Auto).unwrap();
    let (one, other) = shaken(&client, server);
    assert_eq!((one.ready, other.ready), (None, None), "accepted");
    (one.failure.unwrap(), other.failure.unwrap_or_default())
}

fn accepts(trust: &Trust, name: &str, server: &Server) {
    let client = Client::new(trust, name, Resume::Auto).unwrap();
    let (mut one, mut other) = shaken(&client, server);
    assert_they_talk(&mut one, &mut other);
}

/// A server whose certificate is `name`, with the key that most of them have.
fn with_certificate(name: &str) -> Server {
    Server::from_files(&file(&format!("{name}.pem")), &file("p256.key")).unwrap()
}

#[test]
fn a_certificate_is_for_each_of_its_names_and_addresses() {
    let server = server("p256");
    for name in ["localhost", "LOCALHOST", "127.0.0.1", "::1", "::1%lo"] {
        accepts(&authority(), name, &server);
    }
    let other = with_certificate("other");
    for name in ["example.org", "a.example.net", "192.0.2.1"] {
        accepts(&authority(), name, &other);
    }
    for name in ["localhost", "example.net", "a.b.example.net", "192.0.2.2"] {
        let (line, _) = refused(&authority(), name, &other);
        assert!(line.contains("is for example.org, *.example.net, 192.0.2.1, not for "), "{line}");
        assert!(line.contains(name) && line.contains("--server-name"), "{line}");
    }
    let (line, _) = refused(&authority(), "localhost", &with_certificate("nameless"));
    assert!(line.contains("needs a subjectAltName"), "{line}");
}

#[test]
fn dates_are_looked_at() {
    let (line, theirs) = refused(&authority(), "localhost", &with_certificate("expired"));
    assert_eq!(line, "the certificate of the server expired on 2021-01-01");
    assert!(theirs.contains("our certificate has expired"), "{theirs}");
    let (line, _) = refused(&authority(), "localhost", &with_certificate("future"));
    assert!(line.contains("valid only from 2198-01-01"), "{line}");
}

#[test]
fn who_has_signed_is_looked_at() {
    let others = Trust::File(file("self.pem"));
    let (line, theirs) = refused(&others, "localhost", &server("p256"));
    assert!(line.contains("signed by an unknown authority: give"), "{line}");
    assert!(theirs.contains("alert unknown_ca"), "{theirs}");
    let (line, _) = refused(&authority(), "localhost", &server("self"));
    assert!(line.contains("CA:TRUE") && line.contains("--ca FILE"), "{line}");
}

#[test]
fn a_certificate_that_is_listed_is_believed_whatever_it_is_but_not_beyond_its_dates_and_names() {
    let own = Trust::File(file("self.pem"));
    accepts(&own, "localhost", &server("self"));
    accepts(&own, "127.0.0.1", &server("self"));
    let (line, _) = refused(&own, "example.org", &server("self"));
    assert!(line.contains("is for localhost, 127.0.0.1, "), "{line}");
    // Signed by an authority that is not in the file.
    accepts(&Trust::File(file("p256.pem")), "localhost", &server("p256"));
    let expired = Server::from_files(&file("self-expired.pem"), &file("self.key")).unwrap();
    let (line, _) = refused(&Trust::File(file("self-expired.pem")), "localhost", &expired);
    assert!(line.contains("expired on 2021-01-01"), "{line}");
    // Another one with the same key and names is another one.
    let (line, _) = refused(&Trust::File(file("self-expired.pem")), "localhost", &server("self"));
    assert!(line.contains("CA:TRUE"), "{line}");
}

#[test]
fn who_believes_anybody_still_wants_to_see_the_key() {
    accepts(&Trust::Anybody, "example.org", &with_certificate("expired"));
    accepts(&Trust::Anybody, "example.org", &server("self"));
    // The certificate of one, shown by somebody with another key.
    for version in [&TLS12, &TLS13] {
        let client =
            Client::with_versions(&Trust::Anybody, "localhost", Resume::Off, &[version]).unwrap();
        let (one, _) = shaken(&client, &Server::impostor(&file("self.pem"), &file("p256.key")));
        let line = one.failure.unwrap();
        assert!(line.contains("has not proved that its certificate is its own"), "{line}");
    }
}

#[test]
fn plain_text_is_called_so() {
    let mut party = Party::new(server("p256").cipher().unwrap());
    assert_eq!(party.hear(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), b"");
    let line = party.failure.unwrap();
    assert!(line.contains("speaks no TLS, its first bytes were \"GET / HTTP/1.1\\r\\n"), "{line}");
    let mut party = Party::new(client().cipher().unwrap());
    party.hear(b"hello 127.0.0.1\n");
    let line = party.failure.unwrap();
    assert!(line.contains("the server speaks no TLS"), "{line}");
}

#[test]
fn an_echo_without_tls_is_recognized() {
    for cut in [1, 7, usize::MAX] {
        let mut party = Party::new(client().cipher().unwrap());
        party.cut = cut;
        let mut hello = Vec::new();
        party.cipher.begin(&mut hello);
        party.hear(&hello);
        let line = party.failure.unwrap();
        assert!(line.contains("has sent our own hello back"), "{line}");
    }
}

#[test]
fn bytes_that_only_begin_as_tls_does_are_refused_with_an_alert() {
    let mut party = Party::new(server("p256").cipher().unwrap());
    let alert = party.hear(&[22, 9, 9, 9, 9, 9, 9]);
    assert_eq!(alert[0], 21);
    assert!(party.failure.clone().unwrap().contains("is no TLS"));
    assert_eq!(party.close(), b"", "none after a failure");
    assert_eq!(party.hear(b"more"), b"");
}

#[test]
fn a_changed_record_ends_the_conversation_after_what_was_said_before() {
    for version in [&TLS12, &TLS13] {
        let (mut one, mut other) = shaken(&client_of(version, Resume::Auto), &server("p256"));
        let good = one.say(&[b"good"]);
        let mut said = one.say(&[b"bad"]);
        *said.last_mut().unwrap() ^= 1;
        let alert = other.hear(&[good, said].concat());
        assert_eq!(other.heard, b"good");
        assert!(other.failure.clone().unwrap().contains("cannot be decrypted"));
        one.hear(&alert);
        assert_eq!(one.failure.as_deref(), Some("the server has given up: alert bad_record_mac"));
    }
}

#[test]
fn no_version_in_common_is_said_at_both_ends() {
    // The hello of a client of TLS 1.1 (RFC 4346) with one cipher.
    let body = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 0x13, 1, 0]].concat();
    let hello = [&[22, 3, 1, 0, 45, 1, 0, 0, 41][..], &body].concat();
    let mut party = Party::new(server("p256").cipher().unwrap());
    let alert = party.hear(&hello);
    let line = party.failure.unwrap();
    assert!(line.starts_with("no version of TLS in common: we speak 1.2 and 1.3"), "{line}");
    let mut party = Party::new(client().cipher().unwrap());
    party.cipher.begin(&mut Vec::new());
    party.hear(&alert);
    let line = party.failure.unwrap();
    assert!(line.contains("(alert handshake_failure)"), "{line}");
}

#[test]
fn names_of_servers_are_judged_before_anything_is_sent() {
    for name in ["", "a b", "-", "user@host", "[::1]"] {
        let line = Client::new(&authority(), name, Resume::Off).err().unwrap();
        assert!(line.starts_with(&format!("server name {name:?}: ")), "{line}");
    }
}

#[test]
fn each_wrong_file_has_its_line() {
    let line = |certificate: &str, key: &str| {
        let line = Server::from_files(&file(certificate), &file(key)).err().unwrap();
        let (path, why) = line.split_once(": ").unwrap();
        assert!(path.starts_with('/') && !line.contains('\n'), "{line}");
        format!("{}: {why}", Path::new(path).file_name().unwrap().display())
    };
    let cases = [
        ("none.pem", "p256.key", "none.pem: there is no such file"),
        ("p256.pem", "none.key", "none.key: there is no such file"),
        ("", "p256.key", "certs: a directory, and a file is wanted"),
        ("p256.key", "p256.pem", "p256.key: a private key, and no certificate in it"),
        ("make", "p256.key", "make: no certificate in it, which would be -----BEGIN"),
        ("p256.pem", "p256.pem", "p256.pem: a certificate, and no private key"),
        ("p256.pem", "make", "make: no private key in it, which would be -----BEGIN"),
        ("p256.der", "p256.key", "p256.der: this looks like DER, and PEM is wanted: openssl x509"),
        ("p256.pem", "p256-key.der", "p256-key.der: this looks like DER, and PEM is wanted"),
        ("p256.pem", "encrypted.key", "encrypted.key: the key is encrypted"),
        ("p256.pem", "self.key", "self.key: not the key of the certificate /"),
        ("p256.pem", "rsa2048.key", "rsa2048.key: not the key of the certificate /"),
        ("rsa1024.pem", "rsa1024.key", "rsa1024.key: a key of a kind that is not supported; RSA"),
        ("p521.pem", "p521.key", "p521.key: a key of a kind that is not supported; RSA"),
    ];
    for (certificate, key, expected) in cases {
        let line = line(certificate, key);
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn a_file_that_is_broken_or_in_the_wrong_order_has_its_line() {
    let folder = std::env::temp_dir().join(format!("cooee-tls-broken-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    let line = |certificate: &str, key: &str| {
        let (at, with) = (folder.join("at.pem"), folder.join("at.key"));
        std::fs::write(&at, certificate).unwrap();
        std::fs::write(&with, key).unwrap();
        Server::from_files(&at, &with).err()
    };
    let (leaf, key) = (read("p256.pem"), read("p256.key"));
    let cases = [
        (leaf[..200].to_string(), key.clone(), "at.pem: it is cut off"),
        (leaf.replace("MII", "M!I"), key.clone(), "at.pem: what stands between BEGIN and END"),
        (leaf.replace("MII", "NII"), key.clone(), "at.pem: the certificate is broken"),
        (leaf.clone(), key.replace("MI", "NI"), "at.key: a key of a kind that is not supported"),
        (leaf.clone(), [&key[..], &key].concat(), "at.key: several private keys"),
        (read("ca.pem") + &leaf, key.clone(), "at.pem: the certificate that belongs to the key"),
    ];
    for (certificate, key, expected) in cases {
        let line = line(&certificate, &key).unwrap();
        assert!(line.contains(expected), "{line}");
    }
    // Order behind the first, other things in the file, and text around it all do not matter.
    assert_eq!(line(&format!("Subject: x\n{leaf}{key}{}", read("ca.pem")), &key), None);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_list_of_authorities_has_its_lines_as_well() {
    let line = |name: &str| Client::new(&Trust::File(file(name)), "x", Resume::Off).err().unwrap();
    assert!(line("none.pem").ends_with("none.pem: there is no such file"));
    assert!(line("p256.key").ends_with("p256.key: a private key, and no certificate in it"));
    assert!(line("p256.der").contains("p256.der: this looks like DER"));
}

#[test]
fn a_client_may_not_shake_hands_for_ever() {
    let server = server("p256");
    let mut party = Party::new(server.cipher().unwrap());
    // A hello that claims to have 65,520 bytes, in records of 4,096.
    let hello = [&[1, 0, 0xff, 0xf0][..], &[0; 4092]].concat();
    let record = |body: &[u8]| [&[0x16, 3, 1, 0x10, 0][..], body].concat();
    party.hear(&record(&hello));
    for _ in 0..2 {
        party.hear(&record(&[0; 4096]));
        assert_eq!(party.failure, None);
    }
    party.hear(&record(&[0; 4096]));
    assert_eq!(party.failure.as_deref(), Some("a handshake of more than 16384 bytes"));
}
