//! A network of validators for one scenario: founded, started, and stopped again.
//!
//! Must not know: what is measured on it.

use std::path::Path;

use anyhow::Result;
use indicatif::MultiProgress;

use crate::client::Client;
use crate::control::{Request, ask};
use crate::directory::{Directory, ValidatorProcess};
use crate::load::{self, Accounts};
use crate::up::{Options, start, stop};

/// A running network. It is to be stopped; [`stop_all`] stops what was left.
pub(super) struct Network {
    pub(super) directory: Directory,
    pub(super) validators: usize,
    /// Who pays whom on it.
    pub(super) accounts: Accounts,
    /// Where its bars are drawn.
    pub(super) screen: MultiProgress,
}

impl Network {
    /// Founds and starts one of `validators` below `folder`, and opens its accounts; without the relay unless links are
    /// to be disturbed.
    pub(super) async fn start(
        folder: &Path,
        name: &str,
        validators: usize,
        relay: bool,
        accounts: Accounts,
        screen: &MultiProgress,
    ) -> Result<Self> {
        let directory = Directory::new(&folder.join(name))?;
        let options = Options { validators: Some(validators), direct: !relay, ..Options::default() };
        start(&directory, &options).await?;
        let network = Network { directory, validators, accounts, screen: screen.clone() };
        load::prepare(&network.directory, &network.client()?, &accounts, screen).await?;
        Ok(network)
    }

    /// Clients of all its nodes.
    pub(super) fn client(&self) -> Result<Client> {
        Client::of_devnet(&self.directory)
    }

    /// Asks the supervisor for a disturbance.
    pub(super) async fn disturb(&self, request: &Request) -> Result<()> {
        ask(&self.directory, request).await.map(drop)
    }

    /// The processes of the validators that run.
    pub(super) fn processes(&self) -> Vec<u32> {
        self.described().into_iter().filter_map(|validator| validator.pid).collect()
    }

    /// The validators' names.
    pub(super) fn names(&self) -> Vec<String> {
        self.described().into_iter().map(|validator| validator.name).collect()
    }

    /// The validators as they stand.
    pub(super) fn described(&self) -> Vec<ValidatorProcess> {
        self.directory.read_state().map(|state| state.devnet.validators).unwrap_or_default()
    }

    /// Stops it, and takes its folder away.
    pub(super) async fn stop(self) -> Result<()> {
        stop(&self.directory).await?;
        crate::founding::remove(&self.directory)
    }
}

/// Stops every network below `folder` that still runs: after an error, or when the user has had enough.
pub(super) async fn stop_all(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if let Ok(directory) = Directory::new(&entry.path())
            && directory.exists()
            && directory.is_running()
        {
            // The error that led here is the one to report.
            let _ = stop(&directory).await;
        }
    }
}
