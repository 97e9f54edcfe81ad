//! What the server does about its operator: lines and keys come in, the prompt goes out.

use rustix::process::Signal;

use super::console::Aim;
use super::{Lifecycle, Server};
use crate::tty::editor::{EditorEvent, LINE_CHARS_MAX};
use crate::tty::raw;

impl Server {
    pub(super) fn heed_keys(&mut self, keys: &[u8]) {
        self.desk.type_in(keys, self.reactor.now());
        while self.lifecycle == Lifecycle::Serving
            && let Some(event) = self.desk.next_event()
        {
            match event {
                EditorEvent::Line(line) => {
                    self.obey(&line, Some(self.aim));
                    self.take_aim();
                }
                EditorEvent::TooLong => {
                    let most = LINE_CHARS_MAX;
                    let what =
                        format!("that line was longer than {most} characters: nothing done\n");
                    self.desk.push(what);
                }
                EditorEvent::Complete(head) => {
                    let choices = self.console.completions(&head, self.reactor.engine());
                    self.desk.complete(choices);
                }
                EditorEvent::End => return self.input_ended(),
                EditorEvent::Interrupt => {
                    if let Err(error) = raw::as_the_driver(Signal::INT) {
                        log::warn!("Ctrl-C: {error}; /quit leaves");
                    }
                }
                // The desk has done what these ask for.
                EditorEvent::Suspend | EditorEvent::Clear => {}
            }
        }
    }

    pub(super) fn obey(&mut self, line: &str, aim: Option<Aim>) {
        if self.console.handle(line, aim, self.reactor.engine(), &mut self.desk) {
            self.stop();
        }
    }

    pub(super) fn input_ended(&mut self) {
        self.desk.end();
        self.reactor.hold_input(true);
        match self.leave_with_input {
            true => self.lifecycle = Lifecycle::Left,
            false => self.console.ended(self.reactor.engine()),
        }
    }

    /// Takes the terminal once it is ours, and says by the prompt whom a line goes to: that does
    /// not change any more while the line is being typed.
    pub(super) fn tend_desk(&mut self) {
        if self.desk.tend(self.reactor.now()) {
            // What was typed before is announced and left unread.
            self.reactor.hold_input(true);
            self.reactor.hold_input(false);
        }
        if self.desk.awaits_line() {
            self.take_aim();
        }
    }

    /// Has what is typed from now on go to whom it would go now, and the prompt say so. Each turn
    /// asks for that, so nothing is written anew that is the same.
    fn take_aim(&mut self) {
        let aim = self.console.aim(self.reactor.engine());
        if aim != self.aim {
            self.aim = aim;
            self.desk.set_prompt(&aim.to_string());
        }
    }
}
