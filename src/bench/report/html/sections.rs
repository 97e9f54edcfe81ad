//! The sections of a page about some runs: each is left out where there is nothing to show.

use std::fmt::Write;

use super::figure::{halves, wide};
use super::shown_run::ShownRun;
use super::{plots, tables};
use crate::bench::figures::{bytes, figure, grouped, or_dash, short};
use crate::bench::report::Report;
use crate::bench::report::plot::{Colour, Plot, escape};

const LATENCY_NOTE: &str = "Both axes are logarithmic. A steep end is what few requests felt, \
                            and what users remember.";
const RAMP_NOTE: &str = "The steps one after the other, without what was between them.";

const PROFILE_NOTE: &str = "The stages one after the other, over the same connections.";

/// Sections below headings of one level.
pub(super) struct Sections {
    pub(super) html: String,
    level: usize,
}

impl Sections {
    /// Whose headings are of `level`; 2 is the highest.
    pub(super) fn new(level: usize) -> Sections {
        Sections { html: String::new(), level }
    }

    fn add(&mut self, title: &str, note: &str, body: &str) {
        if body.is_empty() {
            return;
        }
        self.heading(0, title);
        if !note.is_empty() {
            let _ = writeln!(self.html, "<p class=\"sub\">{}</p>", escape(note));
        }
        self.html.push_str(body);
    }

    fn heading(&mut self, below: usize, title: &str) {
        self.html.push_str(&heading(self.level + below, title));
    }

    /// Everything there is to see of runs that share a question, or a page.
    pub(super) fn all(&mut self, runs: &[ShownRun<'_>]) {
        self.search(runs);
        self.latency(runs);
        self.over_time(runs);
        self.parts(runs);
        self.add("What went wrong, or was remarkable", "", &tables::errors(runs));
        self.add("Repeats", "", &runs.iter().map(tables::repeats).collect::<String>());
        if runs.iter().any(ShownRun::has_worked) {
            self.add("What it took", "", &(tables::usage(runs) + &tables::datagrams(runs)));
        }
        self.add("How it was measured", "", &tables::facts(runs));
    }

    /// Measurements at rates that rise, each with its name and colour.
    pub(super) fn ramps(&mut self, ramps: &[(&str, Colour, Vec<ShownRun<'_>>)]) {
        let plots = plots::ramps(ramps);
        let body = plots.as_ref().map_or(String::new(), halves);
        self.add("Over the rate that was asked for", "", &body);
    }

    fn search(&mut self, runs: &[ShownRun<'_>]) {
        let mut body = plots::searches(runs).as_ref().map_or(String::new(), wide);
        for run in runs.iter().filter(|run| run.report.search.is_some()) {
            if runs.len() > 1 {
                body.push_str(&heading(self.level + 1, &run.name));
            }
            body.push_str(&tables::probes(run));
        }
        self.add("The way to the highest rate", "", &body);
    }

    fn latency(&mut self, runs: &[ShownRun<'_>]) {
        let plot = plots::percentiles(runs);
        let body = plot.as_ref().map(|plot| wide(plot) + &tables::latencies(runs));
        self.add("Latency over percentiles", LATENCY_NOTE, &body.unwrap_or_default());
    }

    /// Runs of one workload share their plots, others have their own: their rates are not of one
    /// kind.
    fn over_time(&mut self, runs: &[ShownRun<'_>]) {
        let mut groups: Vec<Vec<ShownRun<'_>>> = Vec::new();
        for run in runs {
            let workload = |group: &Vec<ShownRun<'_>>| group[0].report.workload.clone();
            match groups.iter_mut().find(|group| workload(group) == run.report.workload) {
                Some(group) => group.push(run.clone()),
                None => groups.push(vec![run.clone()]),
            }
        }
        let mut body = String::new();
        for group in &groups {
            let of = match groups.len() {
                1 => String::new(),
                _ => format!(" of {}", group[0].report.workload),
            };
            let rates = plots::rates(&format!("Rate{of}"), group);
            let latencies = plots::latencies(&format!("p99{of}"), group);
            body.push_str(&halves(rates.iter().chain(&latencies)));
        }
        let note = match runs.iter().find(|run| run.begins_s > 0.0) {
            Some(run) if run.report.stage.is_some() => PROFILE_NOTE,
            Some(_) => RAMP_NOTE,
            None => "",
        };
        self.add("Over time", note, &body);
    }

    /// The parts of operations, in colours that come after those of the runs.
    fn parts(&mut self, runs: &[ShownRun<'_>]) {
        let names = runs.iter().flat_map(|run| run.report.phases_us.keys().cloned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names.dedup();
        let colour = |name: &str| {
            let number = names.iter().position(|known| known == name).unwrap_or(0);
            Colour::Numbered(runs.len() + number)
        };
        let with_plot = |run| plots::parts(run, colour).map(|plot| (run, plot));
        let shown: Vec<(&ShownRun<'_>, Plot)> = runs.iter().filter_map(with_plot).collect();
        let mut body = match shown.as_slice() {
            [(_, plot)] => wide(plot),
            several => halves(several.iter().map(|(_, plot)| plot)),
        };
        let runs: Vec<&ShownRun<'_>> = shown.iter().map(|(run, _)| *run).collect();
        body.push_str(&tables::parts(&runs, colour));
        self.add("Parts of an operation", "", &body);
    }
}

pub(super) fn heading(level: usize, title: &str) -> String {
    format!("<h{level}>{}</h{level}>\n", escape(title))
}

/// What one looks for first in a single result.
pub(super) fn cards(run: &ShownRun<'_>) -> String {
    let report = run.report;
    let mut cards: Vec<(String, String, &str)> = Vec::new();
    if let Some(search) = &report.search {
        let (found, unit) = match search.highest_rate_per_s {
            Some(rate) => (figure(rate), "/s"),
            None => ("none".into(), ""),
        };
        cards.push(("highest rate".into(), found, unit));
    }
    let what = report.operation().to_string();
    match report.workload.as_str() {
        "idle" => cards.push((what, grouped(report.operations), " held")),
        _ => cards.push((what, figure(report.rate_per_s), "/s")),
    }
    if report.bytes_per_s > 0.0 && report.search.is_none() {
        cards.push(("data".into(), bytes(report.bytes_per_s), "/s"));
    }
    for name in ["p50", "p99", "max"] {
        cards.push((name.into(), or_dash(report.latency(name)), " µs"));
    }
    cards.push(("failed".into(), grouped(report.failures()), ""));
    let mut out = String::from("<dl class=\"cards\">");
    for (name, figure, unit) in cards {
        let (name, figure) = (escape(&name), escape(&figure));
        let _ = write!(out, "<div><dt>{name}</dt><dd>{figure}<small>{unit}</small></dd></div>");
    }
    out + "</dl>\n"
}

/// What was measured, in a line.
pub(super) fn plan(report: &Report) -> String {
    let own = if report.own_server { ", our own server" } else { "" };
    let model = match report.asked_rate_per_s {
        Some(rate) => format!("open loop, {} a second are due", short(rate)),
        None => format!("{} loop", report.model),
    };
    let s = if report.connections == 1 { "" } else { "s" };
    let time = match report.duration_s {
        seconds if seconds > 0.0 => format!(", {seconds:.1} s"),
        _ => String::new(),
    };
    let connections = grouped(report.connections as u64);
    let plan = format!("{}{own}: {connections} connection{s}, {model}{time}.", report.target);
    format!("<p class=\"sub\">{}</p>\n", escape(&plan))
}
