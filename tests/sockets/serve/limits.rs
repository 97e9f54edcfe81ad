//! Limits: connections, descriptors, idle time. Whoever waits is served later, nothing spins.

use std::net::TcpStream;

use crate::support::{Server, Tcp};

/// A few connections that have had an answer, so the server has accepted them.
fn echoing(count: usize, address: std::net::SocketAddr) -> Vec<Tcp> {
    let mut clients: Vec<Tcp> = (0..count).map(|_| Tcp::connect(address)).collect();
    clients.iter_mut().for_each(|client| client.echoes("hello"));
    clients
}

/// Asserts that `client`, who has spoken, waits in vain and that the server sleeps meanwhile.
fn waits_in_vain(client: &mut Tcp, server: &Server) {
    let cpu = server.cpu_ms();
    client.hears_nothing();
    let used = server.cpu_ms() - cpu;
    assert!(used < 100, "{used} ms of processor time for waiting");
}

#[test]
fn the_fourth_of_three_waits_and_is_served_when_one_leaves() {
    let mut server = Server::start(&["echo+tcp://:0", "--max-connections", "3"]);
    let address = server.address("echo+tcp");
    let mut clients = echoing(3, address);
    let mut fourth = Tcp::connect(address);
    fourth.say("me too");
    waits_in_vain(&mut fourth, &server);
    server.log.wait_for_line("not accepting for the moment: 3 connections");
    drop(clients.pop());
    assert_eq!(fourth.hear(), "me too");
    fourth.echoes("now I am in");
    clients.iter_mut().for_each(|client| client.echoes("still here"));
}

#[test]
fn one_free_place_of_ten_is_taken_at_once() {
    let mut server = Server::start(&["echo+tcp://:0", "--max-connections", "10"]);
    let address = server.address("echo+tcp");
    let mut clients = echoing(10, address);
    let mut eleventh = Tcp::connect(address);
    eleventh.say("me too");
    server.log.wait_for_line("not accepting for the moment: 10 connections");
    drop(clients.pop());
    assert_eq!(eleventh.hear(), "me too");
}

#[test]
fn who_waits_for_one_service_is_not_kept_out_by_those_who_wait_for_another() {
    let endpoints = ["echo+tcp://:0", "chat://:0", "--max-connections", "4"];
    let mut server = Server::start(&endpoints);
    let (echo, chat) = (server.address("echo+tcp"), server.address("chat+tcp"));
    let mut clients = echoing(4, echo);
    let _flood: Vec<Tcp> = (0..20).map(|_| Tcp::connect(echo)).collect();
    let mut newcomer = Tcp::connect(chat);
    server.log.wait_for_line("not accepting for the moment: 4 connections");
    drop(clients.pop());
    assert!(newcomer.hear().starts_with("** Welcome!"));
}

#[test]
fn what_was_left_behind_by_those_who_have_gone_keeps_nobody_out() {
    let words = ["echo+tcp://:0", "talk://:0", "--max-connections", "3", "--talk-rate", "1/s"];
    let mut server = Server::start(&words);
    let (echo, talk) = (server.address("echo+tcp"), server.address("talk+tcp"));
    for _ in 0..6 {
        let mut flood = Tcp::connect(talk);
        flood.say("x\n".repeat(5_000));
    }
    let newcomers = echoing(3, echo);
    assert_eq!(newcomers.len(), 3);
}

#[test]
fn with_few_descriptors_it_takes_few_connections_and_the_others_as_these_go() {
    let mut server = Server::start_with_descriptors(80, &["echo+tcp://:0"]);
    let address = server.address("echo+tcp");
    // 64 of the 80 are kept for everything else.
    let mut clients = echoing(16, address);
    let mut waiting: Vec<Tcp> = (0..8).map(|_| Tcp::connect(address)).collect();
    waiting.iter_mut().for_each(|client| client.say("me too"));
    waits_in_vain(&mut waiting[0], &server);
    waits_in_vain(&mut waiting[7], &server);
    clients.drain(..8);
    for client in &mut waiting {
        assert_eq!(client.hear(), "me too");
    }
    clients.drain(..);
    waiting.drain(..);
    echoing(16, address);
    assert_eq!(server.log.count("not accepting for the moment: 16 connections"), 1);
}

#[test]
fn when_descriptors_run_out_it_says_so_once_does_not_spin_and_recovers() {
    let mut server = Server::start(&["echo+tcp://:0"]);
    let address = server.address("echo+tcp");
    let mut clients = echoing(2, address);
    server.leave_descriptors(10);
    clients.extend(echoing(10, address));
    let mut waiting: Vec<Tcp> = (0..6).map(|_| Tcp::connect(address)).collect();
    waiting.iter_mut().for_each(|client| client.say("me too"));
    waits_in_vain(&mut waiting[0], &server);
    waits_in_vain(&mut waiting[5], &server);
    let warning = server.log.wait_for_line("not accepting for the moment");
    // EMFILE by its number: the words for it are the C library's, and musl has others.
    assert!(warning.contains("WARN") && warning.contains("os error 24"), "{warning}");
    clients.iter_mut().for_each(|client| client.echoes("still here"));
    clients.drain(..6);
    for client in &mut waiting {
        assert_eq!(client.hear(), "me too");
    }
    assert_eq!(server.log.count("not accepting for the moment"), 1, "told once");
    server.operator("/stats");
    server.screen.wait_for_line("pauses in accepting");
    drop((clients, waiting));
    echoing(10, address);
}

#[test]
fn whoever_has_hung_up_and_waits_for_the_operator_gives_way_to_a_newcomer() {
    let mut server = Server::start(&["talk://:0", "--max-connections", "20"]);
    let address = server.address("talk+tcp");
    let mut askers: Vec<Tcp> = (0..3).map(|_| Tcp::connect(address)).collect();
    let told = "Too many others wait for an answer; please call again.\n";
    for (number, asker) in askers.iter_mut().enumerate() {
        asker.say(format!("question {number}\n"));
        asker.finish();
        server.screen.wait_for_line(&format!("question {number}"));
    }
    assert_eq!(askers[0].hear(), told, "a tenth of 20 may wait");
    let mut others = Vec::new();
    // Two of the 20 places belong to those who wait. The 19th and 20th of the others take them;
    // whoever comes after that waits in vain.
    for number in 0..20 {
        let mut other = Tcp::connect(address);
        other.say(format!("hello {number}\n"));
        server.screen.wait_for_line(&format!("hello {number}"));
        others.push(other);
    }
    assert_eq!((askers[1].hear(), askers[2].hear()), (told.into(), told.into()));
    let mut newcomer = Tcp::connect(address);
    newcomer.say("me too\n");
    waits_in_vain(&mut newcomer, &server);
    // Whoever hangs up while somebody waits is not waited for.
    others[7].finish();
    server.screen.wait_for_line("me too");
    assert_eq!(others[7].hear(), told);
    server.operator("hello");
    assert_eq!(newcomer.hear(), "hello\n");
}

#[test]
fn an_idle_echo_client_is_closed_in_its_time_and_an_active_one_stays() {
    let mut server = Server::start(&["echo+tcp://:0", "--idle-timeout", "200ms"]);
    let address = server.address("echo+tcp");
    let idle = Tcp::connect(address);
    let mut active = Tcp::connect(address);
    // It speaks without a pause until the idle one has been closed, and a while longer.
    let mut has_ended = false;
    let mut rounds_after = 0;
    idle.0.set_nonblocking(true).unwrap();
    while rounds_after < 100 {
        active.echoes("here I am");
        has_ended = has_ended || is_at_end(&idle.0);
        rounds_after += usize::from(has_ended);
    }
    let line = server.log.wait_for_line("#1 echo closed: idle");
    assert!(line.contains("in 0 B, out 0 B"), "{line}");
    drop(active);
    server.log.wait_for_line("#2 echo closed: closed by the peer");
}

/// Whether the server has sent its FIN, and nothing else.
fn is_at_end(stream: &TcpStream) -> bool {
    use std::io::ErrorKind::{Interrupted, WouldBlock};
    match stream.peek(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) if matches!(error.kind(), WouldBlock | Interrupted) => false,
        Err(error) => panic!("an end without an error was promised: {error}"),
    }
}

#[test]
fn a_server_with_nothing_to_do_does_nothing() {
    let mut server = Server::start(&["echo+tcp://:0", "echo+udp://:0", "greet://:0", "talk://:0"]);
    let mut client = Tcp::connect(server.address("echo+tcp"));
    client.echoes("hello");
    Tcp::connect(server.address("greet+tcp")).hear_all();
    server.operator_leaves();
    let before = server.cpu_ms();
    client.hears_nothing();
    let used = server.cpu_ms() - before;
    assert!(used < 100, "{used} ms of processor time for nothing");
}
