//! Web Push: a message sealed for one browser (RFC 8291, RFC 8188) and handed to its push service (RFC 8030) under the
//! name of this server (VAPID, RFC 8292).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fhir::Error;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::{PublicKey, SecretKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;

/// The most that a push service has to take (RFC 8030, 7.2), less what sealing adds.
pub(crate) const LONGEST: usize = 3_993;
/// One record holds the whole message: its size is that of the largest body a push service has to take.
const RECORD: u32 = 4_096;
/// How long a token that names this server is good for, in seconds; a day is the most (RFC 8292, 2).
const TOKEN: i64 = 12 * 3_600;

/// A pair of keys on the curve P-256.
#[derive(Clone)]
pub(crate) struct Pair {
    secret: SecretKey,
    public: [u8; 65],
}

impl Pair {
    /// The pair of 32 secret bytes; nearly all bytes are a secret.
    pub(crate) fn of(secret: &[u8]) -> Option<Self> {
        let secret = SecretKey::from_slice(secret).ok()?;
        let public = uncompressed(&secret.public_key());
        Some(Self { secret, public })
    }

    /// A new pair, out of bytes nobody can guess.
    pub(crate) fn new(random: &dyn record::Randomness) -> Self {
        loop {
            let bytes = [random.bytes(), random.bytes()].concat();
            if let Some(pair) = Self::of(&bytes) {
                return pair;
            }
        }
    }

    /// The secret, to be kept.
    pub(crate) fn secret(&self) -> Vec<u8> {
        self.secret.to_bytes().to_vec()
    }

    /// The public key in base64url, as browsers want it.
    pub(crate) fn public(&self) -> String {
        BASE64.encode(self.public)
    }

    /// What both ends of a conversation can compute and nobody else: the x coordinate of the product.
    fn shared(&self, other: &PublicKey) -> [u8; 32] {
        let point = other.to_projective() * *self.secret.to_nonzero_scalar();
        point.to_affine().x().into()
    }
}

fn uncompressed(key: &PublicKey) -> [u8; 65] {
    let point = key.as_affine();
    let mut bytes = [4; 65];
    bytes[1..33].copy_from_slice(point.x().as_ref());
    bytes[33..].copy_from_slice(point.y().as_ref());
    bytes
}

/// HKDF with SHA-256 (RFC 5869), for up to 32 bytes.
fn derived(salt: &[u8], secret: &[u8], info: &[u8]) -> [u8; 32] {
    let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    let expanded = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()), &[info, &[1]].concat());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(expanded.as_ref());
    bytes
}

/// Seals a message for the browser that has these keys (RFC 8291, 3.4): what is posted to its push service.
///
/// `own` is a pair made for this one message. Fails when a key is none.
pub(crate) fn sealed(message: &[u8], p256dh: &str, auth: &str, own: &Pair, salt: [u8; 16]) -> Result<Vec<u8>, Error> {
    let malformed = || Error::invalid("The keys of the push subscription are none.");
    let theirs = read(p256dh).ok_or_else(malformed)?;
    let browser = PublicKey::from_sec1_bytes(&theirs).map_err(|_| malformed())?;
    let auth = read(auth).filter(|auth| auth.len() == 16).ok_or_else(malformed)?;
    if message.len() > LONGEST {
        return Err(Error::invalid("The message is longer than a push service has to take."));
    }
    let info = [b"WebPush: info\0".as_slice(), &uncompressed(&browser), &own.public].concat();
    let secret = derived(&auth, &own.shared(&browser), &info);
    let key = derived(&salt, &secret, b"Content-Encoding: aes128gcm\0");
    let nonce = derived(&salt, &secret, b"Content-Encoding: nonce\0");
    let cannot = |_| Error::fault("a message cannot be sealed");
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).map_err(cannot)?);
    let nonce = Nonce::try_assume_unique_for_key(&nonce[..12]).map_err(cannot)?;
    // 2 says that no record follows (RFC 8188, 2).
    let mut text = [message, &[2]].concat();
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut text).map_err(cannot)?;
    let mut body = salt.to_vec();
    body.extend(RECORD.to_be_bytes());
    body.push(65);
    body.extend(own.public);
    body.extend(text);
    Ok(body)
}

/// The `Authorization` with which this server names itself to a push service (RFC 8292, 3).
///
/// `origin` is that of the push service, `contact` where its operators find ours, `now` in microseconds since 1970.
pub(crate) fn vapid(own: &Pair, origin: &str, contact: &str, now: i64) -> Result<String, Error> {
    let fault = || Error::fault("the key for push services cannot be used");
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &own.secret(),
        &own.public,
        &random,
    );
    let claims = json!({ "aud": origin, "exp": now / 1_000_000 + TOKEN, "sub": contact });
    let header = BASE64.encode(r#"{"typ":"JWT","alg":"ES256"}"#);
    let signed = format!("{header}.{}", BASE64.encode(claims.to_string()));
    let signature = pair.map_err(|_| fault())?.sign(&random, signed.as_bytes()).map_err(|_| fault())?;
    Ok(format!("vapid t={signed}.{}, k={}", BASE64.encode(signature), own.public()))
}

/// Base64url as browsers write it, with or without padding.
fn read(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.trim_end_matches('=')).ok()
}

/// Whether these are the keys of a browser.
pub(crate) fn are_keys(p256dh: &str, auth: &str) -> bool {
    let point = read(p256dh).is_some_and(|key| PublicKey::from_sec1_bytes(&key).is_ok());
    point && read(auth).is_some_and(|auth| auth.len() == 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    /// The example of RFC 8291, 5 and its appendix A.
    #[test]
    fn a_message_is_sealed_as_the_standard_shows() {
        let own = Pair::of(&BASE64.decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap()).unwrap();
        let public = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8";
        assert_eq!(own.public(), public);
        let p256dh = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        let auth = "BTBZMqHH6r4Tts7J_aSIgg";
        let salt: [u8; 16] = BASE64.decode("DGv6ra1nlYgDCS1FRnbzlw").unwrap().try_into().unwrap();
        let body = sealed(b"When I grow up, I want to be a watermelon", p256dh, auth, &own, salt).unwrap();
        assert_eq!(
            BASE64.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6P\
             Bru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn a_push_service_can_tell_who_speaks_to_it() {
        let own = Pair::of(&[7; 32]).unwrap();
        let now = 1_777_852_800_000_000;
        let told = vapid(&own, "https://push.example", "mailto:duty@hospital.example", now).unwrap();
        let (token, key) = told.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = BASE64.decode(key).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        key.verify(signed.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
        let claims = BASE64.decode(signed.split_once('.').unwrap().1).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["aud"], "https://push.example");
        assert_eq!(claims["exp"], now / 1_000_000 + TOKEN);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let own = Pair::of(&[7; 32]).unwrap();
        let auth = "BTBZMqHH6r4Tts7J_aSIgg";
        for (p256dh, auth) in [("", auth), ("AAAA", auth), (own.public().as_str(), "AAAA")] {
            assert!(!are_keys(p256dh, auth));
            assert!(sealed(b"x", p256dh, auth, &own, [0; 16]).is_err());
        }
        assert!(are_keys(&own.public(), auth));
    }
}
