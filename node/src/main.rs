//! The `tonle` binary: one command line for operators, developers and clients.

mod cli;

use std::process::ExitCode;

/// Most of what a node allocates is made in one thread and freed in another; docs/performance/log.md has what it gains.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
