//! `cooee bench`: measures any server that speaks one of the services, honestly.
//!
//! The load is made by services that ask and time, on the same engine and loop as the server.
//! `load` has them and their plan, `measure` what they note, `report` the result and its forms, and
//! `run` the threads that do it all. Each uses only those named before it.

mod args;
pub mod figures;
mod flags;
mod load;
mod measure;
mod report;
mod run;

use std::path::Path;

use crate::failure::Failure;
use load::sources::check_sources;
use load::target::Target;
use measure::statistics::verdict::Design;
use report::compare::compare;
use report::output::{Output, print};
use report::{Report, html, json, table};
use run::invocation::Invocation;

pub use args::{BenchArgs, BenchCommand, CompareArgs, EXAMPLES};
pub use report::plot;

/// Does what `args` ask for, and prints it.
///
/// # Errors
/// What went wrong, in one line.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    if let Some(BenchCommand::Compare(args)) = &args.command {
        return run_compare(args);
    }
    flags::check(args).map_err(Failure::Usage)?;
    // Until here a signal ends the process, as it must while a name is resolved.
    let named = named_target(args)?;
    let outputs = Outputs::open(args)?;
    let mut invocation = Invocation::new(args, named).map_err(Failure::Failed)?;
    let measured = invocation.measure();
    let (reports, signal) = invocation.end();
    // What has been measured before something failed is not thrown away.
    let told = match measured.is_ok() || !reports.is_empty() {
        true => outputs.publish(&reports, args.workload.is_none()),
        false => Ok(()),
    };
    with(signal.map_or(measured, |signal| Err(Failure::Signal(signal))), told)
}

/// The server that the user has named, if any, to be called from where the user says.
fn named_target(args: &BenchArgs) -> Result<Option<Target>, Failure> {
    let sources = args.sources().map_err(Failure::Usage)?;
    match (args.workload, &args.endpoint) {
        (Some(workload), Some(text)) => Target::named(workload, text, &sources, args.pid).map(Some),
        _ => check_sources(&sources).map(|()| None),
    }
}

/// Both results as one: what could not be written goes before what is not good enough.
fn with(done: Result<(), Failure>, told: Result<(), String>) -> Result<(), Failure> {
    let Err(untold) = told else { return done };
    match done {
        Ok(()) => Err(Failure::Failed(untold)),
        Err(failure) => Err(Failure::Failed(format!("{untold}; {}", failure.into_words()))),
    }
}

/// Everything that results are written to.
struct Outputs {
    json: Option<Output>,
    json_on_stdout: bool,
    html: Option<Output>,
}

impl Outputs {
    fn open(args: &BenchArgs) -> Result<Outputs, Failure> {
        let json_on_stdout = args.json_on_stdout();
        let open = |flag, path| {
            Output::open(flag, path)
                .map_err(|why| Failure::Failed(format!("{why}; nothing was measured")))
        };
        let json = args.json.as_deref().filter(|_| !json_on_stdout);
        let json = json.map(|path| open("--json", path)).transpose()?;
        let html = args.html.as_deref().map(|path| open("--html", path)).transpose()?;
        if json.as_ref().zip(html.as_ref()).is_some_and(|(json, html)| json.is_same(html)) {
            let what = "--json and --html name the same file: each needs its own";
            return Err(Failure::Usage(what.into()));
        }
        Ok(Outputs { json, json_on_stdout, html })
    }

    /// Writes everything that can be written, what people look at first.
    fn publish(self, reports: &[Report], is_set: bool) -> Result<(), String> {
        let shown = match reports {
            _ if self.json_on_stdout => json::write(reports),
            [only] if !is_set => table::whole(only),
            several => table::several(several),
        };
        let mut done = vec![print(&shown)];
        done.extend(self.json.map(|json| json.write(&json::write(reports))));
        done.extend(self.html.map(|html| html.write(&html::page(reports))));
        all(done)
    }
}

/// What went wrong of several things, in one line.
fn all(done: Vec<Result<(), String>>) -> Result<(), String> {
    let failed: Vec<String> = done.into_iter().filter_map(Result::err).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

fn run_compare(args: &CompareArgs) -> Result<(), Failure> {
    flags::check_page(args.html.as_deref()).map_err(Failure::Usage)?;
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let page = args.html.as_deref().and_then(real);
    if page.is_some() && (page == real(&args.before) || page == real(&args.after)) {
        let what = "--html names one of the results: the page would take its place";
        return Err(Failure::Usage(what.into()));
    }
    let read = |path: &Path| json::read(path).map_err(Failure::Failed);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let found = compare(&before, &after, Design::Groups, &args.fail_over);
    let found = found.map_err(Failure::Failed)?;
    let mut told = vec![print(&found.table)];
    if let Some(path) = &args.html {
        let both: Vec<Report> = before.into_iter().chain(after).collect();
        let page = html::page(&both);
        told.push(Output::open("--html", path).and_then(|output| output.write(&page)));
    }
    let done = match found.excesses.is_empty() {
        true => Ok(()),
        false => Err(Failure::NotGoodEnough(found.excesses.join("; "))),
    };
    with(done, all(told))
}
