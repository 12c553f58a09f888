//! Chance that can be had again: the same seed throws the same numbers on every machine, in every version.

/// A generator of numbers that look random: SplitMix64, as in <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice for a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for a purpose, so that what is thrown for one does not move what is thrown for another.
    pub fn apart(&self, purpose: u64) -> Self {
        let mut dice = Self(self.0 ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self(dice.number())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    ///
    /// # Panics
    /// If `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "there is no number below 0");
        // Taking the high half of a product is even enough for ends far below 2⁶⁴.
        ((u128::from(self.number()) * end as u128) >> 64) as usize
    }

    /// A number from `first` to `last`, both included.
    ///
    /// # Panics
    /// If `last` is before `first`.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        first + self.below(usize::try_from(last - first + 1).expect("the last is not before the first")) as i64
    }

    /// True once in `1 / chance` throws.
    pub fn chance(&mut self, chance: f64) -> bool {
        ((self.number() >> 11) as f64) < chance * (1_u64 << 53) as f64
    }

    /// One of some.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of some, the earlier the likelier: the place of `n` is thrown `1 / (n + flat)` as often.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick_ranked<'a, T>(&mut self, from: &'a [T], flat: f64) -> &'a T {
        // The inverse of ln((n + flat) / flat), which adds up those shares.
        let share = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        let span = ((from.len() as f64 + flat) / flat).ln();
        let place = flat * (share * span).exp() - flat;
        &from[(place as usize).min(from.len() - 1)]
    }
}
