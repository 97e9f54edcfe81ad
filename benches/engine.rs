//! What the engine itself costs, without sockets: nanoseconds per message through services,
//! outboxes and the flush. `cargo bench --bench engine`.

use std::hint::black_box;
use std::io::{self, Read};
use std::time::Duration;

use cooee::engine::{Arrival, Engine, Limits, Peer, Quota, Slots, Step, Time};
use cooee::services::{self, Settings};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// One message, and then nothing more for now.
struct Message<'a>(&'a [u8]);

impl Read for Message<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

/// An engine with one service and so many peers, whose kernel takes everything.
struct Driver {
    engine: Engine,
    peers: Vec<Peer>,
}

impl Driver {
    fn new(service: &str, peers: u16) -> Driver {
        let offer = services::find(service).expect("a known service");
        let settings = Settings { chat_rate: None, ..Settings::default() };
        let make = offer.stream.expect("a stream service");
        let mut engine = Engine::new(Limits { connections: 65_536, ..Limits::default() });
        engine.add_service(offer.name, Quota::default(), make(&settings));
        let arrival = |port| Arrival {
            remote: ([127, 0, 0, 1], port).into(),
            local: ([127, 0, 0, 1], 5007).into(),
        };
        let peers = (0..peers).map(|n| engine.accept(0, arrival(n)).expect("room")).collect();
        let mut driver = Driver { engine, peers };
        driver.flush();
        // Past the first second, in which a large room still tells who joined.
        driver.engine.advance(Time::at(Duration::from_secs(2)), 0);
        driver.engine.ring();
        driver.flush();
        driver
    }

    fn say(&mut self, peer: Peer, bytes: &[u8]) {
        self.engine.input(peer, &mut Message(bytes), false);
    }

    /// Returns the bytes that left.
    fn flush(&mut self) -> usize {
        let mut total = 0;
        self.engine.settle();
        while let Some(peer) = self.engine.next_touched() {
            while self.engine.step(peer) == Step::Write {
                let count = self.engine.outgoing(peer).map_or(0, |outgoing| outgoing.bytes());
                self.engine.sent(peer, count);
                total += count;
            }
        }
        self.engine.end_turn();
        total
    }
}

fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("echo");
    for (size, peers) in [(16, 256u16), (4096, 256)] {
        let mut driver = Driver::new("echo", peers);
        let message = vec![b'x'; size];
        let everybody = driver.peers.clone();
        group.throughput(Throughput::Elements(u64::from(peers)));
        group.bench_function(BenchmarkId::new("a turn of 256 messages", size), |bencher| {
            bencher.iter(|| {
                let mut left = 0;
                for peer in &everybody {
                    if !driver.engine.can_read() {
                        left += driver.flush();
                    }
                    driver.say(*peer, &message);
                }
                left += driver.flush();
                assert_eq!(black_box(left), size * everybody.len());
            });
        });
    }
    group.finish();
}

fn chat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chat");
    for members in [10u16, 1000, 10_000] {
        let mut driver = Driver::new("chat", members);
        let speaker = driver.peers[0];
        let line = [&[b'x'; 63][..], b"\n"].concat();
        group.throughput(Throughput::Elements(u64::from(members - 1)));
        group.bench_function(BenchmarkId::new("a line to all", members), |bencher| {
            bencher.iter(|| {
                driver.say(speaker, &line);
                black_box(driver.flush());
            });
        });
    }
    group.finish();
}

fn slots(criterion: &mut Criterion) {
    criterion.bench_function("slots: in and out again", |bencher| {
        let mut slots = Slots::default();
        bencher.iter(|| {
            let peer = slots.insert(black_box(1u64));
            assert_eq!(slots.remove(peer), Some(1));
        });
    });
}

criterion_group!(benches, echo, chat, slots);
criterion_main!(benches);
