//! Ranks by Zipf's law with exponent 1: rank k comes 1/k as often as rank 1.
//!
//! Drawn exactly and without a table, by rejection-inversion: W. Hörmann, G. Derflinger, "Rejection-inversion to generate
//! variates from monotone discrete distributions", ACM TOMACS 6(3), 1996. Their H(x), the integral of 1/x, is ln x here.
//!
//! Must not know: what the ranks are of.

use rand_chacha::rand_core::Rng;

/// Draws ranks 0 to `count` - 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zipf {
    count: u64,
    /// H at both ends of what is drawn.
    low: f64,
    high: f64,
    /// So far below an integer, every point belongs to it.
    sure: f64,
}

impl Zipf {
    /// Of so many ranks; of one at least.
    pub(super) fn new(count: u64) -> Self {
        let count = count.max(1);
        // Far below 2^52: exact.
        let last = count as f64;
        Zipf { count, low: 1.5_f64.ln() - 1.0, high: (last + 0.5).ln(), sure: 2.0 - (2.5_f64.ln() - 0.5).exp() }
    }

    /// One rank; 0 is the most frequent.
    pub(super) fn draw(&self, random: &mut impl Rng) -> u64 {
        loop {
            // 53 random bits: [0, 1).
            let share = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            let point = self.high + share * (self.low - self.high);
            let x = point.exp();
            let rank = x.round().clamp(1.0, self.count as f64);
            if rank - x <= self.sure || point >= (rank + 0.5).ln() - 1.0 / rank {
                return (rank as u64).saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::Zipf;

    /// Pearson's statistic of `draws` draws against the law.
    fn chi_square(count: u64, draws: u32) -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(count);
        let zipf = Zipf::new(count);
        let mut seen = vec![0u32; usize::try_from(count).unwrap()];
        for _ in 0..draws {
            seen[usize::try_from(zipf.draw(&mut random)).unwrap()] += 1;
        }
        let harmonic: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
        let expected = |rank: usize| f64::from(draws) / (rank as f64 + 1.0) / harmonic;
        seen.iter().enumerate().map(|(rank, seen)| (f64::from(*seen) - expected(rank)).powi(2) / expected(rank)).sum()
    }

    #[test]
    fn every_rank_comes_as_often_as_the_law_says() {
        // Bounds: the 99.9th percentile of the chi-square distribution with 1, 9 and 99 degrees of freedom.
        assert!(chi_square(2, 100_000) < 10.83);
        assert!(chi_square(10, 200_000) < 27.88);
        assert!(chi_square(100, 400_000) < 148.2);
    }

    #[test]
    fn all_ranks_are_in_range_for_one_and_for_a_million() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for count in [1, 2, 3, 1_000_000] {
            let zipf = Zipf::new(count);
            let ranks: Vec<u64> = (0..10_000).map(|_| zipf.draw(&mut random)).collect();
            assert!(ranks.iter().all(|rank| *rank < count), "{count}");
            assert!(ranks.contains(&0));
        }
        // A tenth of a million ranks has four fifths of the draws: ln(1e5) / ln(1e6).
        let zipf = Zipf::new(1_000_000);
        let first = (0..100_000).filter(|_| zipf.draw(&mut random) < 100_000).count();
        assert!((82_000..86_500).contains(&first), "{first}");
    }
}
