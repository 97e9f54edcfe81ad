//! Those who take part without being cooee, as docs/bus.md tells them to: its bot in Python, its
//! messages, its permissions.

use std::process::{Child, Command, Stdio};

use cooee::nats::{Login, say};
use serde_json::Value;

use super::caller::Caller;
use super::node::{Node, meet};
use crate::support::lines::Lines;
use crate::support::loudly;
use crate::support::nats::Nats;

const PAGE: &str = include_str!("../../../docs/bus.md");

/// The first block of the page of that kind that begins so.
fn block(kind: &str, start: &str) -> &'static str {
    let blocks = PAGE.split("\n```").skip(1).step_by(2);
    let mut blocks = blocks.filter_map(|block| block.strip_prefix(kind)?.strip_prefix('\n'));
    blocks.find(|block| block.starts_with(start)).expect("such a block")
}

/// Whether Python here has a client of NATS. If not, says loudly that nothing is tested.
fn has_client() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import nats.aio.client"]).stdout(Stdio::null()).stderr(Stdio::null());
    let is_there = python.status().is_ok_and(|status| status.success());
    if !is_there {
        loudly("NOT TESTED, because Python has no nats-py here: python3 -m pip install nats-py");
    }
    is_there
}

/// The bot of the page. Dropping it kills it.
struct Bot {
    child: Child,
    errors: Lines,
}

impl Bot {
    fn start(nats: &Nats) -> Bot {
        let mut child = Command::new("python3")
            .args(["-c", block("python", "# dice_bot.py"), &nats.url()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3");
        let errors = Lines::of("errors of the bot", child.stderr.take().unwrap());
        let mut output = Lines::of("the bot", child.stdout.take().unwrap());
        let bot = Bot { child, errors };
        output.wait_for_line("ready");
        bot
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the bot: {:#?}", self.errors.all());
        }
    }
}

#[test]
fn the_bot_of_the_page_rolls_dice_on_all_servers() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    if !has_client() {
        return;
    }
    let [north, south] = ["north", "south"].map(|name| Node::on(&nats, name, &[]));
    let [mut ann, mut bob] = [north.join("ann"), south.join("bob")];
    meet(&mut ann, &mut bob);
    let _bot = Bot::start(&nats);
    assert_eq!(ann.wait_for("dice"), "* dice@bots joined");
    ann.say("!roll");
    let rolled = ann.wait_for("<dice@bots> ");
    let number = rolled.strip_prefix("<dice@bots> ann@north: ").expect("a roll for ann");
    assert!((1..=6).contains(&number.parse::<u32>().unwrap()), "{rolled}");
    assert_eq!(bob.wait_for("<dice@bots> "), rolled);
    bob.sees_at_who("** 1 in lobby on bots: dice@bots");
    bob.say("/msg dice@bots how?");
    assert_eq!(bob.wait_for("[from"), "[from dice@bots] Say !roll in the lobby.");
    // Whoever comes later reads it, too: the stream has it like any other line.
    let west = Node::on(&nats, "west", &[]);
    let read = west.join("eve").wait_for("<dice@bots> ");
    assert!(read.starts_with("[earlier, ") || read == rolled, "{read}");
    assert!(read.ends_with(&rolled), "{read}");
}

/// Where a message of the page belongs.
fn subject(message: &Value) -> &'static str {
    match message["kind"].as_str().unwrap() {
        "say" | "act" => "cooee.1.say.lobby",
        "joined" | "left" | "renamed" | "tally" => "cooee.1.news.lobby",
        "roster" => "cooee.1.here.lobby",
        "ask" => "cooee.1.ask.lobby",
        "private" | "nobody" => "cooee.1.to.west",
        other => panic!("{other} is a new kind"),
    }
}

#[test]
fn every_message_of_the_page_is_taken_and_says_what_the_page_says() {
    let Some(nats) = Nats::with_streams(&[]) else { return };
    let mut west = Node::on(&nats, "west", &[]);
    let [mut ann, mut bob] = [west.join("ann"), west.join("bob")];
    // What comes back from the stream has passed all subscriptions on its way there.
    ann.say("all ears");
    bob.wait_for("all ears");
    let mut caller = Caller::connect(&nats, &Login::None);
    let lines: Vec<&str> = block("json", "{").lines().collect();
    let messages: Vec<Value> = lines.iter().map(|line| line.parse().unwrap()).collect();
    assert_eq!(messages.len(), 10);
    for (line, message) in lines.iter().zip(&messages) {
        caller.say(|out| say::publish(out, subject(message), None, line.as_bytes()));
    }
    // News and lines come by different ways.
    let mut heard = bob.lines_until("* ann@north waves");
    while !heard.iter().any(|line| line.starts_with("[from ")) {
        heard.extend(bob.lines_so_far());
    }
    for wanted in [
        "<ann@north> hello",
        "* ann@north waves",
        "* ann@north joined",
        "* ann@north left",
        "* guest1@north is now ann@north",
        "[from ann@north] psst",
    ] {
        assert!(heard.iter().any(|line| line == wanted), "{wanted:?} is not in {heard:#?}");
    }
    ann.wait_for("** There is nobody called bob@south; see /who.");
    ann.sees_at_who("** 1 in lobby on north: ann@north");
    let figures = west.figures();
    assert!(!figures.contains("malformed"), "{figures}");
    caller.say(|out| say::publish(out, "cooee.1.say.lobby", None, b"{\"kind\":\"say\"}"));
    caller.settle();
    while !west.figures().ends_with("dropped: 1 (malformed)") {
        std::thread::yield_now();
    }
}

#[test]
fn the_permissions_of_the_page_are_enough_and_needed() {
    let users = block("", "authorization {");
    let streams = |users: &str| {
        let folder = crate::support::Folder::new("js");
        let config = format!("jetstream {{ store_dir: \"{}\" }}\n{users}", folder.path("store"));
        Nats::configured(&config).map(|nats| (nats, folder))
    };
    let variables = ["COOEE_BUS_USER=cooee", "COOEE_BUS_PASSWORD=secret"];
    let Some((nats, _folder)) = streams(users) else { return };
    let mut nodes =
        ["north", "south"].map(|name| Node::with_variables(&variables, &nats.url(), name, &[]));
    for node in &mut nodes {
        let line = node.server.log.wait_for_line(super::node::REACHED);
        assert!(line.ends_with("with a stream for the lines"), "{line}");
    }
    let [mut ann, mut bob] = [nodes[0].join("ann"), nodes[1].join("bob")];
    meet(&mut ann, &mut bob);
    ann.say("/msg bob@south psst");
    bob.wait_for("[from ann@north] psst");
    for node in &mut nodes {
        assert_eq!(node.complains(), 0);
    }
    // Without JetStream's it is done as without streams.
    let fewer = users.replace("\"$JS.API.STREAM.*.COOEE\", ", "");
    assert_ne!(fewer, users);
    let Some((nats, _folder)) = streams(&fewer) else { return };
    let mut north = Node::with_variables(&variables, &nats.url(), "north", &[]);
    let line = north.server.log.wait_for_line(super::node::REACHED);
    assert!(line.ends_with("without a stream"), "{line}");
    let line = north.server.log.wait_for_line("does not permit");
    assert!(line.contains("$JS.API.STREAM"), "{line}");
}
