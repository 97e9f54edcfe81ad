//! What is subscribed to on this connection, by number, and what is listened to on every one.

use std::collections::BTreeMap;

use super::following::{Surplus, passes};
use crate::engine::Time;
use crate::rate::{Bucket, Rate, RateLimit};

/// A subject with a `*` stands for many: so many times the rate is let through.
const WILD_TIMES: f64 = 16.0;

/// What a subscription is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Answers to what we have asked.
    Answers,
    /// A subject that is listened to.
    Heard(String),
    /// One that is followed, without a stream.
    Plain(String),
    /// One that is followed, by a consumer.
    Consumer(String),
}

/// A subject that is listened to.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Its subscription, if there is a connection.
    sid: Option<u64>,
    bucket: Bucket,
    pub(super) surplus: Surplus,
}

/// How much is let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admission {
    /// Of each subject.
    pub(super) one: RateLimit,
    /// Of one with a `*` in it.
    wild: RateLimit,
}

impl Admission {
    pub(super) fn new(rate: Rate) -> Admission {
        let Rate { per_second, burst } = rate;
        let many = Rate { per_second: per_second * WILD_TIMES, burst: burst * WILD_TIMES };
        Admission { one: RateLimit::new(rate), wild: RateLimit::new(many) }
    }
}

/// See the top of this file.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    targets: BTreeMap<u64, Target>,
    listened: BTreeMap<String, Listening>,
    last: u64,
}

impl Subscriptions {
    /// One more. Its number, which none has had before.
    pub(super) fn add(&mut self, target: Target) -> u64 {
        self.last += 1;
        self.targets.insert(self.last, target);
        self.last
    }

    /// What that one is for; `None`: it has ended.
    pub(super) fn get(&self, sid: u64) -> Option<&Target> {
        self.targets.get(&sid)
    }

    /// Ends one. False: it had ended already.
    pub(super) fn end(&mut self, sid: u64) -> bool {
        self.targets.remove(&sid).is_some()
    }

    /// Listens to that from now on. False: it is listened to already.
    pub(super) fn listen(&mut self, subject: &str) -> bool {
        let is_new = !self.listened.contains_key(subject);
        if is_new {
            self.listened.insert(subject.into(), Listening::default());
        }
        is_new
    }

    /// All that is listened to.
    pub(super) fn listened(&self) -> Vec<String> {
        self.listened.keys().cloned().collect()
    }

    /// The subscription for one that is listened to.
    pub(super) fn hear(&mut self, subject: &str) -> u64 {
        let sid = self.add(Target::Heard(subject.into()));
        if let Some(one) = self.listened.get_mut(subject) {
            one.sid = Some(sid);
        }
        sid
    }

    /// Listens to that no longer. Its subscription, if there is a connection.
    pub(super) fn ignore(&mut self, subject: &str) -> Option<u64> {
        self.listened.remove(subject)?.sid
    }

    /// Whether what has come for that one is let through. What is not is counted.
    pub(super) fn passes(&mut self, subject: &str, limit: Option<&Admission>, now: Time) -> bool {
        let Some(one) = self.listened.get_mut(subject) else { return false };
        let is_wild = subject.ends_with('*');
        let limit = limit.map(|limit| if is_wild { &limit.wild } else { &limit.one });
        let is_within = passes(&mut one.bucket, limit, now);
        if !is_within {
            one.surplus.count();
        }
        is_within
    }

    /// Of what more has come than was let through, and how much, if it is time to tell.
    pub(super) fn surplus(&mut self, now: Time) -> Option<(String, u64)> {
        let mut listened = self.listened.iter_mut();
        listened.find_map(|(subject, one)| Some((subject.clone(), one.surplus.take(now)?)))
    }

    /// When that is next.
    pub(super) fn surplus_due(&self) -> Time {
        let due = self.listened.values().filter_map(|one| one.surplus.due());
        due.min().unwrap_or(Time::NEVER)
    }

    /// The connection is gone.
    pub(super) fn interrupted(&mut self) {
        self.targets.clear();
        self.listened.values_mut().for_each(|one| one.sid = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_never_used_again_and_what_is_listened_to_outlasts_a_break() {
        let mut all = Subscriptions::default();
        assert!(all.listen("here.*") && !all.listen("here.*"));
        assert_eq!((all.add(Target::Answers), all.hear("here.*")), (1, 2));
        assert_eq!(all.get(2), Some(&Target::Heard("here.*".into())));
        all.interrupted();
        assert_eq!((all.get(2), all.listened()), (None, vec!["here.*".to_owned()]));
        assert_eq!((all.hear("here.*"), all.ignore("here.*")), (3, Some(3)));
        assert!(all.end(3) && !all.end(3));
        assert_eq!(all.ignore("here.*"), None);
    }

    #[test]
    fn what_stands_for_many_subjects_may_bring_more() {
        let limit = Admission::new(Rate::per_second(2.0));
        let mut all = Subscriptions::default();
        for (subject, wanted) in [("news.a", 2), ("here.*", 32)] {
            all.listen(subject);
            let passed = (0..100).filter(|_| all.passes(subject, Some(&limit), Time::ZERO));
            assert_eq!(passed.count(), wanted);
            assert_eq!(all.surplus(Time::ZERO), Some((subject.into(), 100 - wanted as u64)));
        }
        assert!((0..100).all(|_| all.passes("news.a", None, Time::ZERO)));
        assert!(!all.passes("news.b", None, Time::ZERO), "nobody listens to that");
    }
}
