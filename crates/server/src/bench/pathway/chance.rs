//! Chance that belongs to what it decides: the same throw for the same thing, whatever was thrown before.

/// Dice of one seed. A throw is named by what it is for, so that two worlds in which things happen in another order
/// still throw the same for the same thing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(mixed(seed))
    }

    /// Dice of their own for one thing among several.
    pub(super) fn of(self, thing: u64) -> Self {
        Self(mixed(self.0 ^ thing.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number above 0 and at most 1.
    pub(super) fn share(self) -> f64 {
        ((mixed(self.0) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A length of time, in microseconds and whole seconds.
    pub(super) fn length(self, lasting: Lasting) -> i64 {
        let (one, other) = (self.of(1).share(), self.of(2).share());
        // Box and Muller's way to a normal number.
        let normal = (-2.0 * one.ln()).sqrt() * (std::f64::consts::TAU * other).cos();
        let spread = (lasting.nine / lasting.half).ln() / NINE_IN_TEN;
        minutes(lasting.half * (normal * spread).exp())
    }

    /// How long until the next of what comes by chance, so many minutes apart in the mean.
    pub(super) fn until_next(self, apart: f64) -> i64 {
        minutes(-apart * self.share().ln())
    }
}

/// How many standard deviations above the middle nine in ten lie.
const NINE_IN_TEN: f64 = 1.281_551_565_544_6;

/// A length of time in minutes: what half do not exceed, and what nine in ten do not.
#[derive(Debug, Clone, Copy, PartialEq, serde::Deserialize)]
#[serde(from = "[f64; 2]")]
pub(super) struct Lasting {
    pub(super) half: f64,
    pub(super) nine: f64,
}

impl From<[f64; 2]> for Lasting {
    fn from([half, nine]: [f64; 2]) -> Self {
        Self { half, nine }
    }
}

/// Minutes as microseconds, in whole seconds, at least one.
fn minutes(minutes: f64) -> i64 {
    ((minutes * 60.0).round() as i64).max(1) * fhir::time::SECOND
}

/// The finisher of SplitMix64, as in <https://prng.di.unimi.it/splitmix64.c>.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
