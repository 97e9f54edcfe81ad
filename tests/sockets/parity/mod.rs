//! The simulator under test: the same conversations on the kernel's sockets and on the simulator's
//! must tell the same facts to the service, in the same order, and the same bytes to the clients.
//! Otherwise what the simulator tortures is not what the kernel drives.
#![allow(clippy::disallowed_methods)] // patience is measured by a clock

mod arms;
mod story;

use std::rc::Rc;

use cooee::engine::{Limits, Quota};

use arms::{Arm, Kernel, Simulator};
use story::{Heard, Plot, Story};

/// A conversation: what the service does, and what the clients do.
struct Scenario {
    name: &'static str,
    plot: Plot,
    limits: Limits,
    quota: Quota,
    clients: usize,
    act: fn(&mut dyn Arm),
}

impl Scenario {
    fn new(name: &'static str, plot: Plot, act: fn(&mut dyn Arm)) -> Scenario {
        let (limits, quota) = Default::default();
        Scenario { name, plot, limits, quota, clients: 1, act }
    }

    /// What the service was told, and what each client heard.
    fn on(&self, make: impl Fn(&Scenario, Story) -> Box<dyn Arm>) -> (Vec<String>, Vec<Heard>) {
        let story = Story::new(self.plot);
        let mut arm = make(self, story.clone());
        (self.act)(arm.as_mut());
        let heard = (0..self.clients).map(|client| arm.heard(client)).collect();
        (story.told(), heard)
    }

    fn assert_parity(&self) {
        let kernel = self.on(|scenario, story| Box::new(Kernel::new(scenario, story, false)));
        let batches = self.on(|scenario, story| Box::new(Kernel::new(scenario, story, true)));
        for batch_max in [0, 40] {
            let simulated = self.on(|scenario, story| {
                Box::new(Simulator::new(scenario, Rc::new(story), batch_max))
            });
            assert_eq!(simulated, kernel, "{}: simulated, and one by one", self.name);
            assert_eq!(simulated, batches, "{}: simulated, and in batches", self.name);
        }
        assert!(kernel.0.len() > 1, "{}: the service was told nothing", self.name);
    }
}

/// Lets one after the other finish: epoll promises no order among many.
fn finish_in_turn(arm: &mut dyn Arm, clients: usize) {
    for client in 0..clients {
        arm.finish(client);
        arm.until("closed", client + 1);
    }
}

#[test]
fn a_peer_that_half_closes_is_answered_and_closed() {
    Scenario::new("half-closed by the peer", Plot::Echo, |arm| {
        arm.say(0, b"a question");
        arm.until("received", 1);
        arm.finish(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn a_peer_is_heard_after_our_own_end() {
    Scenario::new("half-closed by us", Plot::Ends, |arm| {
        arm.until("opened", 1);
        arm.say(0, b"and more");
        arm.until("received", 1);
        arm.finish(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn a_fin_behind_data_comes_behind_all_of_it() {
    Scenario::new("a FIN behind data", Plot::Echo, |arm| {
        arm.say(0, &[b'x'; 100_000]);
        arm.finish(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn who_leaves_with_output_unread_has_reset_the_connection() {
    Scenario::new("RST by the peer", Plot::Greets, |arm| {
        arm.until("opened", 1);
        arm.turn();
        arm.close(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn who_is_dropped_with_input_unread_is_reset() {
    Scenario::new("RST over unread input", Plot::LeavesAtOnce, |arm| {
        arm.say(0, &[b'x'; 1000]);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn who_is_closed_with_input_unread_loses_nothing_of_what_it_was_sent() {
    Scenario::new("lingering", Plot::Greets, |arm| {
        arm.say(0, b"nobody reads this");
        arm.until("opened", 1);
        arm.turn();
        arm.finish(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn short_reads_are_told_one_by_one() {
    Scenario::new("short reads", Plot::Sips, |arm| {
        arm.say(0, b"ten bytes!");
        arm.until("received", 3);
        arm.finish(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

#[test]
fn a_full_buffer_holds_what_is_sent_until_it_is_read_and_drained_is_told_once() {
    let scenario = Scenario::new("short writes", Plot::Bulk, |arm| {
        arm.say(0, b"?");
        arm.until("received", 1);
        arm.turn();
        arm.read_all(0, story::BULK_BYTES);
        arm.until("drained", 1);
        arm.finish(0);
        arm.until("closed", 1);
    });
    let quota = Quota { queue_hard: usize::MAX, ..Quota::default() };
    Scenario { quota, ..scenario }.assert_parity();
}

#[test]
fn who_reads_nothing_is_told_so_and_closed() {
    Scenario::new("too slow a reader", Plot::Bulk, |arm| {
        arm.say(0, b"?");
        arm.until("fell behind", 1);
        arm.close(0);
        arm.until("closed", 1);
    })
    .assert_parity();
}

/// So many are read and written to together, where the kernel can do that.
const MANY: usize = 24;

#[test]
fn those_who_speak_in_one_turn_are_heard_in_the_order_in_which_they_spoke() {
    let scenario = Scenario::new("batches", Plot::Echo, |arm| {
        (0..MANY).for_each(|client| arm.say(client, &[b'a'; 5]));
        arm.until("received", MANY);
        (0..MANY).for_each(|client| arm.say(client, &[b'b'; 8000]));
        arm.until("received 8000", MANY);
        finish_in_turn(arm, MANY);
    });
    Scenario { clients: MANY, ..scenario }.assert_parity();
}

#[test]
fn who_is_closed_by_anothers_input_is_not_heard_in_the_same_turn() {
    let scenario = Scenario::new("closed by another", Plot::Rivals, |arm| {
        (0..MANY).for_each(|client| arm.say(client, b"me!"));
        arm.until("received", 1);
        finish_in_turn(arm, MANY);
    });
    Scenario { clients: MANY, ..scenario }.assert_parity();
}

#[test]
fn after_our_fin_the_prompt_are_gone_at_once_and_the_others_are_waited_for() {
    let scenario = Scenario::new("early looks", Plot::Greets, |arm| {
        arm.until("opened", 3);
        arm.turn();
        for client in 0..3 {
            arm.read_all(client, story::HELLO.len());
            arm.finish(client);
            arm.until("closed", client + 1);
        }
    });
    Scenario { clients: 3, ..scenario }.assert_parity();
}
