//! Who is where, and what is said to one of them alone.

use super::*;

#[test]
fn members_everywhere_are_listed_and_counted() {
    let (mut toy, [ann, _, bob]) = two(true);
    let listed = "** 2 in lobby: abe, ann\n** 1 in lobby on south: bob@south\n";
    assert_eq!(toy.ask(NORTH, ann, "/who"), listed);
    toy.say(SOUTH, bob, "/join Attic");
    toy.pass(2);
    assert_eq!(toy.ask(NORTH, ann, "/who"), "** 2 in lobby: abe, ann\n");
    assert_eq!(toy.ask(NORTH, ann, "/rooms"), "** Rooms: attic (1), lobby (2)\n");
    assert_eq!(toy.ask(SOUTH, bob, "/rooms"), "** Rooms: Attic (1), lobby (2)\n");
    let heard = toy.ask(NORTH, ann, "/join attic");
    assert!(heard.contains("You are now in attic (2 here)"), "{heard}");
    let eve = toy.servers[SOUTH].stage.join();
    assert!(toy.hear(SOUTH, eve).contains("in lobby (2 here)"));
}

#[test]
fn private_messages_reach_other_servers_and_are_answered_if_they_do_not() {
    let (mut toy, [ann, abe, bob]) = two(true);
    assert_eq!(toy.ask(NORTH, ann, "/msg bob@South psst \x1b"), "[to bob@south] psst \\x1b\n");
    assert_eq!(toy.hear(SOUTH, bob), "[from ann@north] psst \\x1b\n");
    assert_eq!(toy.ask(NORTH, ann, "/msg abe@north here"), "[to abe] here\n");
    assert_eq!(toy.hear(NORTH, abe), "[from ann] here\n");
    let heard = toy.ask(NORTH, ann, "/msg eve@south hi");
    assert_eq!(heard, "[to eve@south] hi\n** There is nobody called eve@south; see /who.\n");
    let heard = toy.ask(NORTH, ann, "/msg bob@east hi");
    assert_eq!(heard, "** There is no server called east; see /who.\n");
    let heard = toy.ask(NORTH, ann, "/msg bob@ hi");
    assert_eq!(heard, "** There is nobody called bob@; see /who.\n");
}

#[test]
fn a_server_that_is_lost_is_told_in_one_line_and_so_is_its_return() {
    let (mut toy, [ann, _, bob]) = two(true);
    for number in 0..13 {
        toy.join(SOUTH, &format!("m{number}"));
    }
    toy.pass(2);
    toy.hear(NORTH, ann);
    toy.disconnect(SOUTH);
    toy.pass(24);
    assert_eq!(toy.hear(NORTH, ann), "");
    toy.pass(12);
    assert_eq!(toy.hear(NORTH, ann), "* south is gone, with 14 here\n");
    assert_eq!(toy.ask(NORTH, ann, "/who"), "** 2 in lobby: abe, ann\n");
    assert_eq!(toy.servers[NORTH].port.figures().nodes, 0);
    toy.connect(SOUTH);
    toy.pass(1);
    assert_eq!(toy.hear(NORTH, ann), "* south is back, with 14 here\n");
    assert!(toy.hear(SOUTH, bob).ends_with("** Other servers are back.\n"));
    assert_eq!(
        toy.ask(SOUTH, bob, "/who").lines().nth(1),
        Some("** 2 in lobby on north: abe@north, ann@north")
    );
}

#[test]
fn of_two_servers_of_one_name_the_one_that_came_later_gets_a_number() {
    let mut toy = Toy::of(&["north", "North", "north"], true);
    toy.pass(2);
    let names = [NORTH, SOUTH, WEST].map(|server| toy.servers[server].port.figures().node);
    assert_eq!(names, ["north", "North-2", "north-3"]);
    let [ann, bob, eve] = [(NORTH, "ann"), (SOUTH, "bob"), (WEST, "eve")]
        .map(|(server, name)| toy.join(server, name));
    toy.pass(2);
    toy.hear(NORTH, ann);
    toy.hear(SOUTH, bob);
    assert_eq!(toy.ask(WEST, eve, "/msg bob@north-2 hi"), "[to bob@North-2] hi\n");
    assert_eq!(toy.hear(SOUTH, bob), "[from eve@north-3] hi\n");
    toy.say(SOUTH, bob, "well");
    assert_eq!(toy.hear(NORTH, ann), "<bob@North-2> well\n");
    toy.pass(60);
    assert_eq!(toy.hear(NORTH, ann), "", "nobody is lost by that");
}

#[test]
fn a_server_that_starts_anew_is_not_lost() {
    let (mut toy, [ann, ..]) = two(true);
    toy.disconnect(SOUTH);
    let again = toy.start("south");
    toy.join(again, "bob");
    toy.pass(20);
    toy.hear(NORTH, ann);
    assert_eq!(
        toy.ask(NORTH, ann, "/who").lines().nth(1),
        Some("** 1 in lobby on south: bob@south")
    );
    toy.pass(40);
    assert_eq!(toy.hear(NORTH, ann), "");
}

#[test]
fn crowds_on_all_servers_are_counted_together_and_told_of_in_one_line_a_second() {
    let mut toy = Toy::of(&["north", "south"], true);
    let ann = toy.join(NORTH, "ann");
    let crowd: Vec<Peer> = (0..30).map(|_| toy.servers[SOUTH].stage.join()).collect();
    let more: Vec<Peer> = (0..30).map(|_| toy.servers[NORTH].stage.join()).collect();
    toy.pass(3);
    toy.hear(NORTH, ann);
    let published = toy.published.len();
    for peer in &crowd[..5] {
        toy.servers[SOUTH].stage.say(*peer, "BYE\n");
    }
    toy.servers[NORTH].stage.say(more[0], "BYE\n");
    toy.servers[SOUTH].stage.say(crowd[9], "/nick eve\n");
    toy.pump();
    toy.pass(3);
    let heard = toy.hear(NORTH, ann);
    let counts =
        heard.lines().map(|line| line.trim_start_matches("* ")).collect::<Vec<_>>().join(", ");
    let left: u32 =
        counts.split(", ").filter_map(|part| part.strip_suffix(" left")?.parse::<u32>().ok()).sum();
    assert_eq!((left, heard.lines().count() <= 2), (6, true), "{heard}");
    assert!(counts.contains("1 renamed"));
    let news = toy.published[published..].iter().filter(|(subject, _)| subject == "news.lobby");
    assert_eq!(news.count(), 2, "one tally of each");
}

#[test]
fn after_a_long_break_rosters_of_many_rooms_are_told_one_after_the_other() {
    let mut toy = Toy::of(&["north", "south"], true);
    for number in 0..100 {
        let peer = toy.servers[NORTH].stage.join();
        toy.say(NORTH, peer, &format!("/join room{number}"));
    }
    toy.disconnect(NORTH);
    toy.pass(20);
    toy.published.clear();
    toy.connect(NORTH);
    let told = |toy: &Toy| {
        let own = |text: &str| text.contains("roster") && text.contains("north");
        toy.published.iter().filter(|(_, text)| own(text)).count()
    };
    assert!(told(&toy) < 20, "{}", told(&toy));
    toy.pass(1);
    assert_eq!(told(&toy), 101);
}

#[test]
fn rosters_wait_until_the_bus_has_room_for_them() {
    let mut toy = Toy::of(&["north", "south"], true);
    for number in 0..50 {
        let peer = toy.servers[NORTH].stage.join();
        toy.say(NORTH, peer, &format!("/join room{number}"));
    }
    toy.pass(2);
    let north = &mut toy.servers[NORTH];
    north.port.set_room(1_000);
    north.stage.skip(Duration::from_secs(20));
    let mut waves = Vec::new();
    while waves.iter().sum::<usize>() < 51 {
        north.stage.pass(Duration::from_millis(20));
        waves.push(std::iter::from_fn(|| north.port.next_wish()).count());
        assert!(waves.len() < 20, "{waves:?}");
    }
    assert!(waves.iter().all(|wave| *wave < 10), "{waves:?}");
}
