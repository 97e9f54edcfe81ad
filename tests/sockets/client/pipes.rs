//! The clients as filters: against our server, and against small servers that behave as the
//! classic exercises do: no newline, one answer and then close, answers in pieces, none at all.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::channel;
use std::thread;

use socket2::SockRef;

use crate::support::{Server, cooee, end, pattern, start};

/// A server for one connection that does what `script` says.
pub(super) fn server(script: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || script(listener.accept().unwrap().0));
    address.to_string()
}

/// A datagram server that does what `script` says.
fn datagram_server(script: impl FnOnce(UdpSocket) + Send + 'static) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || script(socket));
    address.to_string()
}

fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 2048];
    let (count, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8(buffer[..count].to_vec()).unwrap(), from)
}

/// Reads until `count` bytes are there, or the end.
pub(super) fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut have = 0;
    while have < count {
        match stream.read(&mut bytes[have..]).unwrap() {
            0 => break,
            more => have += more,
        }
    }
    bytes.truncate(have);
    bytes
}

/// Breaks the connection: close(2) with SO_LINGER 0 sends a RST.
fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(stream);
}

#[test]
fn echo_gives_back_what_it_is_fed_to_the_last_byte() {
    let mut server = Server::start(&["echo://:0"]);
    let tcp = server.address("echo+tcp").to_string();
    let udp = server.address("echo+udp").to_string();
    assert_eq!(cooee(&["echo", &tcp], "hi\n").fine().text(), "hi\n");
    assert_eq!(cooee(&["echo", &tcp], "hello\nbye\nno end").fine().text(), "hello\nbye\nno end");
    assert_eq!(cooee(&["echo", &tcp], "").fine().text(), "");
    let file = pattern(1, 5_000_001);
    assert!(cooee(&["echo", &format!("echo+tcp://{tcp}")], &file).fine().out == file);
    let file = pattern(2, 300_001);
    assert!(cooee(&["echo", "--udp", &udp], &file).fine().out == file);
    assert_eq!(cooee(&["echo", &format!("echo+udp://{udp}")], "a\nb").fine().text(), "a\nb");
}

#[test]
fn echo_does_not_wait_for_a_server_that_waits_for_it() {
    // A server that reads no more while its echo is not read, as a blocking one does.
    let address = server(|mut stream| {
        let mut buffer = vec![0; 8 * 1024 * 1024];
        loop {
            let count = stream.read(&mut buffer).unwrap();
            if count == 0 {
                return;
            }
            stream.write_all(&buffer[..count]).unwrap();
        }
    });
    let file = pattern(3, 20_000_000);
    assert!(cooee(&["echo", &address], &file).fine().out == file);
}

#[test]
fn a_server_that_answers_once_and_closes_is_served_well() {
    let address = server(|mut stream| {
        let said = read(&mut stream, 5);
        stream.write_all(&said).unwrap();
    });
    assert_eq!(cooee(&["echo", &address], "hello").fine().text(), "hello");
    let address = server(|mut stream| {
        read(&mut stream, 5);
        stream.write_all(b"Echo confirmed, thank you for Connecting!").unwrap();
    });
    let wanted = "Echo confirmed, thank you for Connecting!";
    assert_eq!(cooee(&["echo", &address], "hello").fine().text(), wanted);
}

#[test]
fn an_echo_that_comes_in_pieces_is_put_together() {
    let address = server(|mut stream| {
        stream.set_nodelay(true).unwrap();
        for byte in read(&mut stream, 12) {
            stream.write_all(&[byte]).unwrap();
        }
    });
    assert_eq!(
        cooee(&["echo", &address], "\x1b[31m\u{ff}hello").fine().text(),
        "\x1b[31m\u{ff}hello"
    );
}

#[test]
fn a_server_that_ends_in_mid_sentence_is_told_of_in_one_line() {
    let address = server(|mut stream| {
        read(&mut stream, 11);
        stream.write_all(b"hello").unwrap();
    });
    let left = cooee(&["echo", &address], "hello world");
    let left = left.failed(&[&address, "closed the connection", "5 of 11 bytes"]);
    assert_eq!(left.text(), "hello");
    let address = server(|mut stream| {
        read(&mut stream, 11);
        reset(stream);
    });
    cooee(&["echo", &address], "hello world").failed(&[&address, "reset", "none of 11 bytes"]);
    let address = server(|stream| stream.shutdown(Shutdown::Both).unwrap());
    cooee(&["greet", &address], "").failed(&[&address, "without a word"]);
}

#[test]
fn greet_shows_the_greeting_as_it_is_or_in_pieces() {
    let text = "Socket programming in python!";
    let mut server = Server::start(&["greet://:0", "--greeting", text]);
    let address = server.address("greet+tcp").to_string();
    assert_eq!(cooee(&["greet", &address], "").fine().text(), text);
    let wanted = "6 bytes: Socket\n6 bytes:  progr\n6 bytes: amming\n6 bytes:  in py\n\
                  5 bytes: thon!\n29 bytes in all: Socket programming in python!\n";
    assert_eq!(cooee(&["greet", &address, "--read-size", "6"], "").fine().text(), wanted);
}

#[test]
fn a_byte_that_the_server_calls_urgent_is_a_byte_of_the_greeting() {
    let address = server(|stream| {
        let socket = SockRef::from(&stream);
        socket.send(b"hello, wor").unwrap();
        socket.send_out_of_band(b"l").unwrap();
        socket.send(b"d!").unwrap();
    });
    assert_eq!(cooee(&["greet", &address], "").fine().text(), "hello, world!");
}

#[test]
fn greet_leaves_a_silent_server_with_a_word() {
    let address = server(|mut stream| {
        read(&mut stream, 1);
    });
    let left = cooee(&["greet", &address, "--timeout", "50ms"], "");
    left.failed(&["greet", &address, "said nothing for 50ms", "--timeout waits longer"]);
}

#[test]
fn a_filter_whose_server_breaks_off_before_all_was_said_has_failed() {
    for client in ["talk", "chat", "echo"] {
        let address = server(reset);
        cooee(&[client, &address], "hi\nBYE\n").failed(&[client, &address, "reset"]);
        let address = server(|mut stream| {
            read(&mut stream, 1);
            reset(stream);
        });
        let input = "hi\n".repeat(1_000_000) + "BYE\n";
        cooee(&[client, &address], input).failed(&[client, &address, "reset"]);
        let address = server(|mut stream| {
            let said = read(&mut stream, 3);
            stream.write_all(&said).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            while read(&mut stream, 65_536).len() == 65_536 {}
        });
        let mut input = start(&[client, &address]);
        let mut pipe = input.stdin.take().unwrap();
        pipe.write_all(b"hi\n").unwrap();
        let mut answer = [0; 3];
        input.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hi\n");
        // The server has closed, or is about to: what is fed from now on is not echoed.
        let feeder = thread::spawn(move || while pipe.write_all(&[b'x'; 4096]).is_ok() {});
        end(input).failed(&[client, &address, "closed the connection"]);
        feeder.join().unwrap();
    }
}

#[test]
fn talk_carries_lines_to_the_operator_and_back() {
    let mut server = Server::start(&["talk://:0"]);
    let address = server.address("talk+tcp").to_string();
    let mut client = start(&["talk", &address]);
    let mut input = client.stdin.take().unwrap();
    writeln!(input, "Hello? Are you there?").unwrap();
    assert_eq!(server.screen.next_line(), "Client says: Hello? Are you there?");
    server.operator("Yes? Whats the big idea?");
    let mut answer = [0; 25];
    client.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"Yes? Whats the big idea?\n");
    writeln!(input, "BYE").unwrap();
    assert_eq!(server.screen.next_line(), "Client says: BYE");
    assert_eq!(end(client).fine().text(), "");
}

#[test]
fn talk_follows_a_classic_server_turn_by_turn() {
    let address = server(|mut stream| {
        assert_eq!(read(&mut stream, 6), b"hello\n");
        stream.write_all(b"Yes?").unwrap();
        // Without a newline, because the server uses none either.
        assert_eq!(read(&mut stream, 99), b"BYE");
    });
    let mut client = start(&["talk", &address]);
    let mut input = client.stdin.take().unwrap();
    writeln!(input, "hello").unwrap();
    let mut answer = [0; 5];
    client.stdout.as_mut().unwrap().read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"Yes?\n");
    writeln!(input, "BYE").unwrap();
    assert_eq!(end(client).fine().text(), "");
}

#[test]
fn talk_learns_from_the_end_of_a_line_that_came_in_two_segments() {
    let (go_on, wait) = channel::<()>();
    let address = server(move |mut stream| {
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"Hel").unwrap();
        wait.recv().unwrap();
        stream.write_all(b"lo\n").unwrap();
        assert_eq!(read(&mut stream, 99), b"answer\n");
        stream.write_all(b"BYE\0\0").unwrap();
    });
    let mut client = start(&["talk", &address]);
    let (mut input, mut out) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    let mut shown = [0; 4];
    // Silence ends the piece, and it is shown.
    out.read_exact(&mut shown).unwrap();
    assert_eq!(&shown, b"Hel\n");
    go_on.send(()).unwrap();
    out.read_exact(&mut shown[..3]).unwrap();
    assert_eq!(&shown[..3], b"lo\n");
    writeln!(input, "answer").unwrap();
    drop(input);
    assert_eq!(end(client).fine().text(), "");
}

#[test]
fn months_answers_a_line_each() {
    let mut server = Server::start(&["months://:0"]);
    let address = server.address("months+udp").to_string();
    let asked = cooee(&["months", &address, "1", "12", "0", "3"], "").fine();
    assert_eq!(asked.text(), "January\nDecember\nGoodbye!\n");
    let other = cooee(&["months", &address, "-3"], "").fine();
    assert_eq!(other.text(), "1-12, or 0 to end\n");
    let piped = cooee(&["months", &address], "2\n\n 3 \n0\n4\n").fine();
    assert_eq!(piped.text(), "February\nMarch\nGoodbye!\n");
}

#[test]
fn a_datagram_that_is_lost_is_asked_for_again_and_one_that_comes_twice_is_shown_once() {
    let address = datagram_server(|socket| {
        let (first, _) = receive(&socket);
        assert_eq!(first, "1");
        // That one is lost. The second is answered twice.
        let (again, from) = receive(&socket);
        assert_eq!(again, "1");
        for _ in 0..2 {
            socket.send_to(b"January", from).unwrap();
        }
        let (next, from) = receive(&socket);
        assert_eq!(next, "2");
        socket.send_to(b"January", from).unwrap();
        socket.send_to(b"February", from).unwrap();
    });
    let left = cooee(&["months", &address, "1", "2", "--timeout", "1s"], "").fine();
    assert_eq!(left.text(), "January\nFebruary\n");
}

#[test]
fn a_silent_datagram_server_is_given_up_in_words() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let patience = ["--timeout", "50ms", "--retries", "2"];
    let left = cooee(&[&["months", &address, "1"][..], &patience].concat(), "");
    left.failed(&["months", &address, "no answer within 50ms", "asked 3 times"]);
    let left = cooee(&[&["echo", "--udp", &address][..], &patience].concat(), "x");
    left.failed(&["echo", &address, "asked 3 times"]);
    let received = std::iter::repeat_with(|| receive(&socket).0).take(6).collect::<String>();
    assert_eq!(received, "111xxx");
}

#[test]
fn every_step_is_told_in_order_if_asked_for() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let left = cooee(&["echo", &address, "-v"], "hello");
    assert_eq!((left.status, left.text()), (Some(0), "hello"));
    // The answer may come before the end of the input has been seen, or after it.
    assert!(left.errors.contains("closing our side"), "{}", left.errors);
    let mut rest = left.errors.as_str();
    let connecting = format!("connecting to {address}");
    for step in [
        "resolving 127.0.0.1",
        "creating a TCP socket",
        &connecting,
        "connected from 127.0.0.1:",
        "sent 5 bytes",
        "received 5 bytes",
        "closed by the server",
    ] {
        let at = rest.find(step).unwrap_or_else(|| panic!("{step:?} is not in {rest:?}"));
        rest = &rest[at + step.len()..];
    }
}

#[test]
fn input_that_cannot_be_read_is_a_failure() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let folder = std::fs::File::open("/").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cooee"));
    let output = command.args(["echo", &address]).stdin(folder).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert!(errors.contains("standard input: Is a directory"), "{errors}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp").to_string();
    let mut client = start(&["echo", &address]);
    let mut input = client.stdin.take().unwrap();
    let mut out = client.stdout.take().unwrap();
    let feeder = thread::spawn(move || while input.write_all(&[b'x'; 4096]).is_ok() {});
    out.read_exact(&mut [0; 5]).unwrap();
    drop(out);
    end(client).fine();
    feeder.join().unwrap();
}
