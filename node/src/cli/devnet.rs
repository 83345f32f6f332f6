//! `tonle devnet`: networks of validators on this machine. The devnet library does the work.

pub(crate) use tonle_devnet::commands::{Command, run};
