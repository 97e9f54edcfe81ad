//! What is shown while a bench runs, as lines that fit the terminal. Pure.

use std::iter::repeat_n;
use std::time::Duration;

use super::gather::TickSum;
use super::history::{Column, History, SECONDS};
use crate::bench::figures::{figure, grouped};
use crate::bench::load::workload::Workload;
use crate::bench::measure::phase::RunPhase;
use crate::terminal::Size;
use crate::terminal::graph::{Glyphs, graph, top_of};

/// The name of a graph and its scale, up to the edge.
const LABEL: usize = 14;
/// A graph has at least so many columns, or there is none.
const GRAPH_MIN: usize = 10;
/// Below this nothing is worth a line.
const COLUMNS_MIN: usize = 10;
/// From so many rows on there are graphs at all, and higher ones.
const ROWS_LOW: usize = 6;
const ROWS_HIGH: usize = 10;

/// The name of a graph, what it shows, and how the top of its scale is written.
type Shown = (&'static str, fn(&Column) -> Option<f64>, fn(f64) -> String);

const GRAPHS: [Shown; 3] = [
    ("rate", |column| column.rate, rate_scale),
    ("p50", |column| column.p50, latency_scale),
    ("p99", |column| column.p99, latency_scale),
];

/// What stands below the oldest column.
const AGO: &str = "a minute ago";

/// How much is still to be measured.
#[derive(Clone, Copy)]
pub(super) enum Left {
    Time(Duration),
    Operations(u64),
}

/// What is known of a run that is under way.
pub(super) struct View<'a> {
    pub(super) workload: Workload,
    /// What runs at the moment.
    pub(super) caption: &'a str,
    pub(super) phase: RunPhase,
    pub(super) left: Left,
    /// Operations within the window, and all failures.
    pub(super) operations: u64,
    pub(super) failures: u64,
    pub(super) history: &'a History,
}

/// The lines to show, each with less columns than the terminal has, and fewer of them than it has
/// rows: so nothing wraps, and nothing scrolls away. On a small terminal it is one or none.
pub(super) fn lines(view: &View, size: Size, glyphs: Glyphs) -> Vec<String> {
    let width = size.columns.saturating_sub(1);
    if size.columns < COLUMNS_MIN {
        return Vec::new();
    }
    let (now, count) = (view.history.last(), view.operations);
    let [rate, p50, p99] = figures(now);
    let (errors, state) = (errors(view.failures), state(view));
    let name = view.workload.name().to_owned();
    let operations = format!("{} {}", grouped(count), view.workload.operation());
    if size.rows < ROWS_LOW || width <= LABEL + GRAPH_MIN {
        return fit(&[name, rate, p50, p99, errors, state], width).into_iter().collect();
    }
    let mut lines = Vec::new();
    lines.extend(fit(&[view.caption.to_owned(), state, errors], width));
    lines.extend(fit(&[rate, p50, p99, operations], width));
    let height = if size.rows < ROWS_HIGH { 1 } else { 2 };
    lines.extend(graphs(view.history, width - LABEL - 1, height, glyphs));
    lines
}

/// One line of what happened in an interval, for logs and for terminals that only print.
pub(super) fn stat_line(caption: &str, sum: &TickSum) -> String {
    let now = Column { rate: sum.rate(), p50: sum.quantile(0.5), p99: sum.quantile(0.99) };
    let until = (sum.until.as_secs_f64() * 100.0).round() / 100.0;
    let phase = match sum.phase {
        RunPhase::Opening => "connecting ",
        RunPhase::Warming => "warm-up ",
        RunPhase::Measuring => "",
        RunPhase::Draining | RunPhase::Done => "last answers ",
    };
    let [rate, p50, p99] = figures(now);
    format!("{phase}{until} s  {caption}  {rate}  {p50}  {p99}  {}", errors(sum.failures))
}

/// The rate and the percentiles, in words.
fn figures(column: Column) -> [String; 3] {
    let latency = |name: &str, value: Option<f64>| match value {
        Some(micros) => format!("{name} {} us", figure(micros)),
        None => format!("{name} -"),
    };
    let rate = match column.rate {
        // Not 0.0: that looks like little.
        Some(0.0) => "0/s".into(),
        Some(rate) => format!("{}/s", figure(rate)),
        None => "-/s".into(),
    };
    [rate, latency("p50", column.p50), latency("p99", column.p99)]
}

fn errors(count: u64) -> String {
    format!("{} {}", grouped(count), if count == 1 { "error" } else { "errors" })
}

/// What it is about, and for how long.
fn state(view: &View) -> String {
    match view.phase {
        RunPhase::Opening => "connecting".into(),
        RunPhase::Warming => "warming up".into(),
        RunPhase::Measuring => match view.left {
            Left::Operations(count) => format!("{} left", grouped(count)),
            Left::Time(time) => time_left(time),
        },
        RunPhase::Draining | RunPhase::Done => "waiting for the last answers".into(),
    }
}

fn time_left(time: Duration) -> String {
    // Part of a second counts as one: it says 0 when there is nothing left.
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    match seconds {
        0..=119 => format!("{seconds} s left"),
        120..=3599 => format!("{}:{:02} left", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02} left", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// As many of `fields`, from the first on, as fit.
fn fit(fields: &[String], width: usize) -> Option<String> {
    let mut line = String::new();
    for field in fields {
        let gap = if line.is_empty() { "" } else { "  " };
        if line.chars().count() + gap.len() + field.chars().count() > width {
            break;
        }
        line.push_str(gap);
        line.push_str(field);
    }
    (!line.is_empty()).then_some(line)
}

/// The graphs of the last minute, with their scales: `height` rows each, `width` columns at most,
/// the newest at the right.
fn graphs(history: &History, width: usize, height: usize, glyphs: Glyphs) -> Vec<String> {
    let per_column = SECONDS.div_ceil(width);
    let wide = (width / SECONDS.div_ceil(per_column)).max(1);
    let columns = history.columns(per_column);
    let width = wide * SECONDS.div_ceil(per_column);
    let shown = &columns[columns.len().saturating_sub(width / wide)..];
    let mut lines = Vec::new();
    for (name, value, scale) in GRAPHS {
        let top = top_of(shown.iter().filter_map(value));
        let values = shown.iter().flat_map(|column| repeat_n(value(column), wide));
        let values: Vec<Option<f64>> = values.collect();
        for (row, drawn) in graph(&values, top, height, glyphs).into_iter().enumerate() {
            let (name, scale) = if row == 0 { (name, scale(top)) } else { ("", "0".to_owned()) };
            lines.push(format!("{name:<5}{scale:>8} {}{drawn:>width$}", glyphs.edge));
        }
    }
    if let Some(rest) = width.checked_sub(AGO.len() + 4).filter(|_| height > 1) {
        lines.push(format!("{:LABEL$} {AGO}{:>rest$}", "", "now", rest = rest + 4));
    }
    lines
}

/// The top of a scale, which is a round figure.
fn rate_scale(top: f64) -> String {
    let (value, unit) = match top {
        top if top >= 1e9 => (top / 1e9, "G"),
        top if top >= 1e6 => (top / 1e6, "M"),
        top if top >= 1e3 => (top / 1e3, "k"),
        top => (top, ""),
    };
    format!("{value:.0}{unit}/s")
}

fn latency_scale(top: f64) -> String {
    let (value, unit) = match top {
        top if top >= 1e6 => (top / 1e6, "s"),
        top if top >= 1e3 => (top / 1e3, "ms"),
        top => (top, "us"),
    };
    format!("{value:.0} {unit}")
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::told;
    use super::*;
    use crate::terminal::graph::{ASCII, BLOCKS};

    fn view<'a>(caption: &'a str, history: &'a History) -> View<'a> {
        let left = Left::Time(Duration::from_millis(6500));
        let (workload, phase) = (Workload::TcpRr, RunPhase::Measuring);
        let (operations, failures) = (1_234_567, 0);
        View { workload, caption, phase, left, operations, failures, history }
    }

    fn size(columns: usize, rows: usize) -> Size {
        Size { columns, rows }
    }

    /// So many seconds, with rising rates and latencies.
    fn history(seconds: u64) -> History {
        let mut history = History::default();
        for second in 1..=seconds {
            history.add(&told(1000, 2000 * second, 10_000 * second));
        }
        history
    }

    #[test]
    fn a_usual_terminal_shows_rate_and_percentiles_with_their_scales() {
        let (caption, history) = ("tcp_rr, repeat 2 of 5", history(8));
        let blank = " ".repeat(52);
        assert_eq!(
            lines(&view(caption, &history), size(80, 24), BLOCKS),
            [
                "tcp_rr, repeat 2 of 5  7 s left  0 errors".to_owned(),
                "16,000/s  p50 80.4 us  p99 80.4 us  1,234,567 requests".to_owned(),
                format!("rate    20k/s │{blank}     ▂▃▅"),
                format!("            0 │{blank}▂▃▅▆████"),
                format!("p50    100 us │{blank}     ▂▃▅"),
                format!("            0 │{blank}▂▃▅▆████"),
                format!("p99    100 us │{blank}     ▂▃▅"),
                format!("            0 │{blank}▂▃▅▆████"),
                format!("               a minute ago{}now", " ".repeat(45)),
            ]
        );
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_terminal() {
        let captions = ["tcp_stream", &"tcp_crr, step 17 of 20 of a very long search".repeat(9)];
        let mut huge = History::default();
        huge.add(&told(1, 4_000_000_000, 600_000_000_000));
        huge.add(&told(2000, 0, 1));
        for history in [History::default(), history(1), history(200), huge] {
            for caption in captions {
                let mut view = view(caption, &history);
                (view.operations, view.failures) = (u64::MAX, u64::MAX);
                view.left = Left::Time(Duration::MAX);
                for columns in [1, 2, 9, 10, 11, 25, 26, 27, 40, 79, 80, 135, 200, 1000] {
                    for rows in [1, 2, 3, 4, 5, 6, 9, 10, 24, 100] {
                        for glyphs in [ASCII, BLOCKS] {
                            let lines = lines(&view, size(columns, rows), glyphs);
                            assert!(lines.len() <= (rows - 1).max(1), "{columns}x{rows}");
                            let width = lines.iter().map(|line| line.chars().count()).max();
                            assert!(width.unwrap_or(0) < columns, "{columns}x{rows}: {lines:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_small_terminal_has_one_line_and_a_tiny_one_none() {
        let (caption, history) = ("tcp_rr", history(1));
        let mut view = view(caption, &history);
        view.failures = 1;
        let whole = "tcp_rr  2,000/s  p50 10.0 us  p99 10.0 us  1 error  7 s left";
        assert_eq!(lines(&view, size(80, 3), BLOCKS), [whole]);
        assert_eq!(lines(&view, size(20, 24), BLOCKS), ["tcp_rr  2,000/s"]);
        assert_eq!(lines(&view, size(10, 1), BLOCKS), ["tcp_rr"]);
        assert_eq!(lines(&view, size(1, 1), BLOCKS).len(), 0);
    }

    #[test]
    fn what_is_not_known_is_not_told_as_nought() {
        let (caption, history) = ("idle", History::default());
        let mut view = view(caption, &history);
        (view.workload, view.phase) = (Workload::Idle, RunPhase::Opening);
        let shown = lines(&view, size(80, 7), ASCII);
        assert_eq!(shown[0], "idle  connecting  0 errors");
        assert_eq!(shown[1], "-/s  p50 -  p99 -  1,234,567 connections");
        assert_eq!(shown[2].trim_end(), "rate      1/s |");
        assert_eq!(shown.len(), 5);
    }

    #[test]
    fn wide_terminals_have_wide_columns_and_narrow_ones_several_seconds_in_each() {
        let (caption, history) = ("tcp_rr", history(70));
        let view = view(caption, &history);
        let wide = |columns| {
            let shown = lines(&view, size(columns, 7), BLOCKS);
            shown[2].chars().count() - LABEL - 1
        };
        assert_eq!([40, 80, 135, 136, 200].map(wide), [20, 60, 60, 120, 180]);
    }

    #[test]
    fn the_time_left_is_told_as_people_say_it() {
        let (caption, history) = ("tcp_rr", History::default());
        let mut view = view(caption, &history);
        for (left, words) in
            [(0, "0 s left"), (119, "119 s left"), (125, "2:05 left"), (3725, "1:02:05 left")]
        {
            view.left = Left::Time(Duration::from_secs(left));
            assert_eq!(state(&view), words);
        }
        view.left = Left::Operations(12_345);
        assert_eq!(state(&view), "12,345 left");
    }

    #[test]
    fn a_line_tells_one_interval_and_which_phase_it_is_in() {
        let mut sum = told(1000, 123_456, 12_300);
        sum.until = Duration::from_secs(12);
        let line = "12 s  tcp_rr  123,456/s  p50 12.4 us  p99 12.4 us  0 errors";
        assert_eq!(stat_line("tcp_rr", &sum), line);
        let mut sum = told(250, 0, 1);
        (sum.until, sum.phase) = (Duration::from_micros(250_400), RunPhase::Warming);
        assert_eq!(
            stat_line("tcp_rr, 2 of 9", &sum),
            "warm-up 0.25 s  tcp_rr, 2 of 9  0/s  p50 -  p99 -  0 errors"
        );
    }
}
