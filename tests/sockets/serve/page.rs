//! The page of `--admin` as people see it, with traffic on it: wide and narrow, light and dark.

use std::thread;

use rustix::process::Signal;
use serde_json::Value;

use super::admin::admin_of;
use crate::bench::browser::{Browser, View};
use crate::support::{Datagrams, Server, Tcp, loudly};

/// What is wrong with the page, a line each.
const MEASURE: &str = r#"(() => {
  const faults = [], root = document.documentElement, near = 1;
  const told = element => `${element.tagName} ${element.textContent.slice(0, 60)}`;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} wide`);
  for (const one of document.querySelectorAll('main, main *:not(svg *)')) {
    const box = one.getBoundingClientRect(), moves = one.closest('.wide table');
    if (!moves && (box.left < -near || box.right > root.clientWidth + near))
      faults.push(`beside the page: ${told(one)}`);
    if (!one.matches('.wide, svg') && one.clientWidth && one.scrollWidth > one.clientWidth + near)
      faults.push(`wider than its box: ${told(one)}`);
  }
  for (const svg of document.querySelectorAll('svg')) {
    if (svg.getAttribute('role') != 'img' || !svg.getAttribute('aria-label'))
      faults.push('a plot without a name');
    const curves = [...svg.querySelectorAll('.curve')];
    if (!curves.length || !curves.every(curve => curve.getBoundingClientRect().width > 0))
      faults.push(`an empty plot: ${svg.getAttribute('aria-label')}`);
  }
  for (const cell of document.querySelectorAll('thead th, tbody tr > :first-child'))
    if (cell.tagName != 'TH' || !cell.scope) faults.push(`no header cell: ${told(cell)}`);
  if (document.querySelector('[src], iframe, a, form')) faults.push('not of this page');
  return faults;
})()"#;

/// Waits until the page has asked so often; whether it has.
const ASKED: &str = "(async () => {
  for (let wait = 0; wait < 400; wait++) {
    if (document.documentElement.dataset.asked >= TIMES) return true;
    await new Promise(done => setTimeout(done, 50));
  }
  return false;
})()";

/// What the page says: how it stands, how many plots, rows of services and peers, and what was
/// refused.
const SAID: &str = "({
  state: document.getElementById('state').textContent,
  plots: document.querySelectorAll('svg').length,
  services: [...document.querySelectorAll('#services tbody th')].map(one => one.textContent),
  peers: document.querySelectorAll('#peers tbody tr').length,
  refused: document.getElementById('refused').textContent,
  text: document.body.innerText,
})";

fn asked(browser: &mut Browser, times: u32) {
    let is_so = browser.evaluate(&ASKED.replace("TIMES", &times.to_string()));
    assert_eq!(is_so, Value::Bool(true), "the page asks");
}

/// Waits until the page says that about the server.
fn state_becomes(browser: &mut Browser, start: &str) {
    let known = browser.evaluate("Number(document.documentElement.dataset.asked)");
    let known = u32::try_from(known.as_u64().unwrap()).unwrap();
    let is_so =
        |state: &str| if start.is_empty() { state.is_empty() } else { state.starts_with(start) };
    for times in known + 1..known + 10 {
        asked(browser, times);
        if is_so(browser.evaluate(SAID)["state"].as_str().unwrap()) {
            return;
        }
    }
    panic!("the page does not say {start:?}");
}

#[test]
fn the_page_shows_what_goes_on_on_any_screen_and_says_when_the_server_is_gone() {
    let mut browser = match Browser::start() {
        Ok(browser) => browser,
        Err(why) => {
            return loudly(&format!("NOT TESTED, because no page can be looked at here: {why}"));
        }
    };
    let words = ["echo://:0", "chat://:0", "months://:0", "--admin", "0", "--accept-rate", "30/s"];
    let mut server = Server::start(&words);
    let (echo, _, chat) =
        (server.address("echo+tcp"), server.address("echo+udp"), server.address("chat+tcp"));
    let months = Datagrams::to(server.address("months+udp"));
    let admin = admin_of(&mut server);
    let _member = Tcp::connect(chat);
    let mut peers: Vec<Tcp> = (0..8).map(|_| Tcp::connect(echo)).collect();
    peers.iter_mut().for_each(|peer| peer.echoes("hello"));
    months.say("2");
    let flood = thread::spawn(move || {
        (0..200).filter(|_| std::net::TcpStream::connect(echo).is_ok()).count()
    });
    assert!(flood.join().unwrap() > 0);
    browser.visit(&format!("http://{admin}/"));
    asked(&mut browser, 3);
    let mut faults: Vec<String> = Vec::new();
    for width in [1280, 400] {
        for is_dark in [false, true] {
            let view = View { width, is_dark, is_print: false };
            browser.look(view);
            let found = browser.evaluate(MEASURE);
            faults.extend(found.as_array().unwrap().iter().map(|one| format!("{view:?}: {one}")));
            let look = browser.picture();
            assert_eq!(look["width"], width);
            assert_eq!(look["ground"].as_u64().unwrap() < 100, is_dark, "{view:?}: {look}");
            assert!(look["marked"].as_f64().unwrap() > 0.01, "{view:?}: {look}");
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    let said = browser.evaluate(SAID);
    assert_eq!((&said["state"], &said["plots"]), (&"".into(), &5.into()), "{said:#}");
    let services = ["echo+tcp", "chat+tcp", "echo+udp", "months+udp"].map(Value::from);
    assert_eq!(said["services"], Value::from(services.to_vec()), "{said:#}");
    assert!(said["peers"].as_u64().unwrap() >= 10, "{said:#}");
    assert!(said["refused"].as_str().unwrap().contains("echo over tcp: rate, "), "{said:#}");
    for wrong in ["undefined", "NaN", "null", "[object"] {
        assert!(!said["text"].as_str().unwrap().contains(wrong), "{wrong}: {said:#}");
    }
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    // One that hangs is no quiet one.
    server.signal(Signal::STOP);
    state_becomes(&mut browser, "The server does not answer (");
    server.signal(Signal::CONT);
    state_becomes(&mut browser, "");
    drop(server);
    let known = browser.evaluate("Number(document.documentElement.dataset.asked)");
    asked(&mut browser, u32::try_from(known.as_u64().unwrap()).unwrap() + 2);
    let said = browser.evaluate(SAID);
    let state = said["state"].as_str().unwrap();
    assert!(state.starts_with("The server does not answer ("), "{state}");
    assert_eq!(said["plots"], 5);
}
