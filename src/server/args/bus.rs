//! The flags of the bus.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::{OrOff, rate};
use crate::server::bus::BusPlan;
use crate::units::{Parse, parse_nonempty};

/// The flags of the bus.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Bus")]
pub(in crate::server) struct BusArgs {
    /// Join the rooms of chat with those of other servers, by way of the NATS server at one of
    /// these addresses: nats://HOST[:PORT] or tls://HOST[:PORT], between commas
    #[arg(long, value_name = "URLS", value_parser = parse_nonempty as Parse<_>)]
    pub(in crate::server) bus: Option<String>,

    /// What this server is called there, as in ann@NAME [default: the first part of this host's
    /// name]
    #[arg(long, value_name = "NAME")]
    pub(in crate::server) bus_name: Option<String>,

    /// Lines of a room that are taken from there; more wait in the stream, or are dropped without
    /// one; or off [default: 2000/s, with --chat-rate off all]
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(in crate::server) bus_rate: Option<OrOff<f64>>,

    /// Use only these servers, and none that they advertise
    #[arg(long)]
    pub(in crate::server) bus_ignore_advertised: bool,

    /// What is shown to NATS: a credentials file, or one with the seed of an nkey. A user and a
    /// password, or a token, come from the environment (COOEE_BUS_USER and COOEE_BUS_PASSWORD,
    /// COOEE_BUS_TOKEN) or the file of --config
    #[arg(long, value_name = "FILE")]
    pub(in crate::server) bus_credentials: Option<PathBuf>,

    /// Over TLS, trust the certificates in FILE and those that they have signed [default: this
    /// machine's list]
    #[arg(long, value_name = "FILE", hide = cfg!(not(feature = "tls")))]
    pub(in crate::server) bus_ca: Option<PathBuf>,

    #[arg(long, value_name = "USER", hide = true)]
    pub(in crate::server) bus_user: Option<String>,

    #[arg(long, value_name = "PASSWORD", hide = true)]
    pub(in crate::server) bus_password: Option<String>,

    #[arg(long, value_name = "TOKEN", hide = true)]
    pub(in crate::server) bus_token: Option<String>,
}

impl BusArgs {
    /// Whether there is to be one.
    pub(super) fn is_given(&self) -> bool {
        self.bus.is_some()
    }

    /// What these flags ask for. `is_boundless`: members may send as many lines as they like.
    pub(super) fn plan(&self, is_boundless: bool) -> Result<Option<BusPlan>, String> {
        let Some(urls) = &self.bus else { return self.without_bus().map(|()| None) };
        BusPlan::new(urls, self, is_boundless).map(Some)
    }

    /// Refuses what nothing would heed.
    fn without_bus(&self) -> Result<(), String> {
        let given = [
            ("--bus-name", self.bus_name.is_some()),
            ("--bus-rate", self.bus_rate.is_some()),
            ("--bus-ignore-advertised", self.bus_ignore_advertised),
            ("--bus-credentials", self.bus_credentials.is_some()),
            ("--bus-ca", self.bus_ca.is_some()),
            ("--bus-user", self.bus_user.is_some()),
            ("--bus-password", self.bus_password.is_some()),
            ("--bus-token", self.bus_token.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((flag, _)) => {
                Err(format!("{flag} needs --bus: say where NATS is, or leave the option out"))
            }
        }
    }
}

/// The flags that are keys of a file and variables, and nothing for a command line.
const SECRETS: [&str; 3] = ["--bus-user", "--bus-password", "--bus-token"];

/// Refuses the first of `words` that anybody on this machine could read, and should not.
///
/// # Errors
/// One line for people: where it is to stand instead.
pub fn secret_among(words: &[OsString]) -> Result<(), String> {
    let is_secret = |word: &str| {
        let flag = word.split_once('=').map_or(word, |(flag, _)| flag);
        SECRETS.into_iter().find(|secret| *secret == flag)
    };
    match words.iter().find_map(|word| is_secret(word.to_str()?)) {
        None => Ok(()),
        Some(flag) => {
            let variable = flag.trim_start_matches('-').replace('-', "_").to_uppercase();
            let key = flag.trim_start_matches('-');
            Err(format!(
                "{flag} does not belong on a command line, which everybody on this machine can \
                 read: set COOEE_{variable} in the environment, or {key} in the file of --config"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_refused_on_the_command_line_however_they_are_written() {
        for words in [["--bus-password", "x"], ["--bus-password=x", "--bus-user"]] {
            let words = ["cooee", "serve", "--bus-name"].iter().chain(&words).map(OsString::from);
            let error = secret_among(&words.collect::<Vec<_>>()).unwrap_err();
            assert!(error.starts_with("--bus-password does not belong"), "{error}");
            assert!(error.contains("COOEE_BUS_PASSWORD in") && error.contains(" bus-password in"));
        }
        let words = ["--bus-credentials", "x", "--bus"].map(OsString::from);
        assert_eq!(secret_among(&words), Ok(()));
    }
}
