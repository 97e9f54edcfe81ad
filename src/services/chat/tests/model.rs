//! Whatever happens in two rooms, beside what everybody should have heard of it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What everybody should hear of two rooms, worked out line by line.
#[derive(Default)]
struct Model {
    names: BTreeMap<Peer, String>,
    heard: BTreeMap<Peer, String>,
    rooms: [Vec<Peer>; 2],
    history: [Vec<String>; 2],
}

impl Model {
    fn room_of(&self, peer: Peer) -> usize {
        usize::from(self.rooms[1].contains(&peer))
    }

    fn tell_others(&mut self, peer: Peer, line: &str) {
        for other in self.rooms[self.room_of(peer)].iter().filter(|other| **other != peer) {
            *self.heard.get_mut(other).unwrap() += line;
        }
    }

    fn enter(&mut self, room: usize, peer: Peer) {
        let recent = self.history[room].len().saturating_sub(20);
        let heard = self.heard.get_mut(&peer).unwrap();
        for line in &self.history[room][recent..] {
            *heard += &format!("[earlier, 00:00 UTC] {line}");
        }
        self.rooms[room].push(peer);
        self.tell_others(peer, &format!("* {} joined\n", self.names[&peer]));
    }

    fn leave(&mut self, peer: Peer) {
        self.tell_others(peer, &format!("* {} left\n", self.names[&peer]));
        let room = self.room_of(peer);
        self.rooms[room].retain(|other| *other != peer);
        if self.rooms[1].is_empty() {
            self.history[1].clear();
        }
    }

    fn say(&mut self, peer: Peer, text: &str) {
        let line = format!("<{}> {text}\n", self.names[&peer]);
        self.tell_others(peer, &line);
        self.history[self.room_of(peer)].push(line);
    }

    fn switch(&mut self, peer: Peer) -> &'static str {
        let room = 1 - self.room_of(peer);
        self.leave(peer);
        let (name, here) = (["lobby", "attic"][room], self.rooms[room].len() + 1);
        *self.heard.get_mut(&peer).unwrap() +=
            &format!("** You are now in {name} ({here} here).\n");
        self.enter(room, peer);
        ["/join lobby\n", "/join attic\n"][room]
    }
}

fn welcome(stage: &mut Stage, model: &mut Model) -> Peer {
    let peer = stage.join();
    let heard = stage.hear(peer);
    let (welcome, history) = heard.split_once('\n').unwrap();
    let name = welcome.split(' ').nth(4).unwrap().trim_end_matches(',');
    model.names.insert(peer, name.to_string());
    model.heard.insert(peer, String::new());
    model.enter(0, peer);
    assert_eq!(std::mem::take(model.heard.get_mut(&peer).unwrap()), history);
    peer
}

/// One thing that happens. An `Index` chooses the member it happens to.
#[derive(Clone, Debug)]
enum Event {
    Joins,
    Leaves(Index),
    ChangesRoom(Index),
    Says(Index, usize),
    TurnEnds,
}

fn event() -> impl Strategy<Value = Event> {
    let member = any::<Index>;
    prop_oneof![
        1 => Just(Event::Joins),
        1 => member().prop_map(Event::Leaves),
        2 => member().prop_map(Event::ChangesRoom),
        1 => Just(Event::TurnEnds),
        15 => (member(), 0..500_usize).prop_map(|(who, length)| Event::Says(who, length)),
    ]
}

/// Lets `event` happen on the stage and in the model. `number` tells it from all others.
fn happens(
    event: &Event,
    number: usize,
    members: &mut Vec<Peer>,
    stage: &mut Stage,
    model: &mut Model,
) {
    match event {
        Event::Joins => members.push(welcome(stage, model)),
        Event::Leaves(_) if members.len() == 1 => {}
        Event::Leaves(who) => {
            let peer = members.remove(who.index(members.len()));
            model.leave(peer);
            *model.heard.get_mut(&peer).unwrap() +=
                &format!("** Goodbye, {}!\n", model.names[&peer]);
            stage.say_in_turn(peer, "BYE\n");
        }
        Event::ChangesRoom(who) => {
            let peer = *who.get(members);
            stage.say_in_turn(peer, model.switch(peer));
        }
        Event::Says(who, length) => {
            let text = format!("{number} {}", "x".repeat(*length));
            model.say(*who.get(members), &text);
            stage.say_in_turn(*who.get(members), text + "\n");
        }
        Event::TurnEnds => stage.flush(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_happens_in_a_turn_everybody_hears_it_in_order(
        events in prop::collection::vec(event(), 0..600),
    ) {
        let (mut stage, mut model) = (Stage::new(Chat::new(None)), Model::default());
        let mut members: Vec<Peer> = (0..8).map(|_| welcome(&mut stage, &mut model)).collect();
        for (number, event) in events.iter().enumerate() {
            happens(event, number, &mut members, &mut stage, &mut model);
        }
        stage.flush();
        for (peer, expected) in &model.heard {
            prop_assert_eq!(&stage.hear(*peer), expected, "{}", peer);
        }
    }
}
