//! The programs of docs/lessons.md, taken out of the page and run with Python against `cooee`, both
//! ways; and what the page says goes wrong with them.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::LazyLock;

use crate::support::lines::Lines;
use crate::support::{Server, Tcp, cooee, end, loudly, start};

const PAGE: &str = include_str!("../../docs/lessons.md");
/// "Some ten lines."
const LINES_MAX: usize = 15;
const SLOGAN: &str = "Socket programming in python!";

/// The programs of the page, by the names in their first lines.
static PROGRAMS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
    let blocks = PAGE.split("```python\n").skip(1);
    let program = |block: &'static str| {
        let (program, _) = block.split_once("```\n").expect("the end of a block");
        let (name, _) = program.trim_start_matches("# ").split_once(':').expect("a name");
        (name, program)
    };
    blocks.map(program).collect()
});

/// Whether the programs can be run here. If not, says loudly that they are not tested.
fn has_python() -> bool {
    let found = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        loudly("NOT TESTED, because there is no python3 on this machine");
    }
    is_there
}

/// A program of the page that runs, its standard streams piped. Dropping it kills it.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines,
    errors: Lines,
}

impl Program {
    /// Python with this code.
    fn run(code: &str, words: &[&str]) -> Program {
        let mut child = Command::new("python3")
            .args(["-u", "-c", code])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3");
        let output = Lines::of("a program", child.stdout.take().unwrap());
        let errors = Lines::of("its errors", child.stderr.take().unwrap());
        Program { input: child.stdin.take(), child, output, errors }
    }

    /// A server of the page on any port, and where it is.
    fn serve(name: &str) -> (Program, String) {
        Program::serve_code(PROGRAMS[name])
    }

    fn serve_code(code: &str) -> (Program, String) {
        let mut program = Program::run(code, &["0"]);
        let line = program.output.wait_for_line("listening on port ");
        let (_, port) = line.split_once("port ").unwrap();
        (program, format!("127.0.0.1:{port}"))
    }

    /// A client of the page, on a server of ours.
    fn call(name: &str, server: &mut Server, what: &str) -> Program {
        let address = server.address(what);
        Program::call_at(name, &address.to_string())
    }

    fn call_at(name: &str, address: &str) -> Program {
        let (host, port) = address.rsplit_once(':').unwrap();
        Program::run(PROGRAMS[name], &[host, port])
    }

    fn type_in(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// What it prints until it ends, which it must do well.
    fn prints(mut self) -> Vec<String> {
        let (lines, errors) = (self.output.rest(), self.errors.rest());
        assert!(self.child.wait().unwrap().success(), "{errors:#?}");
        lines
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn there_are_five_pairs_of_short_programs() {
    let names: Vec<&str> = PROGRAMS.keys().copied().collect();
    let wanted: Vec<String> = ["echo", "hello", "months", "slogan", "talk"]
        .iter()
        .flat_map(|lesson| ["client", "server"].map(|side| format!("{lesson}_{side}.py")))
        .collect();
    assert_eq!(names, wanted);
    for (name, program) in PROGRAMS.iter() {
        assert!(program.lines().count() <= LINES_MAX, "{name}");
    }
}

#[test]
fn whoever_calls_is_told_its_own_address() {
    if !has_python() {
        return;
    }
    let (_server, address) = Program::serve("hello_server.py");
    for _ in 0..2 {
        let text = cooee(&["greet", &address], "").fine();
        assert!(text.text().starts_with("Hello! You are connected to ('127.0.0.1', "), "{text:?}");
    }
    let mut server = Server::start(&["greet://:0"]);
    let printed = Program::call("hello_client.py", &mut server, "greet+tcp").prints();
    let connected = server.log.wait_for_line("connection established with 127.0.0.1:");
    let (_, port) = connected.rsplit_once(':').unwrap();
    assert_eq!(printed, [format!("Hello! You are connected to ('127.0.0.1', {port})")]);
}

#[test]
fn without_its_option_a_listener_waits_for_old_connections() {
    if !has_python() {
        return;
    }
    let (server, address) = Program::serve("hello_server.py");
    let (_, port) = address.rsplit_once(':').unwrap();
    // It never closes, lest what is left of the connection be dropped early: on a machine with very
    // many of them, TIME-WAIT does not last.
    let mut client = Tcp::connect(address.parse().unwrap());
    client.hear_all();
    drop(server);
    let option = "listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n";
    let without = PROGRAMS["hello_server.py"].replace(option, "");
    assert_ne!(without, PROGRAMS["hello_server.py"]);
    let mut refused = Program::run(&without, &[port]);
    refused.errors.wait_for_line("Address already in use");
    let mut again = Program::run(PROGRAMS["hello_server.py"], &[port]);
    again.output.wait_for_line("listening on port");
}

#[test]
fn a_server_that_closes_over_unread_input_resets_and_ours_does_not() {
    if !has_python() {
        return;
    }
    let late = "import time; time.sleep(0.2)\n    client.close()";
    let code = PROGRAMS["hello_server.py"].replace("client.close()", late);
    let (_server, address) = Program::serve_code(&code);
    cooee(&["echo", &address], "hi\n").failed(&["the server broke the connection (reset)"]);
    let mut server = Server::start(&["greet://:0"]);
    let mut client = Tcp::connect(server.address("greet+tcp"));
    client.say("hi\n");
    assert!(client.hear_all().starts_with(b"Hello!"));
}

#[test]
fn what_comes_in_pieces_is_put_together() {
    if !has_python() {
        return;
    }
    let (_server, address) = Program::serve("slogan_server.py");
    let left = cooee(&["greet", "--read-size", "6", &address], "").fine();
    let pieces: Vec<&str> = left.text().lines().collect();
    assert_eq!(pieces[0], "6 bytes: Socket");
    assert_eq!(*pieces.last().unwrap(), format!("29 bytes in all: {SLOGAN}"));
    let mut server = Server::start(&["greet://:0", "--greeting", SLOGAN]);
    let printed = Program::call("slogan_client.py", &mut server, "greet+tcp").prints();
    let wanted = [
        "6 bytes: b'Socket'",
        "6 bytes: b' progr'",
        "6 bytes: b'amming'",
        "6 bytes: b' in py'",
        "5 bytes: b'thon!'",
        "in all: Socket programming in python!",
    ];
    assert_eq!(printed, wanted);
}

#[test]
fn operator_and_client_write_in_turns_until_bye() {
    if !has_python() {
        return;
    }
    let (mut operator, address) = Program::serve("talk_server.py");
    let mut client = start(&["talk", &address]);
    let mut said = client.stdin.take().unwrap();
    writeln!(said, "hello").unwrap();
    operator.output.wait_for_line("Client says: hello");
    operator.type_in("who is there?");
    writeln!(said, "BYE").unwrap();
    operator.output.wait_for_line("Client says: BYE");
    assert!(end(client).fine().text().contains("who is there?"));
    operator.prints();

    let mut server = Server::start(&["talk://:0"]);
    let mut client = Program::call("talk_client.py", &mut server, "talk+tcp");
    client.type_in("hello");
    server.screen.wait_for_line("Client says: hello");
    server.operator("yes?");
    client.output.wait_for_line("Server says: yes?");
    client.type_in("never mind");
    server.screen.wait_for_line("Client says: never mind");
    server.operator("BYE");
    assert_eq!(client.prints(), ["> Server says: BYE"]);
    server.log.wait_for_line("#1 talk closed: done");
}

#[test]
fn one_read_is_not_one_message() {
    if !has_python() {
        return;
    }
    let (mut operator, address) = Program::serve("talk_server.py");
    let client = start(&["talk", &address]);
    client.stdin.as_ref().unwrap().write_all(b"one\ntwo\n").unwrap();
    operator.output.wait_for_line("Client says: one");
    assert_eq!(operator.output.next_line(), "two");
    operator.type_in("BYE");
    operator.prints();
    assert!(end(client).text().contains("BYE"));
}

#[test]
fn months_are_asked_for_until_zero() {
    if !has_python() {
        return;
    }
    let (_server, address) = Program::serve("months_server.py");
    let left = cooee(&["months", &address, "1", "2", "12", "13", "0"], "").fine();
    let wanted = "January\nFebruary\nDecember\n1-12, or 0 to end\nGoodbye!\n";
    assert_eq!(left.text(), wanted);
    let mut server = Server::start(&["months://:0"]);
    let mut client = Program::call("months_client.py", &mut server, "months+udp");
    ["2", "13", "0"].iter().for_each(|number| client.type_in(number));
    let wanted = ["month? February", "month? 1-12, or 0 to end", "month? Goodbye!"];
    assert_eq!(client.prints(), wanted);
}

#[test]
fn what_is_said_comes_back_until_bye() {
    if !has_python() {
        return;
    }
    let (_server, address) = Program::serve("echo_server.py");
    let lines: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert!(cooee(&["echo", &address], &lines).fine().text() == lines);
    let mut server = Server::start(&["echo+tcp://:0"]);
    let mut client = Program::call("echo_client.py", &mut server, "echo+tcp");
    client.type_in("hello");
    client.output.wait_for_line("> hello");
    client.type_in("Bye");
    assert_eq!(client.prints(), ["> Bye"]);
}

#[test]
fn one_read_for_one_write_falls_behind() {
    if !has_python() {
        return;
    }
    let mut server = Server::start(&["echo+tcp://:0"]);
    let mut client = Program::call("echo_client.py", &mut server, "echo+tcp");
    client.type_in(&"x".repeat(2000));
    assert_eq!(client.output.wait_for_line("> x").len(), "> ".len() + 1024);
    client.type_in("hi");
    assert!(client.output.wait_for_line("> x").len() >= "> ".len() + 2000 - 1024);
}

#[test]
fn a_client_that_breaks_off_ends_a_server_that_does_not_expect_it() {
    if !has_python() {
        return;
    }
    let (mut server, address) = Program::serve("echo_server.py");
    let mut client = Tcp::connect(address.parse().unwrap());
    client.echoes("hello");
    // It leaves with an echo unread.
    client.say("unread");
    client.hear_bytes(1);
    drop(client);
    server.errors.wait_for_line("ConnectionResetError");
}
