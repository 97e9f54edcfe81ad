//! What is there for speed does no harm: shared ports, spinning, congestion control.

use crate::support::{Server, Tcp, free_port, refused};

#[test]
fn processes_share_a_port_if_all_of_them_want_to_and_talk_stays_in_one() {
    let endpoint = format!("echo+tcp://:{}", free_port(8));
    let mut servers: Vec<Server> =
        (0..2).map(|_| Server::start(&[&endpoint, "--reuse-port"])).collect();
    let address = servers.iter_mut().map(|server| server.address("echo+tcp")).last().unwrap();
    let mut clients: Vec<Tcp> = (0..64).map(|_| Tcp::connect(address)).collect();
    clients.iter_mut().for_each(|client| client.echoes("hello"));
    for server in &mut servers {
        // Of 64 connections spread by chance, all go to the same one once in 2^63 runs.
        server.log.wait_for_line("echo connection established");
    }
    let line = refused(1, &["serve", &endpoint]);
    assert!(line.contains("another server is there"), "{line}");

    let talk = format!("talk://:{}", free_port(9));
    let mut alone = Server::start(&[&talk, "--reuse-port"]);
    alone.address("talk+tcp");
    alone.log.wait_for_line("--reuse-port does nothing for talk, whose people meet in one process");
    let line = refused(1, &["serve", &talk, "--reuse-port"]);
    assert!(line.contains("another server is there"), "{line}");
}

#[test]
fn a_spinning_server_sleeps_once_nothing_has_happened_for_so_long() {
    let mut server = Server::start(&["echo+tcp://:0", "--spin", "5ms"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("hello");
    let cpu = server.cpu_ms();
    client.hears_nothing();
    let used = server.cpu_ms() - cpu;
    assert!(used < 100, "{used} ms of processor time for nothing");
    client.echoes("still there");
}

#[test]
fn a_congestion_control_that_the_kernel_does_not_have_is_named_with_those_it_has() {
    let line = refused(1, &["serve", "echo+tcp://:0", "--congestion", "nonsense"]);
    let wanted = "this kernel has no congestion control nonsense; it has ";
    assert!(line.contains(wanted) && line.contains("reno"), "{line}");
    let mut server = Server::start(&["echo+tcp://:0", "--congestion", "reno"]);
    Tcp::connect(server.address("echo+tcp")).echoes("hello");
}
