//! What is to be seen while a bench runs: graphs on a terminal, drawn in place; a line for each
//! interval where `--stat` asks for it or the terminal can only print; nothing elsewhere, and then
//! nothing is gathered for it either.

mod caption;
mod frame;
mod gather;
mod history;

use std::io::{self, IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use crate::bench::load::plan::RunPlan;
use crate::bench::load::workload::Workload;
use crate::bench::measure::phase::RunPhase;
use crate::bench::measure::ticker::Tick;
use crate::terminal::graph::Glyphs;
use crate::terminal::screen::{self, Screen};
use crate::terminal::{heed, is_dumb};
use frame::{Left, View, lines, stat_line};
use gather::{Gather, TickSum};
use history::History;

pub(crate) use caption::Caption;

/// How often a frame is drawn.
const FRAME: Duration = Duration::from_millis(250);
/// How often a terminal that only prints gets a line.
const LINE: Duration = Duration::from_secs(1);
/// How often signals are looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Graphs, in place.
    Drawn,
    /// A line for each so much time.
    Lines(Duration),
    /// Not at all.
    Silent,
}

impl Manner {
    /// `is_terminal`: whether there is one, with somebody at it who has not asked for less (`-q`).
    fn of(stat: Option<Duration>, is_terminal: bool, is_dumb: bool) -> Manner {
        match stat {
            Some(every) => Manner::Lines(every),
            None if !is_terminal => Manner::Silent,
            None if is_dumb => Manner::Lines(LINE),
            None => Manner::Drawn,
        }
    }

    /// How often threads are to say what happens.
    fn every(self) -> Option<Duration> {
        match self {
            Manner::Drawn => Some(FRAME),
            Manner::Lines(every) => Some(every),
            Manner::Silent => None,
        }
    }
}

/// What is shown of an invocation, over all its runs.
pub(crate) struct Live {
    manner: Manner,
    glyphs: Glyphs,
    history: History,
    /// What the history is of.
    workload: Option<Workload>,
}

impl Live {
    /// For this standard error. `stat`: how often a line is asked for, if at all.
    ///
    /// # Errors
    /// If signals cannot be watched for.
    pub(crate) fn new(stat: Option<Duration>) -> io::Result<Live> {
        let manner = Manner::of(stat, is_told() && stderr().is_terminal(), is_dumb());
        if manner != Manner::Silent {
            // A terminal that takes nothing must not keep us from them.
            heed(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT])?;
        }
        let glyphs = Glyphs::of_locale(|name| std::env::var(name).ok());
        Ok(Live { manner, glyphs, history: History::default(), workload: None })
    }

    /// Says something to whoever waits, unless they have asked for silence.
    pub(crate) fn tell(&self, what: &str) {
        if is_told() {
            screen::write(&format!("{what}\n"));
        }
    }

    /// A run of that plan is about to begin. To be called before its threads are started.
    pub(crate) fn begin(&mut self, caption: &Caption, plan: &RunPlan) -> Watching<'_> {
        match self.workload.replace(caption.workload) {
            Some(before) if before == caption.workload => self.history.close(),
            _ => self.history = History::default(),
        }
        Watching {
            screen: (self.manner == Manner::Drawn).then(Screen::open),
            caption: caption.clone(),
            gather: Gather::new(plan.threads),
            phase: RunPhase::Opening,
            duration: plan.duration,
            count: plan.count,
            measured: Duration::ZERO,
            operations: 0,
            failures: 0,
            live: self,
        }
    }
}

/// Whether anything is to be said at all (`-q`).
fn is_told() -> bool {
    log::max_level() >= log::LevelFilter::Warn
}

/// One run that is watched. When this is dropped, nothing is left of it on the screen.
pub(crate) struct Watching<'a> {
    live: &'a mut Live,
    caption: Caption,
    screen: Option<Screen>,
    gather: Gather,
    phase: RunPhase,
    duration: Duration,
    count: Option<usize>,
    measured: Duration,
    operations: u64,
    failures: u64,
}

impl Watching<'_> {
    /// How often each thread is to say what happens, if at all.
    pub(crate) fn tick(&self) -> Option<Duration> {
        self.live.manner.every()
    }

    /// Shows what the threads tell until all are done; passes `interrupted` on to `stop`.
    pub(crate) fn follow(
        mut self,
        ticks: &Receiver<Tick>,
        interrupted: &AtomicBool,
        stop: &AtomicBool,
    ) {
        loop {
            if interrupted.load(Ordering::Relaxed) {
                stop.store(true, Ordering::Relaxed);
                // Whoever is impatient ends us at once: nothing must be left then.
                self.screen = None;
            }
            if self.screen.as_mut().is_some_and(Screen::stops) {
                self.draw();
            }
            match ticks.recv_timeout(LOOK) {
                Ok(tick) => {
                    let whole = self.gather.add(&tick);
                    whole.iter().for_each(|sum| self.take(sum));
                    // What is left of a phase when it ends is drawn with what follows.
                    if whole.iter().any(|sum| sum.length() >= FRAME / 2) {
                        self.draw();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let rest = std::mem::replace(&mut self.gather, Gather::new(0));
        rest.finish().for_each(|sum| self.take(&sum));
    }

    fn take(&mut self, sum: &TickSum) {
        self.phase = sum.phase;
        self.failures += sum.failures;
        // The connections that idle counts are made before the window.
        if sum.phase == RunPhase::Measuring || self.caption.workload == Workload::Idle {
            self.operations += sum.operations;
        }
        if sum.phase == RunPhase::Measuring {
            self.measured = sum.until;
        }
        let has_load = matches!(sum.phase, RunPhase::Warming | RunPhase::Measuring);
        if has_load {
            self.live.history.add(sum);
        }
        // What comes before and after the load is worth a line only if it takes long.
        if let Manner::Lines(every) = self.live.manner
            && (has_load || sum.length() >= every / 2)
        {
            let caption = self.caption.at(self.measured.saturating_sub(every / 2));
            screen::write(&format!("{}\n", stat_line(&caption, sum)));
        }
    }

    fn draw(&mut self) {
        let left = match self.count {
            Some(count) => Left::Operations((count as u64).saturating_sub(self.operations)),
            None => Left::Time(self.duration.saturating_sub(self.measured)),
        };
        let view = View {
            workload: self.caption.workload,
            caption: &self.caption.at(self.measured),
            phase: self.phase,
            left,
            operations: self.operations,
            failures: self.failures,
            history: &self.live.history,
        };
        if let Some(screen) = &mut self.screen {
            let size = screen.size();
            screen.draw(&lines(&view, size, self.live.glyphs), size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_drawn_only_where_that_can_be_and_no_lines_were_asked_for() {
        let second = Duration::from_secs(1);
        assert_eq!(Manner::of(None, true, false), Manner::Drawn);
        assert_eq!(Manner::of(None, true, true), Manner::Lines(second));
        for is_dumb in [false, true] {
            assert_eq!(Manner::of(None, false, is_dumb).every(), None);
            for is_terminal in [false, true] {
                let manner = Manner::of(Some(2 * second), is_terminal, is_dumb);
                assert_eq!(manner, Manner::Lines(2 * second));
            }
        }
    }
}
