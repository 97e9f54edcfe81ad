//! What of an invocation is running now, in words.

use std::fmt;
use std::time::Duration;

use crate::bench::figures::figure;
use crate::bench::load::plan::Stage;
use crate::bench::load::workload::Workload;

/// What is running now: a workload, and which part of all that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Caption {
    pub(crate) workload: Workload,
    /// Such as `2 of 9`, `repeat 1 of 5`; the widest first.
    parts: Vec<String>,
    /// Of a profile.
    stages: Vec<Stage>,
}

impl Caption {
    /// All of that workload.
    pub(crate) fn of(workload: Workload) -> Caption {
        Caption { workload, parts: Vec::new(), stages: Vec::new() }
    }

    /// Through those stages, one after the other.
    pub(crate) fn through(mut self, stages: &[Stage]) -> Caption {
        self.stages = stages.to_vec();
        self
    }

    /// What it says when so much of the window has been measured.
    pub(crate) fn at(&self, measured: Duration) -> String {
        let mut end = Duration::ZERO;
        let is_over = |stage: &&Stage| {
            end += stage.duration;
            end <= measured
        };
        let over = self.stages.iter().take_while(is_over).count();
        let current = over.min(self.stages.len().saturating_sub(1));
        match self.stages.get(current).and_then(|stage| stage.rate) {
            None => self.to_string(),
            Some(rate) => {
                let (number, of) = (current + 1, self.stages.len());
                let rate = match rate > 0.0 {
                    true => format!(" at {}/s", figure(rate)),
                    false => ", a rest".into(),
                };
                format!("{self}, stage {number} of {of}{rate}")
            }
        }
    }

    /// That part of it, such as `repeat 1 of 5`.
    pub(crate) fn with(mut self, part: String) -> Caption {
        self.parts.push(part);
        self
    }
}

impl fmt::Display for Caption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.workload.name())?;
        self.parts.iter().try_for_each(|part| write!(f, ", {part}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_named_from_its_beginning_to_its_end() {
        let stage = |rate| Stage { duration: Duration::from_secs(2), rate: Some(rate) };
        let caption = Caption::of(Workload::TcpRr).through(&[stage(1000.0), stage(0.0)]);
        let told = [0, 1999, 2000, 9000].map(|millis| caption.at(Duration::from_millis(millis)));
        let first = "tcp_rr, stage 1 of 2 at 1,000/s";
        let last = "tcp_rr, stage 2 of 2, a rest";
        assert_eq!(told, [first, first, last, last]);
        assert_eq!(Caption::of(Workload::TcpRr).at(Duration::ZERO), "tcp_rr");
    }
}
