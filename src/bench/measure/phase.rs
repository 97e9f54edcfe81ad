//! The phases of a run.

/// The phases of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RunPhase {
    /// Connections are being made.
    Opening,
    /// The load is that of the window, but nothing counts yet.
    Warming,
    /// The window: what begins now counts.
    Measuring,
    /// No new requests; outstanding answers may still come.
    Draining,
    /// Over.
    Done,
}
