//! The result: Markdown for people, JSON for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use cooee::bench::figures::{figure, whole};

use crate::cells::Cell;
use crate::cores::machine;
use crate::ratios::{Ratios, median, verdict};
use crate::visit::Visit;
use crate::{Outcome, Results};

/// A figure of a visit.
type Figure = fn(&Visit) -> f64;

pub(crate) const RATE: Figure = |visit| visit.rate;
pub(crate) const COST: Figure = |visit| visit.cost;
const P50: Figure = |visit| visit.latency[0];
const P99: Figure = |visit| visit.latency[2];

impl Outcome {
    /// What contender `index` had, round by round.
    fn figures(&self, index: usize, figure: Figure) -> Vec<f64> {
        self.visits[index].iter().map(figure).collect()
    }

    /// The median of what the first contender had.
    fn absolute(&self, figure: Figure) -> f64 {
        median(self.figures(0, figure))
    }

    /// Contender `index` beside the first.
    fn ratios(&self, index: usize, figure: Figure) -> Ratios {
        Ratios::of(&self.figures(index, figure), &self.figures(0, figure))
    }

    fn all(&self) -> impl Iterator<Item = &Visit> {
        self.visits.iter().flatten()
    }
}

/// The table, and what has to be said about it.
pub(crate) fn markdown(results: &Results) -> String {
    let mut text = String::new();
    if !results.outcomes.is_empty() {
        head(&mut text, results);
        for outcome in &results.outcomes {
            row(&mut text, results, outcome);
        }
        text.push('\n');
    }
    memory(&mut text, results);
    tails(&mut text, results);
    foot(&mut text, results);
    text
}

pub(crate) fn line(text: &mut String, cells: &[String]) {
    // Writing to memory does not fail.
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

fn head(text: &mut String, results: &Results) {
    let mut names = vec!["cell".to_string()];
    let base = &results.contenders[0].name;
    let figures = ["ops/s", "CPU us/op", "p50 us", "p99 us"];
    names.extend(figures.iter().map(|figure| format!("{base}: {figure}")));
    for contender in &results.contenders[1..] {
        let name = &contender.name;
        match contender.is_control {
            true => names.push(format!("{name}: rate, CPU (spread), p99 (spread)")),
            false => {
                let what = ["rate", "CPU (spread)", "p99 (spread)"];
                names.extend(what.map(|what| format!("{name}/{base}: {what}")));
            }
        }
    }
    line(text, &names);
    let rule = |index| if index == 0 { "---" } else { "---:" }.to_string();
    line(text, &(0..names.len()).map(rule).collect::<Vec<_>>());
}

fn row(text: &mut String, results: &Results, outcome: &Outcome) {
    let mut cells = vec![outcome.cell.name.clone(), whole(outcome.absolute(RATE))];
    cells.push(format!("{:.2}", outcome.absolute(COST)));
    cells.extend([P50, P99].map(|one| figure(outcome.absolute(one))));
    for (index, contender) in results.contenders.iter().enumerate().skip(1) {
        let [rate, cost, p99] = [RATE, COST, P99].map(|figure| outcome.ratios(index, figure));
        let rate = format!("{:.2}", rate.median());
        let p99 = format!("{:.2} ({})", p99.median(), p99.spread());
        let (cost, spread) = (format!("{:.2}", cost.median()), cost.spread());
        match contender.is_control {
            true => cells.push(format!("{rate}, {cost} ({spread}), {p99}")),
            false => cells.extend([rate, format!("**{cost}** ({spread})"), p99]),
        }
    }
    line(text, &cells);
}

fn memory(text: &mut String, results: &Results) {
    let Some(memory) = &results.memory else { return };
    let mut names = vec![format!("memory of {} idle connections", memory.connections)];
    names.extend(results.contenders.iter().map(|contender| contender.name.to_string()));
    let mut bytes = vec!["anonymous bytes for each".to_string()];
    bytes.extend(memory.bytes.iter().map(|bytes| format!("{bytes:.0}")));
    line(text, &names);
    line(text, &names.iter().map(|_| "---".to_string()).collect::<Vec<_>>());
    line(text, &bytes);
    text.push('\n');
}

/// Whose tail is worse than that of the first, and where.
fn tails(text: &mut String, results: &Results) {
    let Some((base, others)) = results.contenders.split_first() else { return };
    if results.outcomes.is_empty() {
        return;
    }
    let cells = |index| {
        let all = results.outcomes.iter();
        let worse = all.filter(|outcome| outcome.ratios(index, P99).are_worse());
        worse.map(|outcome| outcome.cell.name.as_str()).collect::<Vec<_>>()
    };
    let others = (1..).zip(others).map(|(index, one)| (one.name.as_str(), cells(index)));
    for note in verdict(&base.name, results.rounds, &others.collect::<Vec<_>>()) {
        let _ = writeln!(text, "- {note}");
    }
}

pub(crate) fn foot(text: &mut String, results: &Results) {
    let Results { rounds, time, cores, .. } = results;
    let mut notes = vec![
        format!("{} cores: {}. {}", cores.count, machine(), cores.told()),
        format!("Medians of {rounds} rounds of {time:?} (longer for the largest cells)."),
    ];
    let cells = |is_such: fn(&Outcome) -> bool| {
        let such = results.outcomes.iter().filter(|outcome| is_such(outcome));
        such.map(|outcome| outcome.cell.name.as_str()).collect::<Vec<_>>().join("; ")
    };
    let always = cells(|outcome| outcome.all().all(|visit| visit.was_bottleneck));
    if !always.is_empty() {
        notes.push(format!(
            "The generator had no time left, so rate and latency say little about the server, and \
             its CPU all the more: {always}."
        ));
    }
    let sometimes = cells(|outcome| {
        let bound = outcome.all().filter(|visit| visit.was_bottleneck).count();
        (1..outcome.all().count()).contains(&bound)
    });
    if !sometimes.is_empty() {
        notes.push(format!(
            "The generator had no time left in some visits only, which are two ways to run with \
             prices of their own; a ratio may be that of the ways: {sometimes}."
        ));
    }
    for outcome in &results.outcomes {
        let failed: f64 = outcome.all().map(|visit| visit.failed).sum();
        if failed > 0.0 {
            notes.push(format!("{}: {failed} operations failed.", outcome.cell.name));
        }
    }
    notes.extend(results.failures.iter().map(|failure| format!("NOT MEASURED: {failure}")));
    for note in notes {
        let _ = writeln!(text, "- {note}");
    }
}

/// All figures of all visits.
pub(crate) fn json(results: &Results) -> Value {
    let names: Vec<&str> =
        results.contenders.iter().map(|contender| contender.name.as_str()).collect();
    json!({
        "machine": machine(),
        "cores": results.cores.told(),
        "rounds": results.rounds,
        "time_s": results.time.as_secs_f64(),
        "contenders": names,
        "cells": results.outcomes.iter().map(|outcome| cell(&names, outcome)).collect::<Value>(),
        "idle_memory": results.memory.as_ref().map(|memory| json!({
            "connections": memory.connections,
            "bytes_per_connection": memory.bytes,
        })),
        "failures": results.failures,
    })
}

fn cell(names: &[&str], outcome: &Outcome) -> Value {
    let Cell { name, workload, connections, size, depth, rate, .. } = &outcome.cell;
    let of = |visits: &Vec<Visit>| {
        let all = |figure: Figure| visits.iter().map(figure).collect::<Vec<f64>>();
        json!({
            "rate_per_s": all(RATE),
            "server_cpu_us_per_operation": all(COST),
            "p50_us": all(P50),
            "p99_us": all(P99),
            "p90_us": all(|visit| visit.latency[1]),
            "p99_9_us": all(|visit| visit.latency[3]),
            "p99_99_us": all(|visit| visit.latency[4]),
            "failed": all(|visit| visit.failed),
            "generator_was_bottleneck":
                visits.iter().map(|visit| visit.was_bottleneck).collect::<Vec<bool>>(),
        })
    };
    let visits: serde_json::Map<String, Value> =
        names.iter().zip(&outcome.visits).map(|(name, v)| (name.to_string(), of(v))).collect();
    json!({
        "name": name, "workload": workload, "connections": connections,
        "size": size, "depth": depth, "offered_per_s": rate, "visits": visits,
    })
}
