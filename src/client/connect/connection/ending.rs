//! How a conversation ends that either side may end: in order, or not, and whether that matters.

use std::time::Duration;

use super::{ConnectionEnd, ConnectionPhase, ServerConnection};
use crate::client::connect::diagnosis;
use crate::client::display::Display;
use crate::engine::{Net, Reason};

/// When the server has closed, whatever is left of a filter's input shows within this time.
const REST_OF_INPUT: Duration = Duration::from_millis(200);

impl ServerConnection {
    /// Ends the program after a conversation that either side may end, as `end` says.
    pub(crate) fn conversation_over(
        &mut self,
        end: ConnectionEnd,
        display: &Display,
        net: &mut Net,
    ) {
        match end {
            ConnectionEnd::None => {}
            ConnectionEnd::Broken(reason) if !self.is_forgiving() => {
                net.stop(Err(self.broken(reason)));
            }
            ConnectionEnd::Closed if !self.is_leaving() => self.hung_up(display, net),
            ConnectionEnd::Broken(_) | ConnectionEnd::Closed => net.stop(Ok(())),
        }
    }

    /// How a connection has ended that had been made.
    pub(super) fn ended(&mut self, reason: Reason, net: &mut Net) -> ConnectionEnd {
        self.failure = net.failure().map(str::to_owned);
        match reason {
            Reason::Failed(_) | Reason::Slow | Reason::Tls => ConnectionEnd::Broken(reason),
            Reason::CutOff => {
                let what = "the server ended without close_notify, so its end may be missing";
                log::warn!("{}", self.complaint(what));
                ConnectionEnd::Closed
            }
            _ => ConnectionEnd::Closed,
        }
    }

    /// The server has closed in order before we had said all. To a person that is told; a filter
    /// has failed if there is more input.
    pub(crate) fn hung_up(&mut self, display: &Display, net: &mut Net) {
        if self.stdio.is_interactive {
            display.remark("the server has closed the connection", net);
            return net.stop(Ok(()));
        }
        let until = net.now().after(REST_OF_INPUT);
        self.phase = ConnectionPhase::Over(until);
        net.hold_input(false);
        net.wake_at(until);
    }

    /// What has come of it, when the server has closed and no more input has shown. If nothing was
    /// said by then, whatever is still to come of it is lost.
    pub(super) fn outcome(&self) -> Result<(), String> {
        match self.sent + self.received {
            0 => Err(self.complaint("the server closed the connection before anything was said")),
            _ => Ok(()),
        }
    }

    /// Whether it does not matter how the other hangs up. A person who has said goodbye does not
    /// mind; of a filter's input nobody knows that it was heard unless the server still answered.
    fn is_forgiving(&self) -> bool {
        let is_heard = self.stdio.is_interactive || self.has_answered;
        self.has_said_goodbye() && is_heard && !self.is_unsaid
    }

    /// The line for a connection that broke.
    pub(crate) fn broken(&self, reason: Reason) -> String {
        match &self.failure {
            Some(failure) => self.complaint(&format!("{reason}: {failure}")),
            None => diagnosis::broken(self.route.service, self.remote(), reason),
        }
    }
}
