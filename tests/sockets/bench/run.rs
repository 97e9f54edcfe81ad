//! Running `cooee bench`, and what it leaves: a status, JSON that keeps to its schema, files.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::filter::output_within;

/// How long anything may take before its test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `cooee bench` with these words, to be changed further and started.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cooee"));
    command.arg("bench").args(words).env_remove("RUST_LOG").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it, but not for ever.
pub(crate) fn bench(words: &[&str]) -> Output {
    let output = output_within(PATIENCE, command(words).spawn().unwrap());
    output.unwrap_or_else(|| panic!("{words:?} does not end"))
}

/// Runs it with `--json -`; the exit status, the JSON, what was said on standard error.
pub(crate) fn measured(words: &[&str]) -> (Option<i32>, Value, String) {
    let output = bench(&[words, &["--json", "-"]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    let result = serde_json::from_slice(&output.stdout);
    let result = result.unwrap_or_else(|error| panic!("{words:?}: {error}; {said}"));
    (output.status.code(), result, said)
}

/// How often that went wrong.
pub(crate) fn count(result: &Value, kind: &str) -> u64 {
    result["errors"][kind].as_u64().unwrap_or(0)
}

pub(crate) fn assert_valid(result: &Value) {
    let text = include_str!("../../../schema/bench.schema.json");
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", serde_json::from_str(text).unwrap()).unwrap();
    let mut schemas = boon::Schemas::new();
    let schema = compiler.compile("schema.json", &mut schemas).unwrap();
    if let Err(error) = schemas.validate(result, schema) {
        panic!("{error:#}\n{result:#}");
    }
}
