//! All that results are written to, in the forms that flags ask for. Every one of them is tried
//! before anything is measured, and none that fails costs another: whoever has waited for a result
//! gets to see it.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use super::output::{Output, failed, write_out};
use super::{Report, csv, html, json, markdown};
use crate::failure::Failure;
use crate::outlet::print;

/// What a file name means standard output.
const STANDARD_OUTPUT: &str = "-";

/// A form that results are written in, beside the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Html,
    Markdown,
    Csv,
}

impl Form {
    /// The flag that asks for it.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            Form::Json => "--json",
            Form::Html => "--html",
            Form::Markdown => "--markdown",
            Form::Csv => "--csv",
        }
    }

    /// The text for so many results.
    pub(crate) fn write(self, reports: &[Report]) -> String {
        match self {
            Form::Json => json::write(reports),
            Form::Html => html::page(reports),
            Form::Markdown => markdown::write(reports),
            Form::Csv => csv::write(reports),
        }
    }
}

/// Everything that results are written to.
pub(crate) struct Outputs {
    /// What goes to standard output in the place of the table.
    printed: Option<Form>,
    files: Vec<(Form, Output)>,
}

impl Outputs {
    /// Opens all files, so that a wrong path is told before anybody has waited.
    ///
    /// # Errors
    /// Which of them cannot be opened, or that two of them would go to the same place.
    pub(crate) fn open(wanted: &[(Form, &Path)]) -> Result<Outputs, Failure> {
        let is_printed = |path: &Path| path.as_os_str() == STANDARD_OUTPUT;
        let mut outputs = Outputs { printed: None, files: Vec::new() };
        for (form, _) in wanted.iter().filter(|(_, path)| is_printed(path)) {
            match outputs.printed {
                None => outputs.printed = Some(*form),
                Some(other) => return Err(both_printed(other, *form)),
            }
        }
        if !takes_text(&io::stdout()) {
            let what =
                outputs.printed.map_or(String::new(), |form| form.flag().to_owned() + " -: ");
            let why = "standard output is not open for writing; nothing was done";
            return Err(Failure::Failed(what + why));
        }
        for (form, path) in wanted.iter().filter(|(_, path)| !is_printed(path)) {
            let output = Output::open(form.flag(), path)
                .map_err(|why| Failure::Failed(format!("{why}; nothing was done")))?;
            outputs.check_place(*form, &output)?;
            outputs.files.push((*form, output));
        }
        Ok(outputs)
    }

    /// Whether nothing else goes where `output` does.
    fn check_place(&self, form: Form, output: &Output) -> Result<(), Failure> {
        if let Some(printed) = self.printed.filter(|_| output.is_standard_output()) {
            return Err(both_printed(printed, form));
        }
        match self.files.iter().find(|(_, other)| other.is_same(output)) {
            Some((other, _)) => Err(Failure::Usage(format!(
                "{} and {} name the same file: each needs its own",
                other.flag(),
                form.flag()
            ))),
            None => Ok(()),
        }
    }

    /// Writes everything that can be written: what people look at first, then the files. If any of
    /// it fails, and so also what was meant to keep the result, the table is shown all the same.
    ///
    /// # Errors
    /// What could not be written where, in one line.
    pub(crate) fn publish(self, table: &str, reports: &[Report]) -> Result<(), String> {
        self.publish_as(table, |form| form.write(reports))
    }

    /// Shows `table`, and writes what `text` gives for each form.
    ///
    /// # Errors
    /// As `publish`.
    pub(crate) fn publish_as(
        self,
        table: &str,
        text: impl Fn(Form) -> String,
    ) -> Result<(), String> {
        let told = match self.printed {
            None => print(table),
            Some(form) => write_out(&text(form))
                .map_err(|error| failed(form.flag(), STANDARD_OUTPUT.as_ref(), &error)),
        };
        let is_shown = self.printed.is_none() && told.is_ok();
        let mut done = vec![told];
        let files = self.files.into_iter();
        done.extend(files.map(|(form, output)| output.write(&text(form))));
        let done = all(done);
        if done.is_err() && !is_shown {
            // The last place that is left. If it is gone too, there is nobody to tell.
            let _ = io::stderr().write_all(table.as_bytes());
        }
        done
    }
}

/// Whether a descriptor is open for writing. Rust takes a standard output that is not for one that
/// nobody wants to read.
fn takes_text(descriptor: &impl AsFd) -> bool {
    use rustix::fs::{OFlags, fcntl_getfl};
    fcntl_getfl(descriptor).is_ok_and(|flags| flags & OFlags::ACCMODE != OFlags::RDONLY)
}

fn both_printed(one: Form, other: Form) -> Failure {
    Failure::Usage(format!(
        "{} and {} both go to standard output: only one of them can, name a file for the other",
        one.flag(),
        other.flag()
    ))
}

/// What went wrong of several things, in one line.
fn all(done: Vec<Result<(), String>>) -> Result<(), String> {
    let failed: Vec<String> = done.into_iter().filter_map(Result::err).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_forms_do_not_share_standard_output() {
        let dash = Path::new("-");
        let wanted = [(Form::Json, dash), (Form::Csv, dash)];
        let Err(Failure::Usage(why)) = Outputs::open(&wanted) else { panic!("both may") };
        assert!(why.starts_with("--json and --csv both go to standard output"), "{why}");
        assert!(Outputs::open(&wanted[1..]).is_ok());
    }

    #[test]
    fn all_that_went_wrong_is_told_in_one_line() {
        assert_eq!(all(vec![Ok(()), Ok(())]), Ok(()));
        let both = all(vec![Err("a".into()), Ok(()), Err("b".into())]);
        assert_eq!(both, Err("a; b".into()));
    }
}
