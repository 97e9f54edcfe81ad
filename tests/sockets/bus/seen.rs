//! What an operator sees of the bus.

use serde_json::Value;

use super::node::{Node, OUT_OF_REACH, meet};
#[cfg(feature = "bench")]
use crate::bench::browser::Browser;
use crate::serve::admin::{admin_of, fetch};
#[cfg(feature = "bench")]
use crate::support::loudly;
use crate::support::nats::Nats;

/// What the page says of the bus once it is so, or at last.
#[cfg(feature = "bench")]
const SAID: &str = "(async () => {
  for (let wait = 0; wait < 200; wait++) {
    if (document.body.innerText.includes('WANTED')) break;
    await new Promise(done => setTimeout(done, 100));
  }
  return document.body.innerText;
})()";

/// The value of that metric.
fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.split(' ').next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("{name} is not in {metrics}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// `/status.json` at that address, which is as its schema says.
fn status(node: &mut Node, admin: std::net::SocketAddr) -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/status.schema.json");
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let schema = compiler.compile(path, &mut schemas).expect("a schema");
    let status: Value = serde_json::from_str(&fetch(admin, "/status.json")).unwrap();
    if let Err(error) = schemas.validate(&status, schema) {
        panic!("{error:#}, log: {:?}", node.server.log.all());
    }
    status["bus"].clone()
}

#[test]
fn the_bus_is_seen_at_the_console_in_metrics_and_in_the_status() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let mut north = Node::on(&nats, "north", &["--admin", "0"]);
    let admin = admin_of(&mut north.server);
    let south = Node::on(&nats, "south", &[]);
    let [mut ann, mut bob] = [north.join("ann"), south.join("bob")];
    meet(&mut ann, &mut bob);
    ann.sees_at_who("bob@south");
    let figures = north.figures();
    let wanted = [
        &format!("bus: at {}, with a stream, ", nats.url()),
        "other servers: 1;",
        "reached again: 0; lines that never came: 0",
    ];
    wanted.iter().for_each(|words| assert!(figures.contains(*words), "{words:?}: {figures}"));
    let metrics = fetch(admin, "/metrics");
    for (name, value) in [
        ("cooee_bus_up", 1.0),
        ("cooee_bus_stream", 1.0),
        ("cooee_bus_nodes", 1.0),
        ("cooee_bus_reconnects_total", 0.0),
        ("cooee_bus_gaps_total", 0.0),
        ("cooee_bus_dropped_total{reason=\"rate\"}", 0.0),
    ] {
        assert!((metric(&metrics, name) - value).abs() < 0.1, "{name}");
    }
    let took = metric(&metrics, "cooee_bus_round_trip_seconds");
    assert!(took > 0.0 && took < 1.0, "{took}");
    for direction in ["in", "out"] {
        let name = format!("cooee_bus_messages_total{{direction=\"{direction}\"}}");
        assert!(metric(&metrics, &name) >= 1.0, "{metrics}");
    }
    let bus = status(&mut north, admin);
    assert_eq!((&bus["node"], &bus["up"]), (&"north".into(), &true.into()), "{bus:#}");
    assert_eq!((&bus["server"], &bus["nodes"]), (&nats.url().into(), &1.into()), "{bus:#}");
    nats.kill();
    ann.wait_for(OUT_OF_REACH);
    assert!(metric(&fetch(admin, "/metrics"), "cooee_bus_up") < 0.1);
    let bus = status(&mut north, admin);
    assert_eq!((&bus["up"], &bus["round_trip_s"]), (&false.into(), &Value::Null), "{bus:#}");
    assert!(north.figures().starts_with("bus: out of reach; "));
    nats.start_again();
    ann.wait_for("Other servers are back");
    assert!(metric(&fetch(admin, "/metrics"), "cooee_bus_reconnects_total") > 0.9);
}

#[cfg(feature = "bench")]
#[test]
fn the_bus_is_seen_on_the_page() {
    let Some(mut nats) = Nats::with_streams(&[]) else { return };
    let mut browser = match Browser::start() {
        Ok(browser) => browser,
        Err(why) => {
            return loudly(&format!("NOT TESTED, because no page can be looked at here: {why}"));
        }
    };
    let mut north = Node::on(&nats, "north", &["--admin", "0"]);
    let admin = admin_of(&mut north.server);
    browser.visit(&format!("http://{admin}/"));
    for wanted in ["with a stream", "out of reach"] {
        let said = browser.evaluate(&SAID.replace("WANTED", wanted));
        let said = said.as_str().unwrap();
        assert!(said.contains(wanted), "{said}");
        for words in ["Other servers", "To the bus", "From and to it", "Bus lost"] {
            assert!(said.contains(words), "{words:?} is not in {said}");
        }
        for wrong in ["undefined", "NaN", "null", "[object"] {
            assert!(!said.contains(wrong), "{wrong}: {said}");
        }
        nats.kill();
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
}
