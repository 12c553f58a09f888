//! The second factor: codes of six digits that an authenticator app shows for half a minute.
//! <https://www.rfc-editor.org/rfc/rfc6238>

use record::Record;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::same;

/// Seconds that a code is shown for.
const STEP: i64 = 30;
/// RFC 4648's base32, in which secrets are typed into apps.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A second factor as it is kept. It is a secret, so it cannot be printed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Totp {
    secret: Vec<u8>,
    /// Whether a code of it has been seen: before that it is not asked for.
    pub(crate) confirmed: bool,
    /// The step of the last code taken; none is taken twice.
    last: i64,
}

impl Totp {
    /// A new one, not yet confirmed.
    pub(crate) fn new(record: &Record) -> Self {
        let randomness = &record.surroundings().randomness;
        let secret = [randomness.bytes(), randomness.bytes()].concat()[..20].to_vec();
        Self { secret, confirmed: false, last: 0 }
    }

    /// Its secret, as it is typed into an app.
    pub(crate) fn secret(&self) -> String {
        // Twenty bytes are thirty-two letters exactly, so no padding is needed.
        let eight = |five: &[u8]| {
            let bits = five.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            (0..8)
                .rev()
                .map(|at| char::from(BASE32[usize::try_from(bits >> (5 * at) & 31).unwrap_or_default()]))
                .collect()
        };
        self.secret.chunks_exact(5).map(eight).collect::<Vec<String>>().concat()
    }

    /// Takes a code shown at a time (µs since 1970) or one step before or after it, each once.
    pub(crate) fn take(&mut self, code: &str, now: i64) -> bool {
        let step = now.div_euclid(STEP * 1_000_000);
        let shown = (step - 1..=step + 1).find(|step| *step > self.last && same(&self.code(*step), code.trim()));
        self.last = shown.unwrap_or(self.last);
        shown.is_some()
    }

    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let at = usize::from(bytes[bytes.len() - 1] & 15);
        let number = u32::from_be_bytes([bytes[at] & 0x7f, bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        format!("{:06}", number % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totp() -> Totp {
        Totp { secret: b"12345678901234567890".to_vec(), confirmed: true, last: 0 }
    }

    #[test]
    fn the_codes_are_those_of_the_rfc() {
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(totp().code(seconds / STEP), code);
        }
        assert_eq!(totp().secret(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_code_is_taken_once_and_half_a_minute_late_at_most() {
        let mut totp = totp();
        assert!(totp.take("287082", 61_000_000));
        assert!(!totp.take("287082", 61_000_000), "a code is taken once");
        let mut late = self::totp();
        assert!(!late.take("287082", 121_000_000));
    }
}
