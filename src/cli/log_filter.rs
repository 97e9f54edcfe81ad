//! What `RUST_LOG` says, read before env_logger does, which would complain in words of its own and
//! without saying of what.

use log::LevelFilter;

/// What begins the name of every module that logs.
const LOGGING: &str = "cooee";
const LEVELS: &str = "off, error, warn, info, debug, trace";

/// What of `filter` makes sense (`LEVEL`, `MODULE` or `MODULE=LEVEL`, with commas between them, and
/// perhaps `/TEXT` behind them all), and one line that names each part that does not.
pub fn understand(filter: &str) -> (String, Option<String>) {
    if filter.matches('/').count() > 1 {
        return (String::new(), Some(format!("RUST_LOG: {filter:?} has more than one /; ignored")));
    }
    let (words, text) = filter.split_at(filter.find('/').unwrap_or(filter.len()));
    let (known, wrong): (Vec<&str>, Vec<&str>) = words.split(',').partition(|word| is_known(word));
    let wrong: Vec<String> = wrong.into_iter().map(named).collect();
    let told = format!("RUST_LOG: ignored: {}; levels are {LEVELS}", wrong.join(", "));
    (known.join(",") + text, (!wrong.is_empty()).then_some(told))
}

/// Whether env_logger would make of `word` what was meant. A module that nobody knows may be meant
/// for other programs, if it has a level; alone it is rather a misspelt level, and hides all else.
fn is_known(word: &str) -> bool {
    let is_level = |level: &str| level.parse::<LevelFilter>().is_ok();
    match word.split_once('=') {
        Some((_, level)) => level.trim().is_empty() || is_level(level.trim()),
        None => {
            let word = word.trim();
            word.is_empty() || is_level(word) || word.starts_with(LOGGING)
        }
    }
}

fn named(word: &str) -> String {
    let word = word.trim();
    match word.split_once('=') {
        Some((_, level)) => format!("{word:?} ({level:?} is no level)"),
        None => format!("{word:?} (neither a level nor a module that logs here)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_sense_stays_as_it_is() {
        for filter in [
            "",
            "debug",
            "cooee::engine=trace,warn",
            "cooee = Info, nix=",
            "cooee::top,info/peer",
            "a=warn",
        ] {
            assert_eq!(understand(filter), (filter.into(), None));
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_and_left_out() {
        for (filter, left, named) in [
            ("bogus=foo", "", "\"bogus=foo\" (\"foo\" is no level); levels are off, error, "),
            ("cooee=debug,foo=loud", "cooee=debug", "\"foo=loud\" (\"loud\" is no level)"),
            ("debug,a=b=c,x=loud", "debug", "(\"b=c\" is no level), \"x=loud\" (\"loud\" is no"),
            ("warn,a=b/peer", "warn/peer", "\"a=b\" "),
            ("debgu", "", "\"debgu\" (neither a level nor a module that logs here); levels"),
            ("warn/a/b", "", "more than one /"),
        ] {
            let (known, wrong) = understand(filter);
            let wrong = wrong.unwrap();
            assert_eq!(known, left, "{filter}");
            assert!(wrong.starts_with("RUST_LOG: ") && wrong.contains(named), "{wrong}");
        }
    }
}
