//! Lines on their way to a server that takes only so many a second: those beyond wait here rather
//! than be dropped there. Pure; whoever sends them asks when the next may go.

use std::collections::VecDeque;
use std::time::Duration;

use super::piped::Piece;
use crate::engine::Time;
use crate::rate::{Bucket, Rate, RateLimit};

/// Bursts are of so many seconds' worth. Our server takes three: the third is left for lines that
/// the network has held up and brings at once.
const BURST_SECONDS: f64 = 2.0;
/// A server that complains over and over is not made slower for than this, a second.
const PER_SECOND_MIN: f64 = 1.0;

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(Piece),
    /// Ask again in so long.
    Wait(Duration),
    /// More has to come first.
    Nothing,
    /// All has been sent. Told once.
    End,
}

/// Lines that wait for their turn, in order.
pub(super) struct Pacer {
    /// Lines a second; `None`: nothing waits.
    per_second: Option<f64>,
    limit: Option<RateLimit>,
    bucket: Bucket,
    waiting: VecDeque<Piece>,
    /// Nothing more will be pushed.
    has_ended: bool,
}

impl Pacer {
    pub(super) fn new(per_second: Option<f64>) -> Pacer {
        let limit = per_second.map(|per_second| {
            RateLimit::new(Rate { per_second, burst: (BURST_SECONDS * per_second).max(1.0) })
        });
        let bucket = Bucket::default();
        Pacer { per_second, limit, bucket, waiting: VecDeque::new(), has_ended: false }
    }

    /// Another piece of what is to be said.
    pub(super) fn push(&mut self, piece: Piece) {
        self.waiting.push_back(piece);
    }

    /// That was all.
    pub(super) fn end(&mut self) {
        self.has_ended = true;
    }

    /// One line has been sent past this.
    pub(super) fn charge(&mut self, now: Time) {
        if let Some(limit) = &self.limit {
            limit.charge(&mut self.bucket, 1, now);
        }
    }

    /// The first piece, if it may be sent.
    pub(super) fn next(&mut self, now: Time) -> Next {
        let Some(piece) = self.waiting.front() else {
            return if std::mem::take(&mut self.has_ended) { Next::End } else { Next::Nothing };
        };
        // An empty line is nothing to the server, and a long one counts when it ends.
        let counts = match piece {
            Piece::Line(line) => !line.trim_ascii().is_empty(),
            Piece::Part(_) => false,
            Piece::Rest(_) => true,
        };
        if let Some(limit) = self.limit.filter(|_| counts) {
            let wait = limit.wait(self.bucket, now);
            if !wait.is_zero() {
                return Next::Wait(wait);
            }
            limit.charge(&mut self.bucket, 1, now);
        }
        self.waiting.pop_front().map_or(Next::Nothing, Next::Send)
    }

    /// The server has complained: from now on half as fast, and without bursts.
    pub(super) fn slow_down(&mut self) {
        if let Some(per_second) = &mut self.per_second {
            *per_second = (*per_second / 2.0).max(PER_SECOND_MIN.min(*per_second));
            self.limit = Some(RateLimit::new(Rate { per_second: *per_second, burst: 1.0 }));
        }
    }

    /// Nobody takes anything any more: nothing waits for its turn.
    pub(super) fn release(&mut self) {
        self.limit = None;
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::at(Duration::from_millis(millis))
    }

    fn pacer(per_second: Option<f64>, lines: usize) -> Pacer {
        let mut pacer = Pacer::new(per_second);
        (0..lines).for_each(|number| pacer.push(line(number)));
        pacer
    }

    fn line(number: usize) -> Piece {
        Piece::Line(number.to_string().into_bytes())
    }

    /// How many pieces may be sent then.
    fn sent(pacer: &mut Pacer, millis: u64) -> usize {
        std::iter::from_fn(|| match pacer.next(at(millis)) {
            Next::Send(piece) => Some(piece),
            Next::Wait(_) | Next::Nothing | Next::End => None,
        })
        .count()
    }

    #[test]
    fn two_seconds_worth_goes_at_once_and_the_rest_at_the_rate_in_order() {
        let mut pacer = pacer(Some(10.0), 40);
        assert_eq!(sent(&mut pacer, 0), 20);
        assert_eq!(pacer.next(at(0)), Next::Wait(Duration::from_millis(100)));
        assert_eq!(sent(&mut pacer, 1000), 10);
        pacer.end();
        assert_eq!(sent(&mut pacer, 1900), 9);
        assert_eq!(pacer.next(at(2000)), Next::Send(line(39)));
        assert_eq!((pacer.next(at(2000)), pacer.next(at(2000))), (Next::End, Next::Nothing));
    }

    #[test]
    fn empty_lines_and_parts_of_long_ones_cost_nothing() {
        let mut pacer = Pacer::new(Some(0.5));
        for piece in [Piece::Line(b" \r".to_vec()), Piece::Part(vec![b'x'; 9])] {
            pacer.push(piece);
        }
        pacer.push(Piece::Rest(Vec::new()));
        pacer.push(line(1));
        assert_eq!(sent(&mut pacer, 0), 3);
        assert_eq!(pacer.next(at(0)), Next::Wait(Duration::from_secs(2)));
    }

    #[test]
    fn a_complaint_halves_the_rate_and_without_one_nothing_waits() {
        let mut slower = pacer(Some(10.0), 100);
        assert_eq!(sent(&mut slower, 0), 20);
        slower.slow_down();
        assert_eq!((sent(&mut slower, 2000), sent(&mut slower, 3000)), (1, 1));
        (0..9).for_each(|_| slower.slow_down());
        assert_eq!(slower.per_second, Some(1.0));
        let mut free = pacer(None, 1000);
        free.slow_down();
        assert_eq!(sent(&mut free, 0), 1000);
        let mut over = pacer(Some(1.0), 1000);
        over.release();
        assert_eq!(sent(&mut over, 0), 1000);
    }
}
