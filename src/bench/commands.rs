//! The words behind `cooee bench compare` and `cooee bench merge`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::report::compare::Tolerance;

/// What else `cooee bench` can do.
#[derive(Subcommand, Clone, Debug)]
pub enum BenchCommand {
    /// Set two results side by side: ratios, and whether they are more than chance
    Compare(CompareArgs),
    /// Add up the results of generators that have worked at the same time
    Merge(MergeArgs),
}

/// The flags of `cooee bench merge`.
#[derive(Args, Clone, Debug)]
pub struct MergeArgs {
    /// The results, one run each
    #[arg(value_name = "RESULT.json", num_args = 2.., required = true)]
    pub(super) results: Vec<PathBuf>,

    /// Write the sum as JSON to FILE; -: to standard output instead of the table
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
}

/// The flags of `cooee bench compare`.
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// The result to compare with
    #[arg(value_name = "A.json")]
    pub(super) before: PathBuf,

    /// The result in question
    #[arg(value_name = "B.json")]
    pub(super) after: PathBuf,

    /// Exit with 3 if a figure of B is worse than A's by more, such as p99=10%; with --repeat 5
    /// or more on both sides only if that is no chance (repeatable)
    #[arg(long, value_name = "FIGURE=PERCENT")]
    pub(super) fail_over: Vec<Tolerance>,

    /// Write a page with the plots of both to FILE, or to standard output instead of the
    /// table: -
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
}
