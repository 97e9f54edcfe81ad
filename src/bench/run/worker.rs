//! The threads that make the load: each has a loop of its own with one service on it, which hands
//! over what it has measured when it is done.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use crate::bench::load;
use crate::bench::load::placement::keep_on;
use crate::bench::load::plan::RunPlan;
use crate::bench::load::run_state::RunState;
use crate::bench::load::supervision::Supervision;
use crate::bench::measure::measurement::{Measurement, ThreadResult};
use crate::bench::measure::ticker::{Tick, Ticker, WAITING_MAX};
use crate::bench::measure::usage::{UsageMeter, resident_bytes};
use crate::engine::{Limits, Quota};
use crate::failure::setting_up;
use crate::reactor::Reactor;

/// From so many peers on more of them at once save nothing more.
const FLUSH_EVERY_MAX: usize = 32;

/// The threads of a run that is under way.
pub(super) struct Workers {
    threads: Vec<thread::JoinHandle<Result<Vec<ThreadResult>, String>>>,
    /// What happens in each thread, if somebody watches; closed when all are done.
    pub(super) ticks: Receiver<Tick>,
    /// Bytes of memory of the server before the first connection.
    resident: Option<u64>,
}

impl Workers {
    /// Starts a run. `server` is the server's process, if known; `stop` ends the run before its
    /// time. `tick`: how often each thread says what happens, if somebody watches.
    ///
    /// # Errors
    /// If the machine has not so many threads.
    pub(super) fn start(
        plan: &Arc<RunPlan>,
        server: Option<u32>,
        stop: &Arc<AtomicBool>,
        tick: Option<Duration>,
    ) -> Result<Workers, String> {
        let (sender, ticks) = mpsc::sync_channel(WAITING_MAX * plan.threads);
        let resident = server.and_then(resident_bytes);
        let left = plan.count.map(|count| Arc::new(AtomicUsize::new(count)));
        let threads = (0..plan.threads)
            .map(|thread| {
                let worker = Worker {
                    plan: Arc::clone(plan),
                    thread,
                    server: server.filter(|_| thread == 0),
                    stop: Arc::clone(stop),
                    left: left.clone(),
                    tick,
                    ticks: sender.clone(),
                };
                thread::Builder::new().spawn(move || worker.run())
            })
            .collect::<Result<_, _>>()
            .map_err(|error| {
                stop.store(true, Ordering::Relaxed);
                format!("--threads {}: {error}; ask for fewer", plan.threads)
            })?;
        Ok(Workers { threads, ticks, resident })
    }

    /// Waits until all are done: what they have found, stage by stage.
    ///
    /// # Errors
    /// If a thread could not set up its loop.
    pub(super) fn join(self) -> Result<Vec<Measurement>, String> {
        let mut results = Vec::new();
        for thread in self.threads {
            results.push(thread.join().map_err(|_| "a thread of the bench has panicked")??);
        }
        let mut results = results.into_iter();
        let first = results.next().ok_or("a bench without threads")?;
        let of_first = |stage| Measurement::of_first(stage, self.resident);
        let mut stages: Vec<Measurement> = first.into_iter().map(of_first).collect();
        // A run that is stopped may have come further in one thread than in another.
        for (number, result) in results.flat_map(|other| other.into_iter().enumerate()) {
            if let Some(stage) = stages.get_mut(number) {
                stage.add_thread(result);
            }
        }
        Ok(stages)
    }
}

struct Worker {
    plan: Arc<RunPlan>,
    thread: usize,
    server: Option<u32>,
    stop: Arc<AtomicBool>,
    left: Option<Arc<AtomicUsize>>,
    tick: Option<Duration>,
    ticks: SyncSender<Tick>,
}

impl Worker {
    /// Measures, and stops the others if this thread fails or gives up: without it, they do not
    /// measure what was asked for.
    fn run(self) -> Result<Vec<ThreadResult>, String> {
        let stop = Arc::clone(&self.stop);
        let results = self.measure();
        let is_whole =
            |stages: &Vec<ThreadResult>| stages.iter().all(|stage| stage.abort.is_none());
        if !results.as_ref().is_ok_and(is_whole) {
            stop.store(true, Ordering::Relaxed);
        }
        results
    }

    fn measure(self) -> Result<Vec<ThreadResult>, String> {
        if let Some(cpu) = self.plan.pinning.generator(self.thread) {
            keep_on(cpu, None)?;
        }
        own_descriptors();
        let limits = Limits {
            connections: usize::MAX,
            dial: self.plan.timeout,
            flush_every: flush_every(self.plan.share(self.plan.connections, self.thread)),
            ..Limits::default()
        };
        let mut reactor = Reactor::new(limits).map_err(setting_up)?;
        if self.plan.rate.is_some() {
            reactor.keep_fine_time().map_err(setting_up)?;
        }
        let results = Rc::<OnceCell<Vec<ThreadResult>>>::default();
        let now = reactor.watch().now();
        let ticker = |every| Ticker::new(self.thread, every, self.ticks.clone(), now);
        let supervision = Supervision {
            stop: self.stop,
            ticker: self.tick.map(ticker),
            left: self.left,
            meter: UsageMeter::new(self.server),
            results: Rc::clone(&results),
        };
        let run = RunState::new(&self.plan, reactor.watch(), self.thread, supervision);
        let quota = Quota { queue_hard: usize::MAX, ..Quota::default() };
        reactor.engine().add_service("bench", quota, load::service(run));
        while results.get().is_none() {
            reactor.turn().map_err(|error| format!("polling: {error}"))?;
        }
        // The service goes with it, so that the results have one owner.
        drop(reactor);
        Rc::into_inner(results).and_then(OnceCell::into_inner).ok_or("no result".into())
    }
}

/// How many of its `connections` a thread serves before it writes what it owes them (see
/// [`Limits::flush_every`]). With an eighth of them latencies are those of a generator that writes
/// to each as soon as it has read from it, and half of what that costs more is saved.
fn flush_every(connections: usize) -> usize {
    (connections / 8).clamp(1, FLUSH_EVERY_MAX)
}

/// Gives this thread a table of descriptors of its own. While a table is shared, each system call
/// has to count that it uses a socket, which is 2 % of a small exchange, and threads wait for each
/// other to open and close. Nothing else changes: no descriptor is handed from one thread to
/// another here, and what this thread has copies of is closed with it at the end of the run. It
/// handles no signal any more, for a handler may write to a descriptor that the others have opened
/// since. Where that is forbidden the table stays shared.
#[cfg(target_os = "linux")]
fn own_descriptors() {
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::signal::SigSet;
    if SigSet::all().thread_block().is_ok() {
        let _ = unshare(CloneFlags::CLONE_FILES);
    }
}

#[cfg(not(target_os = "linux"))]
fn own_descriptors() {}
