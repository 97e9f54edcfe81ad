//! `--hex`: what goes over each connection, laid out as `hexdump -C` does, with a line above each
//! read and write that says when, whose, which way and how much. Or, in a log of JSON, as objects.

use std::time::Duration;

use jiff::Timestamp;
use log::Level;

use crate::append::append;
use crate::engine::{Direction, Passage, Tap, Time};
use crate::logging::{self, LogFormat};
use crate::units::grouped;

/// Bytes in a row.
const ROW_BYTES: usize = 16;
/// Where the text beside them begins: behind the offset, two groups of eight and what is between.
const TEXT_COLUMN: usize = 60;

/// How much is shown; the rest is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HexLimits {
    /// Bytes of one read or write.
    pub bytes: usize,
    /// Lines in one second; at least two, for no read or write takes fewer as text.
    pub lines: usize,
}

impl HexLimits {
    /// All of it.
    pub const NONE: HexLimits = HexLimits { bytes: usize::MAX, lines: usize::MAX };
}

impl Default for HexLimits {
    fn default() -> Self {
        HexLimits { bytes: 64, lines: 100 }
    }
}

/// What of a passage, or of a second, has not been shown.
#[derive(Clone, Copy, Debug, Default)]
struct Withheld {
    passages: u64,
    bytes: u64,
}

/// A dump that is being written.
pub struct HexDump<W> {
    write: W,
    format: LogFormat,
    limits: HexLimits,
    /// The second that is counted, since the loop began, and its lines so far.
    second: u64,
    lines: usize,
    withheld: Withheld,
}

impl<W: FnMut(&str)> HexDump<W> {
    /// One whose lines, several at once, go to `write`.
    pub fn new(format: LogFormat, limits: HexLimits, write: W) -> HexDump<W> {
        let (second, lines, withheld) = Default::default();
        HexDump { write, format, limits, second, lines, withheld }
    }

    /// Says that it has begun.
    pub fn announce(&mut self, what: &str) {
        self.say(Level::Warn, &format!("*** {what}"), Withheld::default());
    }

    /// How many bytes of a passage of so many are shown; `None`: there is no line left for it.
    fn admit(&mut self, count: usize) -> Option<usize> {
        if self.withheld.passages > 0 {
            // Whoever reads on then misses nothing in between.
            return None;
        }
        let left = self.limits.lines.saturating_sub(self.lines);
        let bytes = count.min(self.limits.bytes);
        let (shown, lines) = match self.format {
            LogFormat::Json => (bytes, 1),
            LogFormat::Text => {
                let most = left.saturating_sub(1);
                let rows = bytes.div_ceil(ROW_BYTES);
                // What is left out takes a line, too.
                let is_cut = bytes < count || rows > most;
                let rows = rows.min(most.saturating_sub(usize::from(is_cut)));
                (bytes.min(rows.saturating_mul(ROW_BYTES)), 1 + rows + usize::from(is_cut))
            }
        };
        if lines > left {
            return None;
        }
        self.lines += lines;
        Some(shown)
    }

    /// Tells what the seconds that are over by `now` have not shown, and begins another.
    fn roll(&mut self, now: Time) {
        if now.seconds() == self.second {
            return;
        }
        self.second = now.seconds();
        self.lines = 0;
        let Withheld { passages, bytes } = std::mem::take(&mut self.withheld);
        if passages > 0 {
            let (many, most) = (grouped(passages), self.limits.lines);
            let line = format!(
                "... {} more bytes, in {many} reads and writes beyond {most} lines a second",
                grouped(bytes)
            );
            self.say(Level::Info, &line, Withheld { passages, bytes });
        }
    }

    fn say(&mut self, level: Level, line: &str, withheld: Withheld) {
        match self.format {
            LogFormat::Text => (self.write)(&format!("{line}\n")),
            LogFormat::Json => {
                let mut object = logging::head(logging::now(), level, module_path!());
                object.text("message", line);
                if withheld.passages > 0 {
                    object.plain("passages_withheld", withheld.passages);
                    object.plain("bytes_withheld", withheld.bytes);
                }
                (self.write)(&object.into_line());
            }
        }
    }
}

impl<W: FnMut(&str)> Tap for HexDump<W> {
    fn passed(&mut self, passage: &Passage<'_>) {
        self.roll(passage.now);
        match self.admit(passage.count) {
            Some(shown) if self.format == LogFormat::Json => {
                (self.write)(&object(passage, shown, logging::now()));
            }
            Some(shown) => (self.write)(&text(passage, shown)),
            None => {
                self.withheld.passages += 1;
                self.withheld.bytes += passage.count as u64;
            }
        }
    }

    fn settle(&mut self, now: Time) {
        self.roll(now);
    }

    fn next(&self) -> Option<Time> {
        let end = Duration::from_secs(self.second + 1);
        (self.withheld.passages > 0).then(|| Time::at(end))
    }
}

/// A passage and the first `shown` of its bytes, for people.
fn text(passage: &Passage<'_>, shown: usize) -> String {
    let mut out = header(passage);
    out.push('\n');
    let mut bytes = passage.bytes().take(shown);
    let mut offset = passage.offset;
    loop {
        let row: Vec<u8> = bytes.by_ref().take(ROW_BYTES).collect();
        if row.is_empty() {
            break;
        }
        push_row(&mut out, offset, &row);
        offset += row.len() as u64;
    }
    let left = passage.count.saturating_sub(shown);
    if left > 0 {
        append(
            &mut out,
            format_args!(
                "... {} more {}\n",
                grouped(left as u64),
                if left == 1 { "byte" } else { "bytes" }
            ),
        );
    }
    out
}

/// When, whose, which way and how much: `--> 0.001234 s #3 echo to 127.0.0.1:40000, 6 bytes`.
fn header(passage: &Passage<'_>) -> String {
    let (arrow, towards) = match passage.direction {
        Direction::In => ("<--", "from"),
        Direction::Out => ("-->", "to"),
    };
    let mut line = format!("{arrow} {:.6} s ", passage.age.as_secs_f64());
    match (passage.peer, passage.service, passage.local) {
        (Some(peer), Some(service), _) => append(&mut line, format_args!("{peer} {service}")),
        (_, _, Some(local)) => append(&mut line, format_args!("{local}")),
        _ => {}
    }
    append(&mut line, format_args!(" {towards} {}, ", passage.remote));
    match (passage.fault, passage.is_end, passage.count) {
        (Some(kind), _, _) => append(&mut line, format_args!("fault: {}", kind.name())),
        (None, true, _) => line.push_str("FIN: nothing more will come this way"),
        (None, false, 1) => line.push_str("1 byte"),
        (None, false, count) => append(&mut line, format_args!("{} bytes", grouped(count as u64))),
    }
    line
}

/// One row, as `hexdump -C` has it.
fn push_row(out: &mut String, offset: u64, row: &[u8]) {
    let start = out.len();
    append(out, format_args!("{offset:08x}"));
    let shift = out.len() - start - 8;
    for (at, byte) in row.iter().enumerate() {
        out.push_str(if at % 8 == 0 { "  " } else { " " });
        append(out, format_args!("{byte:02x}"));
    }
    let width = out.len() - start;
    out.extend(std::iter::repeat_n(' ', (TEXT_COLUMN + shift).saturating_sub(width)));
    out.push('|');
    out.extend(row.iter().map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '.',
    }));
    out.push_str("|\n");
}

/// A passage and the first `shown` of its bytes, for programs.
fn object(passage: &Passage<'_>, shown: usize, time: Timestamp) -> String {
    let mut object = logging::head(time, Level::Info, module_path!());
    object.text("message", &header(passage));
    match passage.fault {
        Some(kind) => {
            object.text("event", "fault");
            object.text("fault", kind.name());
        }
        None => object.text("event", "bytes"),
    }
    if let Some(peer) = passage.peer {
        object.plain("number", peer.number());
    }
    if let Some(service) = passage.service {
        object.text("service", service);
    }
    object.text("transport", passage.remote.transport(passage.kind));
    object.shown("peer", passage.remote);
    if let Some(local) = passage.local {
        object.shown("local", local);
    }
    object.text(
        "direction",
        match passage.direction {
            Direction::In => "in",
            Direction::Out => "out",
        },
    );
    object.number("age_s", passage.age.as_secs_f64());
    object.plain("offset", passage.offset);
    object.plain("bytes", passage.count);
    object.plain("is_end", passage.is_end);
    let mut hex = String::with_capacity(2 * shown);
    passage.bytes().take(shown).for_each(|byte| append(&mut hex, format_args!("{byte:02x}")));
    object.text("hex", &hex);
    object.plain("bytes_left_out", passage.count - shown);
    object.into_line()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::IoSlice;
    use std::process::Command;
    use std::rc::Rc;

    use super::*;
    use crate::engine::{Kind, Peer};

    /// What has been written, and a dump that writes there.
    fn dump(format: LogFormat, bytes: usize, lines: usize) -> (Rc<RefCell<String>>, impl Tap) {
        let written = Rc::new(RefCell::new(String::new()));
        let into = Rc::clone(&written);
        let write = move |text: &str| into.borrow_mut().push_str(text);
        (written, HexDump::new(format, HexLimits { bytes, lines }, write))
    }

    fn passage<'a>(at_ms: u64, count: usize, pieces: &'a [IoSlice<'a>]) -> Passage<'a> {
        Passage {
            peer: Some(Peer::from_bits(3 << 22)),
            service: Some("echo"),
            kind: Kind::Stream,
            remote: ([192, 0, 2, 1], 1001).into(),
            local: None,
            direction: Direction::Out,
            age: Duration::from_millis(at_ms),
            now: Time::at(Duration::from_millis(at_ms)),
            offset: 0,
            is_end: false,
            fault: None,
            count,
            pieces,
        }
    }

    /// What hexdump(1) makes of `bytes`, without the last line, which is only an offset.
    fn hexdump(bytes: &[u8], skipped: usize) -> String {
        let path = std::env::temp_dir().join(format!("cooee-hexdump-{}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let mut hexdump = Command::new("hexdump");
        hexdump.args(["-C", "-v", "-s", &skipped.to_string()]).arg(&path).env("LC_ALL", "C");
        let output = hexdump.output().expect("hexdump, of Debian's bsdextrautils");
        std::fs::remove_file(&path).unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().filter(|line| line.contains('|'));
        rows.map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn rows_are_those_of_hexdump() {
        let bytes: Vec<u8> = (0..=255).rev().chain(*b"abc").collect();
        for (skipped, count) in
            [(0, 259), (0, 1), (0, 7), (0, 8), (0, 9), (0, 15), (0, 16), (0, 17)]
                .into_iter()
                .chain([(3, 20), (16, 16), (250, 9)])
        {
            let shown = &bytes[skipped..skipped + count];
            // In pieces that end anywhere, the last with more than was taken.
            let pieces: Vec<IoSlice> = bytes[skipped..].chunks(11).map(IoSlice::new).collect();
            let one = Passage { offset: skipped as u64, ..passage(0, count, &pieces) };
            let text = text(&one, count);
            let (_, rows) = text.split_once('\n').unwrap();
            assert_eq!(one.bytes().collect::<Vec<u8>>(), shown);
            assert_eq!(rows, hexdump(&bytes[..skipped + count], skipped), "{skipped} {count}");
        }
    }

    #[test]
    fn a_stream_of_more_than_four_gigabytes_has_a_longer_offset() {
        let mut row = String::new();
        push_row(&mut row, 0x1_2345_6789, b"x");
        assert_eq!(row.find('|'), Some(61));
        assert!(row.starts_with("123456789  78  "), "{row}");
    }

    #[test]
    fn each_read_and_write_has_a_line_that_says_when_whose_which_way_and_how_much() {
        let pieces = [IoSlice::new(b"hello")];
        let out = passage(1500, 5, &pieces);
        assert_eq!(header(&out), "--> 1.500000 s #3 echo to 192.0.2.1:1001, 5 bytes");
        let one = Passage { direction: Direction::In, count: 1, ..out };
        assert_eq!(header(&one), "<-- 1.500000 s #3 echo from 192.0.2.1:1001, 1 byte");
        let local = Some(([192, 0, 2, 9], 7).into());
        let datagram = Passage { peer: None, service: None, local, count: 1234, ..one };
        let wanted = "<-- 1.500000 s 192.0.2.9:7 from 192.0.2.1:1001, 1,234 bytes";
        assert_eq!(header(&datagram), wanted);
        let end = Passage { is_end: true, count: 0, ..one };
        assert!(
            header(&end).ends_with("from 192.0.2.1:1001, FIN: nothing more will come this way")
        );
    }

    #[test]
    fn of_a_long_one_the_beginning_is_shown_and_the_rest_counted() {
        let (written, mut dump) = dump(LogFormat::Text, 20, 100);
        let bytes = vec![b'x'; 2000];
        dump.passed(&passage(0, 2000, &[IoSlice::new(&bytes)]));
        dump.passed(&passage(0, 20, &[IoSlice::new(&bytes)]));
        dump.passed(&passage(0, 21, &[IoSlice::new(&bytes)]));
        let written = written.borrow();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 4 + 3 + 4, "{written}");
        assert_eq!(lines[2], "00000010  78 78 78 78                                       |xxxx|");
        assert_eq!(lines[3], "... 1,980 more bytes");
        assert_eq!(lines[10], "... 1 more byte");
    }

    #[test]
    fn a_second_has_so_many_lines_and_what_it_did_not_show_is_counted_once() {
        let (written, mut dump) = dump(LogFormat::Text, 64, 7);
        let bytes = [b'x'; 40];
        let whole = [IoSlice::new(&bytes)];
        for at in [0, 1, 2, 3] {
            dump.passed(&passage(at, 40, &whole));
        }
        // Three rows with their header, and one row of the second with what is left out.
        assert_eq!(written.borrow().lines().count(), 4 + 3);
        assert!(written.borrow().ends_with("\n... 24 more bytes\n"));
        assert_eq!(dump.next(), Some(Time::at(Duration::from_secs(1))));
        dump.settle(Time::at(Duration::from_millis(999)));
        assert_eq!(written.borrow().lines().count(), 7);
        dump.settle(Time::at(Duration::from_secs(1)));
        let last = "... 80 more bytes, in 2 reads and writes beyond 7 lines a second";
        assert_eq!(written.borrow().lines().last(), Some(last));
        assert_eq!(dump.next(), None);
        dump.passed(&passage(1001, 1, &whole));
        assert_eq!(written.borrow().lines().count(), 8 + 2);
    }

    #[test]
    fn nothing_is_shown_between_what_is_not() {
        let (written, mut dump) = dump(LogFormat::Text, 64, 3);
        let whole = [IoSlice::new(b"x")];
        dump.passed(&passage(0, 1, &whole));
        dump.passed(&passage(0, 1, &whole));
        // There would be a line for it.
        dump.passed(&Passage { is_end: true, ..passage(0, 0, &[]) });
        assert_eq!(written.borrow().lines().count(), 2);
    }

    #[test]
    fn in_a_log_of_json_each_read_and_write_is_one_object() {
        let (written, mut dump) = dump(LogFormat::Json, 3, 2);
        let whole = [IoSlice::new(b"\"\n\xff\0")];
        for at in [0, 1, 2] {
            dump.passed(&passage(at, 4, &whole));
        }
        dump.settle(Time::at(Duration::from_secs(1)));
        let written = written.borrow();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(lines.len(), 3, "{written}");
        let (_, members) = lines[1].split_once(r#""number":"#).unwrap();
        let wanted = r#"3,"service":"echo","transport":"tcp","peer":"192.0.2.1:1001","#.to_owned()
            + r#""direction":"out","age_s":0.001000,"offset":0,"bytes":4,"is_end":false,"#
            + r#""hex":"220aff","bytes_left_out":1}"#;
        assert_eq!(members, wanted);
        assert!(lines[2].ends_with(r#""passages_withheld":1,"bytes_withheld":4}"#), "{}", lines[2]);
    }
}
