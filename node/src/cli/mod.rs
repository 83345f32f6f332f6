//! The command line: what each subcommand is called, what it takes, and how its outcome becomes an exit status.
//! Must not know how any of it is done.

mod balance;
mod config;
mod configuration;
mod devnet;
mod evidence;
mod genesis;
mod history;
mod init;
mod key;
mod khqr;
mod merchant;
mod open;
mod order;
mod participant;
mod pay;
mod recover;
mod register;
mod run;
mod status;
mod validator;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tonle_devnet::orders;

/// Exit status of a command that did what was asked.
const DONE: u8 = 0;
/// Exit status of a command that could not, or whose answer is no.
const FAILED: u8 = 1;

const AFTER_HELP: &str = "\
Examples:
  tonle devnet up                                   a network of four validators on this machine
  tonle pay alice@aba bob@wing 4000 KHR --id inv-1  a transfer, final when the command returns
  tonle config example > tonle.toml                 start a node's configuration
  tonle init --config tonle.toml                    found a validator's data directory, once
  tonle run --config tonle.toml                     run one node

Exit status: 0 done; 1 it failed, or the answer is no (the reason stands on standard error); 2 wrong usage.
Every command's own --help has its examples.";

/// A node of Tonle, the ledger that banks settle on, and its tools.
#[derive(Debug, Parser)]
#[command(name = "tonle", version, after_help = AFTER_HELP, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Found the data directory of a validator that has never signed.
    Init(init::Arguments),
    /// Run one node until it is told to stop.
    Run(run::Arguments),
    /// Make and show key files.
    #[command(subcommand)]
    Key(key::Command),
    /// Make and show the genesis file of a chain.
    #[command(subcommand)]
    Genesis(genesis::Command),
    /// Check a node's configuration.
    #[command(subcommand)]
    Config(config::Command),
    /// Run a network of validators on this machine, break it, load it.
    #[command(subcommand)]
    Devnet(devnet::Command),
    /// Pay from one account to another.
    Pay(pay::Arguments),
    /// Keep money for a payee, take it, give it back.
    #[command(subcommand)]
    Hold(orders::Hold),
    /// Pay to accounts that a bank keeps in its own books.
    #[command(subcommand)]
    Bank(orders::Bank),
    /// Give back a payment or a part of it.
    Return(Box<orders::Return>),
    /// Ask to be paid.
    #[command(subcommand)]
    Request(orders::Request),
    /// Let an account collect.
    #[command(subcommand)]
    Mandate(orders::Mandate),
    /// Exchange one asset for another, both sides or none.
    #[command(subcommand)]
    Exchange(orders::Exchange),
    /// Open, change and close accounts.
    #[command(subcommand)]
    Account(orders::Account),
    /// Make telephone and merchant numbers stand for accounts.
    #[command(subcommand)]
    Alias(register::Alias),
    /// Freeze and seize by order.
    #[command(subcommand)]
    Order(orders::CourtOrder),
    /// Decide of limits, participants and the protocol.
    #[command(subcommand)]
    Govern(orders::Govern),
    /// List, approve and withdraw what was proposed.
    #[command(subcommand)]
    Proposal(register::Proposal),
    /// Create money.
    Issue(Box<orders::Issue>),
    /// Destroy money.
    Redeem(Box<orders::Redeem>),
    /// Show what accounts hold.
    Balance(balance::Arguments),
    /// Show what touched an account.
    History(history::Arguments),
    /// Show what accounts of each tier may spend.
    Limits(tonle_devnet::register::Asking),
    /// Report on payments.
    #[command(subcommand)]
    Report(register::Report),
    /// Show what stands in sealed personal data.
    Open(open::Arguments),
    /// Make, show and check KHQR codes.
    #[command(subcommand)]
    Khqr(khqr::Command),
    /// The tokens of this bank's merchants.
    #[command(subcommand)]
    Merchant(merchant::Command),
    /// Show how the nodes stand.
    Status(status::Arguments),
    /// Show, add, change and remove validators.
    #[command(subcommand)]
    Validator(validator::Command),
    /// Show, admit and change participants.
    #[command(subcommand)]
    Participant(participant::Command),
    /// Show and check proofs that validators broke the rules.
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// From the database of a stopped node, the genesis of a chain that follows one which lost a quorum's disks.
    Recover(recover::Arguments),
    /// Check a finality receipt offline.
    Verify(verify::Arguments),
}

/// Parses the arguments, does what they say, and reports.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Key(command) => key::run(&command),
        Command::Genesis(command) => genesis::run(&command),
        Command::Config(command) => config::run(&command),
        Command::Devnet(command) => devnet::run(command),
        Command::Pay(arguments) => pay::run(&arguments),
        Command::Hold(command) => order::run(&command),
        Command::Bank(command) => order::run(&command),
        Command::Return(arguments) => order::run(arguments.as_ref()),
        Command::Request(command) => order::run(&command),
        Command::Mandate(command) => order::run(&command),
        Command::Exchange(command) => order::run(&command),
        Command::Account(command) => order::run(&command),
        Command::Alias(command) => register::alias(&command),
        Command::Order(command) => order::run(&command),
        Command::Govern(command) => order::run(&command),
        Command::Proposal(command) => register::proposal(&command),
        Command::Issue(arguments) => order::run(arguments.as_ref()),
        Command::Redeem(arguments) => order::run(arguments.as_ref()),
        Command::Balance(arguments) => balance::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Limits(asking) => register::limits(&asking),
        Command::Report(command) => register::report(&command),
        Command::Open(arguments) => open::run(&arguments),
        Command::Khqr(command) => khqr::run(&command),
        Command::Merchant(command) => merchant::run(&command),
        Command::Status(arguments) => status::run(&arguments),
        Command::Validator(command) => validator::run(&command),
        Command::Participant(command) => participant::run(&command),
        Command::Evidence(command) => evidence::run(&command),
        Command::Recover(arguments) => recover::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::from(DONE),
        Err(error) => {
            // Standard error may be closed; there is no better place to say so.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

/// Writes `text` and a line end to standard output. A reader that went away (a closed pipe) is no failure.
///
/// # Errors
/// What standard output says.
fn print(text: &str) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    match writeln!(output, "{text}").and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes `value` as one line of JSON.
///
/// # Errors
/// What standard output says.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string(value)?)
}
