//! What a message on the bus holds: one JSON object. Anybody there may have written it, in any
//! language, so each text is made safe here, and what is not as it should be is not taken.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::super::LINE_BYTES;
use super::super::names::Name;
use super::super::news::is_news;
use super::super::tally::Changes;
use crate::bus::PAYLOAD_MAX;
use crate::services::chat::acts::Manner;
use crate::services::text::visible;

/// A roster has so many names at most; those beyond are only counted.
pub(super) const NAMES_MAX: usize = 200;
/// How `run` is written: so many hexadecimal digits.
const RUN_DIGITS: usize = 16;

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matter<'a> {
    /// Something is said in a room: as it was typed on its way there, made visible once read.
    Speech { manner: Manner, who: Name, text: Cow<'a, str> },
    /// Somebody came to a room.
    Joined(Name),
    /// Somebody left it.
    Left(Name),
    /// Somebody has another name now.
    Renamed { who: Name, now: Name },
    /// So many did all that.
    Tally(Changes),
    /// How many are in a room, and who the first of them are.
    Roster { started: u64, count: u32, names: Cow<'a, [Name]> },
    /// All rosters of a room are wanted.
    Ask,
    /// Something is said to one person.
    Private { who: Name, to: Name, text: Cow<'a, str> },
    /// There is nobody called `who`, whom `to` has said something.
    Nobody { who: Name, to: Name },
    /// Something of a kind that only later versions know.
    Unknown,
}

/// A message: what is told, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) node: Name,
    /// Which start of that server; bots need not have any.
    pub(super) run: Option<u64>,
    /// The place of a line among those of this run in its room, from 1 on.
    pub(super) seq: Option<u64>,
    pub(super) matter: Matter<'a>,
}

impl Message<'_> {
    /// The message as it is published.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut object = match &self.matter {
            Matter::Speech { manner, who, text } => {
                let kind = if *manner == Manner::Did { "act" } else { "say" };
                json!({ "kind": kind, "who": who.as_str(), "text": text })
            }
            Matter::Joined(who) => json!({ "kind": "joined", "who": who.as_str() }),
            Matter::Left(who) => json!({ "kind": "left", "who": who.as_str() }),
            Matter::Renamed { who, now } => {
                json!({ "kind": "renamed", "who": who.as_str(), "text": now.as_str() })
            }
            Matter::Tally(Changes { joined, left, renamed }) => {
                json!({ "kind": "tally", "joined": joined, "left": left, "renamed": renamed })
            }
            Matter::Roster { started, count, names } => {
                let names: Vec<&str> = names.iter().map(Name::as_str).collect();
                json!({ "kind": "roster", "started": started, "count": count, "names": names })
            }
            Matter::Ask => json!({ "kind": "ask" }),
            Matter::Private { who, to, text } => {
                let (who, to) = (who.as_str(), to.as_str());
                json!({ "kind": "private", "who": who, "to": to, "text": text })
            }
            Matter::Nobody { who, to } => {
                json!({ "kind": "nobody", "who": who.as_str(), "to": to.as_str() })
            }
            Matter::Unknown => json!({}),
        };
        object["node"] = self.node.as_str().into();
        if let Some(run) = self.run {
            object["run"] = format!("{run:016x}").into();
        }
        if let Some(seq) = self.seq {
            object["seq"] = seq.into();
        }
        object.to_string().into_bytes()
    }

    /// The message that was published; `None`: it is none.
    pub(super) fn read(payload: &[u8]) -> Option<Message<'static>> {
        if payload.len() > PAYLOAD_MAX {
            return None;
        }
        let object = Fields(serde_json::from_slice(payload).ok()?);
        let node = object.name("node")?;
        let run = match object.0.get("run") {
            Some(run) => Some(read_run(run.as_str()?)?),
            None => None,
        };
        let seq = match object.0.get("seq") {
            Some(seq) => Some(seq.as_u64()?),
            None => None,
        };
        Some(Message { node, run, seq, matter: object.matter()? })
    }
}

/// What one object has.
struct Fields(Map<String, Value>);

impl Fields {
    /// What is told; `None`: that is not how it is told.
    fn matter(&self) -> Option<Matter<'static>> {
        match self.text("kind")? {
            "say" => self.speech(Manner::Said),
            "act" => self.speech(Manner::Did),
            "joined" => self.name("who").map(Matter::Joined),
            "left" => self.name("who").map(Matter::Left),
            "renamed" => self.renaming(),
            "tally" => self.tally(),
            "roster" => self.roster(),
            "ask" => Some(Matter::Ask),
            "private" => self.private(),
            "nobody" => self.nobody(),
            _ => Some(Matter::Unknown),
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    fn name(&self, key: &str) -> Option<Name> {
        Name::parse(self.text(key)?.as_bytes())
    }

    /// A number that may be missing.
    fn count(&self, key: &str) -> Option<u32> {
        let Some(value) = self.0.get(key) else { return Some(0) };
        u32::try_from(value.as_u64()?).ok()
    }

    /// What somebody says, as others may be shown it.
    fn words(&self) -> Option<String> {
        let text = self.text("text")?;
        let shown = visible(text.as_bytes());
        // Blanks of other scripts are something: members here may say them, too.
        (!text.trim_ascii().is_empty() && shown.len() <= LINE_BYTES).then_some(shown)
    }

    fn speech(&self, manner: Manner) -> Option<Matter<'static>> {
        let (who, text) = (self.name("who")?, self.words()?);
        let is_forged = manner == Manner::Did && is_news(&text);
        (!is_forged).then_some(Matter::Speech { manner, who, text: text.into() })
    }

    fn renaming(&self) -> Option<Matter<'static>> {
        Some(Matter::Renamed { who: self.name("who")?, now: self.name("text")? })
    }

    fn tally(&self) -> Option<Matter<'static>> {
        let [joined, left, renamed] = ["joined", "left", "renamed"].map(|key| self.count(key));
        Some(Matter::Tally(Changes { joined: joined?, left: left?, renamed: renamed? }))
    }

    fn roster(&self) -> Option<Matter<'static>> {
        let names = match self.0.get("names") {
            Some(names) => names.as_array()?.as_slice(),
            None => &[],
        };
        let names = names.iter().take(NAMES_MAX);
        let names = names.map(|name| Name::parse(name.as_str()?.as_bytes()));
        let names: Vec<Name> = names.collect::<Option<_>>()?;
        let started = self.0.get("started")?.as_u64()?;
        Some(Matter::Roster { started, count: self.count("count")?, names: names.into() })
    }

    fn private(&self) -> Option<Matter<'static>> {
        let (who, to, text) = (self.name("who")?, self.name("to")?, self.words()?);
        Some(Matter::Private { who, to, text: text.into() })
    }

    fn nobody(&self) -> Option<Matter<'static>> {
        Some(Matter::Nobody { who: self.name("who")?, to: self.name("to")? })
    }
}

fn read_run(text: &str) -> Option<u64> {
    let is_hex = text.len() == RUN_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex { u64::from_str_radix(text, 16).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    /// What is read, if it is a message of a kind that is known.
    fn read(payload: &str) -> Option<Matter<'static>> {
        Message::read(payload.as_bytes()).map(|message| message.matter)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let (ann, bob) = (name("ann"), name("bob"));
        let names = vec![ann; NAMES_MAX];
        let changes = Changes { joined: 3, left: 2, renamed: 1 };
        for matter in [
            Matter::Speech { manner: Manner::Said, who: ann, text: "hi \"all\" \\ ü".into() },
            Matter::Speech { manner: Manner::Did, who: ann, text: "waves".into() },
            Matter::Joined(ann),
            Matter::Left(ann),
            Matter::Renamed { who: ann, now: bob },
            Matter::Tally(changes),
            Matter::Roster { started: u64::MAX, count: u32::MAX, names: names.into() },
            Matter::Ask,
            Matter::Private { who: ann, to: bob, text: "psst".into() },
            Matter::Nobody { who: ann, to: bob },
        ] {
            for (run, seq) in [(None, None), (Some(7), Some(u64::MAX))] {
                let message = Message { node: name("north"), run, seq, matter: matter.clone() };
                let payload = message.write();
                assert!(payload.len() <= PAYLOAD_MAX);
                assert_eq!(Message::read(&payload), Some(message));
            }
        }
    }

    #[test]
    fn a_line_looks_as_it_is_documented() {
        let matter = Matter::Speech { manner: Manner::Said, who: name("ann"), text: "hi".into() };
        let message = Message { node: name("north"), run: Some(0xab), seq: Some(17), matter };
        let expected = json!({
            "node": "north", "run": "00000000000000ab", "seq": 17,
            "kind": "say", "who": "ann", "text": "hi"
        });
        assert_eq!(serde_json::from_slice::<Value>(&message.write()).unwrap(), expected);
    }

    #[test]
    fn the_longest_line_fits_whatever_it_is_made_of() {
        for piece in ["\"", "\\", "\u{1}", "ü", "\u{202e}", "x"] {
            let mut text = String::new();
            while visible(text.as_bytes()).len() + visible(piece.as_bytes()).len() <= LINE_BYTES {
                text.push_str(piece);
            }
            let shown = visible(text.as_bytes());
            let speech = |text| Matter::Speech { manner: Manner::Said, who: name("ann"), text };
            let (run, seq, matter) = (Some(u64::MAX), Some(u64::MAX), speech(text.into()));
            let payload = Message { node: name(&"n".repeat(20)), run, seq, matter }.write();
            assert!(payload.len() <= PAYLOAD_MAX, "{piece:?}: {}", payload.len());
            let read = Message::read(&payload).unwrap();
            assert_eq!(read.matter, speech(shown.into()), "{piece:?}");
        }
    }

    #[test]
    fn keys_and_kinds_that_nobody_knows_are_passed_over() {
        let joined = r#"{"kind":"joined","node":"b","who":"ann","mood":["good",{}],"to":7}"#;
        assert_eq!(read(joined), Some(Matter::Joined(name("ann"))));
        let unknown = r#"{"kind":"dance","node":"b","who":["ann"]}"#;
        assert_eq!(read(unknown), Some(Matter::Unknown));
    }

    #[test]
    fn what_a_bot_may_leave_out_is_not_missed() {
        let message = Message::read(br#"{"node":"bot","kind":"say","who":"bot","text":" hi"}"#);
        let message = message.unwrap();
        assert_eq!((message.run, message.seq), (None, None));
        let roster = read(r#"{"node":"bot","kind":"roster","started":0,"count":2}"#);
        assert_eq!(roster, Some(Matter::Roster { started: 0, count: 2, names: [][..].into() }));
        assert_eq!(read(r#"{"node":"b","kind":"tally"}"#), Some(Matter::Tally(Changes::default())));
    }

    #[test]
    fn what_is_no_message_is_not_taken() {
        let long = "x".repeat(LINE_BYTES + 1);
        let controls = "\\u0001".repeat(LINE_BYTES / 4 + 1);
        for payload in [
            "",
            "hello",
            "[]",
            "7",
            r#"{"node":"b"}"#,
            r#"{"kind":"ask"}"#,
            r#"{"kind":"ask","node":"two words"}"#,
            r#"{"kind":"ask","node":"b"} more"#,
            r#"{"kind":"ask","node":"b","run":"7"}"#,
            r#"{"kind":"ask","node":"b","run":"+00000000000000a"}"#,
            r#"{"kind":"ask","node":"b","run":7}"#,
            r#"{"kind":"ask","node":"b","seq":-1}"#,
            r#"{"kind":"say","node":"b","who":"ann"}"#,
            r#"{"kind":"say","node":"b","who":"ann","text":7}"#,
            r#"{"kind":"say","node":"b","who":"ann","text":" "}"#,
            r#"{"kind":"say","node":"b","who":"ann@c","text":"hi"}"#,
            r#"{"kind":"act","node":"b","who":"ann","text":"joined"}"#,
            r#"{"kind":"renamed","node":"b","who":"ann","text":"a b"}"#,
            r#"{"kind":"tally","node":"b","joined":-3}"#,
            r#"{"kind":"tally","node":"b","joined":99999999999}"#,
            r#"{"kind":"roster","node":"b","count":1,"names":["ann"]}"#,
            r#"{"kind":"roster","node":"b","started":1,"count":1,"names":["a nn"]}"#,
            r#"{"kind":"private","node":"b","who":"ann","text":"hi"}"#,
            &format!(r#"{{"kind":"say","node":"b","who":"ann","text":"{long}"}}"#),
            &format!(r#"{{"kind":"say","node":"b","who":"ann","text":"{controls}"}}"#),
            &format!(r#"{{"kind":"ask","node":"b","x":"{}"}}"#, "x".repeat(PAYLOAD_MAX)),
            &"[".repeat(PAYLOAD_MAX),
        ] {
            assert_eq!(Message::read(payload.as_bytes()), None, "{payload}");
        }
        let broken = b"{\"kind\":\"say\",\"node\":\"b\",\"who\":\"ann\",\"text\":\"\xff\"}";
        assert_eq!(Message::read(broken), None);
    }

    #[test]
    fn nothing_that_is_read_can_drive_a_terminal() {
        let said = read(r#"{"kind":"say","node":"b","who":"a","text":"\u001b[2J\nx\u202e"}"#);
        let Some(Matter::Speech { text, .. }) = said else { panic!("{said:?}") };
        assert_eq!(text, "\\x1b[2J\\nx\\u{202e}");
    }
}
