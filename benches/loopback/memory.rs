//! What connections that do nothing cost: anonymous memory of the server, before and after.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::cores::Cores;
use crate::servers::{Contender, Server};

/// What it is chosen by.
pub(crate) const NAME: &str = "idle memory";

/// Bytes for each connection.
pub(crate) struct Memory {
    pub(crate) connections: u32,
    /// Of each contender.
    pub(crate) bytes: Vec<f64>,
}

impl Memory {
    pub(crate) fn measure(
        contenders: &[Contender],
        cores: &Cores,
        connections: u32,
    ) -> Result<Memory, String> {
        eprintln!("{NAME} ...");
        let of = |contender| of_one(contender, cores, connections);
        let bytes = contenders.iter().map(of).collect::<Result<Vec<f64>, String>>()?;
        Ok(Memory { connections, bytes })
    }
}

/// Everybody has said something once and been answered, so that buffers have been there.
fn of_one(contender: &Contender, cores: &Cores, connections: u32) -> Result<f64, String> {
    let server = Server::start(contender, "echo+tcp", cores)?;
    let (_, address) = server.url.split_once("://").ok_or("it listens nowhere")?;
    let call = || {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"is there anybody")?;
        stream.read_exact(&mut [0; 16])?;
        Ok(stream)
    };
    let failed = |error: std::io::Error| format!("{}: {error}", contender.name);
    // The first one has the server make what it has only one of.
    let first = call().map_err(failed)?;
    let before = anonymous_bytes(server.pid())?;
    let held: Vec<TcpStream> =
        (0..connections).map(|_| call()).collect::<Result<_, _>>().map_err(failed)?;
    let after = anonymous_bytes(server.pid())?;
    drop((first, held));
    Ok((after - before) / f64::from(connections))
}

fn anonymous_bytes(pid: u32) -> Result<f64, String> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kibibytes.map(|count| 1024.0 * count).ok_or_else(|| format!("{path} has no Anonymous"))
}
