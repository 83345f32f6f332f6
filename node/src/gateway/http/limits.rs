//! How often a token and an address may ask: so many requests a second, and twice as many at once (GCRA).
//!
//! Must not know: what is asked.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

/// Addresses and tokens that are counted at once, before those that asked for nothing lately are forgotten.
const COUNTED_MAX: usize = 20_000;

type Keyed<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock>;

/// Both limits.
#[derive(Debug)]
pub(super) struct Limits {
    tokens: Keyed<String>,
    addresses: Keyed<IpAddr>,
    clock: DefaultClock,
}

fn keyed<K: Clone + std::hash::Hash + Eq>(per_second: u32) -> Keyed<K> {
    let rate = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::MIN.saturating_add(1))))
}

impl Limits {
    pub(super) fn new(per_token: u32, per_address: u32) -> Self {
        Limits { tokens: keyed(per_token), addresses: keyed(per_address), clock: DefaultClock::default() }
    }

    /// May this token ask once more? `Err` says when.
    pub(super) fn token(&self, id: &str) -> Result<(), Duration> {
        check(&self.tokens, &id.to_owned(), &self.clock)
    }

    /// May this address ask once more? A network of IPv6 counts as one: its owner has all of its addresses.
    pub(super) fn address(&self, address: IpAddr) -> Result<(), Duration> {
        let counted = match address.to_canonical() {
            IpAddr::V6(six) => IpAddr::V6(Ipv6Addr::from_bits(six.to_bits() >> 64 << 64)),
            four @ IpAddr::V4(_) => four,
        };
        check(&self.addresses, &counted, &self.clock)
    }
}

fn check<K: Clone + std::hash::Hash + Eq>(limiter: &Keyed<K>, key: &K, clock: &DefaultClock) -> Result<(), Duration> {
    if limiter.len() >= COUNTED_MAX {
        limiter.retain_recent();
        if limiter.len() >= COUNTED_MAX {
            // So many at once are no shops.
            return Err(Duration::from_secs(1));
        }
    }
    limiter.check_key(key).map_err(|until| until.wait_time_from(clock.now()))
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn each_token_and_each_network_has_its_own_measure() {
        let limits = Limits::new(1, 1);
        for _ in 0..2 {
            assert!(limits.token("a").is_ok() && limits.token("b").is_ok());
            assert!(limits.address("192.0.2.1".parse().unwrap()).is_ok());
            assert!(limits.address("2001:db8::1".parse().unwrap()).is_ok());
        }
        assert!(limits.token("a").is_err_and(|wait| wait.as_millis() <= 1_000));
        assert!(limits.address("::ffff:192.0.2.1".parse().unwrap()).is_err(), "the same address, written otherwise");
        assert!(limits.address("2001:db8::2".parse().unwrap()).is_err(), "the same network");
        assert!(limits.address("192.0.2.2".parse().unwrap()).is_ok());
    }
}
