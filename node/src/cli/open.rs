//! `tonle open`: shows what stands in sealed bytes, to whoever has one of the keys.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use tonle_devnet::client::Target;
use tonle_devnet::privacy::{Shown, development_keys};
use tonle_ledger::Sealed;

use super::order::secrets;
use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle open sealed.age --key wing-encryption.key
  xxd -r -p sealed.hex | tonle open - --key wing-encryption.key --json

The bytes are of the format age v1: `age -d -i IDENTITY` opens them too (tonle key identity FILE prints
the identity), and gives a padded tonle.v1.PrivateDetails. Exit status: 0 open; 1 not opened.";

/// Arguments of `tonle open`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The file of sealed bytes; - reads standard input
    file: PathBuf,
    /// A key file that may open them, may be repeated; without any, the development keys in --dir
    #[arg(long = "key", value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    json: bool,
    /// The folder of a devnet, whose development keys are tried
    #[command(flatten)]
    target: Target,
}

/// More bytes than any sealed ones have.
const BYTES_MAX: u64 = 4_096;

/// Opens, and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let path = &arguments.file;
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(BYTES_MAX).read_to_end(&mut bytes)?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    }
    let sealed = Sealed::from_bytes(&bytes).context("these are no sealed bytes: see sealed.proto for their form")?;
    let given = secrets(&arguments.keys)?;
    let keys = if given.is_empty() { development_keys(&arguments.target) } else { given };
    ensure!(!keys.is_empty(), "no key to open it with: name one with --key, or the devnet's --dir");
    let shown = Shown::of(&sealed, &keys);
    if arguments.json {
        print_json(&shown)?;
    }
    if !shown.is_open() {
        bail!("{}", shown.line());
    }
    if arguments.json { Ok(()) } else { print(&shown.line()) }
}
