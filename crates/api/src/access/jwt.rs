//! Signed tokens: those we give out about who signed in, and those by which clients prove themselves.
//! <https://www.rfc-editor.org/rfc/rfc7519>

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use fhir::{Error, Value};
use record::Record;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA384,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};

use super::digest;

/// The drawer that holds the key.
const DRAWER: &str = "key";
/// The key that identity tokens are signed with.
const IDENTITY: &str = "identity";

/// Signs with the key of this record.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
}

impl Signer {
    /// The signer of a record, whose key is made when it is first needed and then stays.
    pub(crate) async fn of(record: &Record) -> Result<Self, Error> {
        let fault = |_| Error::fault("the key for identity tokens cannot be used");
        // The library takes randomness for keys and signatures from the operating system alone.
        let random = SystemRandom::new();
        let drawer = record.drawer(DRAWER);
        let kept = match drawer.get(IDENTITY).await? {
            Some(kept) => kept,
            None => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                    .map_err(|_| Error::fault("no key can be made"))?;
                let made = Bytes::copy_from_slice(made.as_ref());
                // Of several processes that make one at the same time, one is first.
                drawer.add(IDENTITY, made.clone(), None).await?;
                drawer.get(IDENTITY).await?.unwrap_or(made)
            }
        };
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &kept, &random).map_err(fault)?;
        let id = digest(&BASE64.encode(pair.public_key()))[..16].to_owned();
        Ok(Self { pair, id, random })
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &impl Serialize) -> Result<String, Error> {
        let header = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, self.id);
        let claims = sonic_rs::to_vec(claims).map_err(Error::fault)?;
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes());
        let signature = signature.map_err(|_| Error::fault("an identity token cannot be signed"))?;
        Ok(format!("{signed}.{}", BASE64.encode(signature)))
    }

    /// The public key, as a set of JSON Web Keys. <https://www.rfc-editor.org/rfc/rfc7517>
    pub(crate) fn public(&self) -> String {
        // An uncompressed point: a mark, then the two coordinates.
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y, id) = (BASE64.encode(x), BASE64.encode(y), &self.id);
        format!(
            r#"{{"keys":[{{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"{id}","x":"{x}","y":"{y}"}}]}}"#
        )
    }
}

/// Public keys of a client.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Keys {
    keys: Vec<Key>,
}

/// A JSON Web Key, as far as it is used.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// A token whose signature has not been looked at.
pub(crate) struct Unproven<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    header: Value,
    claims: Value,
}

impl<'a> Unproven<'a> {
    pub(crate) fn read(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let json = |part: &str| fhir::json::parse(&BASE64.decode(part).ok()?).ok();
        Some(Self { signed, signature: BASE64.decode(signature).ok()?, header: json(header)?, claims: json(claims)? })
    }

    /// Its claims, which anybody may have written.
    pub(crate) fn claims(&self) -> &Value {
        &self.claims
    }

    /// The claims, if one of the keys signed them with an algorithm that SMART names: RS384 or ES384.
    /// <http://hl7.org/fhir/smart-app-launch/STU2/client-confidential-asymmetric.html>
    pub(crate) fn proven(self, keys: &Keys) -> Option<Value> {
        use sonic_rs::JsonValueTrait;
        let algorithm = self.header.get("alg")?.as_str()?;
        let named = self.header.get("kid").and_then(|kid| kid.as_str());
        let candidates = keys.keys.iter().filter(|key| named.is_none() || key.kid.as_deref() == named);
        let signed = candidates.into_iter().any(|key| key.signed(algorithm, self.signed, &self.signature));
        signed.then_some(self.claims)
    }
}

impl Keys {
    /// Reads a set of keys; `None` when it is none or holds no key that can be used.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let keys: Self = sonic_rs::from_slice(text).ok()?;
        (!keys.keys.is_empty()).then_some(keys)
    }
}

impl Key {
    fn signed(&self, algorithm: &str, text: &str, signature: &[u8]) -> bool {
        let part = |part: &Option<String>| BASE64.decode(part.as_deref()?.trim_end_matches('=')).ok();
        let right = match (algorithm, self.kty.as_str()) {
            ("RS384", "RSA") => part(&self.n).zip(part(&self.e)).map(|(n, e)| {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA384, text.as_bytes(), signature).is_ok()
            }),
            ("ES384", "EC") if self.crv.as_deref() == Some("P-384") => {
                part(&self.x).zip(part(&self.y)).map(|(x, y)| {
                    let point = [&[4], x.as_slice(), y.as_slice()].concat();
                    UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(text.as_bytes(), signature).is_ok()
                })
            }
            _ => None,
        };
        right.unwrap_or(false)
    }
}
