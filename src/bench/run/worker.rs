//! One thread of the generator: a loop of its own, a workload on it, and what came of it. And all
//! of them together.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use crate::bench::load::core::{Core, Ending, Stage, Workload as Asker};
use crate::bench::load::crowd::Crowd;
use crate::bench::load::exchange::Exchange;
use crate::bench::load::plan::Plan;
use crate::bench::load::room::Room;
use crate::bench::load::visit::Visits;
use crate::bench::load::workload::Workload;
use crate::bench::measure::recorder::Recorder;
use crate::bench::measure::usage::{Usage, resident_bytes};
use crate::engine::{Arrival, Limits, Net, Peer, Quota, Reason, Service};
use crate::reactor::{Reactor, Watch};

/// News of a slice of the timeline, from one of the threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct News {
    /// How long the slice was.
    pub(crate) slice: Duration,
    /// Operations that ended in it.
    pub(crate) operations: u64,
    /// Failures in it.
    pub(crate) failures: u64,
    /// Nanoseconds.
    pub(crate) p50: u64,
    /// Nanoseconds.
    pub(crate) p99: u64,
}

/// What one thread brings home.
struct Tally {
    recorder: Recorder,
    ending: Option<Ending>,
    measured: Duration,
    usage: Usage,
    server: Option<Usage>,
    resident: Option<u64>,
}

/// What a measurement has found.
pub(crate) struct Outcome {
    /// All that was recorded, by all threads.
    pub(crate) recorder: Recorder,
    /// Why it ended before its time, if it did.
    pub(crate) ending: Option<Ending>,
    /// How long was measured.
    pub(crate) measured: Duration,
    /// What each thread used meanwhile.
    pub(crate) threads: Vec<Usage>,
    /// What the server used meanwhile, if its process is known.
    pub(crate) server: Option<Usage>,
    /// Bytes of memory of the server, before the first connection and at the end of the window.
    pub(crate) resident: Option<(u64, u64)>,
    /// The longest time in which no operation ended.
    pub(crate) silence: Duration,
}

/// A measurement that is under way.
pub(crate) struct Run {
    threads: Vec<thread::JoinHandle<Result<Tally, String>>>,
    /// News of all threads; ends when all are done.
    pub(crate) news: Receiver<News>,
    resident: Option<u64>,
}

/// Starts a measurement. `server` is its process, if known; `stop` ends it before its time.
///
/// # Errors
/// If the machine has not so many threads.
pub(crate) fn start(
    plan: &Arc<Plan>,
    server: Option<u32>,
    stop: &Arc<AtomicBool>,
) -> Result<Run, String> {
    let (sender, news) = mpsc::channel();
    let resident = server.and_then(resident_bytes);
    let threads = (0..plan.threads)
        .map(|thread| {
            let job = Job {
                plan: Arc::clone(plan),
                thread,
                server: server.filter(|_| thread == 0),
                stop: Arc::clone(stop),
                news: sender.clone(),
            };
            thread::Builder::new().spawn(move || {
                let stop = Arc::clone(&job.stop);
                // Without this one the others measure nothing that was asked for.
                job.run().inspect_err(|_| stop.store(true, Ordering::Relaxed))
            })
        })
        .collect::<Result<_, _>>()
        .map_err(|error| {
            stop.store(true, Ordering::Relaxed);
            format!("--threads {}: {error}; ask for fewer", plan.threads)
        })?;
    Ok(Run { threads, news, resident })
}

impl Run {
    /// Waits until it is over.
    ///
    /// # Errors
    /// If a thread could not set up its loop.
    pub(crate) fn join(self) -> Result<Outcome, String> {
        let mut tallies = Vec::new();
        for thread in self.threads {
            tallies.push(thread.join().map_err(|_| "a thread of the bench has panicked")??);
        }
        let mut tallies = tallies.into_iter();
        let first = tallies.next().ok_or("a bench without threads")?;
        let resident = self.resident.zip(first.resident);
        let mut outcome = Outcome {
            silence: first.recorder.silence(),
            recorder: first.recorder,
            ending: first.ending,
            measured: first.measured,
            threads: vec![first.usage],
            server: first.server,
            resident,
        };
        tallies.for_each(|tally| outcome.merge(tally));
        Ok(outcome)
    }
}

impl Outcome {
    fn merge(&mut self, tally: Tally) {
        // What one thread did not see, another may have.
        self.silence = self.silence.min(tally.recorder.silence());
        self.recorder.merge(&tally.recorder);
        self.threads.push(tally.usage);
        self.measured = self.measured.max(tally.measured);
        let weight = |ending: &Option<Ending>| match ending {
            None => 0,
            Some(Ending::Interrupted) => 1,
            Some(Ending::Vanished(_)) => 2,
            Some(Ending::Failed(_)) => 3,
            Some(Ending::Short(_)) => 4,
            Some(Ending::Wrong(_)) => 5,
        };
        if weight(&tally.ending) > weight(&self.ending) {
            self.ending = tally.ending;
        }
    }
}

struct Job {
    plan: Arc<Plan>,
    thread: usize,
    server: Option<u32>,
    stop: Arc<AtomicBool>,
    news: Sender<News>,
}

/// A workload that the engine calls and the thread looks into between turns.
struct Lent(Rc<RefCell<dyn Asker>>);

impl Job {
    fn run(self) -> Result<Tally, String> {
        let setting_up = |error| format!("setting up the poll loop: {error}");
        let limits =
            Limits { connections: usize::MAX, dial: self.plan.timeout, ..Limits::default() };
        let mut reactor = Reactor::new(limits).map_err(setting_up)?;
        if self.plan.rate.is_some() {
            reactor.keep_fine_time().map_err(setting_up)?;
        }
        let asker = make(&self.plan, reactor.watch(), self.thread);
        let quota = Quota { queue_hard: usize::MAX, ..Quota::default() };
        let number =
            reactor.engine().add_service("bench", quota, Box::new(Lent(Rc::clone(&asker))));
        reactor.engine().tell(number, None);
        let mut meter = Meter::new(self.server);
        loop {
            reactor.turn().map_err(|error| format!("polling: {error}"))?;
            let mut asker = asker.borrow_mut();
            let core = asker.core();
            meter.look(core.stage);
            self.send_news(&mut core.recorder, &mut meter.told);
            if self.stop.load(Ordering::Relaxed) {
                core.end(Ending::Interrupted, core.watch.now());
            }
            if core.stage == Stage::Done {
                // Also of a run that ended before its time, what was used is told.
                meter.look(core.stage);
                break;
            }
        }
        drop(reactor);
        Ok(self.tally(&asker, &meter))
    }

    fn tally(&self, asker: &Rc<RefCell<dyn Asker>>, meter: &Meter) -> Tally {
        let mut asker = asker.borrow_mut();
        let core = asker.core();
        if core.ending.is_some() {
            self.stop.store(true, Ordering::Relaxed);
        }
        let (usage, server) = meter.used();
        let nothing = Recorder::new(Duration::from_secs(1), false, &[]);
        Tally {
            measured: core.measured(),
            ending: core.ending.take(),
            recorder: std::mem::replace(&mut core.recorder, nothing),
            usage,
            server,
            resident: meter.resident,
        }
    }

    fn send_news(&self, recorder: &mut Recorder, told: &mut usize) {
        for slice in &recorder.slices[*told..] {
            let news = News {
                slice: recorder.slice,
                operations: slice.operations,
                failures: slice.failures,
                p50: slice.latency.value_at_quantile(0.5),
                p99: slice.latency.value_at_quantile(0.99),
            };
            // Nobody listens any more: the main thread is leaving.
            let _ = self.news.send(news);
        }
        *told = recorder.slices.len();
    }
}

/// Usage at the beginning and at the end of the window.
struct Meter {
    server: Option<u32>,
    begun: Option<(Usage, Option<Usage>)>,
    ended: Option<(Usage, Option<Usage>)>,
    resident: Option<u64>,
    /// Slices that have been told.
    told: usize,
}

impl Meter {
    fn new(server: Option<u32>) -> Meter {
        Meter { server, begun: None, ended: None, resident: None, told: 0 }
    }

    fn look(&mut self, stage: Stage) {
        let read = || (Usage::of_this_thread(), self.server.and_then(Usage::of_process));
        if stage >= Stage::Measuring && self.begun.is_none() {
            self.begun = Some(read());
        }
        if stage >= Stage::Draining && self.ended.is_none() {
            self.ended = Some(read());
            self.resident = self.server.and_then(resident_bytes);
        }
    }

    fn used(&self) -> (Usage, Option<Usage>) {
        let (Some(begun), Some(ended)) = (self.begun, self.ended) else {
            return (Usage::default(), None);
        };
        (ended.0.since(begun.0), ended.1.zip(begun.1).map(|(end, begin)| end.since(begin)))
    }
}

fn make(plan: &Arc<Plan>, watch: Watch, thread: usize) -> Rc<RefCell<dyn Asker>> {
    let core = Core::new(plan, watch, thread);
    match plan.workload {
        Workload::TcpRr | Workload::TcpStream | Workload::UdpRr | Workload::Months => {
            Rc::new(RefCell::new(Exchange::new(core)))
        }
        Workload::TcpCrr | Workload::TcpCc | Workload::Greet => {
            Rc::new(RefCell::new(Visits::new(core)))
        }
        Workload::Chat => Rc::new(RefCell::new(Room::new(core))),
        Workload::Idle => Rc::new(RefCell::new(Crowd::new(core))),
    }
}

impl Service for Lent {
    fn opened(&mut self, peer: Peer, arrival: &Arrival, net: &mut Net) {
        self.0.borrow_mut().opened(peer, arrival, net);
    }

    fn received(&mut self, peer: Peer, input: &[u8], net: &mut Net) -> usize {
        self.0.borrow_mut().received(peer, input, net)
    }

    fn finished(&mut self, peer: Peer, rest: &[u8], net: &mut Net) {
        self.0.borrow_mut().finished(peer, rest, net);
    }

    fn closed(&mut self, peer: Peer, reason: Reason, net: &mut Net) {
        self.0.borrow_mut().closed(peer, reason, net);
    }

    fn alarm(&mut self, net: &mut Net) {
        self.0.borrow_mut().alarm(net);
    }

    fn told(&mut self, line: Option<&str>, net: &mut Net) {
        self.0.borrow_mut().told(line, net);
    }
}
