//! The repository's own rules, which no compiler checks: who may depend on whom, what every file begins with, how long
//! it may be, what must not stand in the tree, and that documents point at what exists.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod dependencies;
mod documents;
mod sources;
mod tree;
