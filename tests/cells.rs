//! What `benches/loopback` measures, and how it judges a tail. The bench itself measures, and has
//! no tests.

#[path = "../benches/loopback/cells.rs"]
#[allow(dead_code)] // the bench reads the rest
mod cells;
#[path = "../benches/loopback/ratios.rs"]
mod ratios;

use std::collections::BTreeSet;

use ratios::{Ratios, median, verdict};

#[test]
fn each_cell_has_a_name_of_its_own_to_be_chosen_by() {
    for full in [false, true] {
        let cells = cells::all(full);
        let names: BTreeSet<&str> = cells.iter().map(|cell| cell.name.as_str()).collect();
        assert_eq!(names.len(), cells.len(), "{names:?}");
    }
}

#[test]
fn every_cell_that_is_usual_is_among_all_of_them() {
    let names = |full| cells::all(full).into_iter().map(|cell| cell.name).collect::<BTreeSet<_>>();
    let missing: Vec<String> = names(false).difference(&names(true)).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_ratio_is_that_of_one_round_and_told_with_the_spread_of_all() {
    let ratios = Ratios::of(&[110.0, 90.0, 300.0], &[100.0, 100.0, 200.0]);
    assert_eq!(format!("{:.2} ({})", ratios.median(), ratios.spread()), "1.10 (0.90..1.50)");
    assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    assert!(median(Vec::new()).is_nan());
}

#[test]
fn a_tail_is_worse_only_if_no_round_says_otherwise() {
    let base = [100.0; 3];
    assert!(Ratios::of(&[111.0, 150.0, 120.0], &base).are_worse());
    assert!(!Ratios::of(&[110.0, 150.0, 120.0], &base).are_worse(), "1.10 is not above it");
    assert!(!Ratios::of(&[90.0, 500.0, 500.0], &base).are_worse());
    assert!(!Ratios::of(&[], &[]).are_worse(), "nothing was measured");
}

#[test]
fn the_verdict_names_whose_tails_are_worse_and_where_or_that_none_are() {
    let worse = [("cooee", vec!["a", "b"]), ("cooee --no-uring", vec![]), ("control", vec!["c"])];
    assert_eq!(
        verdict("bare", 5, &worse),
        [
            "p99 of cooee above 1.10 of that of bare in each of 5 rounds: a; b.",
            "p99 of control above 1.10 of that of bare in each of 5 rounds: c.",
        ]
    );
    let none = [("cooee", vec![])];
    assert_eq!(
        verdict("bare", 5, &none),
        ["p99 above 1.10 of that of bare in each of 5 rounds: nowhere."]
    );
}
