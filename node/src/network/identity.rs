//! From Tonle's ed25519 keys to libp2p's identities.

use libp2p::PeerId;
use libp2p::identity::{self, Keypair, ed25519};
use tonle_crypto::{PublicKey, SecretKey};

use super::NetworkError;

/// libp2p's key pair of a network key.
pub(super) fn keypair(secret: &SecretKey) -> Result<Keypair, NetworkError> {
    let mut seed = secret.seed();
    let secret = ed25519::SecretKey::try_from_bytes(seed.as_mut_slice()).map_err(|_| NetworkError::Identity)?;
    Ok(ed25519::Keypair::from(secret).into())
}

/// The libp2p identity of a network key.
///
/// # Errors
/// [`NetworkError::Identity`] when libp2p refuses the key; every key that [`PublicKey`] accepts is one of its own.
pub fn peer_id(key: &PublicKey) -> Result<PeerId, NetworkError> {
    let key = ed25519::PublicKey::try_from_bytes(key.as_bytes()).map_err(|_| NetworkError::Identity)?;
    Ok(identity::PublicKey::from(key).to_peer_id())
}
