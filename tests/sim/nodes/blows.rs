//! What happens to NATS and to the ways to it, from a seed.

use std::time::Duration;

use cooee::engine::Time;

use super::super::rng::Rng;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    /// The connection of a node is lost, at whatever byte it is.
    Cut(usize),
    /// Nothing passes between a node and NATS for a while, and nobody is told.
    Stall(usize, Duration),
    /// NATS does nothing for a while.
    Freeze(Duration),
    /// It ends and comes back after a while, with what its streams had or without.
    Restart { after: Duration, keeps: bool },
    /// The streams are gone.
    LoseStreams,
    /// It says that it will go, and does; then it comes back.
    LameDuck,
    /// Delays from here on, in milliseconds at most.
    Slow(u64),
}

/// Which of them there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Calm,
    /// Everything but the loss of streams.
    Rough,
    /// Everything.
    Worst,
}

/// Until when something may happen.
pub(crate) const STORM: Duration = Duration::from_secs(60);

/// What happens when, for that many nodes.
pub(crate) fn forecast(weather: Weather, nodes: usize, rng: &mut Rng) -> Vec<(Time, Blow)> {
    let mut blows = Vec::new();
    if weather == Weather::Calm {
        return blows;
    }
    let mut at = Time::ZERO.after(Duration::from_secs(2));
    let end = Time::ZERO.after(STORM);
    let most = *rng.pick(&[500_000, 5_000_000, 20_000_000]);
    loop {
        at = at.after(rng.micros(1000..=most));
        if at >= end {
            blows.push((end, Blow::Slow(0)));
            return blows;
        }
        let node = rng.below(nodes);
        let last = if weather == Weather::Worst { 8 } else { 6 };
        blows.push((
            at,
            match rng.within(0..=last) {
                0..=2 => Blow::Cut(node),
                3 => Blow::Stall(node, rng.micros(1000..=9_000_000)),
                4 => Blow::Freeze(rng.micros(1000..=9_000_000)),
                5 => match rng.chance(300) {
                    true => Blow::LameDuck,
                    false => Blow::Restart { after: rng.micros(0..=6_000_000), keeps: true },
                },
                6 => Blow::Slow(*rng.pick(&[0, 1, 20, 200])),
                7 => Blow::LoseStreams,
                _ => Blow::Restart { after: rng.micros(0..=6_000_000), keeps: false },
            },
        ));
    }
}
