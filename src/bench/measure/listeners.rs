//! Which processes of this machine are the server: those that listen on its port, and what they
//! have started. From `/proc` (proc(5)); those of other users are not seen.

use std::collections::BTreeSet;
use std::fs;

use super::processes::processes;
use crate::engine::{Address, UnixName};
use crate::reactor::{dial_unix, peer_of};

/// The processes behind `port` on this machine, as far as they can be seen.
pub(crate) fn listeners(port: u16, is_datagram: bool) -> BTreeSet<u32> {
    let tables = if is_datagram { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
    let sockets: BTreeSet<String> = tables
        .into_iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/net/{table}")).ok())
        .flat_map(|table| inodes(&table, port, is_datagram))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    with_descendants(|pid| holds_any(pid, &sockets))
}

/// The process that listens at a unix socket, as its kernel tells those who call it, and what it
/// has started.
pub(crate) fn listeners_at(name: &UnixName) -> BTreeSet<u32> {
    let found = dial_unix(name).map(|stream| peer_of(&stream));
    match found {
        Ok(Address::Unix(Some(whose))) => with_descendants(|pid| pid == whose.pid),
        _ => BTreeSet::new(),
    }
}

fn with_descendants(is_meant: impl Fn(u32) -> bool) -> BTreeSet<u32> {
    // All processes, each with its parent.
    let all: Vec<_> = processes().map(|one| (one.pid, one.parent)).collect();
    let mut found: BTreeSet<u32> =
        all.iter().filter(|(pid, _)| is_meant(*pid)).map(|(pid, _)| *pid).collect();
    add_descendants(&mut found, &all);
    found
}

/// The inodes of the sockets that listen on `port`, or of all datagram sockets there.
fn inodes(table: &str, port: u16, is_datagram: bool) -> Vec<String> {
    let local = format!(":{port:04X}");
    let listens = |fields: &[&str]| is_datagram || fields[3] == "0A";
    let lines = table.lines().skip(1).map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    lines
        .filter(|fields| fields.len() > 9 && fields[1].ends_with(&local) && listens(fields))
        .map(|fields| fields[9].to_string())
        .collect()
}

fn holds_any(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
}

fn add_descendants(found: &mut BTreeSet<u32>, all: &[(u32, u32)]) {
    loop {
        let children = all.iter().filter(|(_, parent)| found.contains(parent));
        let new: Vec<u32> =
            children.map(|(pid, _)| *pid).filter(|pid| !found.contains(pid)).collect();
        if new.is_empty() {
            return;
        }
        found.extend(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_is_found_and_others_are_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(listeners(port, false).contains(&std::process::id()));
        assert!(!listeners(port, true).contains(&std::process::id()));
    }

    #[test]
    fn what_a_server_has_started_is_part_of_it() {
        let mut found = BTreeSet::from([10]);
        add_descendants(&mut found, &[(11, 10), (12, 11), (13, 1), (10, 1)]);
        assert_eq!(found, BTreeSet::from([10, 11, 12]));
    }
}
