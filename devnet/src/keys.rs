//! Development keys: unencrypted key files (`kdf none` of `tonle key`'s format), mode 0600.
//! Must not read encrypted ones: those belong to the node, which asks for the passphrase.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tonle_crypto::{Domain, SecretKey};

static DEVELOPMENT_KEY: Domain = Domain::new("tonle v1 devnet key");

/// Where a devnet's keys come from.
#[derive(Debug, Clone)]
pub struct KeySource([u8; 32]);

impl KeySource {
    /// Keys that follow from `seed`: anyone who knows it has them all.
    #[must_use]
    pub fn seeded(seed: &str) -> Self {
        KeySource(*DEVELOPMENT_KEY.digest_parts(&[b"seed", seed.as_bytes()]).as_bytes())
    }

    /// Keys from the system's random source.
    ///
    /// # Errors
    /// When the system has none.
    pub fn random() -> Result<Self> {
        let mut seed = [0u8; 32];
        let mut file = std::fs::File::open("/dev/urandom").context("no random source")?;
        std::io::Read::read_exact(&mut file, &mut seed)?;
        Ok(KeySource(seed))
    }

    /// Keys that follow from another secret key: whoever has that one has them all.
    #[must_use]
    pub fn below(key: &SecretKey) -> Self {
        KeySource(*DEVELOPMENT_KEY.digest_parts(&[b"below", key.seed().as_slice()]).as_bytes())
    }

    /// The key that `owner` uses for `purpose`.
    #[must_use]
    pub fn key(&self, purpose: &str, owner: &str) -> SecretKey {
        let text = format!("{purpose}/{owner}");
        SecretKey::from_seed(DEVELOPMENT_KEY.digest_parts(&[&self.0, text.as_bytes()]).as_bytes())
    }
}

/// Writes `key` unencrypted at `path`, mode 0600; an existing file is kept when it holds the same key.
///
/// # Errors
/// When the file cannot be written, or holds another key.
pub fn store(path: &Path, key: &SecretKey) -> Result<()> {
    if path.exists() {
        if load(path)?.public() == key.public() {
            return Ok(());
        }
        bail!("{} holds another key", path.display());
    }
    let text = format!(
        "tonle key 1\npublic {}\nkdf none\ncipher none\nsecret {}\n",
        key.public(),
        hex::encode(key.seed().as_slice())
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(file.sync_all()?)
}

/// Reads an unencrypted key file.
///
/// # Errors
/// When there is none, when it is encrypted, or when its secret does not belong to its public key.
pub fn load(path: &Path) -> Result<SecretKey> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines: Vec<&str> = text.lines().collect();
    let ["tonle key 1", public, kdf, _, secret] = lines.as_slice() else {
        bail!("{} is no key file of version 1", path.display());
    };
    if *kdf != "kdf none" {
        bail!("{} is encrypted: name it with --key, which asks for its passphrase", path.display());
    }
    let seed: Option<[u8; 32]> =
        secret.strip_prefix("secret ").and_then(|digits| hex::decode(digits).ok()?.try_into().ok());
    let key = SecretKey::from_seed(&seed.with_context(|| format!("{}: its secret is damaged", path.display()))?);
    if public.strip_prefix("public ") != Some(key.public().to_string().as_str()) {
        bail!("{}: its secret does not belong to its public key", path.display());
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::{KeySource, load, store};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_same_seed_gives_the_same_keys_and_no_two_owners_share_one() {
        let source = KeySource::seeded("1");
        assert_eq!(source.key("validator", "aba").public(), KeySource::seeded("1").key("validator", "aba").public());
        let others = [
            source.key("network", "aba"),
            source.key("validator", "wing"),
            KeySource::seeded("2").key("validator", "aba"),
        ];
        assert!(others.iter().all(|other| other.public() != source.key("validator", "aba").public()));
    }

    #[test]
    fn a_key_file_is_readable_by_its_owner_alone_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("aba.key");
        let key = KeySource::random().unwrap().key("participant", "aba");
        store(&path, &key).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(&path).unwrap().public(), key.public());
        store(&path, &key).unwrap();
        assert!(store(&path, &KeySource::seeded("x").key("participant", "aba")).is_err());
    }

    #[test]
    fn a_damaged_or_encrypted_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        store(&path, &KeySource::seeded("1").key("participant", "a")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        for (from, to) in
            [("kdf none", "kdf argon2id m=1"), ("secret ", "secret 00"), ("public ", "public 00"), ("key 1", "key 2")]
        {
            std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert!(load(&path).is_err(), "{from}");
        }
    }
}
