//! What the engine itself costs, without sockets: nanoseconds per message and per connection
//! through services, outboxes, deadlines and the flush. `cargo bench --bench engine`.
//!
//! Before anything is timed its allocations are counted; if there are any, the run ends there.

mod driver;

use std::hint::black_box;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use cooee::engine::{Net, Peer, Quota, Service, Slots};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use driver::Driver;

/// Turns before the counting: pools fill, and what is remembered of a chat reaches its bound.
const WARM_UP: u32 = 100;
/// Turns that are counted: enough for stale deadlines to be swept several times.
const COUNTED: u32 = 1000;

/// Counts the allocations of a turn in which `events` happen, and then measures it.
fn steady(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (name, size): (&str, usize),
    events: usize,
    mut turn: impl FnMut(),
) {
    (0..WARM_UP).for_each(|_| turn());
    let counted = allocation_counter::measure(|| (0..COUNTED).for_each(|_| turn())).count_total;
    let all = u64::from(COUNTED) * events as u64;
    println!("{name}/{size}: {counted} allocations in {all} events");
    assert_eq!(counted, 0, "a steady state allocates nothing");
    group.throughput(Throughput::Elements(events as u64));
    group.bench_function(BenchmarkId::new(name, size), |bencher| bencher.iter(&mut turn));
}

fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    for (size, peers) in [(16, 256), (4096, 256), (65_536, 16)] {
        let mut driver = Driver::offered("echo", peers);
        let message = vec![b'x'; size];
        let name = format!("a turn of {peers} messages");
        steady(&mut group, (&name, size), peers, || {
            assert_eq!(black_box(driver.all_say(&message)), size * peers);
        });
    }
    group.finish();
}

fn greet(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("greet");
    for visitors in [1, 64] {
        let mut driver = Driver::offered("greet", 0);
        steady(&mut group, ("whole lives of connections", visitors), visitors, || {
            assert!(black_box(driver.visit(visitors)) > 0);
        });
    }
    group.finish();
}

fn chat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chat");
    for members in [10, 1000, 10_000] {
        let mut driver = Driver::offered("chat", members);
        let line = [&[b'x'; 63][..], b"\n"].concat();
        steady(&mut group, ("a line to all", members), members - 1, || {
            assert!(black_box(driver.one_says(&line)) > (members - 1) * line.len());
        });
    }
    group.finish();
}

/// Sends whoever speaks the same pieces over and over: copied, or as ranges of one buffer.
struct Pieces {
    count: usize,
    shared: bool,
    buffer: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl Service for Pieces {
    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        for _ in 0..self.count {
            match self.shared {
                true => net.share(peer, &self.buffer, self.range.clone()),
                false => net.send(peer, &self.buffer[self.range.clone()]),
            }
        }
        input.len()
    }
}

fn outbox(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("outbox");
    for (name, shared, size, write_max) in [
        ("copied pieces", false, 64, usize::MAX),
        ("shared pieces", true, 4096, usize::MAX),
        ("copied pieces, short writes", false, 64, 100),
        ("shared pieces, short writes", true, 4096, 3000),
    ] {
        let count = 100;
        let service = Pieces { count, shared, buffer: Rc::new(vec![b'x'; 8192]), range: 0..size };
        let mut driver = Driver::new(Box::new(service), Quota::default(), 1);
        driver.driver.sockets_mut().write_max = write_max;
        steady(&mut group, (name, size), count, || {
            assert_eq!(black_box(driver.all_say(b"?")), count * size);
        });
    }
    group.finish();
}

/// Hears everybody and says nothing.
struct Silent;

impl Service for Silent {
    fn opened(&mut self, peer: Peer, _: &cooee::engine::Arrival, net: &mut Net) {
        if net.wall_seconds() > 2 {
            net.close(peer);
        }
    }

    fn received(&mut self, _: Peer, input: &[u8], _: &mut Net) -> usize {
        input.len()
    }
}

fn deadlines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deadlines");
    let quota = |seconds| Quota { idle: Some(Duration::from_secs(seconds)), ..Quota::default() };
    let peers = 1000;
    // Each fires once a turn, finds its connection in good health, and is set again.
    let mut driver = Driver::new(Box::new(Silent), quota(10), peers);
    steady(&mut group, ("fire and arm", peers), peers, || {
        driver.pass(Duration::from_secs(6));
        driver.all_say(b"!");
    });
    // Connections that leave their deadlines behind, among others that last.
    let mut driver = Driver::new(Box::new(Silent), quota(u64::from(u32::MAX)), peers);
    driver.pass(Duration::from_secs(2));
    steady(&mut group, ("arm and sweep", 64), 64, || {
        driver.visit(64);
    });
    group.finish();
}

fn slots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slots");
    let mut slots = Slots::default();
    steady(&mut group, ("in and out again", 1), 1, || {
        let peer = slots.insert(black_box(1u64));
        assert_eq!(slots.remove(peer), Some(1));
    });
    let peers: Vec<Peer> = (0..1000).map(|number| slots.insert(number)).collect();
    steady(&mut group, ("look up", peers.len()), peers.len(), || {
        let sum = peers.iter().filter_map(|peer| slots.get(black_box(*peer))).sum::<u64>();
        assert_eq!(sum, 499_500);
    });
    group.finish();
}

criterion_group!(benches, echo, greet, chat, outbox, deadlines, slots);
criterion_main!(benches);
