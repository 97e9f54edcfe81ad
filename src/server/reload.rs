//! SIGHUP with a configuration: it is read again, whole, before anything changes. What is wrong
//! changes nothing; what can change while people are connected does; the rest waits for a restart,
//! and is named.

use std::collections::BTreeMap;

use log::LevelFilter;

use super::totals::Stat;
use super::{Config, Lifecycle, Server};
use crate::services;

/// What can change without a restart.
const LIVE: [&str; 26] = [
    "accept-rate",
    "allow",
    "chat-queue",
    "chat-queue-hard",
    "chat-rate",
    "deny",
    "drain",
    "echo-once",
    "echo-reply",
    "greeting",
    "idle-timeout",
    "max-buffered",
    "max-connections",
    "max-per-ip",
    "proxy-from",
    "quiet",
    "spin",
    "stat",
    "talk-rate",
    "tls-cert",
    "tls-key",
    "udp-low-ports",
    "udp-rate",
    "udp-rate-loopback",
    "verbose",
    "dead-after",
];

/// Keys with their values, as they were written.
pub(super) type Settings = BTreeMap<String, Vec<String>>;

/// A configuration that has been read again, and will do.
pub struct Fresh {
    /// All of it.
    pub config: Config,
    /// What of it does not stand on the command line.
    pub settings: Settings,
    /// How much is logged, if that is for the configuration to say.
    pub level: Option<LevelFilter>,
}

/// What it takes to read a configuration again.
pub struct Reload {
    /// What is in effect.
    pub settings: Settings,
    /// Reads it. An error is one line for people.
    pub read: Box<dyn FnMut() -> Result<Fresh, String>>,
}

/// The keys that differ: those that can change now, and those that cannot.
fn changed<'a>(before: &'a Settings, after: &'a Settings) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut keys: Vec<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.retain(|key| before.get(*key) != after.get(*key));
    keys.into_iter().partition(|key| LIVE.contains(key))
}

impl Server {
    /// Reads the configuration again, if there is one, and the certificate.
    pub(super) fn reload(&mut self) {
        if self.lifecycle != Lifecycle::Serving {
            return;
        }
        if let Some(notifier) = &mut self.notifier {
            notifier.reloading();
        }
        let fresh = self.reload.as_mut().map(|reload| (reload.read)()).transpose();
        let fresh = fresh.and_then(|fresh| {
            self.front.renew(fresh.as_ref().map(|fresh| &fresh.config)).map(|()| fresh)
        });
        let status = match fresh {
            Ok(fresh) => {
                fresh.iter().for_each(|fresh| self.take_over(fresh));
                if self.front.has_identity() {
                    log::info!("certificate read again: it is for those who connect from now on");
                }
                self.reactor.engine().metrics().to_string()
            }
            Err(why) => {
                log::error!("{why}; everything stays as it was");
                format!("not reloaded: {why}")
            }
        };
        if let Some(notifier) = &mut self.notifier {
            notifier.ready(&status);
        }
    }

    fn take_over(&mut self, fresh: &Fresh) {
        let Some(reload) = &mut self.reload else { return };
        let before = std::mem::take(&mut reload.settings);
        let (now, later) = changed(&before, &fresh.settings);
        let mut settings = fresh.settings.clone();
        for key in &later {
            settings.remove(*key);
            settings.extend(before.get(*key).map(|values| ((*key).to_owned(), values.clone())));
        }
        let listed = |keys: &[&str]| keys.join(", ");
        let changed = if now.is_empty() { "nothing".into() } else { listed(&now) };
        log::info!("configuration read again: changed {changed}");
        if !later.is_empty() {
            log::warn!("these change with a restart only: {}", listed(&later));
        }
        reload.settings = settings;
        if !now.is_empty() {
            self.apply(&fresh.config, &now);
            fresh.level.into_iter().for_each(|level| self.console.set_level(level));
        }
    }

    fn apply(&mut self, config: &Config, keys: &[&str]) {
        // Cannot fail: whoever has read it has tried.
        if let Ok(limits) = config.limits() {
            self.reactor.engine().set_limits(limits.connections, limits.buffered);
            self.reactor.change_guards(&config.guards, limits.connections);
        }
        for (name, number) in &self.services {
            if let Some(offer) = services::find(name) {
                let (quota, engine) = (config.quota(offer), self.reactor.engine());
                engine.reconfigure(*number, quota, &config.settings);
            }
        }
        self.front.change(config);
        self.reactor.spin(config.spin);
        self.drain = config.drain;
        if keys.contains(&"dead-after")
            && let Err(error) = self.reactor.change_dead_after(config.listening.dead_after)
        {
            log::warn!("--dead-after: {error}; connections are kept as before");
        }
        if keys.contains(&"stat") {
            let now = self.reactor.now();
            let survey = self.reactor.engine().survey();
            self.stat = config.stat.map(|every| Stat::since(every, now, survey));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), vec![(*value).to_owned()]);
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn what_differs_is_told_by_key_and_by_whether_it_can_change() {
        let before = settings(&[("drain", "5s"), ("host", "::1"), ("greeting", "hi")]);
        let after = settings(&[("drain", "5s"), ("host", "::"), ("deny", "::1"), ("backlog", "9")]);
        let (now, later) = changed(&before, &after);
        assert_eq!(now, ["deny", "greeting"]);
        assert_eq!(later, ["backlog", "host"]);
        assert_eq!(changed(&before, &before), (vec![], vec![]));
    }
}
