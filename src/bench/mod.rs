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
use report::outputs::{Form, Outputs};
use report::{Report, json, table};
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
    let outputs = Outputs::open(&args.outputs())?;
    let mut invocation = Invocation::new(args, named).map_err(Failure::Failed)?;
    let measured = invocation.measure();
    let (reports, signal) = invocation.end();
    // What has been measured before something failed is not thrown away.
    let told = match measured.is_ok() || !reports.is_empty() {
        true => outputs.publish(&table::of(&reports, args.workload.is_none()), &reports),
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

fn run_compare(args: &CompareArgs) -> Result<(), Failure> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let page = args.html.as_deref().and_then(real);
    if page.is_some() && (page == real(&args.before) || page == real(&args.after)) {
        let what = "--html names one of the results: the page would take its place";
        return Err(Failure::Usage(what.into()));
    }
    let wanted: Vec<(Form, &Path)> = args.html.iter().map(|path| (Form::Html, &**path)).collect();
    let outputs = Outputs::open(&wanted)?;
    let read = |path: &Path| json::read(path).map_err(Failure::Failed);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let found = compare(&before, &after, Design::Groups, &args.fail_over);
    let found = found.map_err(Failure::Failed)?;
    let both: Vec<Report> = before.into_iter().chain(after).collect();
    let told = outputs.publish(&found.table, &both);
    let done = match found.excesses.is_empty() {
        true => Ok(()),
        false => Err(Failure::NotGoodEnough(found.excesses.join("; "))),
    };
    with(done, told)
}
