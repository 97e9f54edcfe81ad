//! The flags of the log: its form, and whether it shows the bytes on the wire.

use std::str::FromStr;

use clap::Args;

use crate::hex::HexLimits;
use crate::logging::LogFormat;
use crate::units::{Parse, parse_from, parse_positive_size};

/// The flags of the log.
#[derive(Args, Debug)]
#[command(next_help_heading = "Log")]
pub(super) struct LogArgs {
    /// How the log is written: text, or json for one object a line
    #[arg(long, value_name = "FORMAT", default_value = "text",
          value_parser = LogFormat::from_str as Parse<_>)]
    pub(super) log_format: LogFormat,

    /// Show in the log what goes over each connection, as hexdump -C does, both directions: for
    /// lessons. Whoever reads the log then reads what people send
    #[arg(long)]
    hex: bool,

    /// Bytes that --hex shows of one read or write [default: 64]
    #[arg(long, value_name = "SIZE", value_parser = parse_positive_size as Parse<_>)]
    hex_bytes: Option<usize>,

    /// Lines that --hex may take in one second [default: 100]
    #[arg(long, value_name = "N", value_parser = parse_from::<2> as Parse<_>)]
    hex_lines: Option<usize>,
}

impl LogArgs {
    /// How much of the bytes is shown, if any are.
    ///
    /// # Errors
    /// One line for people: a limit for what is not asked for would do nothing, in silence.
    pub(super) fn hex(&self) -> Result<Option<HexLimits>, String> {
        let given =
            [("--hex-bytes", self.hex_bytes.is_some()), ("--hex-lines", self.hex_lines.is_some())];
        if let Some((flag, _)) = given.iter().find(|(_, given)| *given && !self.hex) {
            return Err(format!("{flag} does nothing without --hex: add it, or leave {flag} out"));
        }
        let HexLimits { bytes, lines } = HexLimits::default();
        Ok(self.hex.then(|| HexLimits {
            bytes: self.hex_bytes.unwrap_or(bytes),
            lines: self.hex_lines.unwrap_or(lines),
        }))
    }
}
