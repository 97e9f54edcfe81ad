//! For the tests of the bench: running it, servers that do as a test says, a folder.

#![allow(dead_code)] // each test file uses its own part

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `cooee bench` with these words, to be changed further and started.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cooee"));
    command.arg("bench").args(words).env_remove("RUST_LOG").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it, but not for ever.
pub(crate) fn bench(words: &[&str]) -> Output {
    end(command(words).spawn().unwrap()).unwrap_or_else(|| panic!("{words:?} does not end"))
}

/// Waits for its end; `None`: there is none.
pub(crate) fn end(child: Child) -> Option<Output> {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let ended = receiver.recv_timeout(PATIENCE);
    if ended.is_err() {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    ended.ok().map(|output| output.unwrap())
}

/// Runs it with `--json -`; the exit status, the JSON, what was said on standard error.
pub(crate) fn measured(words: &[&str]) -> (Option<i32>, Value, String) {
    let output = bench(&[words, &["--json", "-"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    let result = serde_json::from_slice(&output.stdout);
    let result = result.unwrap_or_else(|error| panic!("{words:?}: {error}; {said}"));
    (output.status.code(), result, said)
}

/// How often that went wrong.
pub(crate) fn count(result: &Value, kind: &str) -> u64 {
    result["errors"][kind].as_u64().unwrap_or(0)
}

pub(crate) fn assert_valid(result: &Value) {
    let text = include_str!("../../schema/bench.schema.json");
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", serde_json::from_str(text).unwrap()).unwrap();
    let mut schemas = boon::Schemas::new();
    let schema = compiler.compile("schema.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(result, schema) {
        panic!("{error:#}\n{result:#}");
    }
}

/// A server that gives each connection to `serve`, until the process ends.
pub(crate) fn tcp(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let serve = serve.clone();
            let stream = stream.unwrap();
            stream.set_nodelay(true).unwrap();
            thread::spawn(move || serve(stream));
        }
    });
    address.to_string()
}

/// A server that hands each datagram to `serve`, until the process ends.
pub(crate) fn udp(mut serve: impl FnMut(&UdpSocket, SocketAddr, &[u8]) + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut bytes = [0; 2000];
        while let Ok((count, from)) = socket.recv_from(&mut bytes) {
            serve(&socket, from, &bytes[..count]);
        }
    });
    address.to_string()
}

/// Echoes messages of 64 bytes; `lie` may change each, by its number.
pub(crate) fn echo(
    mut stream: TcpStream,
    mut lie: impl FnMut(usize, &mut TcpStream, &mut [u8; 64]),
) {
    let mut message = [0; 64];
    for number in 0.. {
        if stream.read_exact(&mut message).is_err() {
            return;
        }
        lie(number, &mut stream, &mut message);
        if stream.write_all(&message).is_err() {
            return;
        }
    }
}

pub(crate) fn month(question: &[u8]) -> &'static [u8] {
    const NAMES: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let number: usize = std::str::from_utf8(question).unwrap().parse().unwrap();
    NAMES[number - 1].as_bytes()
}

/// A folder of its own for a test, removed with the value.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("cooee-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn write(&self, name: &str, value: &Value) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
