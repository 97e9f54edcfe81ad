//! What the operator says, on a stage with one listener.

use std::time::Duration;

use super::*;
use crate::engine::FaultKind;
use crate::engine::stage::Stage;
use crate::engine::stage::tests::Mirror;
use crate::server::faulty::Faults;
use crate::services::find;

/// A stage, and the listeners that it would have.
fn stage() -> (Stage, Vec<FaultyListener>) {
    let mut stage = Stage::empty(crate::engine::Limits::default());
    let service = stage.engine().add_service("echo", Default::default(), Box::new(Mirror));
    let listener = |transport, url: &str| FaultyListener {
        url: url.into(),
        offer: find("echo").unwrap(),
        transport,
        service,
        faults: Faults::new(0, None),
    };
    let tcp = listener(Transport::Tcp, "echo+tcp://127.0.0.1:7");
    let unix = listener(Transport::Unix, "echo+unix:///tmp/echo");
    (stage, vec![tcp, unix])
}

fn set(listeners: &[FaultyListener]) -> Vec<String> {
    let told = |knobs: Option<Rc<Knobs>>| knobs.map(|knobs| knobs.to_string()).unwrap_or_default();
    listeners.iter().map(|one| told(one.faults.knobs())).collect()
}

#[test]
fn a_peer_suffers_at_once_what_it_is_told_and_that_is_counted() {
    for (what, told, kind) in [
        ("reset", "#1 is reset\n", FaultKind::Reset),
        ("close", "#1 is closed\n", FaultKind::Close),
        ("stall", "#1 is stalled: it is read and sent nothing any more\n", FaultKind::Stall),
        (
            "halfopen",
            "#1 is half open: it is neither read nor sent anything\n",
            FaultKind::HalfOpen,
        ),
    ] {
        let (mut stage, listeners) = stage();
        let peer = stage.join();
        stage.say(peer, "before");
        assert_eq!(obey(&format!("/fault #1 {what}"), &listeners, stage.engine()), told);
        stage.flush();
        if !matches!(kind, FaultKind::Reset | FaultKind::Close) {
            stage.say(peer, "after");
        }
        assert_eq!(stage.hear(peer), "before", "{what}");
        assert_eq!(stage.was_reset(peer), kind == FaultKind::Reset, "{what}");
        let counts = stage.engine().metrics().faults;
        assert_eq!((counts.of(kind), counts.all().map(|(_, count)| count).sum::<u64>()), (1, 1));
    }
}

#[test]
fn knobs_hold_for_a_peer_from_now_on_until_they_are_off() {
    let (mut stage, listeners) = stage();
    let [peer, other] = [stage.join(), stage.join()];
    let told = obey("/fault 1 delay=50ms&seed=7", &listeners, stage.engine());
    assert_eq!(told, "#1: delay=50ms&seed=7 from now on\n");
    stage.say(peer, "late");
    stage.say(other, "at once");
    assert_eq!((stage.hear(peer).as_str(), stage.hear(other).as_str()), ("", "at once"));
    stage.pass(Duration::from_millis(50));
    assert_eq!(stage.hear(peer), "late");
    let told = obey("/fault", &listeners, stage.engine());
    assert_eq!(told, "#1 echo 192.0.2.1:1001 delay=50ms&seed=7\n");
    assert_eq!(obey("/fault 1 off", &listeners, stage.engine()), "#1 suffers nothing any more\n");
    stage.flush();
    stage.say(peer, "again");
    assert_eq!(stage.hear(peer), "again");
    let told = obey("/fault", &listeners, stage.engine());
    assert!(told.starts_with("nothing is done wrong; "), "{told}");
    // Times count from now, however old it is.
    stage.pass(Duration::from_secs(5));
    obey("/fault 1 close=1s", &listeners, stage.engine());
    stage.pass(Duration::from_millis(900));
    assert!(!stage.is_over(peer));
    stage.pass(Duration::from_millis(100));
    assert!(stage.is_over(peer));
}

#[test]
fn knobs_of_a_service_hold_for_its_listeners_and_off_ends_all() {
    let (mut stage, listeners) = stage();
    let engine = stage.engine();
    let told = obey("/fault echo delay=50ms&seed=7", &listeners, engine);
    let both = "echo+tcp://127.0.0.1:7?delay=50ms&seed=7 for those who connect from now on\n\
                echo+unix:///tmp/echo?delay=50ms&seed=7 for those who connect from now on\n";
    assert_eq!(told, both);
    assert!(engine.metrics().faults.are_told());
    obey("/fault echo+unix rate=1k&seed=8", &listeners, engine);
    assert_eq!(set(&listeners), ["delay=50ms&seed=7", "rate=1k&seed=8"]);
    let told = obey("/fault", &listeners, engine);
    assert!(told.starts_with("echo+tcp://127.0.0.1:7?delay=50ms&seed=7\necho+unix"), "{told}");
    let told = obey("/fault echo+unix:///tmp/echo off", &listeners, engine);
    assert_eq!(told, "echo+unix:///tmp/echo does nothing wrong to those who connect from now on\n");
    assert_eq!(set(&listeners), ["delay=50ms&seed=7", ""]);
    // One that has not been asked for is told, so that it can be asked for again.
    obey("/fault echo reset=5%", &listeners, engine);
    assert!(set(&listeners)[0].starts_with("reset=5%&seed="), "{:?}", set(&listeners));
    let peer = stage.join();
    obey(&format!("/fault {} stall", peer.number()), &listeners, stage.engine());
    let told = obey("/fault off", &listeners, stage.engine());
    let wanted = "nothing is done wrong any more; listeners that had knobs: 2\n\
                  peers that suffer nothing any more: 1\n";
    assert_eq!((told.as_str(), set(&listeners)), (wanted, vec![String::new(); 2]));
    stage.flush();
    stage.say(peer, "hello");
    assert_eq!(stage.hear(peer), "hello");
}

#[test]
fn nonsense_is_one_clear_line_and_changes_nothing() {
    let (mut stage, listeners) = stage();
    stage.join();
    for (line, wanted) in [
        ("/fault 7 reset", "no peer #7; /who lists them; nothing done"),
        ("/fault 1", "write /fault N reset (or close,"),
        ("/fault echo delay = 5ms", "write /fault N reset (or close,"),
        ("/fault 1 dealy=50ms", "column 10: no knob is called \"dealy\", did you mean delay?"),
        ("/fault echo delay=50", "column 19: delay: \"50\" is not a duration: add a unit"),
        ("/fault  1  delay=1ms&drop=5%", "column 22: drop is for datagrams, which have no number"),
        ("/fault echo drop=5%", "column 13: drop is for datagrams only, write echo+udp"),
        ("/fault 1 refuse=5%", "column 10: who is there already cannot be refused, write reset"),
        ("/fault echo reset", "reset alone is for one peer, as in /fault 3 reset; for all who"),
        ("/fault eco off", "endpoint \"eco\": "),
        ("/fault chat off", "chat is not served here; there is echo; nothing done"),
        ("/fault echo+tls off", "echo+tls is not served here; there is echo"),
        ("/fault echo+udp off", "echo+udp is not served here; there is echo"),
        ("/fault echo://:9 off", "echo://:9 is not served here"),
        ("/fault echo?delay=1ms off", "put a blank before the knobs"),
    ] {
        let told = obey(line, &listeners, stage.engine());
        assert!(told.starts_with(wanted) && told.lines().count() == 1, "{line}: {told}");
    }
    assert_eq!(set(&listeners), ["", ""]);
    assert!(!stage.engine().metrics().faults.are_told());
}

#[test]
fn tab_knows_whom_and_what() {
    let (mut stage, listeners) = stage();
    stage.join();
    let tab = |rest: &str, stage: &mut Stage| completions(rest, &listeners, stage.engine());
    assert_eq!(tab("", &mut stage), ["echo ", "off", "1 "]);
    assert_eq!(tab("e", &mut stage), ["echo "]);
    assert_eq!(tab("#", &mut stage), ["#1 "]);
    assert_eq!(tab("1 re", &mut stage), ["reset", "reset="]);
    assert_eq!(tab("echo re", &mut stage), ["refuse=", "reset="]);
    assert_eq!(tab("echo delay=5ms&ra", &mut stage), ["delay=5ms&rate="]);
    assert_eq!(tab("echo o", &mut stage), ["off"]);
    assert_eq!(tab("echo dr", &mut stage), [""; 0]);
    assert_eq!(tab("chat de", &mut stage), [""; 0]);
    let months = FaultyListener {
        url: "months+udp://127.0.0.1:8091".into(),
        offer: find("months").unwrap(),
        transport: Transport::Udp,
        service: 0,
        faults: Faults::new(0, None),
    };
    let mut tab = |rest: &str| completions(rest, std::slice::from_ref(&months), stage.engine());
    assert_eq!(tab("months d"), ["delay=", "drop=", "dup="]);
    assert_eq!(tab("months re"), ["reorder="]);
}
