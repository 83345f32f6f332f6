//! `tonle devnet join` and `leave`: a fifth bank comes to a chain that runs, or one goes, as banks would do it: the
//! operator admits the bank and lists its validator, and from an epoch's end on it votes.
//!
//! Must not know: how processes are started.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};
use tonle_crypto::SecretKey;
use tonle_ledger::Role;

use crate::client::Target;
use crate::control::{Request, ask};
use crate::directory::Directory;
use crate::keys;
use crate::membership::{self, Admission, Change, NewKeys, Signing};
use crate::screen::{print, spinner};

/// How long a change may take to be in force: two epochs of 3,600 blocks at one a second, and some.
const IN_FORCE_PATIENCE: Duration = Duration::from_hours(3);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Adds a bank with a validator. `wait`: until it votes.
///
/// # Errors
/// What the supervisor or the chain refuses.
pub async fn join(directory: &Directory, name: &str, wait: bool) -> Result<()> {
    let start = Instant::now();
    // Its key is here: the chain knows the bank, from genesis or from an earlier attempt.
    let known = directory.participant_key(name).exists();
    ask(directory, &Request::Join { name: name.to_owned() }).await?;
    let listed = list(directory, name, known).await;
    if listed.is_err() {
        ask(directory, &Request::Leave { name: name.to_owned() }).await?;
    }
    listed?;
    if wait {
        in_force(&signing(directory).target, name, true).await?;
        print(&format!("{name} validates, {:.1} s", start.elapsed().as_secs_f64()))?;
    }
    Ok(())
}

/// The operator admits the bank, unless it is known, and lists its validator.
async fn list(directory: &Directory, name: &str, known: bool) -> Result<()> {
    let key = |path| -> Result<SecretKey> { keys::load(path) };
    let folder = directory.node(name);
    let (bank, encryption, consensus, network) = (
        key(&directory.participant_key(name))?.public(),
        key(&directory.encryption_key(name))?.public(),
        key(&folder.join("validator.key"))?.public(),
        key(&folder.join("network.key"))?.public(),
    );
    let signing = signing(directory);
    if !known {
        let admission = Admission {
            participant: name.to_owned(),
            legal_name: format!("{name} Plc."),
            bic: String::new(),
            role: Role::Bank,
            keys: vec![bank],
            threshold: 1,
            encryption_key: encryption.encryption_key(),
        };
        membership::admit(&signing, None, &admission).await?;
    }
    let keys = Box::new(NewKeys { key: Some(consensus), network_key: Some(network) });
    membership::change(&signing, None, &Change::Set { participant: name.to_owned(), keys }).await
}

/// Removes a bank's validator, and stops it once it no longer votes.
///
/// # Errors
/// What the chain refuses, such as a change that would lose the quorum.
pub async fn leave(directory: &Directory, name: &str) -> Result<()> {
    let start = Instant::now();
    let signing = signing(directory);
    membership::change(&signing, None, &Change::Remove { participant: name.to_owned() }).await?;
    in_force(&signing.target, name, false).await?;
    ask(directory, &Request::Leave { name: name.to_owned() }).await?;
    print(&format!("{name} left, {:.1} s", start.elapsed().as_secs_f64()))
}

fn signing(directory: &Directory) -> Signing {
    Signing { key: None, json: false, target: Target { nodes: Vec::new(), dir: directory.root().to_owned() } }
}

/// Waits until `name` validates, or no longer does.
async fn in_force(target: &Target, name: &str, validates: bool) -> Result<()> {
    let bar = spinner();
    let deadline = Instant::now() + IN_FORCE_PATIENCE;
    loop {
        let standing = membership::standing(target).await.context("cannot see who validates")?;
        if standing.validators.iter().any(|validator| validator == name) == validates {
            bar.finish_and_clear();
            return Ok(());
        }
        bar.set_message(format!(
            "in force after block {} or an epoch later; the chain is at block {}",
            standing.epoch_last_height, standing.height
        ));
        if Instant::now() > deadline {
            bail!("decided, but not in force after {} h", IN_FORCE_PATIENCE.as_secs() / 3_600);
        }
        sleep(LOOK_AGAIN).await;
    }
}
