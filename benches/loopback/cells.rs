//! What is measured: the rows of the table.

use std::time::Duration;

/// Long enough for a server to have seen everybody a few times.
const WARMUP: Duration = Duration::from_millis(200);
/// Our chat still tells for a second who has joined.
const CHAT_WARMUP: Duration = Duration::from_millis(1200);
/// Whoever keeps a generator company has come by then.
const COMPANY_WARMUP: Duration = Duration::from_secs(1);

/// Where connections that are closed in order come from: each leaves a port in TIME_WAIT, and one
/// address has too few.
pub(crate) const SOURCES: &str = "127.0.0.0/26";

/// One row.
pub(crate) struct Cell {
    /// What it is called, and chosen by.
    pub(crate) name: String,
    /// What `cooee bench` calls it.
    pub(crate) workload: &'static str,
    /// What is served.
    pub(crate) service: &'static str,
    /// How its connections end.
    pub(crate) closing: Closing,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Bytes of a request; `None`: the workload's own.
    pub(crate) size: Option<usize>,
    /// Requests in flight on each connection; `None`: the workload's own.
    pub(crate) depth: Option<usize>,
    /// Requests a second in an open loop; `None`: a closed one.
    pub(crate) rate: Option<f64>,
    /// Who else is there the whole while, at a rate of its own: the words of another `cooee
    /// bench`. What the server does for it is in the cost, for all of them alike.
    pub(crate) company: &'static [&'static str],
    /// How long before it counts.
    pub(crate) warmup: Duration,
    /// How many times as long as the others it takes until one request of each, more or less, at
    /// the edge of the window does not matter.
    pub(crate) stretch: u32,
    /// Whether it is among the few that show whether all works.
    pub(crate) is_quick: bool,
}

/// How connections end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// By a reset: thousands of connections leave no trace for whoever comes next.
    Reset,
    /// In order, as part of what is measured: the port is kept for a while.
    InOrder,
    /// There is nothing to choose.
    Plain,
}

impl Cell {
    fn new(name: String, workload: &'static str, service: &'static str, count: usize) -> Cell {
        Cell {
            name,
            workload,
            service,
            closing: match (workload, service) {
                ("greet" | "tcp_crr", _) => Closing::InOrder,
                ("udp_rr", _) | (_, "echo+unix") => Closing::Plain,
                _ => Closing::Reset,
            },
            connections: count,
            size: None,
            depth: None,
            rate: None,
            company: &[],
            warmup: WARMUP,
            stretch: if count >= 4096 { 2 } else { 1 },
            is_quick: false,
        }
    }

    fn requests(
        workload: &'static str,
        service: &'static str,
        (count, size, depth): (usize, usize, usize),
    ) -> Cell {
        let name = format!("{workload} c={count} {size} B d={depth}");
        let is_quick = depth == 1 && size == 16 && count == 16;
        let (size, depth) = (Some(size), Some(depth));
        Cell { size, depth, is_quick, ..Cell::new(name, workload, service, count) }
    }

    /// So many requests are due a second, whatever the server does.
    fn at(self, rate: f64) -> Cell {
        Cell { name: format!("{} at {rate}/s", self.name), rate: Some(rate), ..self }
    }

    fn beside(self, what: &str, company: &'static [&'static str]) -> Cell {
        let name = format!("{} beside {what}", self.name);
        Cell { name, company, warmup: COMPANY_WARMUP, ..self }
    }
}

/// All rows; `full`: with every combination of connections, sizes and depths.
pub(crate) fn all(full: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    let cross = || {
        let sizes = |c| [16, 512, 4096].into_iter().map(move |s| (c, s));
        [1, 16, 256, 4096].into_iter().flat_map(sizes).flat_map(|(c, s)| [(c, s, 1), (c, s, 16)])
    };
    let usual = [
        (1, 16, 1),
        (16, 16, 1),
        (256, 16, 1),
        (4096, 16, 1),
        (256, 512, 1),
        (256, 4096, 1),
        (4096, 512, 1),
        (16, 16, 16),
        (256, 16, 16),
    ];
    let mut kinds: Vec<_> = if full { cross().collect() } else { usual.to_vec() };
    kinds.push((64, 200, 3));
    cells.extend(kinds.into_iter().map(|kind| Cell::requests("tcp_rr", "echo+tcp", kind)));
    for count in [1, 16] {
        let name = format!("tcp_stream c={count}");
        cells.push(Cell::new(name, "tcp_stream", "echo+tcp", count));
    }
    cells.extend(special());
    for count in [1, 64, 200] {
        let cell = Cell::new(format!("greet c={count}"), "greet", "greet+tcp", count);
        cells.push(Cell { is_quick: count == 64, ..cell });
    }
    for count in [1, 64, 200] {
        let name = format!("tcp_crr c={count}");
        let cell = Cell::new(name, "tcp_crr", "echo+tcp", count);
        cells.push(Cell { is_quick: count == 64, ..cell });
    }
    for count in [1, 64] {
        let kinds = [16, 512, 1400].map(|size| (count, size, 1));
        cells.extend(kinds.map(|kind| Cell::requests("udp_rr", "echo+udp", kind)));
    }
    for kind in [(200, 16, 1), (64, 16, 4), (1, 16, 64)] {
        let cell = Cell::requests("udp_rr", "echo+udp", kind);
        cells.push(Cell { is_quick: kind.2 == 64, ..cell });
    }
    cells.extend([(10, None), (300, Some(40)), (1_000, None), (10_000, None)].map(chat));
    cells
}

/// What the others do not show: a load that leaves the server time to rest, an echo without TCP
/// below it, and those who stay while others come and go, or are many and do nothing.
fn special() -> [Cell; 4] {
    let echo = |kind| Cell::requests("tcp_rr", "echo+tcp", kind);
    let unix = Cell::requests("tcp_rr", "echo+unix", (64, 16, 1));
    let come_and_go = &["tcp_crr", "-c", "8", "--rate", "3000", "--source", SOURCES];
    [
        echo((256, 200, 1)).at(50_000.0),
        Cell { name: format!("{} unix", unix.name), is_quick: true, ..unix },
        echo((64, 16, 1)).at(30_000.0).beside("tcp_crr at 3000/s", come_and_go),
        echo((64, 16, 1)).at(30_000.0).beside("idle c=4096", &["idle", "-c", "4096"]),
    ]
}

/// A room of so many, with so many lines under way. One member says them all: `cooee bench` knows
/// no more speakers.
fn chat((count, depth): (usize, Option<usize>)) -> Cell {
    let deep = depth.map_or(String::new(), |depth| format!(" d={depth}"));
    let cell = Cell::new(format!("chat c={count}{deep}"), "chat", "chat+tcp", count);
    let stretch = if count >= 10_000 { 4 } else { 1 };
    Cell { depth, is_quick: count == 10, warmup: CHAT_WARMUP, stretch, ..cell }
}

/// Bytes of a request in the plots.
pub(crate) const PLOT_BYTES: usize = 64;
/// Connections of the open loop.
pub(crate) const OPEN_CONNECTIONS: usize = 64;
/// The highest percentile is that of the few worst: it takes many requests to have some.
const OPEN_STRETCH: u32 = 4;

/// The plot of the rate: a closed loop with more and more connections.
pub(crate) fn over_connections() -> Vec<Cell> {
    let cell = |count| Cell::requests("tcp_rr", "echo+tcp", (count, PLOT_BYTES, 1));
    [1, 4, 16, 64, 256, 1024, 4096].map(cell).into()
}

/// The plot of the latency.
pub(crate) fn open_loop(rate: f64) -> Cell {
    let cell = Cell::requests("tcp_rr", "echo+tcp", (OPEN_CONNECTIONS, PLOT_BYTES, 1));
    Cell { stretch: OPEN_STRETCH, ..cell.at(rate) }
}
