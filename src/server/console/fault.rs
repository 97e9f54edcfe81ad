//! `/fault`: what is done wrong on purpose, to one connection at once or by listeners from then on,
//! changed while they run.

use std::rc::Rc;

use super::{WHO_MAX, numbers};
use crate::append::append;
use crate::endpoint::{Endpoint, Transport, misfit};
use crate::engine::{Engine, Entry, Knobs, Peer, Script};
use crate::knobs::{self, Fits, KNOBS, Knob, Mistake};
use crate::server::faulty::{FaultyListener, seeded};

/// What can be done to a connection at once: the knobs it is, and how it is told.
const AT_ONCE: [(&str, &str, &str); 4] = [
    ("reset", "reset=100%@0s", "is reset"),
    ("close", "close=0s", "is closed"),
    ("stall", "stall=100%", "is stalled: it is read and sent nothing any more"),
    ("halfopen", "halfopen=100%", "is half open: it is neither read nor sent anything"),
];

/// What can stand behind `/fault`.
const USAGE: &str = "write /fault N reset (or close, stall, halfopen, delay=50ms, off), \
                     /fault echo delay=50ms (or off), /fault off or /fault alone\n";

/// Does what `line` says, and says what it did.
pub(super) fn obey(line: &str, listeners: &[FaultyListener], engine: &mut Engine) -> String {
    let line = line.trim_end();
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    match words[..] {
        [] => shown(listeners, engine),
        ["off"] => all_off(listeners, engine),
        [whom, what] => {
            let head = &line[..line.len() - what.len()];
            let number = whom.strip_prefix('#').unwrap_or(whom);
            let done = match number.parse() {
                Ok(number) => to_peer(number, head, what, engine),
                Err(_) => by_service(whom, head, what, listeners, engine),
            };
            done.unwrap_or_else(|why| format!("{why}; nothing done\n"))
        }
        _ => USAGE.into(),
    }
}

/// The knobs in `text`, which stands behind `head`, if none of them is out of place; none: nothing
/// is to be done wrong.
fn understood(
    head: &str,
    text: &str,
    misfit: impl Fn(&Knob) -> Option<String>,
) -> Result<Option<Rc<Knobs>>, String> {
    let told = |mistake: Mistake| mistake.told(head, text);
    let reading = knobs::parse(text).map_err(told)?;
    for (knob, at) in &reading.places {
        if let Some(why) = misfit(knob) {
            return Err(told(Mistake::new(*at, why)));
        }
    }
    Ok(Some(reading.knobs).filter(|knobs| !knobs.is_none()).as_ref().map(seeded))
}

/// Why a connection that is there cannot suffer that.
fn of_nobody_there(knob: &Knob) -> Option<String> {
    match knob.fits {
        Fits::Datagrams => Some(format!("{} is for datagrams, which have no number", knob.name)),
        _ if knob.name == "refuse" => {
            Some("who is there already cannot be refused, write reset".into())
        }
        _ => None,
    }
}

/// Why one of those listeners, of one service, cannot do that.
fn of_others(knob: &Knob, meant: &[&FaultyListener]) -> Option<String> {
    let service = meant.first()?.offer;
    misfit(knob, service, meant.iter().map(|one| one.transport))
}

fn to_peer(number: u64, head: &str, what: &str, engine: &mut Engine) -> Result<String, String> {
    let found = engine.roster().find(|entry| entry.peer.number() == number);
    let peer = found.ok_or_else(|| format!("no peer #{number}; /who lists them"))?.peer;
    let at_once = AT_ONCE.iter().find(|(word, _, _)| *word == what);
    let knobs = match at_once {
        Some((_, text, _)) => understood("", text, of_nobody_there)?,
        None if what == "off" => None,
        None => understood(head, what, of_nobody_there)?,
    };
    let script = knobs.as_ref().and_then(|knobs| Script::new(knobs, knobs.draws(0, number)));
    let is_spared = script.is_none();
    if !engine.set_faults(peer, script) {
        return Err(format!("{peer} has not begun, or is gone; /kick {number} ends it"));
    }
    Ok(match (at_once, knobs) {
        (Some((_, _, told)), _) => format!("{peer} {told}\n"),
        (None, None) => format!("{peer} suffers nothing any more\n"),
        (None, Some(knobs)) if is_spared => format!("{peer}: {knobs} spares it, by its draw\n"),
        (None, Some(knobs)) => format!("{peer}: {knobs} from now on\n"),
    })
}

fn by_service(
    whom: &str,
    head: &str,
    what: &str,
    listeners: &[FaultyListener],
    engine: &mut Engine,
) -> Result<String, String> {
    let meant = meant(whom, listeners)?;
    if AT_ONCE.iter().any(|(word, _, _)| *word == what && *word != "close") {
        return Err(format!(
            "{what} alone is for one peer, as in /fault 3 {what}; for all who \
                            connect to {whom} write {what}=100%"
        ));
    }
    let knobs = match what {
        "off" => None,
        _ => understood(head, what, |knob| of_others(knob, &meant))?,
    };
    let mut told = String::new();
    for listener in &meant {
        listener.faults.change(knobs.clone());
        listener.expect(engine);
        let url = &listener.url;
        let (with, without) = match listener.transport {
            Transport::Udp => (" for all replies", ""),
            _ => (" for those who connect", " to those who connect"),
        };
        let what = match &knobs {
            Some(knobs) => format!("?{knobs}{with}"),
            None => format!(" does nothing wrong{without}"),
        };
        append(&mut told, format_args!("{url}{what} from now on\n"));
    }
    Ok(told)
}

/// The listeners that `whom` names: a service, perhaps over one transport, or what one of them is
/// announced as.
fn meant<'a>(
    whom: &str,
    listeners: &'a [FaultyListener],
) -> Result<Vec<&'a FaultyListener>, String> {
    if let Some(known) = listeners.iter().find(|one| one.url == whom) {
        return Ok(vec![known]);
    }
    if whom.contains('?') {
        return Err("put a blank before the knobs rather than a ?".into());
    }
    // A unix socket has a path, for which nobody is asked here.
    let (text, unix) = match whom.strip_suffix("+unix") {
        Some(name) => (name, Some(Transport::Unix)),
        None => (whom, None),
    };
    let endpoint: Endpoint = text.parse().map_err(|why| format!("{why}"))?;
    let over = unix.or(endpoint.transport);
    let name = endpoint.service.name;
    let is_meant = |one: &&FaultyListener| {
        one.offer.name == name && over.is_none_or(|over| over == one.transport)
    };
    let any = listeners.iter().filter(|_| !endpoint.has_address());
    let meant: Vec<&FaultyListener> = any.filter(is_meant).collect();
    match meant.is_empty() {
        true => Err(format!("{whom} is not served here; there is {}", names(listeners))),
        false => Ok(meant),
    }
}

/// What is served.
fn names(listeners: &[FaultyListener]) -> String {
    let mut names: Vec<&str> = listeners.iter().map(|one| one.offer.name).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

fn all_off(listeners: &[FaultyListener], engine: &mut Engine) -> String {
    let had = listeners.iter().filter(|one| one.faults.knobs().is_some()).count();
    listeners.iter().for_each(|one| one.faults.change(None));
    let freed = set_free(engine);
    format!("nothing is done wrong any more; listeners that had knobs: {had}\n{freed}")
}

/// Whoever is there and suffers suffers no more.
fn set_free(engine: &mut Engine) -> String {
    let suffering: Vec<Peer> = engine.faulty().map(|(entry, _)| entry.peer).collect();
    let freed = suffering.iter().filter(|peer| engine.set_faults(**peer, None)).count();
    let mut told = String::new();
    if freed > 0 {
        append(&mut told, format_args!("peers that suffer nothing any more: {freed}\n"));
    }
    if freed < suffering.len() {
        let left = suffering.len() - freed;
        append(&mut told, format_args!("peers half open from the start, which stay so: {left}\n"));
    }
    told
}

/// What is set: of listeners, and of peers those who suffer what no listener has.
fn shown(listeners: &[FaultyListener], engine: &Engine) -> String {
    let mut told = String::new();
    for listener in listeners {
        if let Some(knobs) = listener.faults.knobs() {
            append(&mut told, format_args!("{}?{knobs}\n", listener.url));
        }
    }
    let of_listeners: Vec<Rc<Knobs>> =
        listeners.iter().filter_map(|one| one.faults.knobs()).collect();
    let (mut own, mut same): (Vec<(Entry, &Script)>, usize) = (Vec::new(), 0);
    for (entry, script) in engine.faulty() {
        match of_listeners.iter().any(|knobs| Rc::ptr_eq(knobs, script.knobs())) {
            true => same += 1,
            false => own.push((entry, script)),
        }
    }
    own.sort_unstable_by_key(|(entry, _)| entry.peer.number());
    for (Entry { peer, service, remote, .. }, script) in own.iter().take(WHO_MAX) {
        append(&mut told, format_args!("{peer} {service} {remote} {}\n", script.knobs()));
    }
    if own.len() > WHO_MAX {
        append(&mut told, format_args!("and {} more\n", own.len() - WHO_MAX));
    }
    if same > 0 {
        append(&mut told, format_args!("peers that suffer what their listener has: {same}\n"));
    }
    match told.is_empty() {
        true => "nothing is done wrong; begin with /fault echo delay=50ms\n".into(),
        false => told,
    }
}

/// What can take the place of the last word of `rest`, which stands behind `/fault`.
pub(super) fn completions(
    rest: &str,
    listeners: &[FaultyListener],
    engine: &Engine,
) -> Vec<String> {
    let Some((whom, what)) = rest.split_once(' ') else {
        let mut words: Vec<String> =
            listeners.iter().map(|one| format!("{} ", one.offer.name)).collect();
        words.push("off".into());
        words.sort_unstable();
        words.dedup();
        words.retain(|word| word.starts_with(rest));
        words.extend(numbers(engine, rest, None));
        return words;
    };
    let is_peer = whom.trim_start_matches('#').parse::<u64>().is_ok();
    let (before, begun) = match what.rfind('&') {
        Some(at) => what.split_at(at + 1),
        None => ("", what),
    };
    let alone = AT_ONCE.iter().map(|(word, _, _)| *word).filter(|_| is_peer).chain(["off"]);
    let mut words: Vec<String> =
        alone.filter(|_| before.is_empty()).map(ToOwned::to_owned).collect();
    let meant = meant(whom, listeners).unwrap_or_default();
    let fitting = KNOBS.iter().filter(|knob| match is_peer {
        true => of_nobody_there(knob).is_none(),
        false => !meant.is_empty() && of_others(knob, &meant).is_none(),
    });
    words.extend(fitting.map(|knob| format!("{}=", knob.name)));
    words.retain(|word| word.starts_with(begun));
    words.into_iter().map(|word| format!("{before}{word}")).collect()
}

#[cfg(test)]
mod tests;
