//! Whom a snapshot may come from. Must not know what is asked of them.

use std::collections::BTreeMap;

use libp2p::Multiaddr;
use tonle_consensus::{Validator, ValidatorSet};

use crate::network::Member;

/// The validators of the epoch that the boundaries lead to, and the founders. Of two that
/// share a key the former counts.
pub(super) fn members(
    set: &ValidatorSet,
    founders: Vec<Validator>,
    addresses: &BTreeMap<String, Vec<Multiaddr>>,
) -> Vec<Member> {
    let mut listed: Vec<Validator> = set.iter().map(|(_, validator)| validator.clone()).collect();
    for founder in founders {
        if listed.iter().all(|known| known.key != founder.key && known.network_key != founder.network_key) {
            listed.push(founder);
        }
    }
    let member = |validator: Validator| Member {
        addresses: addresses.get(&validator.name).cloned().unwrap_or_default(),
        validator,
    };
    listed.into_iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use tonle_consensus::Epoch;
    use tonle_crypto::SecretKey;

    use super::*;

    fn validator(name: &str, key: u8, network_key: u8) -> Validator {
        let public = |seed| SecretKey::from_seed(&[seed; 32]).public();
        Validator { name: name.to_owned(), key: public(key), network_key: public(network_key) }
    }

    #[test]
    fn founders_are_asked_and_whoever_validates_since() {
        let founders = vec![validator("aba", 1, 11), validator("wing", 2, 12), validator("acleda", 3, 13)];
        // aba stayed, wing has another consensus key, acleda has gone, prince has come.
        let now = vec![validator("aba", 1, 11), validator("wing", 5, 12), validator("prince", 4, 14)];
        let set = ValidatorSet::new(Epoch::new(7), now.clone()).unwrap();
        let address: Multiaddr = "/ip4/192.0.2.7/tcp/7700".parse().unwrap();
        let addresses = BTreeMap::from([("prince".to_owned(), vec![address.clone()])]);
        let members = members(&set, founders.clone(), &addresses);
        for validator in now {
            assert!(members.iter().any(|member| member.validator == validator), "{validator:?}");
        }
        assert!(members.iter().any(|member| member.validator == founders[2]), "it may still have it");
        assert_eq!(members.len(), 4, "each network key once");
        let prince = members.iter().find(|member| member.validator.name == "prince").unwrap();
        assert_eq!(prince.addresses, [address]);
        assert_eq!(members.iter().filter(|member| member.addresses.is_empty()).count(), 3);
    }
}
