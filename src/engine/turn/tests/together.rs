//! How many are served before they are answered (`Limits::flush_every`).

use super::*;

#[test]
fn who_is_served_first_need_not_wait_for_many_others_to_be_answered() {
    let calls = |flush_every| {
        let limits = Limits { flush_every, ..Limits::default() };
        let (mut driver, all) = limited(limits, Counting { said: 16, ..Counting::default() }, 3);
        turn(&mut driver, &all);
        driver.sockets().calls.clone()
    };
    let (read, write) = (|n| ("read", n), |n| ("write", n));
    for one_by_one in [0, 1] {
        let expected = [read(1), write(1), read(2), write(2), read(3), write(3)];
        assert_eq!(calls(one_by_one), expected);
    }
    assert_eq!(calls(2), [read(1), read(2), write(1), write(2), read(3), write(3)]);
    for all in [3, usize::MAX] {
        assert_eq!(calls(all), [read(1), read(2), read(3), write(1), write(2), write(3)]);
    }
}

#[test]
fn a_batch_has_no_more_than_are_to_be_answered_together() {
    let limits = Limits { flush_every: 6, ..Limits::default() };
    let sockets = Counting { said: 16, batch_max: 40, ..Counting::default() };
    let (mut driver, all) = limited(limits, sockets, 15);
    turn(&mut driver, &all);
    assert_eq!(driver.sockets().reads, [6, 6, 1, 1, 1]);
    assert_eq!(driver.sockets().writes, [6, 6, 1, 1, 1]);
}
