//! What is shown of a server, as lines that fit the terminal. Pure. What the server tells is made
//! visible first: it may be any program.

use serde_json::Value;

use super::caller::Seen;
use crate::engine::Bytes;
use crate::services::text::visible;
use crate::terminal::Size;
use crate::terminal::graph::{Glyphs, graph, top_of};
use crate::units::shortened;

/// Below this nothing is worth a line.
const COLUMNS_MIN: usize = 10;
/// The name of a graph and its scale, up to the edge.
const LABEL: usize = 14;
/// From so many rows on there are graphs at all, and higher ones.
const ROWS_LOW: usize = 10;
const ROWS_HIGH: usize = 24;
/// No figure is larger, whatever a server tells.
const VALUE_MAX: f64 = 1e15;
/// Peers of each kind, and the kinds.
const PEERS: usize = 3;
const KINDS: [&str; 3] = ["busiest", "oldest", "behind"];

/// The name of a graph, what in the history it shows, and the unit of its scale.
const GRAPHS: [(&str, &str, &str); 4] = [
    ("open", "open", ""),
    ("new", "opened", "/s"),
    ("in", "bytes_in", "B/s"),
    ("out", "bytes_out", "B/s"),
];

/// The lines to show, each with fewer columns than the terminal has, and fewer of them than it has
/// rows: so nothing wraps, and nothing scrolls away. On a small terminal it is one or none.
/// `has_keys`: whether a key can be pressed.
pub(super) fn lines(
    name: &str,
    seen: &Seen,
    size: Size,
    glyphs: Glyphs,
    has_keys: bool,
) -> Vec<String> {
    let (width, rows) = (size.columns.saturating_sub(1), size.rows.saturating_sub(1).max(1));
    if size.columns < COLUMNS_MIN {
        return Vec::new();
    }
    let Some(status) = seen.status() else {
        let why = seen.problem.as_deref().unwrap_or("asking");
        return fit(&[name.to_owned(), why.to_owned()], width).into_iter().collect();
    };
    let mut lines = head(name, seen, status, width);
    if size.rows >= ROWS_LOW && width > LABEL + COLUMNS_MIN {
        let height = if size.rows < ROWS_HIGH { 1 } else { 2 };
        lines.extend(graphs(status, width - LABEL, height, glyphs));
        lines.extend(services(status, width));
        lines.extend(bus(status, width));
        lines.extend(peers(status, width, (rows - 1).saturating_sub(lines.len())));
        // Whoever does not know how to leave must not miss it for want of room.
        lines.truncate(rows - 1);
        lines.push(if has_keys { "q leaves" } else { "Ctrl-C leaves" }.into());
    }
    lines.truncate(rows);
    lines
}

/// One line for a terminal that only prints, or no terminal.
pub(super) fn line(name: &str, seen: &Seen) -> String {
    match (seen.status(), &seen.problem) {
        (_, Some(problem)) => format!("{name}  {problem}; asking again"),
        (None, None) => format!("{name}  asking"),
        (Some(status), None) => {
            let mut fields = vec![name.to_owned(), open(status)];
            fields.extend(rates(seen, 5));
            fields.join("  ")
        }
    }
}

fn head(name: &str, seen: &Seen, status: &Value, width: usize) -> Vec<String> {
    let uptime = age(status["uptime_s"].as_f64().unwrap_or(0.0));
    let version = told(&status["version"]);
    let state = match (&seen.problem, status["leaving"].as_bool()) {
        (Some(problem), _) => format!("GONE: {problem}; calling again"),
        (None, Some(true)) => "LEAVING".into(),
        (None, _) => format!("up {uptime}"),
    };
    let turns = match status["turns"]["p99_s"].as_f64() {
        Some(seconds) => format!("turns p99 <{:.0} us", seconds * 1e6),
        None => "turns -".into(),
    };
    let first = [name.to_owned(), state, turns, format!("cooee {version}")];
    let mut second = vec![open(status)];
    second.extend(rates(seen, 0));
    [fit(&first, width), fit(&second, width)].into_iter().flatten().collect()
}

fn open(status: &Value) -> String {
    let connections = &status["connections"];
    format!("{} of {} open", whole(&connections["open"]), whole(&connections["limit"]))
}

/// What happens in a second; figures `wide` columns wide at least.
fn rates(seen: &Seen, wide: usize) -> Vec<String> {
    let known = [
        ("opened", "new", "/s"),
        ("bytes_in", "in", "B/s"),
        ("bytes_out", "out", "B/s"),
        ("refused", "refused", "/s"),
        ("datagrams_in", "udp", "/s"),
    ];
    let rate = |(name, word, unit)| {
        let figure = seen.rate(name).map_or("-".into(), shortened);
        format!("{word} {figure:>wide$}{unit}")
    };
    known.into_iter().map(rate).collect()
}

/// The graphs of the last seconds, with their scales; the newest at the right.
fn graphs(status: &Value, width: usize, height: usize, glyphs: Glyphs) -> Vec<String> {
    let mut lines = Vec::new();
    let width = width - 1;
    for (name, key, unit) in GRAPHS {
        let known = status["history"][key].as_array().map_or(&[][..], Vec::as_slice);
        let known = &known[known.len().saturating_sub(width)..];
        let value = |value: &Value| value.as_f64().map(|value| value.min(VALUE_MAX));
        let values: Vec<Option<f64>> = known.iter().map(value).collect();
        let top = top_of(values.iter().copied().flatten());
        for (row, drawn) in graph(&values, top, height, glyphs).into_iter().enumerate() {
            let (name, scale) = match row {
                0 => (name, format!("{}{unit}", shortened(top))),
                _ => ("", "0".to_owned()),
            };
            let line = format!("{name:<5}{scale:>8} {}{drawn:>width$}", glyphs.edge);
            lines.push(line);
        }
    }
    lines
}

/// The columns of a table: whether text is at the left, and how wide each is with its gap.
type Columns<const N: usize> = [(bool, usize); N];

const SERVICES: Columns<7> =
    [(true, 11), (false, 9), (false, 10), (false, 10), (false, 10), (false, 10), (false, 10)];
const OF_PEERS: Columns<8> =
    [(true, 8), (true, 7), (true, 22), (true, 8), (false, 5), (false, 10), (false, 10), (false, 9)];

/// Where in that table numbers and addresses are, and how narrow these may become.
const NUMBER: usize = 1;
const ADDRESS: usize = 2;
const ADDRESS_MIN: usize = 16;
/// How long bytes can be in these tables, with a gap in front.
const BYTES_ROOM: usize = 9;
const WAITING_ROOM: usize = 8;

/// A row of a table, with as many of its columns as fit: half of a figure would be another one.
fn row<const N: usize>(columns: &Columns<N>, cells: &[String; N], width: usize) -> String {
    let mut line = String::new();
    let mut end = 0;
    for ((is_left, wide), cell) in columns.iter().zip(cells) {
        // A figure that fills its column must not look like the end of the one before.
        let wide = if *is_left { wide } else { &(cell.chars().count() + 1).max(*wide) };
        end += wide;
        if end > width + usize::from(*is_left) {
            break;
        }
        match is_left {
            // What is too long for its column is seen to be cut.
            true if cell.chars().count() >= *wide => {
                line.push_str(&format!("{}~ ", cut(cell, wide - 2)));
            }
            true => line.push_str(&format!("{cell:<wide$}")),
            false => line.push_str(&format!("{cell:>wide$}")),
        }
    }
    cut(&line, width)
}

fn services(status: &Value, width: usize) -> Vec<String> {
    let heads = ["service", "open", "opened", "closed", "in", "out", "datagrams"];
    let mut lines = vec![row(&SERVICES, &heads.map(str::to_owned), width)];
    for one in status["services"].as_array().into_iter().flatten() {
        let name = format!("{}+{}", told(&one["service"]), told(&one["transport"]));
        let count = |key: &str| if one[key].is_null() { "-".into() } else { whole(&one[key]) };
        let cells = [
            name,
            count("open"),
            count("opened"),
            count("closed"),
            bytes(&one["bytes_in"], BYTES_ROOM),
            bytes(&one["bytes_out"], BYTES_ROOM),
            count("datagrams_in"),
        ];
        lines.push(row(&SERVICES, &cells, width));
    }
    lines
}

/// What joins the rooms of chat with those of other servers, if anything does.
fn bus(status: &Value, width: usize) -> Option<String> {
    let bus = status["bus"].as_object()?;
    if bus["up"] != true {
        return Some(cut("bus      out of reach: rooms hear only this server", width));
    }
    let how = if bus["stream"] == true { "with a stream" } else { "without a stream" };
    let others = bus["nodes"].as_u64().unwrap_or(0);
    let away = bus["round_trip_s"].as_f64().unwrap_or(0.0) * 1e3;
    let line = format!(
        "bus      at {}, {how}, {away:.1} ms away  other servers {others}  in {}  out {}",
        told(&bus["server"]),
        whole(&bus["messages_in"]),
        whole(&bus["messages_out"]),
    );
    Some(cut(&line, width))
}

/// As many peers of each kind as have room in so many lines, lest the last kind is not shown.
fn peers(status: &Value, width: usize, room: usize) -> Vec<String> {
    let heads = ["peers", "number", "address", "service", "age", "in", "out", "waiting"];
    let mut rows = vec![heads.map(str::to_owned)];
    let entries = |kind: &str| status["peers"][kind].as_array().map_or(&[][..], Vec::as_slice);
    let of_each =
        |count: usize| -> usize { KINDS.iter().map(|kind| entries(kind).len().min(count)).sum() };
    let count = (1..=PEERS).rev().find(|count| of_each(*count) < room).unwrap_or(1);
    for kind in KINDS {
        for (at, one) in entries(kind).iter().take(count).enumerate() {
            let cells = [
                if at == 0 { kind.to_owned() } else { String::new() },
                format!("#{}", one["number"].as_u64().unwrap_or(0)),
                told(&one["address"]),
                told(&one["service"]),
                age(one["age_s"].as_f64().unwrap_or(0.0)),
                bytes(&one["bytes_in"], BYTES_ROOM),
                bytes(&one["bytes_out"], BYTES_ROOM),
                bytes(&one["queued"], WAITING_ROOM),
            ];
            rows.push(cells);
        }
    }
    let columns = suited(&rows, width);
    rows.iter().map(|cells| row(&columns, cells, width)).collect()
}

/// Columns in which the numbers of these peers are whole: half of one would be that of another. An
/// address has the room that is left.
fn suited(rows: &[[String; 8]], width: usize) -> Columns<8> {
    let needed = |column: usize| {
        let lengths = rows.iter().map(|cells| cells[column].chars().count() + 1);
        lengths.max().unwrap_or(0)
    };
    let mut columns = OF_PEERS;
    columns[NUMBER].1 = needed(NUMBER).max(columns[NUMBER].1);
    let all: usize = columns.iter().map(|(_, wide)| wide).sum();
    let usual = columns[ADDRESS].1;
    let left = (width + usual).saturating_sub(all);
    if left >= ADDRESS_MIN {
        columns[ADDRESS].1 = left.min(needed(ADDRESS).max(usual));
    }
    columns
}

/// As many of `fields`, from the first on, as fit; of the first, what fits.
fn fit(fields: &[String], width: usize) -> Option<String> {
    let (first, others) = fields.split_first()?;
    let mut line = cut(first, width);
    for field in others {
        if line.chars().count() + 2 + field.chars().count() > width {
            break;
        }
        line.push_str("  ");
        line.push_str(field);
    }
    (!line.is_empty()).then_some(line)
}

fn cut(line: &str, width: usize) -> String {
    line.chars().take(width).collect::<String>().trim_end().to_owned()
}

/// Text of the server's. All of it is ours to be in ASCII; what is not is marked.
fn told(value: &Value) -> String {
    let text = visible(value.as_str().unwrap_or("?").as_bytes());
    text.chars().take(48).map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

#[allow(clippy::cast_precision_loss)] // rounded anyway
fn whole(value: &Value) -> String {
    match value.as_u64() {
        Some(value) if value < 100_000 => value.to_string(),
        Some(value) => shortened(value as f64),
        None => "-".into(),
    }
}

/// In `room` characters, if it can be told in so many.
fn bytes(value: &Value, room: usize) -> String {
    let text = value.as_u64().map_or("-".into(), |value| Bytes(value).to_string());
    match text.split_once('.') {
        Some((whole, rest)) if text.len() > room => {
            format!("{whole} {}", rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim())
        }
        _ => text,
    }
}

fn age(seconds: f64) -> String {
    let units = [(86_400.0, "d"), (3600.0, "h"), (60.0, "m")];
    match units.into_iter().find(|(size, _)| seconds >= *size) {
        Some((size, unit)) if seconds < 10.0 * size => format!("{:.1}{unit}", seconds / size),
        Some((size, unit)) => format!("{:.0}{unit}", (seconds / size).min(99_999.0)),
        None => format!("{:.0}s", seconds.max(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::engine::Time;
    use crate::terminal::graph::{ASCII, BLOCKS};

    fn status(opened: u64) -> Value {
        let peer = json!({
            "number": 12, "service": "echo", "address": "192.0.2.1:4000", "age_s": 75.0,
            "bytes_in": 2048, "bytes_out": 4096, "queued": 0
        });
        json!({
            "version": "0.1.0", "uptime_s": 754.2, "leaving": false,
            "connections": { "open": 3, "limit": 20000 },
            "totals": { "opened": opened, "bytes_in": 1, "bytes_out": 1, "refused": 0 },
            "turns": { "p99_s": 0.000_05 },
            "services": [
                { "service": "echo", "transport": "tcp", "open": 3, "opened": opened,
                  "closed": 7, "bytes_in": 123_456, "bytes_out": 123_456 },
                { "service": "echo", "transport": "udp", "datagrams_in": 5, "bytes_in": 1,
                  "bytes_out": 1 },
            ],
            "peers": { "busiest": [peer], "oldest": [peer, peer], "behind": [] },
            "history": { "open": [1, 2, 3], "opened": [0, 4, 8], "bytes_in": [0, 0, 1500],
                         "bytes_out": [0, 0, 1500] },
        })
    }

    fn seen() -> Seen {
        let mut seen = Seen::default();
        for at in 0..3 {
            seen.statuses.push_back((Time::at(Duration::from_secs(at)), status(10 * at)));
        }
        seen
    }

    fn size(columns: usize, rows: usize) -> Size {
        Size { columns, rows }
    }

    #[test]
    fn of_a_bus_it_says_whether_it_is_reached_and_who_else_is_there() {
        let mut seen = seen();
        let status = &mut seen.statuses.back_mut().unwrap().1;
        status["bus"] = json!({
            "up": true, "stream": true, "server": "nats://127.0.0.1:4222", "nodes": 2,
            "round_trip_s": 0.000_21, "messages_in": 1200, "messages_out": 7,
        });
        let of_bus = |seen: &Seen| {
            let lines = lines("127.0.0.1:5090", seen, size(120, 24), BLOCKS, true);
            lines.into_iter().find(|line| line.starts_with("bus ")).unwrap()
        };
        let line = of_bus(&seen);
        assert!(line.contains("at nats://127.0.0.1:4222, with a stream, 0.2 ms away"), "{line}");
        assert!(line.contains("other servers 2  in 1") && line.ends_with("out 7"), "{line}");
        seen.statuses.back_mut().unwrap().1["bus"]["up"] = false.into();
        assert_eq!(of_bus(&seen), "bus      out of reach: rooms hear only this server");
    }

    #[test]
    fn a_usual_terminal_shows_figures_graphs_services_and_peers() {
        let lines = lines("127.0.0.1:5090", &seen(), size(80, 24), BLOCKS, true);
        let blank = " ".repeat(61);
        assert_eq!(lines[0], "127.0.0.1:5090  up 13m  turns p99 <50 us  cooee 0.1.0");
        let second = "3 of 20000 open  new 10/s  in 0B/s  out 0B/s  refused 0/s  udp -/s";
        assert_eq!(lines[1], second);
        assert_eq!(lines[2], format!("open      5.0 │{blank}  ▂"));
        assert_eq!(lines[3], format!("            0 │{blank}▃▆█"));
        assert!(lines[6].starts_with("in    2.0kB/s │"), "{lines:#?}");
        let wanted = [
            "service         open    opened    closed        in       out datagrams",
            "echo+tcp           3        20         7 120.6 KiB 120.6 KiB         -",
            "echo+udp           -         -         -       1 B       1 B         5",
            "peers   number address               service   age        in       out  waiting",
            "busiest #12    192.0.2.1:4000        echo     1.2m   2.0 KiB   4.0 KiB      0 B",
            "oldest  #12    192.0.2.1:4000        echo     1.2m   2.0 KiB   4.0 KiB      0 B",
        ];
        assert_eq!(lines[10..16], wanted);
        assert_eq!((lines.len(), lines[17].as_str()), (18, "q leaves"));
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal_whatever_the_server_tells() {
        let wild = json!({
            "version": "\u{1b}[2J".repeat(50), "uptime_s": 1e300, "leaving": 7,
            "connections": { "open": u64::MAX, "limit": -1 },
            "totals": { "opened": u64::MAX }, "turns": null,
            "services": [{ "service": "\u{4e16}".repeat(90), "transport": [] }, 5, null],
            "peers": { "busiest": [{ "address": "x\r\ny".repeat(99), "queued": u64::MAX }] },
            "history": { "open": [1e300, -1, "x", null], "opened": 5 },
        });
        let gone = Some("nothing listens there ".repeat(20));
        for value in [wild, json!(null), status(5)] {
            for problem in [None, gone.clone()] {
                let statuses = [(Time::ZERO, value.clone())].into();
                let seen = Seen { statuses, problem };
                for (columns, rows) in
                    [1, 2, 9, 10, 11, 25, 26, 40, 80, 200, 1000].into_iter().flat_map(|columns| {
                        [1, 2, 3, 9, 10, 21, 22, 24, 100].map(|rows| (columns, rows))
                    })
                {
                    for glyphs in [ASCII, BLOCKS] {
                        let lines = lines("host:1", &seen, size(columns, rows), glyphs, true);
                        assert!(lines.len() <= (rows - 1).max(1), "{columns}x{rows}");
                        let width = lines.iter().map(|line| line.chars().count()).max();
                        assert!(width.unwrap_or(0) < columns, "{columns}x{rows}: {lines:?}");
                        assert!(!lines.concat().contains(char::is_control), "{lines:?}");
                    }
                }
                assert!(!line("host:1", &seen).contains(char::is_control));
            }
        }
    }

    #[test]
    fn no_figure_is_cut_or_runs_into_another() {
        let peer = |number: u64, address: &str| {
            json!({
                "number": number, "service": "months", "address": address, "age_s": 5.0,
                "bytes_in": 1_047_552, "bytes_out": 1_047_552, "queued": 123_456
            })
        };
        let mut seen = seen();
        let Some((_, status)) = seen.statuses.back_mut() else { panic!() };
        status["services"][0]["bytes_in"] = 1_047_552.into();
        status["peers"] = json!({
            "busiest": [peer(12_345_678, "192.168.100.200:50000"), peer(3, "192.0.2.1:4000")],
            "oldest": [peer(7, "[2001:db8:1111:2222:3333:4444:5555:6666]:50000")],
        });
        let at = |columns| {
            let lines = lines("h:1", &seen, size(columns, 24), BLOCKS, true);
            lines.into_iter().skip_while(|line| !line.starts_with("service")).collect::<Vec<_>>()
        };
        let wanted = [
            "service         open    opened    closed        in       out datagrams",
            "echo+tcp           3        20         7  1023 KiB 120.6 KiB         -",
            "echo+udp           -         -         -       1 B       1 B         5",
            "peers   number    address            service   age        in       out  waiting",
            "busiest #12345678 192.168.100.200:5~ months     5s  1023 KiB  1023 KiB  120 KiB",
            "        #3        192.0.2.1:4000     months     5s  1023 KiB  1023 KiB  120 KiB",
            "oldest  #7        [2001:db8:1111:22~ months     5s  1023 KiB  1023 KiB  120 KiB",
        ];
        assert_eq!(at(80)[..7], wanted);
        assert_eq!(at(40)[4], "busiest #12345678 192.168.100.200:50000");
        assert!(at(120)[6].contains(" [2001:db8:1111:2222:3333:4444:5555:6666]:50000 months "));
        assert!(at(120)[4].starts_with("busiest #12345678 192.168.100.200:50000   "));
        let huge = [(); 7].map(|()| bytes(&(u64::MAX / 7).into(), BYTES_ROOM));
        assert_eq!(row(&SERVICES, &huge, 200).split_whitespace().count(), 13);
    }

    #[test]
    fn on_a_low_terminal_there_are_fewer_peers_of_each_kind() {
        let mut seen = seen();
        let Some((_, status)) = seen.statuses.back_mut() else { panic!() };
        let peer = status["peers"]["busiest"][0].clone();
        let three = [&peer, &peer, &peer];
        status["peers"] = json!({ "busiest": three, "oldest": three, "behind": [&peer] });
        let kinds = |rows| -> Vec<usize> {
            let lines = lines("h:1", &seen, size(80, rows), BLOCKS, true);
            let lines = lines.iter().skip_while(|line| !line.starts_with("peers")).skip(1);
            lines
                .filter_map(|line| line.split_once('#'))
                .map(|(kind, _)| kind.trim().len())
                .collect()
        };
        for (rows, wanted) in [
            (40, vec![7, 0, 0, 6, 0, 0, 6]),
            (24, vec![7, 0, 0, 6, 0, 0, 6]),
            (17, vec![7, 0, 6, 0, 6]),
            (15, vec![7, 6, 6]),
        ] {
            assert_eq!(kinds(rows), wanted, "{rows}");
        }
    }

    #[test]
    fn small_terminals_have_a_line_or_two_and_a_tiny_one_none() {
        let seen = seen();
        let at = |columns, rows| lines("127.0.0.1:5090", &seen, size(columns, rows), BLOCKS, true);
        assert_eq!(at(40, 3), ["127.0.0.1:5090  up 13m", "3 of 20000 open  new 10/s  in 0B/s"]);
        assert_eq!(at(12, 24), ["127.0.0.1:5", "3 of 20000"]);
        assert_eq!(at(80, 1).len(), 1);
        assert_eq!(at(1, 1).len(), 0);
    }

    #[test]
    fn a_server_that_is_gone_or_leaves_is_said_to_be_so() {
        let mut seen = seen();
        seen.problem = Some("nothing listens there".into());
        let shown = lines("h:1", &seen, size(80, 24), BLOCKS, true);
        assert_eq!(
            shown[0],
            "h:1  GONE: nothing listens there; calling again  turns p99 <50 us  cooee 0.1.0"
        );
        assert_eq!(line("h:1", &seen), "h:1  nothing listens there; asking again");
        seen.problem = None;
        assert!(line("h:1", &seen).starts_with("h:1  3 of 20000 open  new    10/s  in     0B/s"));
        if let Some((_, status)) = seen.statuses.back_mut() {
            status["leaving"] = json!(true);
        }
        assert!(lines("h:1", &seen, size(80, 24), BLOCKS, true)[0].starts_with("h:1  LEAVING  "));
        let none = Seen::default();
        assert_eq!(lines("h:1", &none, size(80, 24), BLOCKS, true), ["h:1  asking"]);
    }
}
