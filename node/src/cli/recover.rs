//! `tonle recover`: from one surviving database, the genesis of a chain that follows one which cannot go on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tonle_devnet::genesis;
use tonle_node::data_directory::DataDirectory;
use tonle_node::recovery::Chain;
use tonle_node::storage::Database;
use tonle_node::succession::succeed;

use super::configuration::Configuration;

const REFUSED: &str = "\
refused. This command is for one case only: so many validators have lost their disks for good that the others are no quorum, and \
the chain cannot go on. As long as a quorum has its disks, the others come back by themselves: start them, and wait.
What it does: it reads this node's database and writes the genesis of a NEW chain with the same participants, assets, balances and \
validators as after this node's last final block. The old chain ends there. Payments that became final only on lost disks are \
gone, and so are payments under way; transactions that clients signed for the old chain are not valid on the new one, and instruction \
references start anew.
Nothing decides for the banks: compare the outcome with every bank that has a database or a backup, take the highest height, and agree \
outside of this system. Read docs/operations/recovery.md, then give --i-understand-that-this-ends-the-chain";

/// Arguments of `tonle recover`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
    /// When the new chain begins, in milliseconds since the Unix epoch. All banks give the same.
    #[arg(long, value_name = "MS")]
    created_ms: u64,
    /// Where the new genesis goes; must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Where the proof of the old chain's last final header goes; must not exist.
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// The old chain cannot go on, and its banks have agreed to end it here.
    #[arg(long)]
    i_understand_that_this_ends_the_chain: bool,
}

/// Writes both files.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(arguments.i_understand_that_this_ends_the_chain, "{REFUSED}");
    let config = arguments.configuration.load()?;
    let chain = Chain::new(genesis::read(&config.genesis)?);
    ensure!(Database::exists(&config.data_dir), "{} holds no database", config.data_dir.display());
    let directory = DataDirectory::open(&config.data_dir)?;
    let cache_bytes = usize::try_from(config.limits.cache_mib)?.saturating_mul(1 << 20);
    // Opening checks the whole state against its root, and the supply of every asset against all balances.
    let opened =
        Database::open(directory.path(), &chain.genesis, cache_bytes, |checkpoint| chain.genesis_block(checkpoint))?;
    let (successor, word) = succeed(&chain, &opened, arguments.created_ms)?;
    write_new(&arguments.out, &genesis::to_json(&successor)?)?;
    write_new(&arguments.proof, &serde_json::to_string_pretty(&word)?)?;
    super::print(&format!(
        "height {} of chain {}, state root {}\nnew chain {}\ncompare both with every other bank before anybody starts it",
        word.height, word.old_chain, word.state_root, word.new_chain
    ))
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
}
