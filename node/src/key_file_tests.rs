//! Key files as an operator, a thief and a careless editor meet them.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tonle_crypto::{SecretKey, Strict, Verifier};
use zeroize::Zeroizing;

use super::{KeyFile, KeyFileError, Protection, create, load};

fn passphrase(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

fn encrypted(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("validator.key");
    create(&path, &Protection::Passphrase(passphrase("tonle sap")), false).unwrap();
    path
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// Written by a program on another implementation (Python's `cryptography`): seed 32 times 0x07.
const GOLDEN: &str = include_str!("key_file_golden.txt");

#[test]
fn opens_a_file_written_by_version_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("golden.key");
    write(&path, GOLDEN);
    let secret = load(&path, || Ok(passphrase("correct horse"))).unwrap();
    assert_eq!(*secret.seed(), [7u8; 32]);
}

#[test]
fn opens_what_it_wrote_and_signs() {
    let folder = tempfile::tempdir().unwrap();
    let path = encrypted(folder.path());
    let secret = load(&path, || Ok(passphrase("tonle sap"))).unwrap();
    let file = KeyFile::read(&path).unwrap();
    assert!(file.is_encrypted());
    assert_eq!(file.public, secret.public());
    Strict.verify(&file.public, b"message", &secret.sign(b"message")).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&hex::encode(secret.seed().as_slice())), "the seed stands in the file");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside the file");
}

#[test]
fn two_files_of_one_passphrase_share_neither_salt_nor_nonce_nor_key() {
    let folder = tempfile::tempdir().unwrap();
    let texts = ["a", "b"].map(|name| {
        let path = folder.path().join(name);
        create(&path, &Protection::Passphrase(passphrase("same")), false).unwrap();
        std::fs::read_to_string(path).unwrap()
    });
    let [left, right] = texts.map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    for line in 1..5 {
        assert_ne!(left[line], right[line]);
    }
}

#[test]
fn refuses_a_wrong_passphrase() {
    let folder = tempfile::tempdir().unwrap();
    let path = encrypted(folder.path());
    for wrong in ["", "tonle", "tonle sap ", "Tonle sap"] {
        let error = load(&path, || Ok(passphrase(wrong))).unwrap_err();
        assert!(matches!(error, KeyFileError::Passphrase(_)), "{error}");
    }
}

#[test]
fn asks_for_no_passphrase_when_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("development.key");
    let public = create(&path, &Protection::None, false).unwrap();
    let secret = load(&path, || panic!("asked for a passphrase")).unwrap();
    assert_eq!(secret.public(), public);
}

#[test]
fn keeps_an_existing_file_unless_told_to_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    let first = create(&path, &Protection::None, false).unwrap();
    assert!(matches!(create(&path, &Protection::None, false), Err(KeyFileError::Exists(_))));
    // The race that `exists` cannot see: the link itself refuses.
    assert!(matches!(super::write(&path, b"other", false), Err(KeyFileError::Exists(_))));
    assert_eq!(KeyFile::read(&path).unwrap().public, first);
    let second = create(&path, &Protection::None, true).unwrap();
    assert_ne!(first, second);
    assert_eq!(KeyFile::read(&path).unwrap().public, second);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn refuses_a_file_that_others_can_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    create(&path, &Protection::None, false).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o644, 0o610] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(KeyFile::read(&path), Err(KeyFileError::Permissions { .. })), "{mode:o}");
        assert!(matches!(super::passphrase(Some(&path), ""), Err(KeyFileError::Permissions { .. })), "{mode:o}");
    }
}

#[test]
fn refuses_every_file_with_one_byte_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    create(&path, &Protection::None, false).unwrap();
    let text = std::fs::read(&path).unwrap();
    for index in 0..text.len() {
        let mut changed = text.clone();
        changed[index] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let outcome = KeyFile::read(&path).and_then(|file| file.open(""));
        assert!(outcome.is_err(), "byte {index} changed and nothing noticed");
    }
    for length in 0..text.len() {
        std::fs::write(&path, &text[..length]).unwrap();
        assert!(KeyFile::read(&path).is_err(), "{length} bytes were a key file");
    }
}

/// The cost parameters and the public key are part of what the tag covers. Costs are lowered: the derivation runs often.
#[test]
fn refuses_an_encrypted_file_with_a_field_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    let secret = SecretKey::from_seed(&[1; 32]);
    let text = super::seal(&secret, &Protection::Passphrase(passphrase("p"))).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let other = SecretKey::from_seed(&[2; 32]).public();
    let digit = |line: &str| {
        let (head, last) = line.split_at(line.len() - 1);
        format!("{head}{}", if last == "0" { "1" } else { "0" })
    };
    let changes = [
        (1, format!("public {other}")),
        (2, lines[2].replace("t=3", "t=2")),
        (2, digit(lines[2])),
        (3, digit(lines[3])),
        (4, digit(lines[4])),
    ];
    for (line, replacement) in changes {
        let mut changed = lines.clone();
        changed[line] = &replacement;
        write(&path, &format!("{}\n", changed.join("\n")));
        let error = KeyFile::read(&path).unwrap().open("p").unwrap_err();
        assert!(matches!(error, KeyFileError::Passphrase(_)), "line {line}: {error}");
    }
}

#[test]
fn refuses_every_other_encoding_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("k");
    let golden = |from: &str, to: &str| GOLDEN.replacen(from, to, 1);
    let cases = [
        ("another version", golden("key 1", "key 2")),
        ("leading zero", golden("t=3", "t=03")),
        ("plus sign", golden("t=3", "t=+3")),
        ("no passes", golden("t=3", "t=0")),
        ("more memory than a file may ask for", golden("m=65536", "m=4294967295")),
        ("two spaces", golden("kdf argon2id", "kdf  argon2id")),
        ("carriage return", golden("\n", "\r\n")),
        ("upper case", GOLDEN.to_uppercase()),
        ("no line end", GOLDEN.trim_end().to_owned()),
        ("a sixth line", format!("{GOLDEN}more\n")),
        ("cipher none over a kdf", golden("cipher chacha20poly1305", "cipher none")),
        ("a weak public key", {
            let line = GOLDEN.lines().nth(1).unwrap();
            golden(line, &format!("public 01{}", "00".repeat(31)))
        }),
    ];
    for (name, text) in cases {
        assert_ne!(text, GOLDEN, "{name}");
        write(&path, &text);
        let error = KeyFile::read(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Format { .. }), "{name}: {error}");
    }
}

#[test]
fn takes_the_passphrase_from_the_first_line_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passphrase");
    write(&path, "tonle sap\nsecond line\n");
    assert_eq!(*super::passphrase(Some(&path), "").unwrap(), "tonle sap");
    write(&path, "\n");
    assert!(matches!(super::new_passphrase(Some(&path)), Err(KeyFileError::Empty)));
}
