//! Proxies that nobody here wrote: haproxy before our server and behind our clients, and nginx.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{greeting, trusting};
use crate::support::lines::Lines;
use crate::support::{Folder, Tcp, cooee, loudly};

/// A proxy that runs in the foreground, in a folder of its own.
struct Proxy {
    child: Child,
    folder: Folder,
    log: Lines,
    address: SocketAddr,
}

impl Proxy {
    /// HAProxy with one frontend, which is `listen` behind its address; `rest` comes after it.
    fn haproxy(listen: &str, rest: &str) -> Option<Proxy> {
        let config = |_: &Folder, _: SocketAddr| {
            format!(
                "global\n maxconn 100\n log stderr local0\n\
                 defaults\n mode tcp\n log global\n timeout connect 5s\n timeout client 20s\n \
                 timeout server 20s\n\
                 frontend front\n bind fd@5 {listen}\n default_backend back\n\
                 backend back\n{rest}"
            )
        };
        Proxy::start("haproxy", "-v", &["-db", "-f"], config)
    }

    /// Nginx with one server of its stream module.
    fn nginx(listen: &str, rest: &str) -> Option<Proxy> {
        let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
        let load = match std::fs::exists(module).unwrap() {
            true => format!("load_module {module};\n"),
            false => String::new(),
        };
        let config = |folder: &Folder, address: SocketAddr| {
            let pid = folder.path("pid");
            format!(
                "{load}daemon off;\nworker_processes 1;\npid {pid};\n\
                 error_log stderr warn;\nevents {{}}\n\
                 stream {{ server {{ listen {address} {listen};\n{rest} }} }}\n"
            )
        };
        Proxy::start("nginx", "-v", &["-c"], config)
    }

    /// It takes over a socket that listens already, as its standard input: so there is no port that
    /// somebody else could take first, and nothing to wait for.
    fn start(
        program: &str,
        version: &str,
        words: &[&str],
        config: impl Fn(&Folder, SocketAddr) -> String,
    ) -> Option<Proxy> {
        let silent = |kind: &str| Command::new(program).arg(kind).stderr(Stdio::null()).output();
        if !silent(version).is_ok_and(|output| output.status.success()) {
            loudly(&format!("NOT TESTED, because there is no {program} on this machine"));
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let folder = Folder::new(&format!("{program}-{}", address.port()));
        let file = folder.path("config");
        std::fs::write(&file, config(&folder, address)).unwrap();
        // As a number of its own: what is 0 they may take for none, or close.
        let script = "exec 5<&0; exec \"$0\" \"$@\"";
        let mut child = Command::new("sh")
            .args(["-c", script, program])
            .args(words)
            .arg(&file)
            .env("NGINX", "5;")
            .stdin(OwnedFd::from(listener))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Lines::of("the proxy's log", child.stderr.take().unwrap());
        Some(Proxy { child, folder, log, address })
    }

    /// What a greet client is told that calls it with these words.
    fn greets(&self, words: &[&str]) -> String {
        let address = self.address.to_string();
        cooee(&[&["greet"], words, &[&address]].concat(), "").fine().text().to_owned()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Not killed: nginx would leave its worker behind.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the proxy's log: {:#?}", self.log.all());
        }
    }
}

/// Calls greet through `proxy` and asserts that it is told our own address.
fn is_told_its_own_address(proxy: &Proxy) {
    let mut client = Tcp::connect(proxy.address);
    let own = client.local().to_string();
    assert_eq!(String::from_utf8(client.hear_all()).unwrap(), greeting(&own));
}

#[test]
fn behind_haproxy_greet_tells_the_clients_address() {
    for option in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
        "send-proxy-v2 set-proxy-v2-tlv-fmt(0xE1) %[str(x)]",
    ] {
        let (mut server, greet) = trusting("greet+tcp", &[]);
        let tlv = option.contains("set-proxy-v2-tlv-fmt");
        let rest = format!(" server one {greet} {option}\n");
        let listen = "\n unique-id-format id-%rt\n";
        let Some(proxy) = Proxy::haproxy(listen, &rest) else { return };
        if tlv && !knows(&proxy, "set-proxy-v2-tlv-fmt") {
            continue;
        }
        is_told_its_own_address(&proxy);
        server.log.wait_for_line(", by way of 127.0.0.1:");
    }
}

/// Whether this haproxy is new enough for that word: those before it end with a complaint.
fn knows(proxy: &Proxy, word: &str) -> bool {
    let file = proxy.folder.path("config");
    let output = Command::new("haproxy").args(["-c", "-f"]).arg(file).output().unwrap();
    !String::from_utf8_lossy(&output.stderr).contains(word)
}

#[test]
fn echo_goes_through_haproxy_to_the_last_byte() {
    let (_server, echo) = trusting("echo+tcp", &[]);
    let rest = format!(" server one {echo} send-proxy-v2\n");
    let Some(proxy) = Proxy::haproxy("", &rest) else { return };
    let text = "0123456789".repeat(30_000);
    let said = cooee(&["echo", &proxy.address.to_string()], &text).fine();
    assert!(said.text() == text);
}

#[test]
fn checks_of_haproxy_speak_for_themselves() {
    let (mut server, greet) = trusting("greet+tcp", &[]);
    let rest = format!(
        " option tcp-check\n tcp-check connect send-proxy\n tcp-check expect rstring Hello\n \
         server one {greet} send-proxy-v2 check inter 100ms fall 1 rise 1\n"
    );
    let Some(mut proxy) = Proxy::haproxy("", &rest) else { return };
    for _ in 0..3 {
        server.log.wait_for_line("closed: done");
    }
    is_told_its_own_address(&proxy);
    assert_eq!(server.log.count("no PROXY header"), 0);
    assert_eq!(proxy.log.count("is DOWN"), 0);
}

#[test]
fn haproxy_believes_our_clients() {
    let (_server, greet) = trusting("greet+tcp", &[]);
    let rest = format!(" server one {greet} send-proxy\n");
    let Some(proxy) = Proxy::haproxy("accept-proxy", &rest) else { return };
    for header in ["v1=198.51.100.7:4711", "v2=198.51.100.7:4711", "v2=[2001:db8::7]:4711"] {
        let (_, source) = header.split_once('=').unwrap();
        assert_eq!(proxy.greets(&["--proxy-header", header]), greeting(source));
    }
    for version in ["v1", "v2"] {
        let told = proxy.greets(&["--proxy-header", version]);
        assert!(told.starts_with("Hello! You are connected to ('127.0.0.1', "), "{told}");
    }
}

#[test]
fn behind_nginx_greet_tells_the_clients_address() {
    let (mut server, greet) = trusting("greet+tcp", &[]);
    let rest = format!("proxy_pass {greet}; proxy_protocol on;");
    let Some(proxy) = Proxy::nginx("", &rest) else { return };
    is_told_its_own_address(&proxy);
    server.log.wait_for_line(", by way of 127.0.0.1:");
}

#[test]
fn nginx_believes_our_clients() {
    let rest = "return \"$proxy_protocol_addr $proxy_protocol_port\\n\";";
    let Some(proxy) = Proxy::nginx("proxy_protocol", rest) else { return };
    for (header, told) in [
        ("v1=198.51.100.7:4711", "198.51.100.7 4711\n"),
        ("v2=198.51.100.7:4711", "198.51.100.7 4711\n"),
        ("v2=[2001:db8::7]:4711", "2001:db8::7 4711\n"),
    ] {
        assert_eq!(proxy.greets(&["--proxy-header", header]), told);
    }
}

#[test]
fn a_guard_behind_haproxy_judges_its_clients() {
    let (mut server, greet) = trusting("greet+tcp", &["--deny", "198.51.100.0/24"]);
    let rest = format!(" server one {greet} send-proxy-v2\n");
    let Some(proxy) = Proxy::haproxy("accept-proxy", &rest) else { return };
    let to = proxy.address.to_string();
    let header = "--proxy-header";
    cooee(&["greet", header, "v2=198.51.100.7:9", &to], "").failed(&[]);
    server.log.wait_for_line("closed: refused");
    let told = proxy.greets(&[header, "v2=203.0.113.7:9"]);
    assert_eq!(told, greeting("203.0.113.7:9"));
}
