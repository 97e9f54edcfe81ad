//! What systemd and its like do with a service: sockets that are open already, and a socket to be
//! told things at.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use super::configuration::Config;
use crate::support::terminal::COOEE;
use crate::support::{Datagrams, PATIENCE, Server, Tcp, cooee, free_port, loudly};

/// Opens sockets and becomes the program behind them: NAMES KINDS PROGRAM... In its words, FIRST is
/// the address of the first.
const PASS: &str = "
import fcntl, os, socket, sys
names, kinds, command = sys.argv[1], sys.argv[2].split(','), sys.argv[3:]
kept = []
def opened(kind):
    if kind == 'pipe':
        return os.pipe()[0]
    family = socket.AF_UNIX if kind == 'unix' else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM if 'udp' in kind else socket.SOCK_STREAM)
    kept.append(one)
    one.bind('\\0cooee-%d' % os.getpid() if kind == 'unix' else ('127.0.0.1', 0))
    if kind == 'tcp' or kind == 'unix':
        one.listen()
    if kind == 'connection':
        there = socket.create_server(('127.0.0.1', 0)); kept.append(there)
        there.set_inheritable(True)
        one.connect(there.getsockname())
    if kind == 'connected-udp':
        one.connect(('127.0.0.1', 9))
    return one.fileno()
high = [fcntl.fcntl(opened(kind), fcntl.F_DUPFD, 100) for kind in kinds]
for index, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + index)
if kept and kept[0].family == socket.AF_INET:
    command = [word.replace('FIRST', '%s:%d' % kept[0].getsockname()) for word in command]
os.environ.update(LISTEN_FDS=str(len(kinds)), LISTEN_FDNAMES=names, LISTEN_PID=str(os.getpid()))
os.execv(command[0], command)
";

/// A server that is passed sockets of these kinds, under these names.
fn serve(names: &str, kinds: &str, words: &[&str]) -> Server {
    Server::run("python3", &[&["-c", PASS, names, kinds, COOEE, "serve"], words].concat())
}

fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        loudly(&format!("NOT TESTED, because there is no {program} on this machine"));
    }
    is_there
}

#[test]
fn sockets_that_are_open_already_are_served_and_nothing_else() {
    if !has("python3") {
        return;
    }
    let mut server = serve("echo+tcp:echo:greet:months", "tcp,udp,tcp,udp", &[]);
    let echo = server.address("echo+tcp");
    Tcp::connect(echo).echoes("over TCP");
    let udp = server.address("echo+udp");
    assert_eq!(Datagrams::to(udp).ask("over UDP"), "over UDP");
    let greet = server.address("greet+tcp");
    assert!(Tcp::connect(greet).hear_all().starts_with(b"Hello! You are connected to"));
    let months = server.address("months+udp");
    assert_eq!(Datagrams::to(months).ask("2"), "February");
    server.signal(Signal::TERM);
    let listening = server.ended().log;
    assert!(listening.iter().all(|line| !line.contains("listening on")), "{listening:?}");
}

#[test]
fn an_endpoint_that_is_open_already_is_not_opened_again() {
    if !has("python3") {
        return;
    }
    let mut server = serve("echo+tcp", "tcp", &["echo", "greet://:0", "--host", "127.0.0.1"]);
    let echo = server.address("echo+tcp");
    assert_ne!(echo.port(), 5007);
    Tcp::connect(echo).echoes("hello");
    let greet = server.address("greet+tcp");
    assert!(!Tcp::connect(greet).hear_all().is_empty());
}

#[test]
fn what_an_endpoint_does_wrong_it_does_through_a_socket_that_is_open_already() {
    if !has("python3") {
        return;
    }
    for endpoint in ["echo+tcp?close=3", "echo+tcp://FIRST?close=3"] {
        let mut server = serve("echo+tcp", "tcp", &[endpoint]);
        let mut client = Tcp::connect(server.address("echo+tcp"));
        client.say("hello");
        assert_eq!(client.hear_all(), b"hel", "{endpoint}");
        let checked = serve("echo+tcp", "tcp", &["--check", endpoint]).ended().screen;
        assert!(checked[0].ends_with("?close=3"), "{checked:?}");
    }
    let twice = ["echo+tcp://FIRST?close=3", "echo+tcp://FIRST?close=4"];
    let ended = serve("echo+tcp", "tcp", &twice).ended();
    assert!(ended.status == 1 && ended.log[0].contains("would be one socket"), "{:?}", ended.log);
}

#[test]
fn a_socket_of_the_wrong_kind_is_refused_in_one_line() {
    if !has("python3") {
        return;
    }
    for (names, kinds, why) in [
        ("echo+tcp", "connection", "3, called \"echo+tcp\": it is a connection, not a listener"),
        ("echo+tcp", "bound", "it does not listen"),
        ("echo+tcp", "udp", "it is a udp socket, over which that is not served"),
        ("greet", "udp", "it is a udp socket"),
        ("months", "tcp", "it is a tcp socket"),
        ("echo:echo+udp", "tcp,connected-udp", "4, called \"echo+udp\": it is connected to 127."),
        ("echo+tcp", "unix", "it is a unix socket, over which that is not served"),
        ("months", "unix", "it is a unix socket"),
        ("echo+unix", "tcp", "it is a tcp socket"),
        ("echo", "pipe", "it is no socket"),
        ("cooee.socket", "tcp", "FileDescriptorName=echo"),
        ("echo", "tcp,tcp", "4, called \"\": no service"),
    ] {
        let ended = serve(names, kinds, &[]).ended();
        assert_eq!((ended.status, ended.log.len()), (2, 1), "{kinds}: {:?}", ended.log);
        assert!(ended.log[0].contains(why), "{kinds}: {:?}", ended.log);
    }
    let variables = ["LISTEN_FDS=many", "LISTEN_PID="];
    let mut server = Server::run("env", &[&variables[..], &[COOEE, "serve"]].concat());
    let ended = server.ended();
    assert!(ended.status == 2 && ended.log[0].contains("LISTEN_FDS=many"), "{:?}", ended.log);
}

#[test]
fn a_unix_socket_is_served_under_its_own_name() {
    if !has("python3") {
        return;
    }
    for name in ["echo", "echo+unix"] {
        let mut server = serve(name, "unix", &[]);
        let line = server.log.wait_for_line("listening on echo+unix://@cooee-");
        let (_, socket) = line.split_once("://").unwrap();
        let left = cooee(&["echo", &format!("unix://{socket}")], "hello\n").fine();
        assert_eq!(left.text(), "hello\n");
    }
}

#[test]
fn what_is_for_another_process_is_left_alone() {
    let variables = ["LISTEN_FDS=3", "LISTEN_PID=1", "LISTEN_FDNAMES=echo"];
    let serve = [COOEE, "serve", "greet://:0"];
    let mut server = Server::run("env", &[&variables[..], &serve].concat());
    let greet = server.address("greet+tcp");
    assert!(!Tcp::connect(greet).hear_all().is_empty());
}

#[test]
fn systemd_starts_it_with_the_first_connection() {
    if !has("systemd-socket-activate") {
        return;
    }
    let started = (0..5).find_map(|attempt| {
        let port = free_port(attempt);
        let listen = format!("--listen=127.0.0.1:{port}");
        let words = [listen.as_str(), "--fdname=echo+tcp", COOEE, "serve"];
        let mut server = Server::run("systemd-socket-activate", &words);
        server.log.next_line().contains("Listening on").then_some((server, port))
    });
    let (mut server, port) = started.expect("one of five free ports");
    let mut client = Tcp::connect(([127, 0, 0, 1], port).into());
    client.echoes("good morning");
    server.log.wait_for_line(&format!("listening on echo+tcp://127.0.0.1:{port}"));
    server.signal(Signal::TERM);
    drop(client);
    assert_eq!(server.ended().status, 0);
}

/// A service manager that waits for what it is told.
struct Manager(UnixDatagram);

impl Manager {
    fn of(socket: UnixDatagram) -> Manager {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager(socket)
    }

    /// The next that begins like this.
    fn is_told(&self, start: &str) -> String {
        loop {
            let mut text = [0; 4096];
            let count = self.0.recv(&mut text).expect("to be told something");
            let text = String::from_utf8(text[..count].to_vec()).unwrap();
            if text.starts_with(start) {
                return text;
            }
        }
    }
}

#[test]
fn the_service_manager_is_told_how_we_are() {
    let config = Config::new("notify", "endpoints = [\"echo+tcp://:0\"]\n");
    let name = format!("cooee-manager-{}", std::process::id());
    let path = std::env::temp_dir().join(&name);
    let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
    for (socket, at) in [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}")),
    ] {
        let manager = Manager::of(socket);
        let notify = format!("NOTIFY_SOCKET={at}");
        let serve = [COOEE, "serve", "--config", config.path()];
        let mut server =
            Server::run("env", &[&[&notify[..], "WATCHDOG_USEC=100000"], &serve[..]].concat());
        let told = manager.is_told("READY=1\n");
        assert!(told.contains("STATUS=connections: 0 (0 open)"), "{told}");
        let mut client = Tcp::connect(server.address("echo+tcp"));
        client.echoes("hello");
        manager.is_told("WATCHDOG=1");
        manager.is_told("WATCHDOG=1");
        server.signal(Signal::HUP);
        let told = manager.is_told("RELOADING=1\n");
        let (_, micros) = told.split_once("MONOTONIC_USEC=").unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0, "{told}");
        let told = manager.is_told("READY=1\n");
        assert!(told.contains("STATUS=connections: 1 (1 open)"), "{told}");
        config.write("drain = 5");
        server.signal(Signal::HUP);
        manager.is_told("RELOADING=1\n");
        let told = manager.is_told("READY=1\n");
        assert!(told.contains("STATUS=not reloaded: "), "{told}");
        config.write("endpoints = [\"echo+tcp://:0\"]\n");
        server.signal(Signal::TERM);
        manager.is_told("STOPPING=1");
        drop(client);
        assert_eq!(server.ended().status, 0);
    }
    let _ = std::fs::remove_file(path);
}

#[test]
fn whoever_cannot_be_told_anything_is_no_trouble() {
    let words = ["NOTIFY_SOCKET=nonsense", COOEE, "serve", "echo+tcp://:0"];
    let mut server = Server::run("env", &words);
    server.log.wait_for_line("the service manager is told nothing");
    Tcp::connect(server.address("echo+tcp")).echoes("hello");
    let words = ["NOTIFY_SOCKET=/nowhere/notify", COOEE, "serve", "echo+tcp://:0"];
    let mut server = Server::run("env", &words);
    Tcp::connect(server.address("echo+tcp")).echoes("hello");
}
