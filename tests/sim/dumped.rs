//! What `--hex` shows of a world, put together again: it must be what the kernel gave and took.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use cooee::engine::{Engine, Peer};
use cooee::hex::{HexDump, HexLimits};
use cooee::logging::LogFormat;

use super::facts::Facts;

/// The dump of a world, as text.
pub(crate) struct Dumped(Rc<RefCell<String>>);

/// What went one way over one connection.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) ended: bool,
}

/// By the number of the connection and the arrow of the direction.
pub(crate) type Streams = BTreeMap<(u64, char), Stream>;

impl Dumped {
    /// Has everything shown that passes from now on.
    pub(crate) fn begin(engine: &mut Engine) -> Dumped {
        let text = Rc::new(RefCell::new(String::new()));
        let into = Rc::clone(&text);
        let write = move |lines: &str| into.borrow_mut().push_str(lines);
        engine.set_tap(Box::new(HexDump::new(LogFormat::Text, HexLimits::NONE, write)));
        Dumped(text)
    }

    /// Oracle 3 for whoever reads the dump: every byte once, in order, and nothing else.
    pub(crate) fn judge(&self, facts: &Facts) {
        let mut streams = streams(&self.0.borrow());
        for (client, pipe) in facts.pipes.iter().enumerate() {
            let Some(number) = facts.stories[client].peer.map(Peer::number) else { continue };
            let who = facts.who(client);
            let came = streams.remove(&(number, '<')).unwrap_or_default();
            let went = streams.remove(&(number, '>')).unwrap_or_default();
            assert!(came.bytes == pipe.said[..pipe.taken], "dumped other input, {who}");
            assert!(went.bytes == pipe.heard, "dumped other output, {who}");
            assert_eq!(came.ended, pipe.fin_taken, "the client's FIN, {who}");
            assert!(went.ended || pipe.ended_at.is_none(), "the server's FIN, {who}");
        }
        assert!(streams.is_empty(), "dumped for nobody");
    }
}

/// Reads a dump. Lines of a log in between begin with a bracket.
pub(crate) fn streams(text: &str) -> Streams {
    let mut streams = Streams::new();
    let mut current = (0, ' ');
    let mut announced = 0;
    for line in text.lines().filter(|line| !line.starts_with(['[', '*'])) {
        let arrow = line.strip_prefix("<-- ").map(|_| '<');
        if let Some(arrow) = arrow.or(line.strip_prefix("--> ").map(|_| '>')) {
            assert_eq!(announced, 0, "a row is missing above {line}");
            let (_, rest) = line.split_once('#').expect("the number of a connection");
            let (number, rest) = rest.split_once(' ').expect("more behind it");
            current = (number.parse().expect("a number"), arrow);
            let stream = streams.entry(current).or_default();
            let (_, what) = rest.rsplit_once(", ").expect("a count");
            // Commas between the thousands.
            let (_, all) = rest.split_once(", ").expect("a count");
            match what.starts_with("FIN") {
                true => stream.ended = true,
                false if what.starts_with("fault") => {}
                false => announced = count_of(all),
            }
        } else {
            let stream = streams.get_mut(&current).expect("a header above it");
            let (offset, columns) = line.split_once("  ").expect("an offset");
            let offset = usize::from_str_radix(offset, 16).expect("an offset");
            assert_eq!(offset, stream.bytes.len(), "{line}");
            let row = columns.split_once('|').expect("text beside it").0.split_whitespace();
            let row = row.map(|byte| u8::from_str_radix(byte, 16).expect("a byte"));
            let before = stream.bytes.len();
            stream.bytes.extend(row);
            announced -= stream.bytes.len() - before;
        }
    }
    assert_eq!(announced, 0, "the last row is missing");
    streams
}

/// `1,234 bytes`.
fn count_of(text: &str) -> usize {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    digits.parse().expect("a number of bytes")
}
