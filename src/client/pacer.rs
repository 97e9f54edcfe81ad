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

/// So many bytes may wait of what a person has typed or pasted, each piece counting as some more
/// than it has; further ones are refused until half of that waits.
const WAITING_BYTES_MAX: usize = 256 * 1024;
/// What a piece takes beside its bytes.
const PIECE_BYTES: usize = size_of::<Piece>();

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
    /// What they take.
    waiting_bytes: usize,
    /// How many have been refused and not been told of.
    refused: u64,
    /// Nothing more will be pushed.
    has_ended: bool,
}

impl Pacer {
    pub(super) fn new(per_second: Option<f64>) -> Pacer {
        let limit = per_second.map(|per_second| {
            RateLimit::new(Rate { per_second, burst: (BURST_SECONDS * per_second).max(1.0) })
        });
        let (bucket, waiting, waiting_bytes, refused) = Default::default();
        Pacer { per_second, limit, bucket, waiting, waiting_bytes, refused, has_ended: false }
    }

    /// Another piece of what is to be said, from whoever stops reading when it is told to wait.
    pub(super) fn push(&mut self, piece: Piece) {
        self.waiting_bytes += cost(&piece);
        self.waiting.push_back(piece);
    }

    /// The same from whoever goes on all the same. False: too much waits already, and this is not
    /// said.
    pub(super) fn offer(&mut self, piece: Piece) -> bool {
        let most = if self.refused > 0 { WAITING_BYTES_MAX / 2 } else { WAITING_BYTES_MAX };
        if self.waiting_bytes > most {
            self.refused += 1;
            return false;
        }
        self.push(piece);
        true
    }

    /// How many pieces have been refused since `take_refused` was asked last.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// The same, told once: what is pushed next is taken again.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
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
        let Some(piece) = self.waiting.pop_front() else { return Next::Nothing };
        self.waiting_bytes -= cost(&piece);
        Next::Send(piece)
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
        self.waiting_bytes = 0;
    }
}

fn cost(piece: &Piece) -> usize {
    let (Piece::Line(bytes) | Piece::Part(bytes) | Piece::Rest(bytes)) = piece;
    bytes.len() + PIECE_BYTES
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
    fn beyond_so_much_lines_are_refused_and_counted_until_half_of_it_waits() {
        let long = || Piece::Line(vec![b'x'; 1000]);
        let mut pacer = Pacer::new(Some(10.0));
        let taken = (0..1000).filter(|_| pacer.offer(long())).count();
        assert_eq!(taken, WAITING_BYTES_MAX / (1000 + PIECE_BYTES) + 1);
        assert!(pacer.waiting_bytes <= WAITING_BYTES_MAX + 1000 + PIECE_BYTES);
        assert_eq!(sent(&mut pacer, 0), 20);
        assert!(!pacer.offer(line(1)), "not yet");
        let later: usize = (1..12).map(|second| sent(&mut pacer, 1000 * second)).sum();
        assert_eq!(later, 110);
        assert!(pacer.offer(line(1)));
        assert_eq!((pacer.take_refused(), pacer.take_refused()), (1000 - taken as u64 + 1, 0));
        pacer.release();
        sent(&mut pacer, 11_000);
        assert_eq!(pacer.waiting_bytes, 0);
        // What is empty takes memory, too.
        let empty = (0..1_000_000).filter(|_| pacer.offer(Piece::Line(Vec::new()))).count();
        assert!(empty < 20_000, "{empty}");
        pacer.clear();
        assert_eq!((pacer.waiting_bytes, pacer.next(at(11_000))), (0, Next::Nothing));
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
