//! How far a connection is on its way, and the only place where that changes.

use super::Kind;
use crate::engine::reason::Reason;

/// How far a connection is on its way. Phases only ever go forward, one method below for each
/// event; "local" is our side, "remote" the peer's.
///
/// ```text
///                 Dialing
///                    | answered
///                    v
///              (Handshaking, with layers)
///                    | readied
///                    v
///     .------------ Open ---------------------.--------------------------.
///     | peer's FIN   | we have said all       | we are done              | time's up,
///     v              v                        |                          | an error, ...
/// HalfClosedRemote  HalfClosingLocal ------.  |                          v
///     |              | flushed: our FIN    |  |                         Gone --> dropped
///     |              v                     v  v
///     |             HalfClosedLocal      Closing
///     | we are       |     |               | flushed: our FIN
///     | done         |     '---------.     v
///     v              |  we are done  '-> Lingering
///  Finishing         |                     |
///     | flushed      | peer's FIN          | peer's FIN, or Limits::linger
///     v              v                     v
///  dropped <------ Gone <------------------'
/// ```
///
/// Not drawn: the peer's FIN takes `HalfClosingLocal` and `Closing` to `Finishing`; any phase may
/// be cut short to `Gone`; `leave` takes whoever is open or closing to `Finishing`, and whoever
/// lingers to `Gone`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// We have called; the peer has not answered yet.
    Dialing,
    /// There is a connection, and its layers are not through yet: its service does not know of it,
    /// or has called and not been answered.
    Handshaking,
    /// Both sides may speak.
    Open,
    /// The peer has sent its FIN and may still listen.
    HalfClosedRemote,
    /// We have said all: what is queued goes out, then our FIN. The peer is still listened to.
    HalfClosingLocal,
    /// Our FIN is out and the peer is still listened to.
    HalfClosedLocal,
    /// We are done: what is queued goes out, then our FIN. What still comes is discarded.
    Closing(Reason),
    /// We are done and so is the peer: what is queued goes out, then the socket is dropped.
    Finishing(Reason),
    /// Our FIN is out. Dropping the socket now, with input unread or on its way, would answer it
    /// with a RST and could destroy what the peer has not read yet: discard until it is done too.
    Lingering(Reason),
    /// To be dropped now; nothing more is sent.
    Gone(Reason),
}

/// What a connection wants of its socket next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Write what `outgoing` returns, then say `sent`, `write_blocked` or `failed`.
    Write,
    /// Send a FIN (shut down the writing side), then say `hung_up`.
    HangUp,
    /// Drop the socket and say `reap`.
    Drop,
    /// Nothing until more happens.
    Wait,
}

/// The events.
impl Phase {
    /// The peer that we called has answered.
    pub(crate) fn answered(self, is_layered: bool) -> Phase {
        match self {
            Phase::Dialing if is_layered => Phase::Handshaking,
            Phase::Dialing => Phase::Open,
            Phase::Handshaking
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosingLocal
            | Phase::HalfClosedLocal
            | Phase::Closing(_)
            | Phase::Finishing(_)
            | Phase::Lingering(_)
            | Phase::Gone(_) => self,
        }
    }

    /// Its layers are through.
    pub(crate) fn readied(self) -> Phase {
        match self {
            Phase::Handshaking => Phase::Open,
            Phase::Dialing
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosingLocal
            | Phase::HalfClosedLocal
            | Phase::Closing(_)
            | Phase::Finishing(_)
            | Phase::Lingering(_)
            | Phase::Gone(_) => self,
        }
    }

    /// The peer's FIN has come.
    pub(crate) fn peer_finished(self) -> Phase {
        match self {
            Phase::Open => Phase::HalfClosedRemote,
            Phase::HalfClosingLocal => Phase::Finishing(Reason::Eof),
            Phase::HalfClosedLocal => Phase::Gone(Reason::Eof),
            Phase::Closing(reason) => Phase::Finishing(reason),
            Phase::Lingering(reason) => Phase::Gone(reason),
            Phase::Dialing
            | Phase::Handshaking
            | Phase::HalfClosedRemote
            | Phase::Finishing(_)
            | Phase::Gone(_) => self,
        }
    }

    /// The service has said all and goes on listening. Datagrams have no such end.
    pub(crate) fn finished(self, kind: Kind) -> Phase {
        match (self, kind) {
            (Phase::Open, Kind::Stream) => Phase::HalfClosingLocal,
            (Phase::HalfClosedRemote, _) => Phase::Finishing(Reason::Eof),
            (
                Phase::Dialing
                | Phase::Handshaking
                | Phase::Open
                | Phase::HalfClosingLocal
                | Phase::HalfClosedLocal
                | Phase::Closing(_)
                | Phase::Finishing(_)
                | Phase::Lingering(_)
                | Phase::Gone(_),
                _,
            ) => self,
        }
    }

    /// We are done with it, for `reason`.
    pub(crate) fn closed(self, kind: Kind, reason: Reason) -> Phase {
        match (self, kind) {
            (Phase::Dialing, _) => Phase::Gone(reason),
            // There is no FIN to be sent or to be waited for.
            (Phase::Open, Kind::Datagram) => Phase::Finishing(reason),
            (Phase::Handshaking, _)
            | (Phase::Open, Kind::Stream)
            | (Phase::HalfClosingLocal, _) => Phase::Closing(reason),
            (Phase::HalfClosedLocal, _) => Phase::Lingering(reason),
            (Phase::HalfClosedRemote, _) if reason == Reason::Done => Phase::Finishing(Reason::Eof),
            (Phase::HalfClosedRemote, _) => Phase::Finishing(reason),
            (Phase::Closing(_) | Phase::Finishing(_) | Phase::Lingering(_) | Phase::Gone(_), _) => {
                self
            }
        }
    }

    /// We are done with it and do not wait for the peer's FIN.
    pub(crate) fn left(self) -> Phase {
        match self {
            Phase::Dialing | Phase::Handshaking => Phase::Gone(Reason::Done),
            Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosingLocal
            | Phase::HalfClosedLocal => Phase::Finishing(Reason::Done),
            Phase::Closing(reason) => Phase::Finishing(reason),
            Phase::Lingering(reason) => Phase::Gone(reason),
            Phase::Finishing(_) | Phase::Gone(_) => self,
        }
    }

    /// Our FIN is out.
    pub(crate) fn hung_up(self) -> Phase {
        match self {
            Phase::HalfClosingLocal => Phase::HalfClosedLocal,
            Phase::Closing(reason) => Phase::Lingering(reason),
            Phase::Dialing
            | Phase::Handshaking
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosedLocal
            | Phase::Finishing(_)
            | Phase::Lingering(_)
            | Phase::Gone(_) => self,
        }
    }

    /// It was closing, and is cut short for `reason`: that is why it ends.
    pub(crate) fn cut_short(self, reason: Reason) -> Phase {
        match self {
            Phase::Closing(_) => Phase::Closing(reason),
            Phase::Finishing(_) => Phase::Finishing(reason),
            Phase::Dialing
            | Phase::Handshaking
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosingLocal
            | Phase::HalfClosedLocal
            | Phase::Lingering(_)
            | Phase::Gone(_) => self,
        }
    }

    /// It ends at once, for `reason`.
    pub(crate) fn killed(self, reason: Reason) -> Phase {
        match self {
            Phase::Gone(_) => self,
            Phase::Dialing
            | Phase::Handshaking
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosingLocal
            | Phase::HalfClosedLocal
            | Phase::Closing(_)
            | Phase::Finishing(_)
            | Phase::Lingering(_) => Phase::Gone(reason),
        }
    }
}

/// The questions.
impl Phase {
    /// What is to be done for it while so many bytes are queued.
    #[inline]
    pub(crate) fn step(self, queued: usize) -> Step {
        match self {
            Phase::Gone(_) => Step::Drop,
            _ if queued > 0 => Step::Write,
            Phase::HalfClosingLocal | Phase::Closing(_) => Step::HangUp,
            Phase::Finishing(_) => Step::Drop,
            Phase::Dialing
            | Phase::Handshaking
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosedLocal
            | Phase::Lingering(_) => Step::Wait,
        }
    }

    /// Whether our FIN follows right behind what is queued.
    pub(crate) fn hangs_up(self) -> bool {
        self.step(0) == Step::HangUp
    }

    /// Whether a service may still speak to it.
    pub(crate) fn may_be_told(self) -> bool {
        matches!(self, Phase::Open | Phase::HalfClosedRemote)
    }

    /// Whether its service still listens to it.
    pub(crate) fn is_heard(self) -> bool {
        matches!(self, Phase::Open | Phase::HalfClosingLocal | Phase::HalfClosedLocal)
    }

    /// Whether what is queued is the last that we say.
    pub(crate) fn says_no_more(self) -> bool {
        matches!(self, Phase::HalfClosingLocal | Phase::Closing(_) | Phase::Finishing(_))
    }

    /// Whether what comes is read only to be thrown away.
    pub(crate) fn is_discarded(self) -> bool {
        matches!(self, Phase::Closing(_) | Phase::Lingering(_))
    }

    /// Why it is closing or has been closed; `None`: it is not.
    pub(crate) fn reason(self) -> Option<Reason> {
        match self {
            Phase::Closing(reason)
            | Phase::Finishing(reason)
            | Phase::Lingering(reason)
            | Phase::Gone(reason) => Some(reason),
            Phase::Dialing
            | Phase::Handshaking
            | Phase::Open
            | Phase::HalfClosedRemote
            | Phase::HalfClosingLocal
            | Phase::HalfClosedLocal => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DONE: Reason = Reason::Done;
    const IDLE: Reason = Reason::Idle;
    /// Of a connection without layers.
    const ALL: [Phase; 9] = [
        Phase::Dialing,
        Phase::Open,
        Phase::HalfClosedRemote,
        Phase::HalfClosingLocal,
        Phase::HalfClosedLocal,
        Phase::Closing(IDLE),
        Phase::Finishing(IDLE),
        Phase::Lingering(IDLE),
        Phase::Gone(IDLE),
    ];

    /// What `event` makes of each phase, in the order of `ALL`.
    fn after(event: impl Fn(Phase) -> Phase) -> [Phase; 9] {
        ALL.map(event)
    }

    #[test]
    fn every_event_takes_every_phase_where_the_diagram_says() {
        let [dialing, open, remote, ending, local, closing, finishing, lingering, gone] = ALL;
        let rest = [remote, ending, local, closing, finishing, lingering, gone];
        let eof = Phase::Finishing(Reason::Eof);
        assert_eq!(after(|phase| phase.answered(false))[..2], [open, open]);
        assert_eq!(after(|phase| phase.answered(false))[2..], rest);
        assert_eq!(
            after(Phase::peer_finished),
            [
                dialing,
                remote,
                remote,
                eof,
                Phase::Gone(Reason::Eof),
                finishing,
                finishing,
                gone,
                gone
            ]
        );
        assert_eq!(
            after(|phase| phase.finished(Kind::Stream)),
            [dialing, ending, eof, ending, local, closing, finishing, lingering, gone]
        );
        assert_eq!(after(|phase| phase.finished(Kind::Datagram))[..2], [dialing, open]);
        assert_eq!(
            after(Phase::hung_up),
            [dialing, open, remote, local, local, lingering, finishing, lingering, gone]
        );
        assert_eq!(after(|phase| phase.killed(DONE))[..8], [Phase::Gone(DONE); 8]);
        assert_eq!(gone.killed(DONE), gone);
    }

    #[test]
    fn layers_come_between_the_connection_and_its_service() {
        let phase = Phase::Dialing.answered(true);
        assert_eq!(phase, Phase::Handshaking);
        assert_eq!(phase.readied(), Phase::Open);
        assert_eq!(after(Phase::readied), ALL);
        for same in [phase.answered(true), phase.finished(Kind::Stream), phase.hung_up()] {
            assert_eq!(same, phase);
        }
        assert_eq!(phase.peer_finished(), phase);
        assert_eq!(phase.closed(Kind::Stream, IDLE), Phase::Closing(IDLE));
        assert_eq!((phase.killed(IDLE), phase.left()), (Phase::Gone(IDLE), Phase::Gone(DONE)));
        assert_eq!((phase.step(0), phase.step(1)), (Step::Wait, Step::Write));
        assert!(!phase.is_heard() && !phase.may_be_told() && !phase.is_discarded());
        assert!(!phase.hangs_up() && phase.reason().is_none());
    }

    #[test]
    fn closing_keeps_the_first_reason_and_says_eof_where_the_peer_had_closed_before() {
        let close = |phase: Phase| phase.closed(Kind::Stream, DONE);
        let (closing, lingering) = (Phase::Closing(DONE), Phase::Lingering(DONE));
        let (gone, eof) = (Phase::Gone(DONE), Phase::Finishing(Reason::Eof));
        assert_eq!(after(close)[..5], [gone, closing, eof, closing, lingering]);
        assert_eq!(after(close)[5..], ALL[5..]);
        assert_eq!(Phase::HalfClosedRemote.closed(Kind::Stream, IDLE), Phase::Finishing(IDLE));
        assert_eq!(Phase::Open.closed(Kind::Datagram, DONE), Phase::Finishing(DONE));
        let finishing = Phase::Finishing(DONE);
        assert_eq!(after(Phase::left)[..5], [gone, finishing, finishing, finishing, finishing]);
        // For whoever is being closed already, there is no waiting for its FIN any more.
        let (finishing, gone) = (Phase::Finishing(IDLE), Phase::Gone(IDLE));
        assert_eq!(after(Phase::left)[5..], [finishing, finishing, gone, gone]);
    }

    #[test]
    fn what_is_queued_goes_out_before_the_fin_and_the_end_but_not_for_the_dead() {
        let steps = |queued| ALL.map(|phase| phase.step(queued));
        use Step::{Drop, HangUp, Wait, Write};
        assert_eq!(steps(0), [Wait, Wait, Wait, HangUp, Wait, HangUp, Drop, Wait, Drop]);
        assert_eq!(steps(1)[..8], [Write; 8]);
        assert_eq!(steps(1)[8], Drop);
    }

    #[test]
    fn who_is_heard_told_and_discarded() {
        let marks = ALL.map(|phase| {
            [phase.may_be_told(), phase.is_heard(), phase.is_discarded(), phase.hangs_up()]
                .map(|is| if is { 'x' } else { '.' })
                .iter()
                .collect::<String>()
        });
        let wanted = ["....", "xx..", "x...", ".x.x", ".x..", "..xx", "....", "..x.", "...."];
        assert_eq!(marks, wanted);
        let reasons = ALL.map(|phase| phase.reason().is_some());
        assert_eq!(reasons, [false, false, false, false, false, true, true, true, true]);
    }
}
