//! What `cooee serve` costs beside a bare epoll loop, on this machine, over the loopback.
//!
//! ```sh
//! cargo bench --bench loopback                        # all cells, some thirteen minutes
//! cargo bench --bench loopback -- udp_rr --rounds 9   # those whose name has "udp_rr" in it
//! cargo bench --bench loopback -- --quick             # does it work? A few seconds, no result
//! cargo bench --bench loopback -- --plot plots --rival 'other=/bin/other --port {port}'
//! ```
//!
//! Absolute figures of a server say little: most of what a small echo costs is the kernel's. So
//! each is set beside that of the least program that does the same (`bare`, this program again as
//! a process of its own). The servers have one core, the generator (`cooee bench`, a closed loop
//! unless the cell names a rate) another. They are visited in turns, round by round, in one order
//! and then in the other, and each visit has a new process: what is left over of one visit, or the
//! luck of one process with its memory, is not in the next.
//!
//! How to read the table:
//!
//! - **A ratio** is taken within a round, between neighbours in time; then it is the median of all
//!   rounds. Rate above 1 is better than the bare loop, CPU and p99 below 1 are.
//! - **CPU** is what the server's process used for one operation (for chat: one delivery), all the
//!   same whether it was busy or waited for the generator. It is the figure that judges the server.
//!   The rate does so only where the server is the bottleneck: below the table stands where it was
//!   not. In the kernel, a sender does most of the receiver's work on the loopback, so it has what
//!   its answers cost the generator, and not what the questions cost to come in.
//! - **The spread** is the least and the greatest ratio in any round. **The control** is the bare
//!   loop a second time: what it differs from 1 is noise, and a difference that is no larger than
//!   that of the control says nothing.
//! - **p99** is to be no worse than the bare loop's: 1.05 at most. It is made by few requests, so
//!   it fails only where its whole spread lies above 1.10; below the table stands where. With few
//!   rounds it takes no more than chance: 15 are enough.
//! - **Beside** another load, what the server does for that is in its CPU, too. Both have a rate of
//!   their own, so it is the same work for all servers.
//!
//! `--plot` draws absolute figures instead, ours, the bare loop's and those of other servers: the
//! rate over connections in a closed loop, where a hollow point is one at which the generator had
//! no time left, and the latency in an open one. There a server is judged at the same load as the
//! others, and a stall counts for all the requests that were due in it.
//!
//! What it does not tell: in a closed loop a server that answers sooner is asked in smaller
//! bunches, so it wakes up more often, which costs it CPU; and answers that all leave at the end
//! of a turn make larger ones. With thousands of connections a server either takes turns with the
//! generator or works beside it, where each touches what lies in the other's cache: a tenth dearer
//! for any server, and which of the two it is may change from visit to visit. The kernel brings a
//! running thread's CPU time up to date once a tick (4 ms at 250 Hz), so a window is known to
//! that: longer ones (`--time`) know better. Other work on the machine shows in the control before
//! anywhere else; close it down.

mod bare;
mod bare_datagrams;
mod cells;
mod cores;
mod memory;
mod plots;
mod ratios;
mod servers;
mod table;
mod visit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cooee::units::parse_duration;

use cells::Cell;
use cores::Cores;
use memory::Memory;
use servers::{Contender, Rival};
use visit::Visit;

/// The hidden first word of the bare loop's process.
const BARE: &str = "--bare";

/// cooee serve beside a bare epoll loop
#[derive(Parser, Debug)]
struct Options {
    /// Only cells whose names contain one of these
    filters: Vec<String>,

    /// How often each server is visited
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// How long each visit measures; large cells take a multiple of it
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = parse_duration)]
    time: Duration,

    /// Write all that was measured to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Also all of 1, 16, 256, 4096 connections x 16, 512, 4096 B x depth 1, 16
    #[arg(long)]
    full: bool,

    /// One round of 0.1 s of a few cells: whether it works, not what comes out
    #[arg(long)]
    quick: bool,

    /// Instead of the table: TCP echo over 1 to 4096 connections, and its latency, as SVG in DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["filters", "full"])]
    plot: Option<PathBuf>,

    /// Another server in the plots: '{port}' in its command becomes the port (repeatable)
    #[arg(long, value_name = "NAME=COMMAND", requires = "plot")]
    rival: Vec<Rival>,

    /// Requests a second of the open loop in the plots: what all servers and the generator keep
    #[arg(long, value_name = "RATE", default_value_t = 50_000, requires = "plot")]
    rate: u32,

    /// What cargo bench says
    #[arg(long, hide = true)]
    bench: bool,
}

/// What came of one cell: for each contender its visits, round by round.
pub(crate) struct Outcome {
    cell: Cell,
    visits: Vec<Vec<Visit>>,
}

/// All that was measured.
pub(crate) struct Results {
    contenders: Vec<Contender>,
    cores: Cores,
    rounds: usize,
    time: Duration,
    outcomes: Vec<Outcome>,
    memory: Option<Memory>,
    /// What could not be measured, and why.
    failures: Vec<String>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, first, endpoint, _, announce] = words.as_slice()
        && first == BARE
    {
        return report(bare::serve(endpoint, Path::new(announce)).map_err(|e| e.to_string()));
    }
    // cargo test runs benches, too, and has flags that this does not know.
    if !words.iter().any(|word| word == "--bench") {
        println!("loopback: nothing is measured here; see cargo bench --bench loopback -- --help");
        return ExitCode::SUCCESS;
    }
    let mut options = Options::parse();
    if options.quick {
        (options.rounds, options.time) = (1, Duration::from_millis(100));
    }
    report(run(&options))
}

fn report(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("loopback: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.rounds == 0 || options.time.is_zero() || options.rate == 0 {
        return Err("--rounds, --time and --rate: nothing could ever happen in none".into());
    }
    // The servers and the generator inherit it.
    cooee::descriptors::raise_limit();
    let mut results = Results {
        contenders: match options.plot {
            Some(_) => servers::with_rivals(&options.rival)?,
            None => servers::contenders()?,
        },
        cores: Cores::of_this_machine(),
        rounds: options.rounds,
        time: options.time,
        outcomes: Vec::new(),
        memory: None,
        failures: Vec::new(),
    };
    match &options.plot {
        Some(folder) => plots::make(&mut results, f64::from(options.rate), folder)?,
        None => measure_all(&mut results, options),
    }
    if let Some(path) = &options.json {
        let text = format!("{:#}\n", table::json(&results));
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    match results.failures.len() {
        0 => Ok(()),
        count => Err(format!("{count} of the cells could not be measured")),
    }
}

/// The table, as far as it is wanted.
fn measure_all(results: &mut Results, options: &Options) {
    let is_chosen = |name: &str, is_quick: bool| {
        (is_quick || !options.quick)
            && (options.filters.is_empty() || options.filters.iter().any(|f| name.contains(f)))
    };
    for cell in cells::all(options.full).into_iter().filter(|c| is_chosen(&c.name, c.is_quick)) {
        results.measure(cell, false);
    }
    if is_chosen(memory::NAME, true) {
        let connections = if options.quick { 1_000 } else { 10_000 };
        match Memory::measure(&results.contenders, &results.cores, connections) {
            Ok(memory) => results.memory = Some(memory),
            Err(why) => results.failures.push(format!("{}: {why}", memory::NAME)),
        }
    }
    if results.outcomes.is_empty() && results.memory.is_none() && results.failures.is_empty() {
        // Perhaps it is a name in another bench.
        eprintln!("no cell is called so");
    } else {
        print!("{}", table::markdown(results));
    }
}

impl Results {
    /// Visits all contenders in turn, there and back again. Who fails is left out with
    /// `takes_gaps`; without, there is no outcome.
    fn measure(&mut self, cell: Cell, takes_gaps: bool) {
        eprintln!("{} ...", cell.name);
        let mut absent = Vec::new();
        let mut visits: Vec<Vec<Visit>> = self.contenders.iter().map(|_| Vec::new()).collect();
        for round in 0..self.rounds {
            let mut order: Vec<usize> = (0..self.contenders.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                if absent.contains(&index) {
                    continue;
                }
                let contender = &self.contenders[index];
                match Visit::pay(contender, &cell, self.time, &self.cores) {
                    Ok(visit) => visits[index].push(visit),
                    Err(why) => {
                        let line = format!("{}, {}: {why}", cell.name, contender.name);
                        eprintln!("{line}");
                        self.failures.push(line);
                        if !takes_gaps {
                            return;
                        }
                        visits[index].clear();
                        absent.push(index);
                    }
                }
            }
        }
        self.outcomes.push(Outcome { cell, visits });
    }
}
