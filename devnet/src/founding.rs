//! Makes the folder of a new devnet, all or nothing, or recognises the one that is there; and takes it away.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use tonle_ledger::{Genesis, Role};

use crate::defaults::{self, DevelopmentKeys, freezing_key};
use crate::directory::{Directory, create_private, write_whole};
use crate::genesis;
use crate::keys::{self, KeySource};

/// Validators of a devnet when none are asked for.
const VALIDATORS: usize = 4;

/// A devnet's folder, ready to start.
#[derive(Debug)]
pub struct Founded {
    /// Its chain.
    pub genesis: Genesis,
    /// It was there before: the chain goes on.
    pub resumed: bool,
}

/// Milliseconds since the Unix epoch.
#[must_use]
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Founds a devnet in `directory`, or resumes the one there if it is what is asked for.
///
/// # Errors
/// When the folder holds something else, or a devnet of another size, seed or length of epochs.
pub fn found(
    directory: &Directory,
    validators: Option<usize>,
    seed: Option<&str>,
    epoch_length: Option<u64>,
) -> Result<Founded> {
    let source = match seed {
        Some(seed) => KeySource::seeded(seed),
        None => KeySource::random()?,
    };
    if directory.exists() {
        let founded = resume(directory, validators, seed.map(|_| &source))?;
        let there = founded.genesis.epoch_length;
        let dir = directory.root().display();
        ensure!(
            epoch_length.is_none_or(|asked| asked == there),
            "the devnet in {dir} has epochs of {there} heights: `tonle devnet reset --dir {dir}` begins anew"
        );
        return Ok(founded);
    }
    let mut genesis = defaults::genesis(validators.unwrap_or(VALIDATORS), &source, now_ms())?;
    genesis.epoch_length = epoch_length.unwrap_or(genesis.epoch_length);
    let root = directory.root();
    if let Some(parent) = root.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    let name = root.file_name().context("--dir names no folder")?.to_string_lossy();
    let beside = Directory::new(&root.with_file_name(format!(".{name}.new-{}", std::process::id())))?;
    let written = write(&beside, &genesis, &DevelopmentKeys::new(source))
        .and_then(|()| std::fs::rename(beside.root(), root).with_context(|| occupied(root)));
    if written.is_err() {
        // What was begun beside is of no use; the first error is the one to report.
        let _ = std::fs::remove_dir_all(beside.root());
    }
    written?;
    Ok(Founded { genesis, resumed: false })
}

fn occupied(root: &Path) -> String {
    format!("{} is no devnet and not empty: name another folder with --dir", root.display())
}

fn resume(directory: &Directory, validators: Option<usize>, source: Option<&KeySource>) -> Result<Founded> {
    let genesis = genesis::read(&directory.genesis())?;
    let dir = directory.root().display();
    let there = genesis.validators.len();
    if let Some(asked) = validators.filter(|asked| *asked != there) {
        bail!("the devnet in {dir} has {there} validators, not {asked}: `tonle devnet reset --dir {dir}` begins anew");
    }
    if let (Some(source), Some(first)) = (source, genesis.validators.first()) {
        let key = DevelopmentKeys::new(source.clone()).validator(first.participant.as_str());
        let same = key.public() == first.key;
        ensure!(
            same,
            "the devnet in {dir} has other keys than this seed's: `tonle devnet reset --dir {dir}` begins anew"
        );
    }
    Ok(Founded { genesis, resumed: true })
}

fn write(directory: &Directory, genesis: &Genesis, keys: &DevelopmentKeys) -> Result<()> {
    directory.create()?;
    for participant in &genesis.participants {
        let id = participant.id.as_str();
        keys::store(&directory.participant_key(id), &keys.participant(id))?;
        keys::store(&directory.encryption_key(id), &keys.encryption(id))?;
        if participant.role == Role::Operator {
            let owner = freezing_key(id);
            keys::store(&directory.participant_key(&owner), &keys.participant(&owner))?;
        }
    }
    for validator in &genesis.validators {
        let name = validator.participant.as_str();
        let folder = directory.node(name);
        create_private(&folder)?;
        keys::store(&folder.join("validator.key"), &keys.validator(name))?;
        keys::store(&folder.join("network.key"), &keys.network(name))?;
    }
    write_whole(&directory.genesis(), genesis::to_json(genesis)?.as_bytes())
}

/// Takes the folder away. Only one that holds a devnet, and none that runs.
///
/// # Errors
/// When it runs, is no devnet, or cannot be removed.
pub fn remove(directory: &Directory) -> Result<()> {
    let dir = directory.root().display();
    ensure!(directory.exists(), "there is no devnet in {dir}");
    let lock = directory.lock().with_context(|| format!("the devnet in {dir} is running: --force stops it first"))?;
    std::fs::remove_dir_all(directory.root()).with_context(|| format!("cannot remove {dir}"))?;
    drop(lock);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{found, remove};
    use crate::directory::Directory;

    #[test]
    fn a_devnet_is_founded_once_and_resumed_after() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("a/net")).unwrap();
        let first = found(&directory, Some(5), Some("s"), None).unwrap();
        assert!(!first.resumed);
        let again = found(&directory, None, None, None).unwrap();
        assert!(again.resumed);
        assert_eq!(again.genesis.digest(), first.genesis.digest());
        assert!(found(&directory, Some(5), Some("s"), None).unwrap().resumed);
        assert!(found(&directory, None, None, Some(3_600)).unwrap().resumed);
        let other = found(&directory, None, None, Some(10)).unwrap_err();
        assert!(other.to_string().contains("epochs of 3600 heights"), "{other}");
        assert!(found(&directory, Some(4), None, None).unwrap_err().to_string().contains("has 5 validators"));
        assert!(found(&directory, None, Some("t"), None).unwrap_err().to_string().contains("other keys"));
    }

    #[test]
    fn the_same_seed_gives_the_same_validators() {
        let temporary = tempfile::tempdir().unwrap();
        let keys = |name: &str| {
            let directory = Directory::new(&temporary.path().join(name)).unwrap();
            found(&directory, None, Some("s"), None).unwrap().genesis.validators
        };
        assert_eq!(keys("a"), keys("b"));
    }

    #[test]
    fn a_folder_with_other_things_is_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::write(temporary.path().join("thesis.txt"), "x").unwrap();
        let directory = Directory::new(temporary.path()).unwrap();
        assert!(format!("{:#}", found(&directory, None, None, None).unwrap_err()).contains("not empty"));
        assert!(remove(&directory).is_err());
        assert!(temporary.path().join("thesis.txt").exists());
    }

    #[test]
    fn a_running_devnet_is_not_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        found(&directory, None, None, None).unwrap();
        let lock = directory.lock().unwrap();
        assert!(remove(&directory).is_err());
        drop(lock);
        remove(&directory).unwrap();
        assert!(!directory.root().exists());
    }
}
