//! What figures that vary by chance can tell. Pure.
//!
//! `student` says how sure the mean of several runs is, `bootstrap` how steady one run was. Whether
//! two servers differ is for `significance` and `effect`, which know nothing but ranks: runs have
//! outliers, and nobody knows how they are distributed. `verdict` puts both into words.

pub(crate) mod bootstrap;
pub(crate) mod effect;
pub(crate) mod outliers;
pub(crate) mod ranks;
pub(crate) mod significance;
pub(crate) mod student;
pub(crate) mod verdict;

/// How often a difference may be told where there is none, and how often the true ratio may lie
/// outside its interval. With the usual 5 % one comparison of a server with itself in twenty would
/// call somebody out for nothing.
pub(crate) const LEVEL: f64 = 0.01;
