//! Text that is put together piece by piece.

use std::fmt::{Arguments, Write};

/// Writes `what` to the end of `out`. Writing to a `String` cannot fail.
pub(crate) fn append(out: &mut String, what: Arguments<'_>) {
    let _ = out.write_fmt(what);
}
