//! Small servers that do as a test says: they lie, stall, refuse and vanish.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use crate::support::MONTHS;

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
    let number: usize = std::str::from_utf8(question).unwrap().parse().unwrap();
    MONTHS[number - 1].as_bytes()
}
