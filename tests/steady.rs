//! A steady state allocates nothing: neither a message nor a connection, once pools and tables
//! have grown to their size.

#[path = "../benches/driver/mod.rs"]
mod driver;

use driver::Driver;

/// Counts what `turn` allocates after the first hundred times.
fn allocations(mut turn: impl FnMut() -> usize) -> u64 {
    let mut turns = |count| (0..count).all(|_| turn() > 0);
    assert!(turns(100), "something leaves in every turn");
    allocation_counter::measure(|| assert!(turns(1000))).count_total
}

#[test]
fn echoed_messages_allocate_nothing() {
    for size in [16, 65_536] {
        let mut driver = Driver::offered("echo", 32);
        let message = vec![b'x'; size];
        assert_eq!(allocations(|| driver.all_say(&message)), 0, "{size} bytes");
    }
}

#[test]
fn greeted_connections_allocate_nothing() {
    let mut driver = Driver::offered("greet", 0);
    assert_eq!(allocations(|| driver.visit(32)), 0);
    // Only the last are left: whole lives of connections were counted.
    assert_eq!(driver.driver.engine().connections(), 32);
}

#[test]
fn lines_to_a_room_allocate_nothing() {
    let mut driver = Driver::offered("chat", 100);
    let line = [&[b'x'; 63][..], b"\n"].concat();
    assert_eq!(allocations(|| driver.one_says(&line)), 0);
}
