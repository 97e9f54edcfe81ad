//! How clients find their server: every address of a name, ports where nobody is or that lead back
//! to the client, names that are wrong or unknown.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::network::{ip, passes_in_own_network};
use crate::support::{Server, cooee, end, has_ipv6, let_children_heed_signals, loudly};

/// A port on which nobody listens: it is bound, and nothing more.
fn deaf() -> (socket2::Socket, String) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    socket.bind(&any.into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address.to_string())
}

/// The same for datagrams: a connected socket takes them from its peer only, which is itself, and
/// for all others the kernel says that nobody is there.
fn deaf_to_datagrams() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    socket.connect(address).unwrap();
    (socket, address.to_string())
}

#[test]
fn nobody_there_is_told_in_one_line_that_helps() {
    let (_socket, address) = deaf();
    for client in ["echo", "greet", "talk", "chat"] {
        let left = cooee(&[client, &address], "hi\n");
        left.failed(&[client, &address, "connection refused", "nothing listens there"]);
    }
    let (_socket, address) = deaf_to_datagrams();
    cooee(&["months", &address, "1"], "").failed(&["months", &address, "connection refused"]);
    cooee(&["echo", "--udp", &address], "x").failed(&["echo", &address, "connection refused"]);
    let unknown = cooee(&["echo", "no-such-host.invalid"], "");
    unknown.failed(&["no-such-host.invalid", "does not resolve", "check the name"]);
    // A label over 63 characters (RFC 1035) cannot exist, so no name server is asked.
    let word = "feb".repeat(22);
    cooee(&["months", &word], "").failed(&["does not resolve", "is not an integer, so it was"]);
}

#[test]
fn every_address_of_a_name_is_tried() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp");
    let named = format!("localhost:{}", address.port());
    assert_eq!(cooee(&["echo", &named], "hi").fine().text(), "hi");
    if has_ipv6() {
        let mut server = Server::start(&["echo+tcp://[::1]:0"]);
        let address = server.address("echo+tcp").to_string();
        assert_eq!(cooee(&["echo", &address], "hi").fine().text(), "hi");
    }
}

#[test]
fn a_client_that_calls_itself_says_so_and_fails() {
    passes_in_own_network("client::reaching::in_own_network_a_client_calls_itself");
}

#[test]
#[ignore = "run by another test, in a network of its own"]
fn in_own_network_a_client_calls_itself() {
    ip("link set lo up");
    // The only port that a client can have for its own end is the one that it calls. Each client
    // has another: TCP keeps a port busy for a minute.
    let only = |port: u16| {
        std::fs::write("/proc/sys/net/ipv4/ip_local_port_range", format!("{port} {port}")).unwrap();
    };
    let itself = ["came back to this client itself", "nothing listens there"];
    for (port, words) in (40_000..).zip([
        &["echo"][..],
        &["echo", "--udp"],
        &["greet"],
        &["talk"],
        &["chat"],
        &["months"],
    ]) {
        only(port);
        let address = format!("127.0.0.1:{port}");
        let left = cooee(&[words, &[&address]].concat(), "1\n").failed(&itself);
        assert!(left.errors.contains(&address), "{left:?}");
    }
    only(40_010);
    cooee(&["echo", "0.0.0.0:40010"], "hello\n").failed(&["0.0.0.0:40010", itself[0]]);
    for (port, workload, endpoint) in
        [(40_011, "tcp_rr", "echo+tcp"), (40_012, "udp_rr", "echo+udp"), (40_013, "idle", "echo")]
    {
        only(port);
        let endpoint = format!("{endpoint}://127.0.0.1:{port}");
        let words = ["bench", workload, &endpoint, "-c", "1", "--duration", "100ms"];
        let left = cooee(&[&words[..], &["--warmup", "0", "--timeout", "1s"]].concat(), "");
        assert_eq!(left.status, Some(1), "{left:?}");
        assert!(left.errors.contains("refused"), "{left:?}");
    }
}

/// A program that finds `hosts` and `resolver` as /etc/hosts and /etc/resolv.conf, in a mount
/// namespace of its own. `None`: this machine does not allow that, which is said loudly.
fn with_names(hosts: &str, resolver: &str, words: &[&str]) -> Option<Command> {
    const SCRIPT: &str = "mount -t tmpfs names /mnt && printf %s \"$1\" > /mnt/hosts \
        && printf %s \"$2\" > /mnt/resolver && mount --bind /mnt/hosts /etc/hosts \
        && mount --bind /mnt/resolver /etc/resolv.conf && shift 2 && exec \"$@\"";
    let_children_heed_signals();
    let unshare = |words: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--", "sh", "-c", SCRIPT, "sh"]);
        command.args([hosts, resolver]).args(words).env_remove("RUST_LOG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    match unshare(&["true"]).output() {
        Ok(probe) if probe.status.success() => Some(unshare(words)),
        other => {
            loudly(&format!("NOT TESTED, because there are no mounts to be had: {other:?}"));
            None
        }
    }
}

#[test]
fn every_address_of_a_name_is_tried_over_udp_too() {
    let cooee = env!("CARGO_BIN_EXE_cooee");
    let mut server = Server::start(&["months://:0", "echo+tcp://:0"]);
    let months = format!("several.test:{}", server.address("months+udp").port());
    let echo = format!("several.test:{}", server.address("echo+tcp").port());
    // Nobody is at the second address, and at the third there is one who says nothing.
    let silent = UdpSocket::bind(months.replace("several.test", "127.0.0.3")).unwrap();
    let patience = ["--timeout", "50ms", "--retries", "0"];
    for hosts in ["127.0.0.1 127.0.0.2 127.0.0.3", "127.0.0.3 127.0.0.2 127.0.0.1"] {
        let hosts: String = hosts.split(' ').map(|ip| format!("{ip} several.test\n")).collect();
        let words = [&[cooee, "months", &months, "2"][..], &patience].concat();
        let Some(mut client) = with_names(&hosts, "", &words) else { return };
        assert_eq!(end(client.spawn().unwrap()).fine().text(), "February\n");
        let Some(mut client) = with_names(&hosts, "", &[cooee, "echo", &echo]) else { return };
        assert_eq!(end(client.spawn().unwrap()).fine().text(), "");
    }
    let dead = "127.0.0.2 several.test\n127.0.0.3 several.test\n";
    let words = [&[cooee, "months", &months, "2"][..], &patience].concat();
    let Some(mut client) = with_names(dead, "", &words) else { return };
    let left = end(client.spawn().unwrap());
    left.failed(&["127.0.0.2:", "(connection refused)", "127.0.0.3:", "within 50ms, asked once"]);
    drop(silent);
}

#[test]
fn looking_up_a_name_can_be_interrupted() {
    passes_in_own_network("client::reaching::in_own_network_looking_up_a_name_is_interrupted");
}

#[test]
#[ignore = "run by another test, in a network of its own"]
fn in_own_network_looking_up_a_name_is_interrupted() {
    ip("link set lo up");
    // A name server that never answers.
    let silent = UdpSocket::bind("127.0.0.53:53").unwrap();
    let cooee = env!("CARGO_BIN_EXE_cooee");
    for (client, signal) in [("echo", Signal::INT), ("talk", Signal::TERM)] {
        let words = [cooee, client, "-v", "name.example"];
        let resolver = "nameserver 127.0.0.53\noptions timeout:30 attempts:5\n";
        let Some(mut client) = with_names("", resolver, &words) else { return };
        let mut client = client.spawn().unwrap();
        let mut log = BufReader::new(client.stderr.take().unwrap());
        let mut line = String::new();
        log.read_line(&mut line).unwrap();
        assert!(line.contains("resolving name.example"), "{line}");
        // What unshare started has become cooee itself.
        kill_process(Pid::from_child(&client), signal).unwrap();
        assert_eq!(client.wait().unwrap().signal(), Some(signal.as_raw()));
    }
    drop(silent);
}

#[test]
fn wrong_words_are_told_in_one_line_and_with_status_2() {
    for (words, part) in [
        (&["echo", "5007"][..], "write :5007"),
        (&["greet", "echo://:7"], "write: cooee echo"),
        (&["months", "1", "two"], "is not an integer"),
        (&["echo", "localhost:0"], "port 0"),
    ] {
        let left = cooee(words, "");
        assert_eq!(left.status, Some(2), "{left:?}");
        assert_eq!(left.errors.lines().count(), 1, "{left:?}");
        assert!(left.errors.contains(part), "{left:?}");
    }
}
