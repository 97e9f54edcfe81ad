//! Flags that would do nothing are refused, with the reason: if they were ignored in silence,
//! people would believe that they had been measured with.

use super::args::BenchArgs;
use super::load::workload::{STANDARD_SET, Workload};
use crate::endpoint::{Endpoint, Transport};

/// Whether every flag that was given does something.
///
/// # Errors
/// One line for people: which flag, why not, what to do.
pub(super) fn check(args: &BenchArgs) -> Result<(), String> {
    if args.steps.is_some() && args.ramp.is_none() {
        return Err("--steps are those of --ramp: add it, or leave --steps out".into());
    }
    if args.pid.is_some() && args.endpoint.is_none() {
        return Err("--pid: the server is our own, whose process is known; leave it out, \
                    or name the server"
            .into());
    }
    if args.start_at.is_some() && args.workload.is_none() {
        return Err("--start-at is for one run: name a workload".into());
    }
    let is_secured = |text: &Option<String>| {
        let endpoint = text.as_ref().and_then(|text| text.parse::<Endpoint>().ok());
        endpoint.and_then(|endpoint| endpoint.transport).is_some_and(Transport::is_secured)
    };
    let of_tls = args.through.of_tls().or(args.resume.map(|_| "--resume"));
    if let Some(flag) = of_tls
        && !is_secured(&args.endpoint)
        && !is_secured(&args.vs)
    {
        return Err(format!(
            "{flag} does nothing outside of TLS: name a server such as echo+tls://HOST"
        ));
    }
    let is_search = args.find_max.is_some() || args.ramp.is_some();
    match args.workload {
        Some(workload) => check_one(args, workload, is_search),
        None if args.vs.is_some() => {
            Err("--vs is for one workload: name it, such as cooee bench tcp_rr --vs ...".into())
        }
        None if is_search || args.profile.is_some() => {
            let flag = match (&args.ramp, &args.profile) {
                (Some(_), _) => "--ramp",
                (None, Some(_)) => "--profile",
                (None, None) => "--find-max",
            };
            Err(format!(
                "{flag} is for one workload: name it, such as cooee bench tcp_rr {flag} ..."
            ))
        }
        None => STANDARD_SET.into_iter().try_for_each(|workload| {
            check_one(args, workload, true)
                .map_err(|why| format!("{why}; without a workload all of them are measured"))
        }),
    }
}

fn check_one(args: &BenchArgs, workload: Workload, is_short: bool) -> Result<(), String> {
    for (flag, is_given, why) in useless(args, workload) {
        if let Some(why) = why.filter(|_| is_given) {
            return Err(format!("{flag} does nothing for {}: {why}", workload.name()));
        }
    }
    args.plan(workload, is_short).map(drop)
}

/// The flags that not every workload has a use for; whether they were given; why there is none.
fn useless(
    args: &BenchArgs,
    workload: Workload,
) -> [(&'static str, bool, Option<&'static str>); 10] {
    let has_no_rate = (workload == Workload::Idle).then_some("its connections ask nothing");
    let has_no_size = match workload {
        Workload::Months => Some("its requests are numbers from 1 to 12"),
        Workload::TcpCc | Workload::Greet | Workload::Idle => Some("it sends nothing"),
        _ => None,
    };
    let has_no_depth = match workload {
        Workload::TcpCrr | Workload::TcpCc | Workload::Greet => {
            Some("each connection is for one operation; use --connections")
        }
        Workload::Idle => Some("its connections ask nothing"),
        _ => None,
    };
    let has_no_handshakes =
        (!workload.connects_each_time()).then_some("its connections are made before it begins");
    let has_no_beginning = workload.is_datagram().then_some("it begins a connection");
    let has_no_close = workload.is_datagram().then_some("datagrams have no connection to close");
    [
        ("--size", args.size.is_some(), has_no_size),
        ("--depth", args.depth.is_some(), has_no_depth),
        ("--rate", args.rate.is_some(), has_no_rate),
        ("--find-max", args.find_max.is_some(), has_no_rate),
        ("--ramp", args.ramp.is_some(), has_no_rate),
        ("--profile", args.profile.is_some(), has_no_rate),
        ("--count", args.count.is_some(), has_no_rate),
        ("--close", args.close.is_some(), has_no_close),
        ("--resume", args.resume.is_some(), has_no_handshakes),
        ("--proxy-header", args.through.has_header(), has_no_beginning),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::args::tests::{BenchLine, parsed};
    use super::*;

    fn checked(words: &[&str]) -> Result<(), String> {
        check(&parsed(words)?)
    }

    /// All flags of a measurement, with a value, and the workloads that have no use for them.
    const TABLE: [(&[&str], &str); 31] = [
        (&["--connections", "3"], ""),
        (&["--size", "40"], "months tcp_cc greet idle"),
        (&["--depth", "2"], "tcp_crr tcp_cc greet idle"),
        (&["--duration", "1s"], ""),
        (&["--warmup", "1s"], ""),
        (&["--threads", "1"], ""),
        (&["--threads", "2"], "chat"),
        (&["--timeout", "1s"], ""),
        (&["--rate", "10"], "idle"),
        (&["--find-max", "p99=1ms"], "idle SET"),
        (&["--ramp", "1..9"], "idle SET"),
        (&["--ramp", "1..9", "--steps", "3"], "idle SET"),
        (&["--profile", "1s@9,1s@0"], "idle SET"),
        (&["--count", "9"], "idle"),
        (&["--repeat", "2"], ""),
        (&["--source", "127.0.0.2"], ""),
        (&["--close", "rst"], "udp_rr months"),
        (&["--close", "fin"], "udp_rr months"),
        (&["--proxy-header", "v2"], "udp_rr months"),
        (&["--stat", "1s"], ""),
        (&["--pin", "off"], ""),
        (&["--pin", "0:0,0"], "chat"),
        (&["--pin", ":0"], "ALL SET"),
        (&["--vs", "127.0.0.1:9"], "SET"),
        (&["--start-at", "1e10"], "SET"),
        (&["--label", "a"], ""),
        (&["--json", "a"], ""),
        (&["--html", "a"], ""),
        (&["--markdown", "a"], ""),
        (&["--csv", "a"], ""),
        (&["--steps", "3"], "ALL SET"),
    ];

    #[test]
    fn every_flag_does_something_for_every_workload_or_is_refused() {
        for (flag, refused) in TABLE {
            for workload in STANDARD_SET {
                let name = workload.name();
                let wanted = refused.split(' ').any(|word| word == name || word == "ALL");
                let result = checked(&[&[name], flag].concat());
                assert_eq!(result.is_err(), wanted, "{name} {flag:?}: {result:?}");
            }
            // The set takes what all its workloads take, and no search.
            let result = checked(flag);
            assert_eq!(result.is_err(), !refused.is_empty(), "{flag:?}: {result:?}");
        }
    }

    #[test]
    fn the_table_knows_every_flag() {
        use clap::CommandFactory;
        for flag in BenchLine::command().get_arguments().filter_map(clap::Arg::get_long) {
            let flag = format!("--{flag}");
            let is_known = ["--ca", "--server-name", "--insecure", "--resume"].contains(&&*flag)
                || TABLE.iter().any(|(words, _)| words.contains(&flag.as_str()));
            assert!(is_known || ["--pid", "--help"].contains(&flag.as_str()), "{flag}");
        }
        assert!(checked(&["tcp_rr", "--pid", "1"]).unwrap_err().contains("our own"));
        assert!(checked(&["tcp_rr", "127.0.0.1:9", "--pid", "1"]).is_ok());
    }

    #[test]
    fn what_is_refused_is_told_with_the_reason() {
        for (words, told) in [
            (&["months", "--size", "9"][..], "--size does nothing for months: its requests are"),
            (&["--depth", "9"], "for tcp_crr: each connection is for one operation"),
            (&["--depth", "9"], "; without a workload all of them are measured"),
            (&["--find-max", "p99=1s"], "--find-max is for one workload: name it"),
            (&["tcp_rr", "--ramp", "1..2", "--steps", "1"], "from 2 on"),
            (&["tcp_rr", "--stat", "99ms"], "at most every 100ms"),
            (&["tcp_rr", "--source", "::1"], "--source ::1"),
        ] {
            let error = checked(words).unwrap_err();
            assert!(error.contains(told), "{words:?}: {error}");
        }
    }
}
