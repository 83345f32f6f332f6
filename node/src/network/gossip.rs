//! How gossipsub is set up for batches.
//!
//! - **Anonymous, strictly**: a batch carries its lane owner's signature, which every receiver checks. Gossipsub's own
//!   signature would cost a second verification at each hop and say only who forwarded first. With
//!   `ValidationMode::Anonymous` a message that carries a source, number or signature is refused.
//! - **The message id is the digest of the content**, so the same batch by two ways is one message, and an id cannot be
//!   chosen to shadow another batch.
//! - **Explicit validation**: nothing is forwarded before the signature pool found it valid.
//! - **One topic, named by the genesis digest**; subscriptions to any other are not even remembered.
//! - **No peer exchange**: what a PRUNE recommends is neither sent nor dialed.

use std::collections::HashSet;
use std::time::Duration;

use libp2p::gossipsub::{
    Behaviour, ConfigBuilder, IdentTopic, IdentityTransform, Message, MessageAuthenticity, MessageId, TopicHash,
    ValidationMode, WhitelistSubscriptionFilter,
};
use tonle_crypto::{Digest, Domain};

use super::NetworkError;
use super::config::GOSSIP_BYTES_MAX;

/// Gossipsub restricted to this chain's topic.
pub(super) type Gossip = Behaviour<IdentityTransform, WhitelistSubscriptionFilter>;

static MESSAGE: Domain = Domain::new("tonle v1 gossip message");

/// Peers that a node keeps in its mesh. Up to 13 validators everybody is in everybody's; with 100, a batch reaches all
/// within three hops, the first of which goes to everyone connected (flood publish).
const MESH: usize = 8;

/// Above this a node prunes its mesh.
const MESH_HIGH: usize = 12;

/// Gossiped messages that wait for one peer. Most are 256 KB or less; what does not fit is dropped and fetched later.
const QUEUE_MAX: usize = 48;

/// The topic of a chain's batches.
pub(super) fn topic(genesis: &Digest) -> IdentTopic {
    IdentTopic::new(format!("tonle/batches/1/{genesis}"))
}

/// Gossipsub for a chain with `others` validators beside this one.
pub(super) fn behaviour(genesis: &Digest, others: usize) -> Result<Gossip, NetworkError> {
    let topic = topic(genesis);
    let mesh = others.clamp(2, MESH);
    let config = ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(GOSSIP_BYTES_MAX)
        .flood_publish(true)
        .mesh_n(mesh)
        .mesh_n_low(mesh.min(6))
        .mesh_n_high(MESH_HIGH)
        .mesh_outbound_min(mesh.min(4) / 2)
        .heartbeat_initial_delay(Duration::from_millis(200))
        .heartbeat_interval(Duration::from_millis(700))
        // Batches of the last two seconds are kept to answer IWANT; what is older is fetched by a sync request.
        .history_length(3)
        .history_gossip(2)
        .connection_handler_queue_len(QUEUE_MAX)
        .publish_queue_duration(Duration::from_secs(2))
        .forward_queue_duration(Duration::from_secs(1))
        .prune_peers(0)
        .build()
        .map_err(|error| NetworkError::Gossip(error.to_string()))?;
    let filter = WhitelistSubscriptionFilter(HashSet::from([TopicHash::from(topic.clone())]));
    let mut behaviour = Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
        .map_err(|error| NetworkError::Gossip(error.to_owned()))?;
    behaviour.subscribe(&topic).map_err(|error| NetworkError::Gossip(error.to_string()))?;
    Ok(behaviour)
}

fn message_id(message: &Message) -> MessageId {
    MessageId::from(MESSAGE.digest(&message.data).as_bytes().as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mesh_parameters_are_consistent_for_every_number_of_validators() {
        for others in 0..100 {
            let mesh = others.clamp(2, MESH);
            let (low, outbound) = (mesh.min(6), mesh.min(4) / 2);
            assert!(outbound <= low && low <= mesh && mesh <= MESH_HIGH && outbound * 2 <= mesh, "{others}");
            assert!(behaviour(&Digest::ZERO, others).is_ok(), "{others}");
        }
    }
}
