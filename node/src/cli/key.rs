//! `tonle key`: makes key files and shows what is in them, never the secret.

use std::path::{Path, PathBuf};

use serde_json::json;
use tonle_crypto::PublicKey;
use tonle_devnet::sealing::{identity_text, recipient_text};
use tonle_node::key_file::{self, KeyFile, Protection};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle key new validator.key                             asks for a passphrase, twice
  tonle key new network.key --passphrase-file passphrase  takes the file's first line
  tonle key show validator.key                            the public key, for the genesis file
  tonle key new wb-encryption.key                         opens what is sealed for a participant, and nothing else

A node has two keys: keys.validator signs votes and batches, keys.network authenticates connections.
The file is encrypted (Argon2id, ChaCha20-Poly1305) and readable by its owner alone; a node refuses another mode.
Lose the passphrase and the key is lost. The format is drawn in node/src/key_file.rs.";

/// Subcommands of `tonle key`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Make a key and write its file, mode 0600; an existing file is kept.
    New {
        /// The file to write.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take the passphrase from this file's first line; else from TONLE_PASSPHRASE, else a prompt.
        #[arg(long, value_name = "FILE", conflicts_with = "unencrypted")]
        passphrase_file: Option<PathBuf>,
        /// Do not encrypt: for development networks only.
        #[arg(long)]
        unencrypted: bool,
        /// Overwrite an existing file. The key in it is lost.
        #[arg(long)]
        force: bool,
        /// Print one JSON object: {"file","public","encryption","encrypted"}.
        #[arg(long)]
        json: bool,
    },
    /// Show the public key in a file; no passphrase is needed.
    Show {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Also open it, which proves passphrase and file.
        #[arg(long)]
        verify: bool,
        /// Take the passphrase from this file's first line; else from TONLE_PASSPHRASE, else a prompt.
        #[arg(long, value_name = "FILE", requires = "verify")]
        passphrase_file: Option<PathBuf>,
        /// Print one JSON object: {"file","public","encryption","encrypted"}.
        #[arg(long)]
        json: bool,
    },
    /// Print the key's secret as an identity of the age tool, which opens what is sealed for the key. Whoever reads it can.
    Identity {
        /// The key file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take the passphrase from this file's first line; else from TONLE_PASSPHRASE, else a prompt.
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::New { file, passphrase_file, unencrypted, force, json } => {
            let protection = if *unencrypted {
                Protection::None
            } else {
                Protection::Passphrase(key_file::new_passphrase(passphrase_file.as_deref())?)
            };
            let public = key_file::create(file, &protection, *force)?;
            report(file, &public, !unencrypted, *json)
        }
        Command::Show { file, verify, passphrase_file, json } => {
            let key = KeyFile::read(file)?;
            if *verify {
                let passphrase = || key_file::passphrase(passphrase_file.as_deref(), "passphrase: ");
                key_file::load(file, passphrase)?;
            }
            report(file, &key.public, key.is_encrypted(), *json)
        }
        Command::Identity { file, passphrase_file } => {
            let passphrase = || key_file::passphrase(passphrase_file.as_deref(), "passphrase: ");
            print(identity_text(&key_file::load(file, passphrase)?).as_str())
        }
    }
}

fn report(file: &Path, public: &PublicKey, encrypted: bool, json: bool) -> anyhow::Result<()> {
    let recipient = recipient_text(&public.encryption_key());
    if json {
        let public = public.to_string();
        return print_json(&json!({ "file": file, "public": public, "encryption": recipient, "encrypted": encrypted }));
    }
    let protection = if encrypted { "encrypted" } else { "NOT ENCRYPTED: development only" };
    print(&format!("public {public}\nencryption {recipient}\nfile   {} ({protection})", file.display()))
}
