//! `cooee bench`: measures any server that speaks one of the services, honestly.
//!
//! The load is made by services that ask and time, on the same engine and loop as the server.
//! `load` has them and their plan, `measure` what they note, `report` the result and its forms, and
//! `run` the threads that do it all. Each uses only those named before it.

mod args;
mod commands;
pub(crate) mod fields;
pub mod figures;
mod flags;
mod load;
mod measure;
mod moment;
mod report;
mod run;

use std::path::{Path, PathBuf};
use std::slice;

use crate::failure::Failure;
use crate::services::text::visible;
use load::sources::check_sources;
use load::target::Target;
use measure::statistics::verdict::Design;
use report::compare::{Comparison, compare};
use report::finding::findings;
use report::merge::merge;
use report::outputs::{Form, Outputs};
use report::versus::Versus;
use report::{Report, html, json, table};
use run::invocation::Invocation;

pub use args::{BenchArgs, EXAMPLES};
pub use commands::{BenchCommand, CompareArgs, MergeArgs};
pub use report::plot;

/// Does what `args` ask for, and prints it.
///
/// # Errors
/// What went wrong, in one line.
pub fn run(args: &BenchArgs) -> Result<(), Failure> {
    match &args.command {
        Some(BenchCommand::Compare(args)) => return run_compare(args),
        Some(BenchCommand::Merge(args)) => return run_merge(args),
        None => {}
    }
    flags::check(args).map_err(Failure::Usage)?;
    // Until here a signal ends the process, as it must while a name is resolved.
    let (named, rival) = (named_target(args)?, rival(args)?);
    let outputs = Outputs::open(&args.outputs())?;
    let mut invocation = Invocation::new(args, named, rival).map_err(Failure::Failed)?;
    let measured = invocation.measure();
    let (mut reports, comparison, signal) = invocation.end();
    if let ([_, b], Some(found)) = (reports.as_mut_slice(), &comparison) {
        b.versus = found.pairs.first().map(Versus::of);
    }
    // What has been measured before something failed is not thrown away.
    let told = match measured.is_ok() || !reports.is_empty() {
        true => {
            let mut table = table::of(&reports, args.workload.is_none());
            if let Some(comparison) = &comparison {
                table = format!("{table}\n{}", comparison.table);
            }
            outputs.publish_as(&table, |form| match (form, reports.as_slice(), &comparison) {
                (Form::Html, [a, b], Some(found)) => page_of_both(a, b, found),
                _ => form.write(&reports),
            })
        }
        false => Ok(()),
    };
    with(signal.map_or(measured, |signal| Err(Failure::Signal(signal))), told)
}

/// The page of two servers that were measured in turns.
fn page_of_both(a: &Report, b: &Report, found: &Comparison) -> String {
    let findings = findings(slice::from_ref(a), slice::from_ref(b), &found.pairs);
    html::page_of_findings([&a.target, &b.target], &findings)
}

/// The server that the user has named, if any, to be called from where the user says.
fn named_target(args: &BenchArgs) -> Result<Option<Target>, Failure> {
    let sources = args.sources().map_err(Failure::Usage)?;
    match (args.workload, &args.endpoint) {
        (Some(workload), Some(text)) => {
            let through = (&args.through, args.resume());
            let target = Target::named(workload, text, &sources, through, args.pid)?;
            fits(args, &target)?;
            Ok(Some(target))
        }
        _ => check_sources(&sources).map(|()| None),
    }
}

/// The server of `--vs`.
fn rival(args: &BenchArgs) -> Result<Option<Target>, Failure> {
    let sources = args.sources().map_err(Failure::Usage)?;
    let through = (&args.through, args.resume());
    let named = |(workload, text): (_, &String)| {
        Target::named(workload, text, &sources, through, None).map_err(|failure| match failure {
            Failure::Usage(why) => Failure::Usage(format!("--vs: {why}")),
            other => other,
        })
    };
    let rival = args.workload.zip(args.vs.as_ref()).map(named).transpose()?;
    rival.iter().try_for_each(|rival| fits(args, rival))?;
    Ok(rival)
}

/// Whether connections to `target` can be ended as is asked for.
fn fits(args: &BenchArgs, target: &Target) -> Result<(), Failure> {
    match target.location().unix().is_some() && args.close.is_some() {
        true => Err(Failure::Usage(format!(
            "--close does nothing at {target}: a unix socket has no reset, and leaves nothing \
             in TIME_WAIT"
        ))),
        false => Ok(()),
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

/// Refuses to write `what` over what is read.
fn check_kept<'a>(
    flag: &str,
    what: &str,
    output: Option<&Path>,
    mut read: impl Iterator<Item = &'a PathBuf>,
) -> Result<(), Failure> {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let output = output.and_then(real);
    match output.is_some() && read.any(|path| real(path) == output) {
        true => Err(Failure::Usage(format!(
            "{flag} names one of the results: {what} would take its place"
        ))),
        false => Ok(()),
    }
}

fn run_merge(args: &MergeArgs) -> Result<(), Failure> {
    check_kept("--json", "the sum", args.json.as_deref(), args.results.iter())?;
    let wanted: Vec<(Form, &Path)> = args.json.iter().map(|path| (Form::Json, &**path)).collect();
    let outputs = Outputs::open(&wanted)?;
    let results: Result<Vec<_>, String> = args.results.iter().map(|path| single(path)).collect();
    let merged = merge(&results.map_err(Failure::Failed)?).map_err(Failure::Failed)?;
    let reports = [merged];
    with(Ok(()), outputs.publish(&table::of(&reports, false), &reports))
}

/// The one result in a file, and what the file is called.
fn single(path: &Path) -> Result<(String, Report), String> {
    let name = visible(path.as_os_str().as_encoded_bytes());
    let mut results = json::read(path)?;
    match results.pop().filter(|_| results.is_empty()) {
        Some(report) => Ok((name, report)),
        None => Err(format!("{name} has several results: merge single runs")),
    }
}

fn run_compare(args: &CompareArgs) -> Result<(), Failure> {
    check_kept(
        "--html",
        "the page",
        args.html.as_deref(),
        [&args.before, &args.after].into_iter(),
    )?;
    let wanted: Vec<(Form, &Path)> = args.html.iter().map(|path| (Form::Html, &**path)).collect();
    let outputs = Outputs::open(&wanted)?;
    let read = |path: &Path| json::read(path).map_err(Failure::Failed);
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let found = compare(&before, &after, Design::Groups, &args.fail_over);
    let found = found.map_err(Failure::Failed)?;
    let names =
        [&args.before, &args.after].map(|path| visible(path.as_os_str().as_encoded_bytes()));
    let page = |_| {
        let findings = findings(&before, &after, &found.pairs);
        html::page_of_findings([&names[0], &names[1]], &findings)
    };
    let told = outputs.publish_as(&found.table, page);
    let done = match found.excesses.is_empty() {
        true => Ok(()),
        false => Err(Failure::NotGoodEnough(found.excesses.join("; "))),
    };
    with(done, told)
}
