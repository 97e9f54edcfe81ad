//! One visit: a new server, the generator against it, and what the generator says.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::cells::{Cell, Closing, SOURCES};
use crate::cores::Cores;
use crate::servers::{COOEE, Contender, Server};

/// Percentiles that are kept, and what the generator calls them.
pub(crate) const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99_9"), (99.99, "p99_99")];

/// What one visit found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    /// Operations a second.
    pub(crate) rate: f64,
    /// Microseconds of the server's CPU for an operation.
    pub(crate) cost: f64,
    /// Microseconds at each of `PERCENTILES`.
    pub(crate) latency: [f64; PERCENTILES.len()],
    /// Operations that failed.
    pub(crate) failed: f64,
    /// Whether the generator had no time left.
    pub(crate) was_bottleneck: bool,
}

impl Visit {
    /// Measures `contender` for `time`, or a multiple of it.
    pub(crate) fn pay(
        contender: &Contender,
        cell: &Cell,
        time: Duration,
        cores: &Cores,
    ) -> Result<Visit, String> {
        let server = Server::start(contender, cell.service, cores)?;
        let company = Company::of(cell, &server)?;
        let mut command = Command::new(COOEE);
        command.args(["bench", cell.workload, &server.url, "--json", "-"]);
        command.args(["--pid", &server.pid().to_string()]);
        command.args(["--connections", &cell.connections.to_string()]);
        for (flag, value) in [("--size", cell.size), ("--depth", cell.depth)] {
            if let Some(value) = value {
                command.args([flag, &value.to_string()]);
            }
        }
        if let Some(rate) = cell.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        for (flag, time) in [("--duration", time * cell.stretch), ("--warmup", cell.warmup)] {
            command.args([flag, &format!("{}ms", time.as_millis())]);
        }
        match cell.closing {
            Closing::InOrder => command.args(["--source", SOURCES]),
            Closing::Reset => command.args(["--close", "rst"]),
            Closing::Plain => &mut command,
        };
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{COOEE}: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_string());
        }
        company.map_or(Ok(()), Company::was_kept)?;
        Visit::read(&output.stdout)
    }

    fn read(json: &[u8]) -> Result<Visit, String> {
        let report: Value =
            serde_json::from_slice(json).map_err(|error| format!("its result: {error}"))?;
        let figure = |path: &str| {
            let value = report.pointer(path).and_then(Value::as_f64);
            value.ok_or_else(|| format!("its result has no {path}"))
        };
        let mut latency = [0.0; PERCENTILES.len()];
        for (place, (_, name)) in latency.iter_mut().zip(PERCENTILES) {
            *place = figure(&format!("/latency_us/{name}"))?;
        }
        let visit = Visit {
            rate: figure("/rate_per_s")?,
            cost: figure("/server/cpu_us_per_operation")?,
            latency,
            failed: figure("/errors/total")?,
            was_bottleneck: report["client"]["was_bottleneck"] == true,
        };
        // Nothing may be divided by zero.
        let mut figures = [visit.rate, visit.cost].into_iter().chain(latency);
        match figures.all(|figure| figure > 0.0) {
            true => Ok(visit),
            false => Err("it measured nothing".into()),
        }
    }
}

/// Another generator at the same server, ended with this value.
struct Company(Child);

impl Company {
    /// It stays for longer than any visit.
    fn of(cell: &Cell, server: &Server) -> Result<Option<Company>, String> {
        if cell.company.is_empty() {
            return Ok(None);
        }
        let mut command = Command::new(COOEE);
        command.arg("bench").args(cell.company).arg(&server.url);
        command.args(["--duration", "1h", "--warmup", "0ms"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("{COOEE}: {error}"))?;
        Ok(Some(Company(child)))
    }

    /// Whether it was there until now; without it something else was measured.
    fn was_kept(mut self) -> Result<(), String> {
        match self.0.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                let mut why = String::new();
                let _ = self.0.stderr.take().map(|mut stderr| stderr.read_to_string(&mut why));
                Err(format!("its company has left, {status}: {}", why.trim()))
            }
            Err(error) => Err(format!("its company: {error}")),
        }
    }
}

impl Drop for Company {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
