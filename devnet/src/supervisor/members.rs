//! Validators that come to a running devnet, and go: their keys, their folder, their process. The chain hears of it from
//! the commands.
//!
//! Must not know: who votes.

use anyhow::{Context, Result, bail, ensure};
use tonle_ledger::{Genesis, ParticipantId};

use super::{GRPC_PORT, MERCHANT_PORT, METRICS_PORT, Member, Supervisor, notice};
use crate::configuration::NodePorts;
use crate::control::Reply;
use crate::defaults::VALIDATORS_MAX;
use crate::directory::{Directory, create_private};
use crate::keys::{self, KeySource};
use crate::ports::Ports;
use crate::process;

impl Member {
    /// A validator that is not started, with ports of its own.
    pub(super) fn new(name: String, offset: u16, ports: &mut Ports) -> Result<Self> {
        let ports = NodePorts {
            listen: ports.choose(None)?,
            grpc: ports.choose(Some(GRPC_PORT + offset))?,
            metrics: ports.choose(Some(METRICS_PORT + offset))?,
            merchant: ports.choose(Some(MERCHANT_PORT + offset))?,
        };
        Ok(Member { name, ports, process: None, state: "starting".to_owned() })
    }
}

/// The validators of genesis, then those that joined: every further folder with a validator's key.
pub(super) fn names(directory: &Directory, genesis: &Genesis) -> Result<Vec<String>> {
    let mut names: Vec<String> = genesis.validators.iter().map(|validator| validator.participant.to_string()).collect();
    let nodes = directory.root().join("nodes");
    let mut joined = Vec::new();
    for entry in std::fs::read_dir(&nodes).with_context(|| format!("cannot read {}", nodes.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !names.contains(&name) && directory.node(&name).join("validator.key").exists() {
            joined.push(name);
        }
    }
    joined.sort();
    names.extend(joined);
    Ok(names)
}

impl Supervisor {
    /// A bank's first validator: made and started. It is let in once the chain lists it.
    pub(super) fn join(&mut self, name: &str) -> Result<Reply> {
        let id =
            ParticipantId::new(name).ok().with_context(|| format!("{name:?} is no name of a bank: a-z 0-9 _ . -"))?;
        ensure!(self.members.len() < VALIDATORS_MAX, "a devnet has at most {VALIDATORS_MAX} validators");
        if self.members.iter().any(|member| member.name == name) {
            bail!("{name} is here already: tonle devnet status");
        }
        let folder = self.directory.node(id.as_str());
        create_private(&folder)?;
        let source = KeySource::random()?;
        for (path, purpose) in [
            (self.directory.participant_key(name), "participant"),
            (self.directory.encryption_key(name), "encryption"),
            (folder.join("validator.key"), "validator"),
            (folder.join("network.key"), "network"),
        ] {
            if !path.exists() {
                keys::store(&path, &source.key(purpose, name))?;
            }
        }
        let offset = u16::try_from(self.members.len())?;
        self.members.push(Member::new(name.to_owned(), offset, &mut self.ports)?);
        let index = self.index(name)?;
        process::found(&self.binary, &self.configure(index, false)?)?;
        self.launch(index, false)?;
        self.write_state()?;
        notice(&format!("{name} started: it waits to be listed"));
        Ok(Reply::Done(format!("{name} started")))
    }

    /// A validator that the chain no longer lists: stopped, and its folder removed.
    pub(super) async fn leave(&mut self, name: &str) -> Result<Reply> {
        let index = self.index(name)?;
        if self.relay.as_ref().is_some_and(|relay| relay.serves(index)) {
            // A founder keeps its place in the relay and its folder: the genesis names it.
            let member = self.members.get_mut(index).context("no such validator")?;
            if let Some(mut process) = member.process.take() {
                process.stop().await?;
            }
            member.state = "left".to_owned();
        } else {
            let mut member = self.members.remove(index);
            if let Some(process) = &mut member.process {
                process.stop().await?;
            }
            let folder = self.directory.node(name);
            std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        self.write_state()?;
        notice(&format!("{name} left"));
        Ok(Reply::Done(format!("{name} left")))
    }
}
