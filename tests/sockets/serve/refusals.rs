//! Bad input: one clear line, the right exit status, and nothing half-started.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::Command;

use crate::support::{Server, free_port, loudly, refused};

fn assert_names(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in: {line}");
    }
}

#[test]
#[cfg(not(feature = "admin"))]
fn what_this_build_is_without_is_refused_by_its_name() {
    for words in
        [&["serve", "echo+tcp://:0", "--admin", "0"][..], &["top"], &["top", "5090"], &["health"]]
    {
        assert_names(&refused(2, words), &["the feature admin", "built without"]);
    }
}

#[test]
fn words_that_make_no_sense_are_refused_by_name_with_what_to_write_instead() {
    let cases: [(&[&str], &[&str]); 8] = [
        (&["ehco"], &["\"ehco\"", "did you mean echo"]),
        (&["echo://127.0.0.1:99999"], &["99999", "0 to 65535"]),
        (&["echo://[::1"], &["closing ]", "[::1]:5007"]),
        (&["echo:7"], &["echo:7", "://", "echo://:7"]),
        (&["months+tcp"], &["months", "not offered", "months+udp"]),
        (&["greet", "--greeting", "Hi {nmae}!"], &["--greeting", "{nmae}", "column 4", "{ip}"]),
        (&["months://:0", "--greeting", "Hi"], &["--greeting", "greet", "not served here"]),
        (&["greet://:0", "--echo-once"], &["--echo-once", "echo", "not served here"]),
    ];
    for (words, named) in cases {
        assert_names(&refused(2, &[&["serve"], words].concat()), named);
    }
}

#[test]
fn a_port_in_use_is_named_and_nothing_is_half_started() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = [
        format!("talk+tcp://{}", tcp.local_addr().unwrap()),
        format!("echo+udp://{}", udp.local_addr().unwrap()),
    ];
    for url in taken {
        let line = refused(1, &["serve", "greet://:0", &url]);
        assert_names(&line, &["cannot listen on", &url, "in use", "choose another port"]);
    }
}

#[test]
fn an_address_or_a_name_that_is_not_there_is_named() {
    // A label over 63 characters (RFC 1035) cannot exist, so no name server has to be asked, which
    // might take its time.
    let nowhere = "nosuch".repeat(11);
    let line = refused(1, &["serve", &format!("echo://{nowhere}")]);
    assert_names(&line, &[&nowhere, "does not resolve", "check the name"]);
    // Documentation addresses (RFC 5737) belong to no machine.
    let line = refused(1, &["serve", "greet://203.0.113.77:0"]);
    assert_names(&line, &["greet+tcp://203.0.113.77:0", "no such address"]);
}

#[test]
fn two_services_on_one_port_are_both_named() {
    let line = refused(1, &["serve", "echo+tcp://:7001", "talk://:7001"]);
    assert_names(&line, &["echo+tcp://127.0.0.1:7001", "talk+tcp://127.0.0.1:7001", "same port"]);
}

#[test]
fn an_address_within_another_is_a_clash_of_our_own_and_no_other_server_is_blamed() {
    let port = free_port(5);
    let (one, all) = (format!("echo+tcp://127.0.0.1:{port}"), format!("talk+tcp://0.0.0.0:{port}"));
    let line = refused(1, &["serve", &one, &all]);
    assert_names(&line, &[&one, &all]);
    assert!(!line.contains("another server"), "{line}");
}

#[test]
fn an_announcement_that_cannot_be_written_is_refused_before_anything_is_announced() {
    let line = refused(1, &["serve", "echo://:0", "--announce", "/nosuch/dir/ports"]);
    assert_names(&line, &["--announce /nosuch/dir/ports", "the folder /nosuch/dir does not exist"]);
}

#[test]
fn more_connections_than_descriptors_are_refused_with_the_way_out() {
    let line = refused(1, &["serve", "echo://:0", "--max-connections", "999999999999"]);
    assert_names(&line, &["--max-connections 999999999999", "ulimit -n"]);
}

#[test]
fn a_privileged_port_needs_the_right_and_says_so() {
    const PORT: u16 = 7;
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    let first_free: u16 = first_free.map_or(1024, |text| text.trim().parse().unwrap());
    if first_free <= PORT {
        loudly(&format!(
            "CANNOT OCCUR HERE: anybody may bind port {PORT}, \
             net.ipv4.ip_unprivileged_port_start is {first_free}"
        ));
        return;
    }
    let serve = [env!("CARGO_BIN_EXE_cooee"), "serve", "echo+tcp://:7"];
    let drop_right = ["--bounding-set", "-net_bind_service", "--inh-caps", "-net_bind_service"];
    let mut cooee = match rustix::process::geteuid().is_root() {
        false => Server::run(serve[0], &serve[1..]),
        true if can_drop_rights() => Server::run("setpriv", &[&drop_right[..], &serve].concat()),
        true => {
            return loudly("NOT TESTED: root may bind every port, and there is no setpriv here");
        }
    };
    let ended = cooee.ended();
    assert_eq!((ended.status, ended.log.len()), (1, 1), "{:#?}", ended.log);
    let named = ["cannot listen on echo+tcp://127.0.0.1:7", "denied", "below 1024", "higher"];
    assert_names(&ended.log[0], &named);
}

fn can_drop_rights() -> bool {
    let tried =
        Command::new("setpriv").args(["--bounding-set", "-net_bind_service", "true"]).status();
    tried.is_ok_and(|status| status.success())
}

/// Runs `cooee` and returns its exit status, what it printed and what it complained about.
fn cooee(words: &[&str]) -> (i32, String, String) {
    let mut cooee = Server::run(env!("CARGO_BIN_EXE_cooee"), words);
    let ended = cooee.ended();
    (ended.status, ended.screen.join("\n"), ended.log.join("\n"))
}

#[test]
fn wrong_usage_is_two_and_says_what_is_wrong() {
    let cases: [(&[&str], &str); 7] = [
        (&[], "Usage"),
        (&["sevre"], "sevre"),
        (&["serve", "--nonsense"], "--nonsense"),
        (&["serve", "--drain", "5"], "add a unit"),
        (&["serve", "--max-connections", "0"], "from 1 on"),
        (&["serve", "--idle-timeout", "soon"], "soon"),
        (&["serve", "--echo-once", "--echo-reply", "x"], "cannot be used with"),
    ];
    for (words, named) in cases {
        let (status, printed, complaint) = cooee(words);
        assert_eq!((status, printed.as_str()), (2, ""), "{words:?}: {complaint}");
        assert_names(&complaint, &[named]);
    }
}

#[test]
fn help_and_version_are_no_failures_and_go_to_standard_output() {
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--version"], &["cooee ", env!("CARGO_PKG_VERSION")]),
        (&["--help"], &["serve", "Usage"]),
        (&["serve", "--help"], &["--host", "--greeting", "Examples", "127.0.0.1"]),
        (&["serve", "-h"], &["--host", "Services:"]),
        (&["help", "serve"], &["--host"]),
    ];
    for (words, named) in cases {
        let (status, printed, complaint) = cooee(words);
        assert_eq!((status, complaint.as_str()), (0, ""), "{words:?}");
        assert_names(&printed, named);
    }
}

#[test]
fn a_refusal_that_nobody_can_read_is_still_a_refusal() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut cooee = Command::new(env!("CARGO_BIN_EXE_cooee"));
    let status = cooee.args(["serve", "ehco"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
