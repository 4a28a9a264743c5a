//! The command `wattlab`.
fn main() {}
