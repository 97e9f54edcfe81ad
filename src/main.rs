//! cooee
fn main() {}
