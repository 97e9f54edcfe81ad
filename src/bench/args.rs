//! The words behind `cooee bench`, and the plan that they make.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::commands::BenchCommand;
use super::load::LINE_BYTES_MIN;
use super::load::placement::{Pin, Pinning};
use super::load::plan::{Closing, RunPlan};
use super::load::rate::{Profile, Ramp, parse_requests};
use super::load::run_id::RunId;
use super::load::sources::{SOURCES_MAX, loopback_sources, parse_source};
use super::load::workload::Workload;
use super::measure::bound::LatencyBound;
use super::moment::parse_moment;
use super::report::outputs::Form;
use crate::through::ThroughArgs;
use crate::tls::Resume;
use crate::units::{
    parse_duration, parse_from, parse_nonempty, parse_positive_duration, parse_positive_size,
};

/// The largest payload of a UDP datagram over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// The largest request over a stream.
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// The longest line that our chat takes, with its end.
const LINE_BYTES_MAX: usize = 1025;

/// What comes behind the help of `cooee bench`.
pub const EXAMPLES: &str = "
Examples:
  cooee bench                                the short standard set, against our own server
  cooee bench tcp_rr -c 50                   50 connections, our own server as a second process
  cooee bench tcp_rr echo://192.0.2.7:7      any echo server
  cooee bench tcp_rr -t 1h --stat 10s        a line every ten seconds
  cooee bench tcp_rr --rate 20000 --html r.html   open loop, with a page of plots
  cooee bench tcp_rr --find-max p99=1ms      the highest rate that keeps it
  cooee bench tcp_rr --profile 10s@1k,10s@9k,5s@0,10s@1k   a surge, and whether it is got over
  cooee bench tcp_crr --source 127.0.0.0/28 --close rst
  cooee bench tcp_rr --repeat 5 --csv r.csv --markdown -   figures for a table, words for an issue
  cooee bench compare old.json new.json --fail-over p99=10%

TIME is written 500ms, 10s, 1h; SIZE 64, 4k, 1M; RATE 20000, 20k, 100/s.
Numbers go to standard output, all else to standard error. docs/formats.md describes the columns
of --csv, schema/bench.schema.json the keys of --json, docs/measuring.md how to read a result.
Exit status: 0 fine, 1 failed, 2 wrong usage, 3 measured but not good enough (a wrong byte,
--fail-over exceeded).";

/// The flags of `cooee bench`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    /// Something else than measuring.
    #[command(subcommand)]
    pub(super) command: Option<BenchCommand>,

    /// What to measure [default: a short standard set]
    #[arg(value_name = "WORKLOAD")]
    pub(super) workload: Option<Workload>,

    /// The server: an endpoint, HOST:PORT or unix:///PATH [default: our own, as a second process]
    #[arg(value_name = "ENDPOINT")]
    pub(super) endpoint: Option<String>,

    /// Connections at once [default: 8; tcp_stream 2, chat 50, idle 1000]
    #[arg(short, long, value_name = "N", value_parser = parse_from::<1>)]
    connections: Option<usize>,

    /// Bytes of a request [default: 64; tcp_stream 64k]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_positive_size)]
    pub(super) size: Option<usize>,

    /// Requests in flight on each connection [default: 1; tcp_stream, chat 4]
    #[arg(short, long, value_name = "N", value_parser = parse_from::<1>)]
    pub(super) depth: Option<usize>,

    /// How long to measure [default: 10s; the standard set and searches: 3s for each]
    #[arg(short = 't', long, value_name = "TIME", value_parser = parse_positive_duration)]
    pub(super) duration: Option<Duration>,

    /// End after so many operations (chat: lines said), over all connections; with --duration,
    /// at the latest then
    #[arg(long, value_name = "N", value_parser = parse_from::<1>,
          conflicts_with_all = ["find_max", "ramp", "profile", "start_at"])]
    pub(super) count: Option<usize>,

    /// How long to run before that [default: 1s; the standard set: at most a
    /// quarter of --duration]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) warmup: Option<Duration>,

    /// When measuring begins, the warm-up lying before it, so that several generators measure
    /// together: 2026-11-27T12:00:00Z, or seconds since 1970 (see merge)
    #[arg(long, value_name = "TIME", value_parser = parse_moment,
          conflicts_with_all = ["find_max", "ramp", "vs", "repeat"])]
    pub(super) start_at: Option<Duration>,

    /// Threads, each with its own loop [default: 1, or as many as --pin has CPUs for]
    #[arg(long, value_name = "N", value_parser = parse_from::<1>)]
    threads: Option<usize>,

    /// Which CPU is the server's, and which each thread's, such as 0:1,2; or auto: where the
    /// server is our own and there are enough, each has one; or off
    #[arg(long, value_name = "CPUS", default_value = "auto")]
    pub(super) pin: Pin,

    /// How long an answer may take, or a connection to be made
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_positive_duration)]
    timeout: Duration,

    /// Open loop: so many requests a second are due, whatever the server does
    #[arg(short, long, value_name = "RATE", value_parser = parse_requests)]
    pub(super) rate: Option<f64>,

    /// Search for the highest rate that keeps a bound, such as p99=1ms; it begins at --rate
    #[arg(long, value_name = "BOUND", conflicts_with_all = ["ramp", "repeat"])]
    pub(super) find_max: Option<LatencyBound>,

    /// Raise the rate step by step, such as 1000..20000
    #[arg(long, value_name = "FROM..TO", conflicts_with_all = ["rate", "repeat"])]
    pub(super) ramp: Option<Ramp>,

    /// Steps of --ramp, both ends included [default: 5]
    #[arg(long, value_name = "N", value_parser = parse_from::<2>)]
    pub(super) steps: Option<usize>,

    /// Rates one after the other over the same connections, with a result for each, 0 being
    /// a rest: 30s@1000,1m@5000,10s@0
    #[arg(long, value_name = "TIME@RATE,...",
          conflicts_with_all = ["rate", "duration", "ramp", "find_max", "repeat", "vs"])]
    pub(super) profile: Option<Profile>,

    /// Measure another server in turns with the first, and tell whether they differ
    #[arg(long, value_name = "ENDPOINT", conflicts_with_all = ["find_max", "ramp"])]
    pub(super) vs: Option<String>,

    /// Measure so many times and say how sure the mean is; with --vs, so many times each
    /// [default: 1; with --vs 8]
    #[arg(long, value_name = "N", value_parser = parse_from::<1>)]
    pub(super) repeat: Option<usize>,

    /// Call from these addresses in turns: an address or a network (repeatable)
    #[arg(long, value_name = "ADDRESSES")]
    source: Vec<String>,

    /// How to end connections: in order, or by a reset that leaves no TIME_WAIT [default: fin]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(super) close: Option<Closing>,

    #[command(flatten)]
    pub(super) through: ThroughArgs,

    /// Over TLS, whether connections resume what earlier ones have agreed on: all with a full
    /// handshake, or only resumed ones measured [default: as they can]
    #[arg(long, value_name = "HOW", value_enum, hide = cfg!(not(feature = "tls")))]
    pub(super) resume: Option<ResumeWord>,

    /// The process of the server that is named, to tell what it uses
    #[arg(long, value_name = "PID")]
    pub(super) pid: Option<u32>,

    /// Tell in a line what has happened in each TIME, from 100ms on; percentiles are of that
    /// time only
    #[arg(long, value_name = "TIME", value_parser = parse_stat)]
    pub(super) stat: Option<Duration>,

    /// What to call the result, in all its forms
    #[arg(long, value_name = "TEXT", value_parser = parse_nonempty)]
    pub(super) label: Option<String>,

    /// Write the result as JSON to FILE; -, here and below: to standard output instead of
    /// the table
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write a page with plots to FILE
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,

    /// Write the result as Markdown to FILE, for an issue or the summary of a CI job
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,

    /// Write the result as CSV to FILE: rows for each repeat and class of operations
    /// (kind: result), and for the timeline (kind: slice)
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
}

/// How connections over TLS are resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ResumeWord {
    /// None is.
    Off,
    /// All are, but for the first.
    Only,
}

impl BenchArgs {
    /// How connections over TLS are resumed.
    pub(super) fn resume(&self) -> Resume {
        match self.resume {
            None => Resume::Auto,
            Some(ResumeWord::Off) => Resume::Off,
            Some(ResumeWord::Only) => Resume::Only,
        }
    }

    /// The forms that are asked for beside the table, and where they go.
    pub(super) fn outputs(&self) -> Vec<(Form, &Path)> {
        let all = [
            (Form::Json, &self.json),
            (Form::Html, &self.html),
            (Form::Markdown, &self.markdown),
            (Form::Csv, &self.csv),
        ];
        all.into_iter().filter_map(|(form, path)| Some((form, path.as_deref()?))).collect()
    }

    /// How many rates a ramp has.
    pub(super) fn steps(&self) -> usize {
        self.steps.unwrap_or(5)
    }

    /// The plan for `workload`; its target is filled in later. `short`: whether to measure for a
    /// short time unless `--duration` says otherwise.
    ///
    /// # Errors
    /// One line for people: which word is wrong, why, and what to write instead.
    pub(super) fn plan(&self, workload: Workload, short: bool) -> Result<RunPlan, String> {
        let (connections, bytes, depth) = workload.defaults();
        let usual = Duration::from_secs(if short { 3 } else { 10 });
        let (sources, closing) = self.calling(workload)?;
        let threads = self.threads.unwrap_or(self.pin.threads());
        let profile = self.profile.as_ref().map_or(Vec::new(), |Profile(stages)| stages.clone());
        let plan = RunPlan {
            id: RunId::random(),
            workload,
            remote: (Ipv4Addr::LOCALHOST, 0).into(),
            connections: self.connections.unwrap_or(connections),
            size: self.size.unwrap_or(bytes),
            depth: self.depth.unwrap_or(depth),
            duration: match (self.duration, self.count) {
                (Some(duration), _) => duration,
                (None, Some(_)) => COUNTING_MAX,
                (None, None) if profile.is_empty() => usual,
                (None, None) => profile.iter().map(|stage| stage.duration).sum(),
            },
            count: self.count,
            warmup: self.warmup.unwrap_or(Duration::from_secs(1)),
            rate: profile.iter().filter_map(|stage| stage.rate).reduce(f64::max).or(self.rate),
            profile,
            threads,
            timeout: self.timeout,
            sources,
            start_at: self.start_at,
            closing,
            through: self.through.through()?,
            own_greeting: self.endpoint.is_none(),
            pinning: Pinning::of(&self.pin, threads, self.endpoint.is_none())
                .map_err(|why| format!("--pin: {why}"))?,
        };
        check(&plan)?;
        Ok(plan)
    }

    /// Where calls come from and how they end. Against a server of our own, a connection for each
    /// operation measures connecting, and not how long the kernel looks for a port that no earlier
    /// one has left in TIME_WAIT.
    fn calling(&self, workload: Workload) -> Result<(Vec<IpAddr>, Closing), String> {
        let (sources, closing) = (self.sources()?, self.close.unwrap_or(Closing::Fin));
        let is_left_to_us = sources.is_empty() && self.close.is_none() && self.endpoint.is_none();
        if !is_left_to_us || !workload.connects_each_time() {
            return Ok((sources, closing));
        }
        Ok(match loopback_sources() {
            Some(sources) => (sources, closing),
            None => (sources, Closing::Rst),
        })
    }

    /// The addresses of `--source`.
    ///
    /// # Errors
    /// One line, as `plan`.
    pub(super) fn sources(&self) -> Result<Vec<IpAddr>, String> {
        let mut sources: Vec<IpAddr> = Vec::new();
        for text in &self.source {
            sources.extend(parse_source(text).map_err(|error| format!("--source: {error}"))?);
        }
        if sources.len() > SOURCES_MAX {
            return Err(format!("--source: more than {SOURCES_MAX} addresses"));
        }
        let six = sources.iter().find(|source| source.is_ipv6());
        match (six, &self.endpoint) {
            (Some(_), _) if sources.iter().any(IpAddr::is_ipv4) => {
                Err("--source: IPv4 and IPv6 cannot call the same server".into())
            }
            (Some(six), None) => {
                Err(format!("--source {six}: our own server listens on 127.0.0.1"))
            }
            _ => Ok(sources),
        }
    }
}

/// Nobody can read lines that come faster, and the threads look at the clock every 20 ms.
const STAT_MIN: Duration = Duration::from_millis(100);

fn parse_stat(text: &str) -> Result<Duration, String> {
    match parse_positive_duration(text)? {
        time if time < STAT_MIN => Err("a line comes at most every 100ms".into()),
        time => Ok(time),
    }
}

/// More than anybody can use, and few enough for sums of them not to overflow.
const DEPTH_MAX: usize = 65_536;
const CONNECTIONS_MAX: usize = 100_000_000;
/// Whoever asks for more operations than fit into it should say for how long.
const COUNTING_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn check(plan: &RunPlan) -> Result<(), String> {
    if plan.workload.is_datagram() && plan.size > DATAGRAM_BYTES_MAX {
        return Err(format!(
            "--size {}: a datagram has at most {DATAGRAM_BYTES_MAX} bytes; \
             use tcp_rr, or a smaller size",
            plan.size
        ));
    }
    if plan.depth > DEPTH_MAX {
        return Err(format!("--depth {}: at most {DEPTH_MAX}", plan.depth));
    }
    if plan.connections > CONNECTIONS_MAX {
        return Err(format!("--connections {}: at most {CONNECTIONS_MAX}", plan.connections));
    }
    if plan.size > REQUEST_BYTES_MAX {
        return Err(format!("--size {}: at most 64M", plan.size));
    }
    if plan.workload == Workload::UdpRr && plan.size < 2 && plan.depth > 64 {
        return Err("--depth: datagrams of one byte can tell at most 64 in flight apart".into());
    }
    if plan.workload == Workload::Months && plan.depth > 6 {
        return Err("--depth: twelve months can tell at most 6 in flight apart".into());
    }
    if plan.threads > plan.connections {
        return Err(format!(
            "--threads {}: each needs a connection, and there are {}",
            plan.threads, plan.connections
        ));
    }
    if plan.workload == Workload::Chat {
        if plan.threads > 1 || plan.connections < 2 {
            return Err("chat: one thread, and at least 2 connections: one speaks".into());
        }
        if !(LINE_BYTES_MIN..=LINE_BYTES_MAX).contains(&plan.size) {
            return Err(format!(
                "--size {}: a line has {} to {LINE_BYTES_MAX} bytes",
                plan.size, LINE_BYTES_MIN
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The words behind `cooee bench`, alone.
    #[derive(clap::Parser)]
    pub(crate) struct BenchLine {
        #[command(flatten)]
        args: BenchArgs,
    }

    /// What these words mean.
    pub(crate) fn parsed(words: &[&str]) -> Result<BenchArgs, String> {
        let words = [&["bench"], words].concat();
        let line: Result<BenchLine, _> = clap::Parser::try_parse_from(words);
        line.map(|line| line.args).map_err(|error| error.to_string())
    }
}
