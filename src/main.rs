//! cooee: chooses the command, prints one error, sets the exit status.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use cooee::cli::settings::{Invocation, Mistake};
use cooee::cli::{self, Cli, Command, log_filter, mistake};
use cooee::client::{self, Ending, Request, TerminalLog};
use cooee::failure::Failure;
use cooee::logging::{self, LogFormat};
use cooee::outlet::Log;
#[cfg(feature = "manual")]
use cooee::outlet::print;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let invocation = match Invocation::read(&words) {
        Ok(invocation) => invocation,
        Err(Mistake::Words(error)) => return refuse(&error),
        Err(Mistake::Elsewhere(what)) => return fail(&what, 2),
    };
    start_logging(&invocation.cli);
    let done = match &invocation.cli.command {
        Command::Serve(args) => cli::serve::run(args, &invocation, words),
        Command::Echo(args) => call(args.request()),
        Command::Greet(args) => call(args.request()),
        Command::Talk(args) => call(args.request()),
        Command::Chat(args) => call(args.request()),
        Command::Months(args) => call(args.request()),
        #[cfg(feature = "admin")]
        Command::Top(args) => cooee::top::run(args),
        #[cfg(feature = "admin")]
        Command::Health(args) => cooee::top::health::run(args),
        #[cfg(not(feature = "admin"))]
        Command::Top { .. } | Command::Health { .. } => Err(Failure::Usage(
            "this needs the feature admin, which this cooee was built without".into(),
        )),
        #[cfg(feature = "bench")]
        Command::Bench(args) => cooee::bench::run(args),
        #[cfg(feature = "manual")]
        Command::Completions { shell } => completions(*shell),
        #[cfg(feature = "manual")]
        Command::Manual { words, dir } => manual(words, dir.as_deref()),
    };
    let (what, status) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(what)) => (what, 2),
        Err(Failure::Failed(what)) => (what, 1),
        Err(Failure::NotGoodEnough(what)) => (what, 3),
        Err(Failure::Signal(signal)) => return die_of(signal),
    };
    fail(&what, status)
}

/// Wrong usage is told to a person, whatever the log is like.
fn fail(what: &str, status: u8) -> ExitCode {
    match status {
        2 => Log::last_words(format!("cooee: {what}\n")),
        _ => logging::last_words(what),
    }
    ExitCode::from(status)
}

/// Shows the help that was asked for, or says what is wrong with the words.
fn refuse(error: &clap::Error) -> ExitCode {
    if !mistake::is_help(error) {
        return fail(&mistake::in_one_line(error, std::env::args_os().skip(1)), 2);
    }
    // Nothing is left to be done if nobody can be told.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Ends the process by `signal`, as if nobody had caught it. The status that a shell would show
/// for that is all that is left if it is not possible.
fn die_of(signal: i32) -> ExitCode {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    ExitCode::from(u8::try_from(128 + signal).unwrap_or(u8::MAX))
}

/// Whether what goes to standard error may be coloured, as env_logger and clap would decide it.
fn is_coloured() -> bool {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let can_colour = |kind: &std::ffi::OsStr| kind != "dumb";
    let is_willing = match std::env::var_os("CLICOLOR") {
        Some(choice) => choice != "0",
        None => std::env::var_os("TERM").is_some_and(|kind| can_colour(&kind)),
    };
    let is_forced = variable("CLICOLOR_FORCE").is_some();
    variable("NO_COLOR").is_none() && (is_forced || is_willing && std::io::stderr().is_terminal())
}

fn start_logging(cli: &Cli) {
    let mut builder = env_logger::Builder::new();
    if let Command::Serve(args) = &cli.command {
        logging::set_format(args.log_format());
    }
    builder.filter_level(cli.log_level()).format_target(false).format_timestamp_millis();
    let filter = std::env::var("RUST_LOG");
    // Of a server it may change: then what is compared with it first is all that decides.
    let may_change = filter.is_err() && matches!(cli.command, Command::Serve(_));
    if may_change {
        builder.filter_level(log::LevelFilter::Trace);
    }
    if let Ok(filter) = filter {
        let (filter, wrong) = log_filter::understand(&filter);
        builder.parse_filters(&filter);
        if let Some(wrong) = wrong {
            logging::last_words(&wrong);
        }
    }
    if let Ok(style) = std::env::var("RUST_LOG_STYLE") {
        builder.parse_write_style(&style);
    }
    if cli.command.is_client() {
        builder.target(env_logger::Target::Pipe(Box::new(TerminalLog)));
    } else if matches!(cli.command, Command::Serve(_)) {
        builder.target(env_logger::Target::Pipe(Box::new(Log)));
        // env_logger itself cannot see that this is standard error.
        let style = std::env::var("RUST_LOG_STYLE").unwrap_or_default();
        if is_coloured() && !["always", "never"].contains(&style.as_str()) {
            builder.write_style(env_logger::WriteStyle::Always);
        }
    }
    if logging::format() == LogFormat::Json {
        builder.format(|out, record| out.write_all(logging::json_line(record).as_bytes()));
    }
    builder.init();
    if matches!(cli.command, Command::Serve(_)) {
        logging::reserve_line();
    }
    if may_change {
        log::set_max_level(cli.log_level());
    }
}

/// Calls a server.
fn call(request: Result<Request, String>) -> Result<(), Failure> {
    match client::run(&request.map_err(Failure::Usage)?).map_err(Failure::Failed)? {
        Ending::Done => Ok(()),
        Ending::Signal(signal) => Err(Failure::Signal(signal)),
    }
}

#[cfg(feature = "manual")]
fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    print(cli::completions::script(shell)).map_err(Failure::Failed)
}

#[cfg(feature = "manual")]
fn manual(words: &[String], dir: Option<&std::path::Path>) -> Result<(), Failure> {
    use cooee::cli::manual;
    match dir {
        Some(dir) => manual::write_all(dir).map_err(Failure::Failed),
        None => {
            print(manual::page_of(words).map_err(Failure::Usage)?.text).map_err(Failure::Failed)
        }
    }
}
