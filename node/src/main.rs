//! The `tonle` binary.

fn main() {}
