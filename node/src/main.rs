//! The `tonle` binary: one command line for operators, developers and clients.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
