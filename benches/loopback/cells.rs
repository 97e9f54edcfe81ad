//! What is measured: the rows of the table.

use std::time::Duration;

/// Long enough for a server to have seen everybody a few times.
const WARMUP: Duration = Duration::from_millis(200);
/// Our chat still tells for a second who has joined.
const CHAT_WARMUP: Duration = Duration::from_millis(1200);

/// One row.
pub(crate) struct Cell {
    /// What it is called, and chosen by.
    pub(crate) name: String,
    /// What `cooee bench` calls it.
    pub(crate) workload: &'static str,
    /// What is served.
    pub(crate) service: &'static str,
    /// Whether a greeting is read to its end and closed in order, and the port kept for a while.
    pub(crate) is_greet: bool,
    /// Connections at once.
    pub(crate) connections: usize,
    /// Bytes of a request; `None`: the workload's own.
    pub(crate) size: Option<usize>,
    /// Requests in flight on each connection; `None`: the workload's own.
    pub(crate) depth: Option<usize>,
    /// Requests a second in an open loop; `None`: a closed one.
    pub(crate) rate: Option<f64>,
    /// How long before it counts.
    pub(crate) warmup: Duration,
    /// How many times as long as the others it takes until one request of each, more or less, at
    /// the edge of the window does not matter.
    pub(crate) stretch: u32,
    /// Whether it is among the few that show whether all works.
    pub(crate) is_quick: bool,
}

impl Cell {
    fn new(name: String, workload: &'static str, service: &'static str, count: usize) -> Cell {
        Cell {
            name,
            workload,
            service,
            is_greet: workload == "greet",
            connections: count,
            size: None,
            depth: None,
            rate: None,
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
    let kinds: Vec<_> = if full { cross().collect() } else { usual.to_vec() };
    cells.extend(kinds.into_iter().map(|kind| Cell::requests("tcp_rr", "echo+tcp", kind)));
    for count in [1, 16] {
        let name = format!("tcp_stream c={count}");
        cells.push(Cell::new(name, "tcp_stream", "echo+tcp", count));
    }
    for count in [1, 64] {
        let cell = Cell::new(format!("greet c={count}"), "greet", "greet+tcp", count);
        cells.push(Cell { is_quick: count == 64, ..cell });
    }
    for count in [1, 64] {
        let kinds = [16, 512, 1400].map(|size| (count, size, 1));
        cells.extend(kinds.map(|kind| Cell::requests("udp_rr", "echo+udp", kind)));
    }
    let deep = Cell::requests("udp_rr", "echo+udp", (1, 16, 64));
    cells.push(Cell { is_quick: true, ..deep });
    for count in [10, 1_000, 10_000] {
        let cell = Cell::new(format!("chat c={count}"), "chat", "chat+tcp", count);
        let stretch = if count >= 10_000 { 4 } else { 1 };
        cells.push(Cell { is_quick: count == 10, warmup: CHAT_WARMUP, stretch, ..cell });
    }
    cells
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

/// The plot of the latency: so many requests are due a second, whatever the server does.
pub(crate) fn open_loop(rate: f64) -> Cell {
    let cell = Cell::requests("tcp_rr", "echo+tcp", (OPEN_CONNECTIONS, PLOT_BYTES, 1));
    let name = format!("{} at {rate}/s", cell.name);
    Cell { name, rate: Some(rate), stretch: OPEN_STRETCH, ..cell }
}
