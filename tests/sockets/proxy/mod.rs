//! The PROXY protocol over real sockets: headers as proxies send them, ours against ours, and what
//! the guards make of it. `others` has proxies that nobody here wrote.

mod others;

use std::io::Write;
use std::net::SocketAddr;

use rustix::process::Signal;

use crate::support::served::Served;
use crate::support::{Server, Tcp, cooee, refused};

/// How version 2 begins.
const BLOCK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// 198.51.100.7, port 4711, to 192.0.2.1, port 7.
const V4: [u8; 12] = [198, 51, 100, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 7];

fn block(head: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [BLOCK, &head, &length, rest].concat()
}

/// A line of version 1 for that source.
fn line(source: &str) -> String {
    format!("PROXY TCP4 {source} 192.0.2.1 4711 7\r\n")
}

/// What serves `what`, and takes everybody on this machine for a proxy.
fn trusting(what: &str, words: &[&str]) -> (Server, SocketAddr) {
    let endpoint = format!("{what}://127.0.0.1:0");
    let words = [words, &[&endpoint, "--proxy-from", "127.0.0.0/8"]].concat();
    let mut server = Server::start(&words);
    let address = server.address(what);
    (server, address)
}

/// Whether the server hangs up without a word.
fn is_refused(client: &mut Tcp) -> bool {
    client.read(&mut [0; 9]).map_or(true, |count| count == 0)
}

fn greeting(to: &str) -> String {
    let (ip, port) = to.rsplit_once(':').unwrap();
    format!("Hello! You are connected to ('{}', {port})\n", ip.trim_matches(['[', ']']))
}

#[test]
fn greet_tells_whom_a_header_names_however_it_comes() {
    let (mut server, greet) = trusting("greet+tcp", &[]);
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0x12, 0x67, 0, 7]].concat();
    let fields = [&V4[..], &[0xe0, 0, 3, 1, 2, 3], &[4, 1, 0], &[0; 256]].concat();
    let mapped = [&[0; 10][..], &[0xff; 2], &V4[..4], &[0; 16], &[0x12, 0x67, 0, 7]].concat();
    let v4 = Some("198.51.100.7:4711");
    let cases: [(Vec<u8>, Option<&str>); 10] = [
        (line("198.51.100.7").into(), v4),
        (b"PROXY TCP6 2001:db8::7 ::1 4711 7\r\n".to_vec(), Some("[2001:db8::7]:4711")),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 4711 7\r\n".to_vec(), v4),
        (b"PROXY UNKNOWN\r\n".to_vec(), None),
        (block([0x21, 0x11], &V4), v4),
        (block([0x21, 0x11], &fields), v4),
        (block([0x21, 0x21], &v6), Some("[2001:db8::7]:4711")),
        (block([0x21, 0x21], &mapped), v4),
        (block([0x20, 0x11], &V4), None),
        (block([0x21, 0x31], &[b'x'; 216]), None),
    ];
    for (header, named) in cases {
        for is_dribbled in [false, true] {
            let mut client = Tcp::connect(greet);
            let real = client.local().to_string();
            match is_dribbled {
                false => client.say(&header),
                true => header.iter().for_each(|byte| client.say([*byte])),
            }
            let told = String::from_utf8(client.hear_all()).unwrap();
            assert_eq!(told, greeting(named.unwrap_or(&real)), "{:?}", header.escape_ascii());
            drop(client);
            if let Some(named) = named {
                server.log.wait_for_line(&format!(" is {named}, by way of {real}"));
            }
        }
    }
}

#[test]
fn our_clients_speak_for_themselves_or_for_whom_they_are_told() {
    let (_server, greet) = trusting("greet+tcp", &[]);
    let to = greet.to_string();
    for version in ["v1", "v2"] {
        let said = cooee(&["greet", "--proxy-header", version, &to], "").fine();
        assert!(said.text().starts_with("Hello! You are connected to ('127.0.0.1', "), "{said:?}");
        for source in ["198.51.100.7:4711", "[2001:db8::7]:4711"] {
            let header = format!("{version}={source}");
            let said = cooee(&["greet", "--proxy-header", &header, &to], "").fine();
            assert_eq!(said.text(), greeting(source));
        }
    }
    let (_server, echo) = trusting("echo+tcp", &[]);
    let text = "0123456789".repeat(30_000);
    let to = echo.to_string();
    let said = cooee(&["echo", "--proxy-header", "v2", &to], &text).fine();
    assert!(said.text() == text);
    // Without one, what it says is taken for one.
    let mut child = crate::support::start(&["echo", &to]);
    writeln!(child.stdin.take().unwrap(), "hello").unwrap();
    crate::support::end(child).failed(&["closed"]);
}

#[test]
fn what_comes_right_behind_a_header_is_for_the_service() {
    let (_server, echo) = trusting("echo+tcp", &[]);
    let mut client = Tcp::connect(echo);
    let text = "x".repeat(500_000);
    let mut writer = client.0.try_clone().unwrap();
    let said = [line("198.51.100.7"), text.clone()].concat();
    let writing = std::thread::spawn(move || {
        writer.write_all(said.as_bytes()).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    assert!(client.hear_all() == text.as_bytes());
    writing.join().unwrap();
}

#[test]
fn chat_and_talk_and_the_operator_know_the_peer_by_what_the_header_names() {
    let (mut server, chat) = trusting("chat+tcp", &[]);
    let mut client = Tcp::connect(chat);
    client.say(line("198.51.100.7"));
    assert!(client.hear().contains("You are guest1"));
    server.operator("/who");
    let told = server.screen.wait_for_line("#1 chat");
    assert!(told.contains("198.51.100.7:4711"), "{told}");
    let (mut server, talk) = trusting("talk+tcp", &[]);
    let mut client = Tcp::connect(talk);
    client.say(block([0x21, 0x11], &V4));
    client.say("hello\n");
    server.screen.wait_for_line("Client says: hello");
    server.operator("good day");
    assert_eq!(client.hear(), "good day\n");
}

#[test]
fn who_sends_no_right_header_is_hung_up_on_and_why_is_told() {
    let (mut server, greet) = trusting("greet+tcp", &[]);
    let long = block([0x21, 0x11], &[4; 5000]);
    let sealed = block([0x21, 0x11], &[&V4[..], &[3, 0, 4, 1, 2, 3, 4]].concat());
    for (said, why) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], r#"it begins with "GET / HTTP/1.1\r\n" instead"#),
        (
            b"PROXY TCP4 198.51.100.7 here 1 2\r\n",
            "malformed: \"PROXY TCP4 198.51.100.7 here 1 2\"",
        ),
        (&long[..16], "a header of 5016 bytes, and no more than 4096 are read"),
        (&sealed, "a header whose checksum (CRC32c) is wrong"),
        (b"PROXY TCP4 198", "the connection ended before its PROXY header was whole"),
        (b"", "the connection ended before its PROXY header was whole"),
    ] {
        let mut client = Tcp::connect(greet);
        client.say(said);
        if why.starts_with("the connection ended") {
            client.finish();
        }
        assert_eq!(client.hear_all(), b"", "{why}");
        drop(client);
        let told = server.log.wait_for_line("closed: no PROXY header");
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn what_others_than_proxies_send_is_data() {
    let words = ["echo+tcp://127.0.0.1:0", "--proxy-from", "192.0.2.0/24,2001:db8::/32"];
    assert!(refused(2, &[&["serve"], &words[..]].concat()).contains("--proxy-from"));
    let words = ["echo+tcp://127.0.0.1:0", "--proxy-from", "192.0.2.0/24"];
    let mut server = Server::start(&words);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes(&line("198.51.100.7"));
}

#[test]
fn a_proxy_on_a_socket_for_both_families_is_known_by_its_network() {
    let mut server = Server::start(&["greet://[::]:0", "--proxy-from", "127.0.0.0/8"]);
    let greet = crate::support::at("127.0.0.1", server.address("greet+tcp"));
    let mut client = Tcp::connect(greet);
    client.say(line("198.51.100.7"));
    assert_eq!(client.hear_all(), greeting("198.51.100.7:4711").as_bytes());
}

#[test]
fn the_guards_judge_the_address_in_the_header_and_not_the_proxys() {
    for words in [["--deny", "198.51.100.0/24"], ["--allow", "203.0.113.0/24"]] {
        let (mut server, echo) = trusting("echo+tcp", &words);
        let mut client = Tcp::connect(echo);
        client.say(line("198.51.100.7") + "hello");
        assert!(is_refused(&mut client));
        server.log.wait_for_line("#1 echo closed: refused: not allowed here (--allow, --deny)");
        let mut client = Tcp::connect(echo);
        client.say(line("203.0.113.7"));
        client.echoes("let in");
    }
}

#[test]
fn connections_are_counted_for_the_address_in_the_header() {
    let flags = ["--max-per-ip", "1", "--proxy-from", "127.0.0.0/8"];
    let mut served = Served::start(&["echo+tcp://127.0.0.1:0"], &flags);
    let echo = served.addresses[0];
    let come = |source: &str| {
        let mut client = Tcp::connect(echo);
        client.say(line(source));
        client
    };
    let mut first = come("198.51.100.7");
    first.echoes("first");
    assert!(is_refused(&mut come("198.51.100.7")));
    let mut other = come("198.51.100.8");
    other.echoes("other");
    // Whoever has not said who it is counts for nobody.
    let _silent = [Tcp::connect(echo), Tcp::connect(echo)];
    drop(first);
    served.wait_until("the first has gone", |stats| stats.contains("3 open"));
    come("198.51.100.7").echoes("again");
}

#[test]
fn a_proxy_that_dribbles_a_thousand_headers_at_once_names_them_all() {
    crate::support::raise_descriptor_limit(2500);
    let (_server, greet) = trusting("greet+tcp", &[]);
    let mut clients: Vec<Tcp> = (0..1000).map(|_| Tcp::connect(greet)).collect();
    let header = line("198.51.100.7");
    for byte in header.bytes() {
        clients.iter_mut().for_each(|client| client.say([byte]));
    }
    for mut client in clients {
        assert_eq!(client.hear_all(), greeting("198.51.100.7:4711").as_bytes());
    }
}

#[test]
fn proxies_that_take_all_places_and_say_nothing_keep_nobody_out_for_long() {
    let words = ["echo+tcp://127.0.0.1:0", "--max-connections", "4", "--proxy-from", "127.0.0.0/8"];
    let mut server = Server::start(&words);
    let echo = server.address("echo+tcp");
    let mut silent: Vec<Tcp> = (0..4).map(|_| Tcp::connect(echo)).collect();
    let mut client = Tcp::connect(echo);
    client.say(line("198.51.100.7"));
    client.echoes("let in");
    assert!(silent.iter_mut().any(is_refused));
    let told = server.log.wait_for_line("closed: no PROXY header");
    // It is not the five seconds after which it would have gone in any case.
    assert!(told.contains("ms)"), "{told}");
}

#[test]
fn leaving_does_not_wait_for_headers() {
    let (mut server, greet) = trusting("greet+tcp", &["--drain", "1h"]);
    let mut clients = [Tcp::connect(greet), Tcp::connect(greet)];
    clients[1].say("PROXY TCP4 198.51");
    for _ in 0..2 {
        server.log.wait_for_line("connection established");
    }
    server.signal(Signal::TERM);
    for mut client in clients {
        assert_eq!(client.hear_all(), b"");
    }
    assert_eq!(server.ended().status, 0);
}

#[test]
fn flags_that_make_no_sense_are_refused_in_one_line() {
    for (words, why) in [
        (&["serve", "--proxy-from", "ten"][..], "or unix"),
        (&["serve", "months", "--proxy-from", "::1"], "--proxy-from is for services over streams"),
        (&["echo", "--proxy-header", "v3"], "write v1 or v2"),
        (&["echo", "--proxy-header", "v1=localhost"], "v1=192.0.2.7:4711"),
        (&["echo", "--udp", "--proxy-header", "v1"], "--proxy-header does nothing over UDP"),
        (&["months", "--proxy-header", "v1"], "--proxy-header"),
    ] {
        let told = refused(2, words);
        assert!(told.contains(why), "{told}");
    }
}

#[test]
#[cfg(feature = "admin")]
fn the_admin_needs_no_header() {
    use crate::serve::admin::{admin_of, fetch};
    let (mut server, greet) = trusting("greet+tcp", &["--admin", "0"]);
    let admin = admin_of(&mut server);
    let mut client = Tcp::connect(greet);
    client.say("nonsense");
    assert_eq!(client.hear_all(), b"");
    drop(client);
    server.log.wait_for_line("closed: no PROXY header");
    let metrics = fetch(admin, "/metrics");
    let wanted = "cooee_connections_closed_total{service=\"greet\",transport=\"tcp\",\
                  reason=\"preface\"} 1";
    assert!(metrics.contains(wanted), "{metrics}");
}

#[test]
#[cfg(feature = "config")]
fn whom_it_trusts_may_change_and_the_counts_stay_those_of_headers() {
    use crate::serve::configuration::Config;
    let text = |from: &str| {
        format!("endpoints = [\"echo+tcp://:0\"]\nmax-per-ip = 1\nproxy-from = [\"{from}\"]\n")
    };
    let config = Config::new("proxies", &text("127.0.0.0/8"));
    let mut server = Server::start(&["--config", config.path()]);
    let echo = server.address("echo+tcp");
    let come = |header: &str| {
        let mut client = Tcp::connect(echo);
        client.say(header);
        client
    };
    let mut first = come(&line("198.51.100.7"));
    first.echoes("first");
    let mut second = come(&line("198.51.100.8"));
    second.echoes("second");
    config.write(&text("192.0.2.0/24"));
    server.signal(Signal::HUP);
    let told = server.log.wait_for_line("configuration read again: ");
    assert!(told.ends_with("changed proxy-from"), "{told}");
    // Of this machine itself nobody is there yet.
    let mut plain = come("");
    plain.echoes(&line("198.51.100.9"));
    // It is refused as it comes: a word of it might meet the RST.
    assert!(is_refused(&mut come("")));
    config.write(&text("127.0.0.1"));
    server.signal(Signal::HUP);
    server.log.wait_for_line("configuration read again: ");
    assert!(is_refused(&mut come(&line("198.51.100.7"))));
    come(&line("198.51.100.9")).echoes("third");
    for client in [&mut first, &mut second, &mut plain] {
        client.echoes("still here");
    }
}

#[test]
#[cfg(feature = "bench")]
fn the_bench_measures_through_a_header() {
    use crate::bench::run::{count, measured};
    for (workload, what) in [("tcp_rr", "echo"), ("tcp_crr", "echo"), ("greet", "greet")] {
        let (_server, address) = trusting(&format!("{what}+tcp"), &[]);
        for header in ["v1", "v2=198.51.100.7:4711"] {
            let to = format!("{what}://{address}");
            let words = [workload, &to, "--count", "50", "-c", "2", "--warmup", "0s"];
            let (status, result, said) =
                measured(&[&words[..], &["--proxy-header", header]].concat());
            assert_eq!(status, Some(0), "{workload}: {said}");
            assert_eq!(result["operations"], 50, "{result:#}");
            for kind in ["connect", "reset", "timeout", "wrong", "other"] {
                assert_eq!(count(&result, kind), 0, "{workload}: {result:#}");
            }
        }
    }
}
