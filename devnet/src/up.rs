//! `devnet up`: founds or resumes, starts the supervisor here or detached, and shows what is there as it comes.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::time::sleep;
use tonle_ledger::Genesis;
use tonle_proto::v1::GetAccountRequest;

use crate::amount;
use crate::client::{Client, timed};
use crate::control::{self, Reply, Request};
use crate::defaults::OPERATOR;
use crate::directory::{Description, Directory, tail};
use crate::founding::{Founded, found};
use crate::process::own_binary;
use crate::screen::{print, print_json, spinner, step};
use crate::supervisor::Supervisor;

/// How long the first block may take, or the first one after a restart.
const READY_PATIENCE: Duration = Duration::from_mins(2);
/// How long a detached supervisor may take to open its control socket.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// How long the lock may be held after the supervisor said that everything stopped.
const GONE_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at what comes up.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// The accounts that the screen shows.
const SHOWN: [(&str, &str); 2] = [("alice@aba", "KHR"), ("bob@wing", "USD")];

/// What `devnet up` was asked.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// How many validators; none for the default, or for as many as there are.
    pub validators: Option<usize>,
    /// Leave it running in the background.
    pub detach: bool,
    /// Return, or print, only when every validator finalized a block.
    pub wait: bool,
    /// Print the description as JSON.
    pub json: bool,
    /// Makes keys deterministic.
    pub seed: Option<String>,
    /// Without the relay.
    pub direct: bool,
    /// Heights of an epoch; none for the default, or for what the chain has.
    pub epoch_length: Option<u64>,
}

/// Runs `devnet up`.
///
/// # Errors
/// Why it could not start; what a validator's log says when one ended.
pub async fn up(directory: &Directory, options: &Options) -> Result<()> {
    let start = Instant::now();
    if directory.is_running() {
        // Says that one runs, and what to do.
        directory.lock()?;
    }
    let founded = found(directory, options.validators, options.seed.as_deref(), options.epoch_length)?;
    if options.detach {
        begin(directory, options.direct).await?;
        let shown = show(directory, &founded, options, start).await;
        return up_or_down(directory, shown).await;
    }
    let supervisor = Supervisor::start(directory, &founded.genesis, options.direct).await?;
    let running = supervisor.run();
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended,
        shown = show(directory, &founded, options, start) => {
            if let Err(error) = shown {
                let (stopped, ended) = tokio::join!(control::ask(directory, &Request::Down), &mut running);
                stopped?;
                ended?;
                return Err(error);
            }
        }
    }
    running.await
}

/// Starts a devnet in the background, and returns when every validator has finalized a block. It says nothing.
///
/// # Errors
/// Why it does not come up; it is stopped then.
pub async fn start(directory: &Directory, options: &Options) -> Result<()> {
    let founded = found(directory, options.validators, options.seed.as_deref(), options.epoch_length)?;
    begin(directory, options.direct).await?;
    let devnet = directory.read_state()?.devnet;
    let up = await_blocks(directory, &devnet, founded.resumed, |_| Ok(())).await;
    up_or_down(directory, up.map(drop)).await
}

/// What does not come up is not left half running.
async fn up_or_down(directory: &Directory, up: Result<()>) -> Result<()> {
    if up.is_err() {
        // The first error is the one to report.
        let _ = control::ask(directory, &Request::Down).await;
    }
    up
}

/// Stops a devnet that runs, and returns when it has.
///
/// # Errors
/// When none runs there, or it does not end.
pub async fn stop(directory: &Directory) -> Result<()> {
    control::ask(directory, &Request::Down).await?;
    let deadline = Instant::now() + GONE_PATIENCE;
    while directory.is_running() {
        if Instant::now() > deadline {
            let dir = directory.root().display();
            bail!("the supervisor of {dir} stopped its validators, but does not end");
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// Runs the supervisor of `devnet up --detach`, in the process that it starts.
///
/// # Errors
/// Why it could not start.
pub async fn supervise(directory: &Directory, direct: bool) -> Result<()> {
    let genesis = crate::genesis::read(&directory.genesis())?;
    Supervisor::start(directory, &genesis, direct).await?.run().await
}

/// Starts a supervisor in the background, and returns when it can be asked.
async fn begin(directory: &Directory, direct: bool) -> Result<()> {
    let mut supervisor = spawn_supervisor(directory, direct)?;
    await_supervisor(directory, &mut supervisor).await
}

fn spawn_supervisor(directory: &Directory, direct: bool) -> Result<Child> {
    let log = File::create(directory.supervisor_log()).context("cannot open the supervisor's log")?;
    let mut command = Command::new(own_binary()?);
    command.arg0("tonle").args(["devnet", "supervise", "--dir"]).arg(directory.root());
    if direct {
        command.arg("--direct");
    }
    // A group of its own: Ctrl-C at this terminal is not meant for it.
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().context("cannot start the supervisor")
}

async fn await_supervisor(directory: &Directory, supervisor: &mut Child) -> Result<()> {
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if control::ask(directory, &Request::Status).await.is_ok() {
            return Ok(());
        }
        if let Some(status) = supervisor.try_wait()? {
            bail!("the supervisor ended ({status}):\n{}", tail(&directory.supervisor_log(), 20));
        }
        if Instant::now() > deadline {
            // It must not come up later, when nobody waits for it.
            let _ = supervisor.kill();
            bail!("the supervisor did not start within {} s", START_PATIENCE.as_secs());
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Prints the screen, or the JSON.
async fn show(directory: &Directory, founded: &Founded, options: &Options, start: Instant) -> Result<()> {
    let devnet = directory.read_state()?.devnet;
    if options.json {
        if options.wait {
            await_blocks(directory, &devnet, founded.resumed, |_| Ok(())).await?;
        }
        return print_json(&devnet);
    }
    if options.detach && !options.wait {
        print(&step(&validators_line(&founded.genesis), start))?;
        return footer(directory, &devnet, &founded.genesis, options, &[]);
    }
    let first = await_blocks(directory, &devnet, founded.resumed, |height| {
        print(&step(&validators_line(&founded.genesis), start))?;
        match height {
            Some(height) => {
                print(&format!("  resumed at block {height}: the state in {} goes on", directory.root().display()))
            }
            None => Ok(()),
        }
    })
    .await?;
    let count = devnet.validators.len();
    print(&step(&format!("block {} finalized {count}/{count}", amount::separated(first)), start))?;
    let balances = balances(directory, &founded.genesis).await;
    footer(directory, &devnet, &founded.genesis, options, &balances)
}

fn validators_line(genesis: &Genesis) -> String {
    let names: Vec<&str> = genesis.validators.iter().map(|validator| validator.participant.as_str()).collect();
    let names = names.join(" ");
    let count = genesis.validators.len();
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} validator{plural} ({names}) + operator {OPERATOR}, real consensus, encrypted links")
}

/// Waits until every validator answers, then until each finalized a block: the first one, or a new one after a
/// restart. `answering` is told the height that a resumed chain has. Answers the height waited for.
async fn await_blocks(
    directory: &Directory,
    devnet: &Description,
    resumed: bool,
    answering: impl FnOnce(Option<u64>) -> Result<()>,
) -> Result<u64> {
    let client = Client::of_devnet(directory)?;
    let bar = spinner();
    let deadline = Instant::now() + READY_PATIENCE;
    let mut answering = Some(answering);
    let mut target = 1;
    loop {
        let statuses = futures::future::join_all(client.nodes().iter().map(|node| node.status())).await;
        let heights: Vec<u64> = statuses.iter().flatten().map(|status| status.latest_height).collect();
        let count = devnet.validators.len();
        if heights.len() == count
            && let Some(answering) = answering.take()
        {
            let highest = heights.iter().copied().max().unwrap_or(0);
            if resumed && highest > 0 {
                target = highest + 1;
            }
            bar.suspend(|| answering(resumed.then_some(highest).filter(|height| *height > 0)))?;
        }
        let there = heights.iter().filter(|height| **height >= target).count();
        if answering.is_none() && there == count {
            bar.finish_and_clear();
            return Ok(target);
        }
        bar.set_message(match &answering {
            Some(_) => format!("{} of {count} validators answer", heights.len()),
            None => format!("block {target}: {there} of {count} validators have it"),
        });
        check_alive(directory).await?;
        if Instant::now() > deadline {
            let why =
                statuses.iter().find_map(|status| status.as_ref().err()).map(|status| status.message().to_owned());
            bail!(
                "block {target} is not final on every validator after {} s ({there} of {count} have it; {})",
                READY_PATIENCE.as_secs(),
                why.unwrap_or_else(|| format!("all answer; logs: {}/nodes/*/node.log", directory.root().display()))
            );
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Fails with the log of a validator that ended.
async fn check_alive(directory: &Directory) -> Result<()> {
    let Reply::Status { validators, .. } = control::ask(directory, &Request::Status).await? else { return Ok(()) };
    match validators.iter().find(|validator| validator.state.starts_with("ended")) {
        None => Ok(()),
        Some(validator) => {
            let log = directory.log(&validator.name);
            bail!("{} {}; the end of {}:\n{}", validator.name, validator.state, log.display(), tail(&log, 15))
        }
    }
}

/// What the shown accounts have, as they stand; nothing of an account that is not there.
async fn balances(directory: &Directory, genesis: &Genesis) -> Vec<String> {
    let Ok(client) = Client::of_devnet(directory) else { return Vec::new() };
    let mut shown = Vec::new();
    for (account, code) in SHOWN {
        let request = GetAccountRequest { account: account.to_owned(), prove: false };
        let answer = client
            .ask(Duration::from_secs(5), |mut ledger, patience| {
                let request = timed(request.clone(), patience);
                async move { ledger.get_account(request).await }
            })
            .await;
        let exponent = genesis.assets.iter().find(|asset| asset.asset.as_str() == code).map(|asset| asset.exponent);
        if let (Ok(Some(found)), Some(exponent)) = (answer.map(|answer| answer.account), exponent) {
            let minor =
                found.balances.iter().find(|balance| balance.asset == code).map_or(0, |found| found.available_minor);
            shown.push(format!("{account} {} {code}", amount::format(minor, code, u32::from(exponent))));
        }
    }
    shown
}

fn footer(
    directory: &Directory,
    devnet: &Description,
    genesis: &Genesis,
    options: &Options,
    balances: &[String],
) -> Result<()> {
    let Some(first) = devnet.validators.first() else { return Ok(()) };
    print(&format!(
        "gRPC http://{}   metrics http://{}/metrics   merchants http://{}",
        first.grpc, first.metrics, first.merchant
    ))?;
    for line in replaced(devnet) {
        print(&line)?;
    }
    if !balances.is_empty() {
        print(&format!("accounts  {}   (development keys)", balances.join("   ")))?;
    }
    let dir = shown_dir(directory);
    let flag = if dir == ".devnet" { String::new() } else { format!(" --dir {dir}") };
    let end = if options.detach { format!("tonle devnet down{flag} stops") } else { "Ctrl-C stops".to_owned() };
    let payer = SHOWN.map(|(account, _)| account);
    if payer.iter().all(|account| genesis.accounts.iter().any(|entry| entry.id.as_str() == *account)) {
        let [from, to] = payer;
        print(&format!(
            "try: tonle pay {from} {to} 4000 KHR{flag}      {end}; state stays in {dir} (tonle devnet reset{flag})"
        ))?;
    }
    if let Some(line) = path_line() {
        print(&line)?;
    }
    Ok(())
}

/// Ports that are not the usual ones, because those were taken.
fn replaced(devnet: &Description) -> Vec<String> {
    let usual = (50_051u32..).zip(9_100u32..).zip(&devnet.validators);
    let lines = usual.filter(|((grpc, metrics), validator)| {
        validator.grpc != format!("127.0.0.1:{grpc}") || validator.metrics != format!("127.0.0.1:{metrics}")
    });
    let lines: Vec<String> = lines
        .map(|(_, validator)| format!("  {}: gRPC {}, metrics {}", validator.name, validator.grpc, validator.metrics))
        .collect();
    if lines.is_empty() {
        return lines;
    }
    std::iter::once("usual ports were taken; these are used instead:".to_owned()).chain(lines).collect()
}

/// The folder as a person would type it from here.
fn shown_dir(directory: &Directory) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let root = directory.root();
    root.strip_prefix(&here).unwrap_or(root).display().to_string()
}

/// The line that puts this program on the PATH; none when it is there.
fn path_line() -> Option<String> {
    let binary = std::env::current_exe().ok()?;
    let folder = binary.parent()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|entry| entry == folder) {
        return None;
    }
    Some(format!("to have `tonle` at hand:  export PATH=\"{}:$PATH\"", folder.display()))
}
