//! The subcommands of `tonle devnet`: what they are called, what they take, and what they print.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;

use crate::client::Client;
use crate::control::{Reply, Request, ValidatorReport, ask};
use crate::directory::{Directory, ValidatorProcess, tail};
use crate::process::resident_mib;
use crate::screen::{print, print_json, spinner, table};
use crate::{bench, block_on, founding, joining, load, span, up};

/// How long a restarted validator may take to catch up.
const CATCH_UP_PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The folder of a devnet.
#[derive(Debug, Clone, clap::Args)]
pub struct Folder {
    /// The folder of the devnet
    #[arg(long, value_name = "FOLDER", default_value = ".devnet", env = "TONLE_DIR")]
    dir: PathBuf,
}

impl Folder {
    fn open(&self) -> Result<Directory> {
        Directory::new(&self.dir)
    }
}

const AFTER_HELP: &str = "\
Examples:
  tonle devnet up                                        four validators, until Ctrl-C
  tonle devnet up --validators 7 --detach --wait --json  in the background, for scripts
  tonle devnet kill wing; tonle devnet restart wing
  tonle devnet kill wing --wipe; tonle devnet restart wing
  tonle devnet join prince; tonle devnet leave wing      (epochs are short with: up --epoch-length 50)
  tonle devnet partition aba,acleda:canadia,wing --for 10s
  tonle devnet delay all 20ms
  tonle devnet load --rate 2000 --for 30s
  tonle devnet bench --quick
  tonle devnet down; tonle devnet reset

Every command takes --dir, the folder that the devnet lives in (default .devnet), and finds its nodes there.";

/// `tonle devnet …`
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Start a network of validators on this machine, or go on with the one in the folder
    Up(UpArguments),
    /// Kill one validator at once (SIGKILL)
    Kill {
        /// The validator
        name: String,
        /// Its disk goes as well: everything but keys and configuration
        #[arg(long)]
        wipe: bool,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Start a validator that is down (one that runs is stopped first), and wait until it has caught up
    Restart {
        /// The validator
        name: String,
        /// With an empty disk, begin with a snapshot instead of genesis (sync.mode = "snapshot")
        #[arg(long)]
        snapshot: bool,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Add a bank and its validator to the running chain: admitted and listed by the operator, voting from an epoch on
    Join {
        /// The bank, such as prince
        name: String,
        /// Return as soon as the chain has decided, and not only when it votes
        #[arg(long)]
        no_wait: bool,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Remove a validator from the chain, and stop it once it no longer votes
    Leave {
        /// The validator
        name: String,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Cut the links between groups of validators: aba,acleda:canadia,wing
    Partition {
        /// Names joined by commas, groups by colons; who is in no group reaches everyone
        groups: String,
        /// Heal by itself after this long, such as 10s
        #[arg(long = "for", value_name = "SPAN", value_parser = span::parse)]
        heal_after: Option<Duration>,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Delay what passes between two validators (aba:wing) or all of them (all), each way
    Delay {
        /// A:B, or all
        link: String,
        /// Such as 50ms; 0ms ends it
        #[arg(value_parser = span::parse)]
        delay: Duration,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// End every partition
    Heal {
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Show the validators: process, height, view, peers, memory
    Status {
        /// Print the description as JSON
        #[arg(long)]
        json: bool,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Send transfers at a fixed rate, and check afterwards that nothing was lost and all nodes agree
    Load(load::Arguments),
    /// Measure how fast networks of validators are on this machine, against what the machine could do at best
    Bench(bench::Arguments),
    /// Remove the devnet and its state
    Reset {
        /// Stop it first when it runs
        #[arg(long)]
        force: bool,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// Stop the devnet; its state stays
    Down {
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
    /// What `up --detach` leaves running
    #[command(hide = true)]
    Supervise {
        /// Without the relay
        #[arg(long)]
        direct: bool,
        /// Where it is
        #[command(flatten)]
        folder: Folder,
    },
}

/// Arguments of `tonle devnet up`.
#[derive(Debug, clap::Args)]
pub struct UpArguments {
    /// How many validators, 1 to 31; 4 unless the folder has a devnet
    #[arg(long, value_name = "N", value_parser = validators)]
    validators: Option<usize>,
    /// Leave it running in the background; `tonle devnet down` ends it
    #[arg(long)]
    detach: bool,
    /// Return only when every validator finalized a block
    #[arg(long)]
    wait: bool,
    /// Print where everything is as JSON
    #[arg(long)]
    json: bool,
    /// Make the keys follow from this text: for tests, since anyone who knows it has the keys
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Link the validators directly, without the relay that `partition` and `delay` need
    #[arg(long)]
    direct: bool,
    /// Heights of an epoch, 3,600 unless the folder has a devnet; few, to watch epochs end
    #[arg(long, value_name = "HEIGHTS", value_parser = clap::value_parser!(u64).range(2..))]
    epoch_length: Option<u64>,
    #[command(flatten)]
    folder: Folder,
}

fn validators(text: &str) -> Result<usize> {
    let count: usize = text.parse()?;
    if !(1..=crate::defaults::VALIDATORS_MAX).contains(&count) {
        bail!("a devnet has 1 to {} validators", crate::defaults::VALIDATORS_MAX);
    }
    Ok(count)
}

/// Runs a subcommand of `tonle devnet`; `store` measures the node's store, which this library does not
/// know. On the main thread: validators that it starts live as long as that thread.
///
/// # Errors
/// Why it could not do what was asked, or that the answer is no.
pub fn run(command: Command, store: bench::Store) -> Result<()> {
    block_on(dispatch(command, store))
}

async fn dispatch(command: Command, store: bench::Store) -> Result<()> {
    match command {
        Command::Up(UpArguments { validators, detach, wait, json, seed, direct, epoch_length, folder }) => {
            let options = up::Options { validators, detach, wait, json, seed, direct, epoch_length };
            up::up(&folder.open()?, &options).await
        }
        Command::Supervise { direct, folder } => up::supervise(&folder.open()?, direct).await,
        Command::Kill { name, wipe, folder } => report(&folder.open()?, &Request::Kill { name, wipe }).await,
        Command::Restart { name, snapshot, folder } => restart(&folder.open()?, &name, snapshot).await,
        Command::Join { name, no_wait, folder } => joining::join(&folder.open()?, &name, !no_wait).await,
        Command::Leave { name, folder } => joining::leave(&folder.open()?, &name).await,
        Command::Partition { groups, heal_after, folder } => {
            let heal_after_ms = heal_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
            report(&folder.open()?, &Request::Partition { groups: parse_groups(&groups)?, heal_after_ms }).await
        }
        Command::Heal { folder } => {
            report(&folder.open()?, &Request::Partition { groups: Vec::new(), heal_after_ms: None }).await
        }
        Command::Delay { link, delay, folder } => {
            let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            report(&folder.open()?, &Request::Delay { pair: parse_link(&link)?, delay_ms }).await
        }
        Command::Status { json, folder } => status(&folder.open()?, json).await,
        Command::Load(arguments) => load::run(&arguments).await,
        Command::Bench(arguments) => bench::run(&arguments, store).await,
        Command::Reset { force, folder } => {
            let directory = folder.open()?;
            if force && directory.is_running() {
                down(&directory).await?;
            }
            founding::remove(&directory)?;
            print(&format!("removed {}", directory.root().display()))
        }
        Command::Down { folder } => down(&folder.open()?).await,
    }
}

/// Asks the supervisor, and prints what it did.
async fn report(directory: &Directory, request: &Request) -> Result<()> {
    match ask(directory, request).await? {
        Reply::Done(text) => print(&text),
        Reply::Status { .. } | Reply::Failed(_) => bail!("the supervisor answered something else"),
    }
}

fn parse_groups(text: &str) -> Result<Vec<Vec<String>>> {
    let group = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let groups: Vec<Vec<String>> = text.split(':').map(group).collect();
    if groups.len() < 2 || groups.iter().flatten().any(String::is_empty) {
        bail!("{text:?}: write two groups or more, such as aba,acleda:canadia,wing");
    }
    Ok(groups)
}

fn parse_link(text: &str) -> Result<Option<(String, String)>> {
    if text == "all" {
        return Ok(None);
    }
    match text.split_once(':') {
        Some((a, b)) if !a.is_empty() && !b.is_empty() && !b.contains(':') => Ok(Some((a.to_owned(), b.to_owned()))),
        _ => bail!("{text:?}: write A:B, such as aba:wing, or all"),
    }
}

async fn down(directory: &Directory) -> Result<()> {
    let dir = directory.root().display();
    if !directory.is_running() {
        return print(&format!("no devnet runs in {dir}"));
    }
    up::stop(directory).await?;
    print(&format!("stopped; state stays in {dir}"))
}

async fn restart(directory: &Directory, name: &str, snapshot: bool) -> Result<()> {
    let start = Instant::now();
    ask(directory, &Request::Restart { name: name.to_owned(), snapshot }).await?;
    let bar = spinner();
    let deadline = start + CATCH_UP_PATIENCE;
    let mut target = None;
    loop {
        // The ports may be others than before.
        let client = Client::of_devnet(directory)?;
        let statuses = futures::future::join_all(client.nodes().iter().map(|node| node.status())).await;
        let heights: Vec<(Option<&str>, u64)> = client
            .nodes()
            .iter()
            .zip(&statuses)
            .filter_map(|(node, status)| Some((node.name.as_deref(), status.as_ref().ok()?.latest_height)))
            .collect();
        let others = heights.iter().filter(|(node, _)| *node != Some(name)).map(|(_, height)| *height).max();
        let own = heights.iter().find(|(node, _)| *node == Some(name)).map(|(_, height)| *height);
        if target.is_none() {
            target = others;
        }
        bar.set_message(match (own, target) {
            (None, _) => format!("{name} is starting"),
            (Some(own), Some(target)) => format!("{name} is at block {own} of {target}"),
            (Some(own), None) => format!("{name} is at block {own}"),
        });
        if let Some(own) = own
            && own >= target.unwrap_or(0)
        {
            bar.finish_and_clear();
            return print(&format!(
                "{name} restarted: caught up at block {own}, {:.1} s",
                start.elapsed().as_secs_f64()
            ));
        }
        check_running(directory, name).await?;
        if Instant::now() > deadline {
            bail!("{name} runs, but has not caught up after {} s", CATCH_UP_PATIENCE.as_secs());
        }
        sleep(LOOK_AGAIN).await;
    }
}

async fn check_running(directory: &Directory, name: &str) -> Result<()> {
    let (validators, _) = ask_status(directory).await?;
    match validators.into_iter().find(|validator| validator.name == name) {
        Some(ValidatorReport { pid: None, state, .. }) => {
            let log = directory.log(name);
            bail!("{name} {state}; the end of {}:\n{}", log.display(), tail(&log, 15))
        }
        _ => Ok(()),
    }
}

async fn ask_status(directory: &Directory) -> Result<(Vec<ValidatorReport>, Vec<String>)> {
    match ask(directory, &Request::Status).await? {
        Reply::Status { validators, links } => Ok((validators, links)),
        Reply::Done(_) | Reply::Failed(_) => bail!("the supervisor answered something else"),
    }
}

async fn status(directory: &Directory, json: bool) -> Result<()> {
    let state = directory.read_state()?;
    if json {
        return print_json(&state.devnet);
    }
    let (validators, links) = ask_status(directory).await?;
    let rows = state.devnet.validators.iter().map(|process| status_row(process, &validators));
    let rows: Vec<Vec<String>> = futures::future::join_all(rows).await.into_iter().collect::<Result<_>>()?;
    print(&table(&["name", "pid", "state", "height", "view", "peers", "RSS", "gRPC", "metrics"], &rows))?;
    for link in links {
        print(&format!("link {link}"))?;
    }
    Ok(())
}

async fn status_row(process: &ValidatorProcess, reports: &[ValidatorReport]) -> Result<Vec<String>> {
    let report =
        reports.iter().find(|report| report.name == process.name).context("the supervisor forgot a validator")?;
    let node = crate::client::Node::new(Some(process.name.clone()), &process.grpc)?;
    let answer = match report.pid {
        Some(_) => node.status().await.ok(),
        None => None,
    };
    let none = || "-".to_owned();
    let [height, view, peers] = answer.map_or_else(
        || [none(), none(), none()],
        |status| {
            let connected = status.validators.iter().filter(|validator| validator.connected).count();
            // The node itself counts as connected.
            let peers = format!("{}/{}", connected.saturating_sub(1), status.validators.len().saturating_sub(1));
            [status.latest_height.to_string(), status.view.to_string(), peers]
        },
    );
    let memory = report.pid.and_then(resident_mib).map_or_else(none, |mib| format!("{mib} MiB"));
    let pid = report.pid.map_or_else(none, |pid| pid.to_string());
    let ports = [process.grpc.clone(), process.metrics.clone()];
    Ok([process.name.clone(), pid, report.state.clone(), height, view, peers, memory]
        .into_iter()
        .chain(ports)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{parse_groups, parse_link};

    #[test]
    fn groups_are_joined_by_commas_and_parted_by_colons() {
        assert_eq!(parse_groups("aba,acleda:canadia,wing").unwrap(), [["aba", "acleda"], ["canadia", "wing"]]);
        assert_eq!(parse_groups("a:b:c").unwrap().len(), 3);
        for text in ["", "aba", "aba,acleda", "aba:", ":aba", "aba,:wing", ":"] {
            assert!(parse_groups(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_is_two_names_or_all() {
        assert_eq!(parse_link("all").unwrap(), None);
        assert_eq!(parse_link("aba:wing").unwrap(), Some(("aba".to_owned(), "wing".to_owned())));
        for text in ["", "aba", "aba:", ":wing", "a:b:c"] {
            assert!(parse_link(text).is_err(), "{text}");
        }
    }
}
