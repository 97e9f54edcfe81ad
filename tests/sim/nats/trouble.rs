//! What may be wrong with a NATS, by chance or when told to.

use std::time::Duration;

use cooee::engine::Time;

use super::{Nats, Rng};

/// How long lame duck mode leaves clients to go.
const GRACE: Duration = Duration::from_secs(10);

/// What goes wrong by chance.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    /// How long a message is under way at most. So what two publishers say reaches two subscribers
    /// in different orders; what one says, or one consumer hands out, keeps its order.
    pub(crate) delay: Duration,
    /// How many in a thousand messages between clients arrive twice.
    pub(crate) twice: usize,
    /// How many in a thousand lines a stream takes again, as if it had never seen their ids.
    pub(crate) forgets: usize,
}

impl Trouble {
    pub(super) fn delay(&self, rng: &mut Rng) -> Duration {
        let most = usize::try_from(self.delay.as_micros()).expect("short");
        if most == 0 { Duration::ZERO } else { rng.micros(0..=most) }
    }
}

impl Nats {
    /// From now on so much goes wrong by chance.
    pub(crate) fn set_trouble(&mut self, trouble: Trouble) {
        self.trouble = trouble;
    }

    /// Until then it neither takes anything nor says anything.
    pub(crate) fn freeze(&mut self, until: Time) {
        self.frozen_until = until;
    }

    /// It will go soon, and says so; see `is_listening`.
    pub(crate) fn lame_duck(&mut self, now: Time) {
        self.now = now;
        self.leaving_at = Some(now.after(GRACE));
        let links: Vec<u64> = self.links.keys().copied().collect();
        for number in links {
            let line = format!("INFO {} ", self.info(number, true));
            self.links.get_mut(&number).expect("a link").tell(&line);
        }
    }

    /// Whether anybody may connect. While it is frozen the kernel answers for it.
    pub(crate) fn is_listening(&self) -> bool {
        self.leaving_at.is_none()
    }

    /// It begins again: nobody is connected. What streams have is kept, or it is lost.
    pub(crate) fn restart(&mut self, now: Time, keeps_streams: bool) {
        self.now = now;
        self.links.clear();
        self.underway.clear();
        self.lanes.clear();
        (self.leaving_at, self.frozen_until) = (None, Time::ZERO);
        self.streams.values_mut().for_each(|stream| stream.consumers.clear());
        if !keeps_streams {
            self.streams.clear();
        }
    }

    /// The streams are gone, and nobody is told.
    pub(crate) fn lose_streams(&mut self) {
        self.streams.clear();
    }

    /// With JetStream or without it, from the next connection on.
    pub(crate) fn set_jetstream(&mut self, is_there: bool) {
        self.options.jetstream = is_there;
    }

    /// When the stream that is there was made, which tells it from those that were lost.
    pub(crate) fn stream(&self) -> Option<u64> {
        self.streams.values().next().map(|stream| stream.created)
    }

    /// What the streams have under a subject, in order.
    pub(crate) fn kept(&self, subject: &str) -> Vec<Vec<u8>> {
        let all = self.streams.values().flat_map(|stream| stream.messages.values());
        let kept = all.filter(|stored| stored.message.subject == subject);
        kept.map(|stored| stored.message.payload.clone()).collect()
    }
}
