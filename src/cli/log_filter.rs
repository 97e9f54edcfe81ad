//! What `RUST_LOG` says, read before env_logger does, which would complain in words of its own and
//! without saying of what.

use log::LevelFilter;

/// What of `filter` makes sense (`LEVEL`, `MODULE` or `MODULE=LEVEL`, with commas between them, and
/// perhaps `/TEXT` behind them all), and one line about the first thing that does not.
pub fn understand(filter: &str) -> (String, Option<String>) {
    if filter.matches('/').count() > 1 {
        return (String::new(), Some(format!("RUST_LOG: {filter:?} has more than one /; ignored")));
    }
    let (words, text) = filter.split_at(filter.find('/').unwrap_or(filter.len()));
    let (known, wrong): (Vec<&str>, Vec<&str>) = words.split(',').partition(|word| is_known(word));
    let wrong = wrong.first().map(|word| {
        let level = word.trim().split_once('=').map_or("", |(_, level)| level);
        let levels = "off, error, warn, info, debug, trace";
        format!("RUST_LOG: {level:?} in {filter:?} is not a level ({levels}); ignored")
    });
    (known.join(",") + text, wrong)
}

fn is_known(word: &str) -> bool {
    match word.split_once('=') {
        None => true,
        Some((_, level)) => level.trim().is_empty() || level.trim().parse::<LevelFilter>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_sense_stays_as_it_is() {
        for filter in ["", "debug", "cooee::engine=trace,warn", "cooee = Info, nix=", "info/peer"] {
            assert_eq!(understand(filter), (filter.into(), None));
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_and_left_out() {
        for (filter, left, named) in [
            ("bogus=foo", "", "\"foo\" in \"bogus=foo\" is not a level"),
            ("debug,a=b=c,x=loud", "debug", "\"b=c\" in "),
            ("warn,a=b/peer", "warn/peer", "\"b\" in "),
            ("warn/a/b", "", "more than one /"),
        ] {
            let (known, wrong) = understand(filter);
            let wrong = wrong.unwrap();
            assert_eq!(known, left, "{filter}");
            assert!(wrong.starts_with("RUST_LOG: ") && wrong.contains(named), "{wrong}");
        }
    }
}
