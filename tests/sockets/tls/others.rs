//! Programs that nobody here wrote: OpenSSL, socat, ncat, curl and Python, at either end.

use std::process::{Child, Command, Stdio};

use super::{Partner, cert, client, secured, url};
use crate::support::filter::Left;
use crate::support::lines::Lines;
use crate::support::{Server, loudly};

/// A program with its streams piped, to be changed further; `None` where there is none, which is
/// said.
fn program(name: &str, version: &str) -> Option<Command> {
    let asked = Command::new(name).arg(version).stdin(Stdio::null()).output();
    if !asked.is_ok_and(|output| output.status.success()) {
        loudly(&format!("NOT TESTED, because there is no {name} on this machine"));
        return None;
    }
    let mut command = Command::new(name);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(command)
}

fn openssl() -> Option<Command> {
    program("openssl", "version")
}

fn python() -> Option<Command> {
    program("python3", "--version")
}

/// A server that ends with its test.
struct Theirs {
    child: Child,
    lines: Lines,
}

impl Theirs {
    /// Its log is on standard error.
    fn logging(mut command: Command) -> Theirs {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let lines = Lines::of("its log", child.stderr.take().unwrap());
        Theirs { child, lines }
    }

    /// It says on standard output where it listens.
    fn telling(mut command: Command) -> Theirs {
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let lines = Lines::of("its output", child.stdout.take().unwrap());
        Theirs { child, lines }
    }

    /// The URL of its port, which comes last in the line with this text.
    fn url(&mut self, text: &str) -> String {
        let line = self.lines.wait_for_line(text);
        let (_, port) = line.rsplit_once(':').unwrap();
        format!("echo+tls://127.0.0.1:{}", port.trim())
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("what their server said: {:#?}", self.lines.all());
        }
    }
}

/// An echo, and where it is: host and port.
fn echo() -> (Server, String) {
    let mut server = secured(&["echo+tls://:0"]);
    let address = server.address("echo+tls").to_string();
    (server, address)
}

/// Says a line, hears it and leaves.
fn echoes(mut command: Command) -> Left {
    let mut partner = Partner::of(command.spawn().unwrap());
    for line in ["hello", "and once more"] {
        partner.says(line);
        partner.hears(line);
    }
    partner.leaves()
}

#[test]
fn s_client_of_openssl_is_echoed_in_both_versions() {
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let Some(mut command) = openssl() else { return };
        let (mut server, address) = echo();
        command.args(["s_client", "-brief", flag, "-connect", &address, "-CAfile"]);
        command.args([&cert("ca.pem"), "-verify_return_error", "-verify_ip", "127.0.0.1"]);
        let left = echoes(command);
        assert_eq!(left.status, Some(0), "{left:?}");
        assert!(left.errors.contains(&format!("Protocol version: {version}")), "{left:?}");
        assert!(left.errors.contains("Verification: OK"), "{left:?}");
        server.log.wait_for_line("#1 echo closed: closed by the peer (in 20 B, out 20 B");
    }
}

#[test]
fn s_client_without_a_version_in_common_is_told_so() {
    let Some(mut command) = openssl() else { return };
    let (mut server, address) = echo();
    let old = ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"];
    command.args(["s_client", "-brief", "-connect", &address]).args(old);
    let left = Partner::of(command.spawn().unwrap()).leaves();
    assert_ne!(left.status, Some(0), "{left:?}");
    server.log.wait_for_line("#1 echo closed: TLS failed: no version of TLS in common");
}

#[test]
fn our_client_talks_with_s_server_in_both_versions() {
    for version in ["-tls1_2", "-tls1_3"] {
        let Some(mut command) = openssl() else { return };
        command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", version]);
        command.args(["-cert", &cert("p256.pem"), "-key", &cert("p256.key")]);
        let mut theirs = Theirs::telling(command);
        let echo = theirs.url("ACCEPT ");
        let mut ours = Partner::ours(&["echo", &echo]);
        ours.says("hello");
        ours.hears("olleh");
        ours.leaves();
    }
}

#[test]
fn our_client_says_why_s_server_and_it_have_no_version_in_common() {
    let Some(mut command) = openssl() else { return };
    command.args(["s_server", "-accept", "127.0.0.1:0", "-tls1_1"]);
    command.args(["-cipher", "ALL:@SECLEVEL=0"]);
    command.args(["-cert", &cert("p256.pem"), "-key", &cert("p256.key")]);
    let mut theirs = Theirs::telling(command);
    let echo = theirs.url("ACCEPT ");
    client(&["echo", &echo], "x\n").failed(&["no version of TLS in common"]);
}

#[cfg(feature = "bench")]
#[test]
fn the_bench_warns_where_s_server_resumes_nothing() {
    let Some(mut command) = openssl() else { return };
    command.args(["s_server", "-accept", "127.0.0.1:0", "-rev", "-no_cache", "-num_tickets", "0"]);
    command.args(["-cert", &cert("p256.pem"), "-key", &cert("p256.key")]);
    let mut theirs = Theirs::telling(command);
    let echo = theirs.url("ACCEPT ");
    let few = ["--count", "20", "-c", "1", "--warmup", "100ms", "--resume", "only"];
    let left = client(&[&["bench", "tcp_cc", &echo], &few[..]].concat(), "");
    assert_eq!(left.status, Some(0), "{left:?}");
    let said = left.text().split_whitespace().collect::<Vec<_>>().join(" ");
    let said = format!("{said} {}", left.errors.split_whitespace().collect::<Vec<_>>().join(" "));
    assert!(said.contains("--resume only, but 20 of the handshakes were full"), "{said}");
}

#[test]
fn socat_is_echoed_and_echoes() {
    let Some(mut command) = program("socat", "-V") else { return };
    let (mut server, address) = echo();
    let ca = cert("ca.pem");
    command.args(["-", &format!("OPENSSL:{address},cafile={ca},commonname=localhost")]);
    echoes(command).fine();
    server.log.wait_for_line("#1 echo closed: closed by the peer (in 20 B, out 20 B");
    let Some(mut command) = program("socat", "-V") else { return };
    let (pem, key) = (cert("p256.pem"), cert("p256.key"));
    let listen = format!("OPENSSL-LISTEN:0,bind=127.0.0.1,cert={pem},key={key},verify=0");
    command.args(["-d", "-d", &listen, "EXEC:cat"]);
    let mut theirs = Theirs::logging(command);
    let echo = theirs.url("listening on ");
    let mut ours = Partner::ours(&["echo", &echo]);
    ours.says("hello");
    ours.hears("hello");
    ours.leaves();
}

#[test]
fn ncat_is_echoed() {
    let Some(mut command) = program("ncat", "--version") else { return };
    let (mut server, address) = echo();
    let (_, port) = address.split_once(':').unwrap();
    let ca = cert("ca.pem");
    // It compares names only, no addresses.
    command.args(["--ssl", "--ssl-verify", "--ssl-trustfile", &ca, "localhost", port]);
    let left = echoes(command);
    assert_eq!(left.status, Some(0), "{left:?}");
    server.log.wait_for_line("#1 echo closed: closed by the peer");
}

#[test]
fn curl_reads_a_greeting_in_the_clear_and_is_told_off_at_tls() {
    let Some(mut command) = program("curl", "--version") else { return };
    let mut server = secured(&["greet+tcp://:0", "echo+tls://:0"]);
    let greet = server.address("greet+tcp");
    command.args(["--silent", "--no-buffer", "--max-time", "10", &format!("telnet://{greet}")]);
    let mut partner = Partner::of(command.spawn().unwrap());
    partner.hears("Hello! You are connected to ('127.0.0.1', ");
    partner.cut_short();
    let Some(mut command) = program("curl", "--version") else { return };
    let echo = server.address("echo+tls");
    command.args(["--silent", "--no-buffer", "--max-time", "10", &format!("telnet://{echo}")]);
    let mut partner = Partner::of(command.spawn().unwrap());
    partner.says("hello");
    server.log.wait_for_line("the client speaks no TLS, its first bytes were \"hello");
    partner.cut_short();
}

/// Says a million bytes, its close_notify, hears all of it and the end; then breaks off another
/// conversation without a word.
const PYTHON_CLIENT: &str = r#"
import socket, ssl, sys, threading
port, ca, version = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
def connect():
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port)),
                               server_hostname="localhost")
tls = connect()
said = bytes(range(256)) * 4000
speaker = threading.Thread(target=tls.sendall, args=[said])
speaker.start()
heard = b""
while len(heard) < len(said):
    heard += tls.recv(65536)
speaker.join()
assert heard == said
tls.unwrap().close()
rude = connect()
rude.sendall(b"hello")
assert rude.recv(9) == b"hello"
rude.shutdown(socket.SHUT_RDWR)
print(tls.version() or version)
"#;

#[test]
fn python_is_echoed_in_both_versions() {
    for version in ["TLSv1_2", "TLSv1_3"] {
        let Some(mut command) = python() else { return };
        let (mut server, address) = echo();
        let (_, port) = address.split_once(':').unwrap();
        command.args(["-c", PYTHON_CLIENT, port, &cert("ca.pem"), version]);
        Partner::of(command.spawn().unwrap()).leaves().fine();
        let line = server.log.wait_for_line("#1 echo closed: closed by the peer (");
        assert!(line.contains("in 1000.0 KiB, out 1000.0 KiB"), "{line}");
        server.log.wait_for_line("#2 echo closed: closed by the peer without close_notify");
    }
}

/// Echoes one conversation until its end, and ends it in order.
const PYTHON_SERVER: &str = r#"
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.minimum_version = context.maximum_version = ssl.TLSVersion[sys.argv[3]]
listener = socket.create_server(("127.0.0.1", 0))
print("port:%d" % listener.getsockname()[1], flush=True)
tls = context.wrap_socket(listener.accept()[0], server_side=True)
while data := tls.recv(65536):
    tls.sendall(data)
tls.unwrap().close()
"#;

#[test]
fn python_echoes_our_client_in_both_versions() {
    for version in ["TLSv1_2", "TLSv1_3"] {
        let Some(mut command) = python() else { return };
        command.args(["-c", PYTHON_SERVER, &cert("rsa2048.pem"), &cert("rsa2048.key"), version]);
        let mut theirs = Theirs::telling(command);
        let echo = theirs.url("port:");
        let left = client(&["echo", &echo], "hello\n".repeat(1000)).fine();
        assert_eq!(left.text(), "hello\n".repeat(1000));
    }
}

#[test]
fn a_greeting_is_heard_to_its_end_by_s_client() {
    let Some(mut command) = openssl() else { return };
    let mut server = secured(&["greet+tls://:0"]);
    let greet = url(&mut server, "greet");
    let (_, address) = greet.split_once("://").unwrap();
    command.args(["s_client", "-quiet", "-connect", address]);
    let mut partner = Partner::of(command.spawn().unwrap());
    partner.hears("Hello! You are connected to ('127.0.0.1', ");
    // Ended by us, with its input still open.
    server.log.wait_for_line("#1 greet closed: done");
    partner.leaves();
}
