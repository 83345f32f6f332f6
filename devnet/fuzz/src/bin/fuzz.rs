//! Runs targets without libFuzzer: their corpora, then seeded mutations of them, for a stated time each. It follows no
//! coverage; what it has instead is that it runs on any stable toolchain, and the same seed does the same.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use tonle_fuzz::{Dice, TARGETS, Target, mutate, target};

/// Executions between two looks at the clock.
const STRIDE: u64 = 64;

#[derive(Debug, Parser)]
#[command(name = "fuzz", about = "Runs the fuzz targets over their corpora and seeded mutations of them")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// The folder of corpora
    #[arg(long, global = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/corpora"))]
    corpora: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every target, or one, for so many seconds each
    Run {
        /// Only this target
        #[arg(long)]
        target: Option<String>,
        /// Seconds for each target
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Where chance begins
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where an input that fails is written
        #[arg(long, default_value = "fuzz-findings")]
        findings: PathBuf,
    },
    /// One input of a target, such as a finding
    Replay {
        /// The target
        target: String,
        /// The file
        file: PathBuf,
    },
    /// Writes the corpora anew from the product's own constructors
    Seeds,
    /// Names the targets
    List,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::List => TARGETS.iter().for_each(|target| println!("{:<18} {}", target.name, target.holds)),
        Command::Seeds => write_seeds(&arguments.corpora)?,
        Command::Replay { target: name, file } => {
            let input = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            (find(&name)?.run)(&input);
            println!("{name} holds for {}", file.display());
        }
        Command::Run { target: name, seconds, seed, findings } => {
            let chosen = name.map(|name| find(&name)).transpose()?;
            let mut found = 0;
            for target in chosen.map_or(TARGETS, std::slice::from_ref) {
                found += run(target, &arguments.corpora, Duration::from_secs(seconds), seed, &findings)?;
            }
            println!("{found} findings");
            return Ok(if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn find(name: &str) -> Result<&'static Target> {
    target(name).with_context(|| format!("no target {name}; `fuzz list` names them"))
}

fn write_seeds(corpora: &Path) -> Result<()> {
    for target in TARGETS {
        let folder = corpora.join(target.name);
        std::fs::create_dir_all(&folder)?;
        for (name, bytes) in (target.seeds)() {
            std::fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}

/// Runs one target. Gives how many inputs failed: it ends with the first.
fn run(target: &Target, corpora: &Path, span: Duration, seed: u64, findings: &Path) -> Result<usize> {
    let folder = corpora.join(target.name);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("no corpus {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let corpus: Vec<Vec<u8>> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    if corpus.is_empty() {
        bail!("{} is empty", folder.display());
    }
    let (mut dice, mut executions, began) = (Dice::new(seed), 0u64, Instant::now());
    let mut failed = None;
    while failed.is_none() && (executions % STRIDE != 0 || executions == 0 || began.elapsed() < span) {
        let at = usize::try_from(executions).unwrap_or(usize::MAX);
        let input = match corpus.get(at) {
            Some(seed) => seed.clone(),
            None => mutate(&corpus[dice.below(corpus.len())], &corpus[dice.below(corpus.len())], &mut dice),
        };
        executions += 1;
        failed = std::panic::catch_unwind(|| (target.run)(&input)).is_err().then_some(input);
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "{:<18} {executions:>10} executions, {:>9.0} a second, {} findings",
        target.name,
        executions as f64 / took,
        usize::from(failed.is_some())
    );
    let Some(input) = failed else { return Ok(0) };
    std::fs::create_dir_all(findings)?;
    let path = findings.join(format!("{}-seed{seed}-{executions}", target.name));
    std::fs::write(&path, input)?;
    println!("{}: again with `fuzz replay {} {}`", target.name, target.name, path.display());
    Ok(1)
}
