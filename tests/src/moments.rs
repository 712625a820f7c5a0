//! Random moments from a seed: a failing run names the seed that repeats its choices.

use std::time::Duration;

use crate::random::Random;

/// The same seed, the same moments.
pub struct Moments {
    random: Random,
}

impl Moments {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random(seed) }
    }

    /// The seed of this run: `MANDATE_SEED`, or the test's own.
    pub fn seed(default: u64) -> u64 {
        let seed = std::env::var("MANDATE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(default);
        println!("seed {seed}: repeat with MANDATE_SEED={seed}");
        seed
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.below(bound)
    }

    /// Lets a random time between the two pass. What is tested is what happens when something is killed at a moment that nobody chose.
    pub async fn pass(&mut self, from: Duration, to: Duration) {
        let span = u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(u64::MAX).max(1);
        tokio::time::sleep(from + Duration::from_millis(self.below(span))).await;
    }
}
