//! Seals: the ends of all chains at one time, signed by this institution and countersigned by others.
//!
//! Whoever has the database can chain anew after a change. They cannot make a seal that another member keeps a copy of
//! say something else, and so not change, take away or cut off anything that was sealed before that copy was made.
//!
//! A seal is a few lines of text. The signature is SM2 with the identity `1234567812345678` over the bytes of that text
//! (GB/T 32918.2-2016; GM/T 0009-2023 gives the identity), so that any other program can check it.

use std::fmt::{self, Write};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::str::FromStr;

use fhir::{Category, Error, IssueCode, time};
use sm2::dsa::signature::{Signer, Verifier};
use sm2::dsa::{Signature, SigningKey, VerifyingKey};

use super::chain::{CHAINS, Hash, Head, digest};
use super::table::{self, hash};
use crate::Record;
use crate::store::value::{Row, Rows, SqlValue};

/// The identity of a signer where none was agreed upon.
const IDENTITY: &str = "1234567812345678";

/// The first line of every seal.
const TITLE: &str = "qingshan trail seal 1";

/// A public key for SM2 signatures. Written as the point in hexadecimal, `04` before its two coordinates.
#[derive(Clone)]
pub struct SealKey(VerifyingKey);

impl FromStr for SealKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || Error::invalid("A public key is a point of the SM2 curve: 04 and 128 hexadecimal digits.");
        let bytes = bytes_of(text).ok_or_else(bad)?;
        VerifyingKey::from_sec1_bytes(IDENTITY, &bytes).map(Self).map_err(|_| bad())
    }
}

impl fmt::Display for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0.to_sec1_bytes()))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for SealKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_sec1_bytes() == other.0.to_sec1_bytes()
    }
}

impl SealKey {
    pub(super) fn signed(&self, text: &str, signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.0.verify(text.as_bytes(), &signature).is_ok())
    }
}

/// What a member signed besides the institution itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Countersignature {
    /// What the member is called.
    pub member: String,
    /// Their key.
    pub key: SealKey,
    /// Their signature over the text of the seal, 64 bytes.
    pub signature: Vec<u8>,
}

/// The ends of all chains at one time, signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Seal {
    /// 1, 2, 3 …
    pub number: u64,
    /// When it was made, in microseconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Exactly what is signed.
    pub text: String,
    /// The key that signed it.
    pub key: SealKey,
    /// SM2 over the text, 64 bytes.
    pub signature: Vec<u8>,
    /// Who signed it as well.
    pub countersignatures: Vec<Countersignature>,
    before: Hash,
    ends: Vec<Head>,
}

impl Seal {
    fn made(number: u64, at: i64, institution: &str, key: &SigningKey, before: Hash, ends: Vec<Head>) -> Self {
        let public = SealKey(key.verifying_key().clone());
        // A name of several lines could pretend to be other lines.
        let institution: String = institution.chars().filter(|letter| !letter.is_control()).collect();
        let when = time::instant(at);
        let mut text = format!("{TITLE}\ninstitution: {institution}\nkey: {public}\nnumber: {number}\n");
        write!(text, "time: {when}\nbefore: {}\n", hex(&before)).expect("a string takes text");
        for (chain, end) in ends.iter().enumerate() {
            writeln!(text, "chain {chain}: {} {}", end.seq, hex(&end.hash)).expect("a string takes text");
        }
        let signature: Signature = key.sign(text.as_bytes());
        let signature = signature.to_bytes().to_vec();
        Self { number, at, text, key: public, signature, countersignatures: Vec::new(), before, ends }
    }

    /// A seal from its text; `None` if that is none.
    fn read(text: String, signature: Vec<u8>, countersignatures: Vec<Countersignature>) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != TITLE {
            return None;
        }
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(": ");
        field("institution")?;
        let key: SealKey = field("key")?.parse().ok()?;
        let number = field("number")?.parse().ok()?;
        let at = time::parse(field("time")?, jiff::tz::Offset::UTC)?.lo;
        let before = bytes_of(field("before")?)?.try_into().ok()?;
        let mut ends = Vec::new();
        for (chain, line) in lines.enumerate() {
            let (seq, hash) = line.strip_prefix(&format!("chain {chain}: "))?.split_once(' ')?;
            ends.push(Head { seq: seq.parse().ok()?, hash: bytes_of(hash)?.try_into().ok()? });
        }
        Some(Self { number, at, text, key, signature, countersignatures, before, ends })
    }

    /// Whether the key it names signed it.
    pub fn is_signed(&self) -> bool {
        self.key.signed(&self.text, &self.signature)
    }

    /// Whether it comes right after another seal of the same institution.
    pub fn follows(&self, other: &Self) -> bool {
        self.number == other.number + 1
            && self.before == digest(other.text.as_bytes())
            && self.key == other.key
            && self.ends.iter().zip(&other.ends).all(|(end, before)| end.seq >= before.seq)
    }

    /// Where a chain ended.
    pub(super) fn end(&self, chain: i64) -> Option<Head> {
        self.ends.get(usize::try_from(chain).ok()?).copied()
    }

    /// Seals as they are handed to another custodian: each its text, its signatures, an empty line.
    ///
    /// Fails with [`Category::Invalid`] when something else is among them.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, Error> {
        let mut seals = Vec::new();
        for part in text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()) {
            let nth = seals.len() + 1;
            let bad = || Error::invalid(format!("What stands as number {nth} is no seal."));
            let at = part.find("\nsignature: ").ok_or_else(bad)?;
            let (body, rest) = part.split_at(at + 1);
            let mut lines = rest.lines();
            let signature =
                lines.next().and_then(|line| bytes_of(line.strip_prefix("signature: ")?)).ok_or_else(bad)?;
            let countersignature = |line: &str| {
                let (key, rest) = line.strip_prefix("countersignature: ")?.split_once(' ')?;
                let (signature, member) = rest.split_once(' ')?;
                let (key, signature) = (key.parse().ok()?, bytes_of(signature)?);
                Some(Countersignature { member: member.to_owned(), key, signature })
            };
            let countersignatures = lines.map(countersignature).collect::<Option<_>>().ok_or_else(bad)?;
            seals.push(Self::read(body.to_owned(), signature, countersignatures).ok_or_else(bad)?);
        }
        Ok(seals)
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        writeln!(f, "signature: {}", hex(&self.signature))?;
        for Countersignature { member, key, signature } in &self.countersignatures {
            writeln!(f, "countersignature: {key} {} {member}", hex(signature))?;
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

fn unusable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let text = "The key of this institution's seals cannot be read or made.";
    Error::new(Category::Unavailable, IssueCode::NoStore, text).caused_by(error)
}

impl Record {
    /// This institution's key. Made when there is none, in a file that only its owner may read.
    fn seal_key(&self) -> Result<SigningKey, Error> {
        let audit = &self.settings().audit;
        let path = match (&audit.key, &audit.folder) {
            (Some(path), _) => path.clone(),
            (None, Some(folder)) => folder.join("seal.key"),
            (None, None) => {
                let text = "Without a folder for the trail there is no key to seal it with.";
                return Err(Error::new(Category::Unsupported, IssueCode::NotSupported, text));
            }
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let bytes =
                    bytes_of(text.trim()).ok_or_else(|| Error::invalid("The key of the seals is no SM2 key."))?;
                SigningKey::from_slice(IDENTITY, &bytes).map_err(unusable)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.make_key(path),
            Err(error) => Err(unusable(error)),
        }
    }

    fn make_key(&self, path: PathBuf) -> Result<SigningKey, Error> {
        let randomness = &self.surroundings().randomness;
        // Of all numbers of 32 bytes, those that are no key are fewer than one in four thousand million.
        let key = (0..4).find_map(|_| {
            let bytes = [randomness.bytes(), randomness.bytes()].concat();
            SigningKey::from_slice(IDENTITY, &bytes).ok()
        });
        let key = key.ok_or_else(|| Error::fault("randomness gives no key"))?;
        let mut file =
            std::fs::File::options().create_new(true).write(true).mode(0o600).open(path).map_err(unusable)?;
        let text = format!("{}\n", hex(&key.to_bytes()));
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(unusable)?;
        Ok(key)
    }

    /// The public key of this institution's seals.
    pub fn seal_public_key(&self) -> Result<SealKey, Error> {
        self.seal_key().map(|key| SealKey(key.verifying_key().clone()))
    }

    /// Seals the ends of all chains as they are now. `None` when nothing was added since the last seal, or another
    /// process was first.
    pub async fn seal(&self) -> Result<Option<Seal>, Error> {
        let key = self.seal_key()?;
        self.settle().await?;
        let ends = self.ends().await?;
        let last = self.seals(0).await?.pop();
        if last.as_ref().is_some_and(|last| last.ends == ends) {
            return Ok(None);
        }
        let number = last.as_ref().map_or(1, |last| last.number + 1);
        let before = last.map_or([0; 32], |last| digest(last.text.as_bytes()));
        let now = self.surroundings().clock.now();
        let seal = Seal::made(number, now, &self.settings().audit.institution, &key, before, ends);
        let sql = "INSERT INTO audit_seal (shard, seq, body, signature) VALUES (0, $1, $2, $3) \
                   ON CONFLICT (shard, seq) DO NOTHING RETURNING seq";
        let number = i64::try_from(number).map_err(Error::fault)?;
        let signature = SqlValue::Bytes(seal.signature.clone().into());
        let put = self.statement(sql, vec![number.into(), seal.text.as_str().into(), signature]).await?;
        Ok((!put.is_empty()).then_some(seal))
    }

    /// Seals at the interval of the settings, for as long as it is let.
    pub async fn keep_sealed(self) {
        let mut interval = tokio::time::interval(self.settings().audit.seal_every);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            match self.seal().await {
                Ok(_) => {}
                Err(error) if error.category() == Category::Unsupported => return,
                Err(error) => tracing::warn!(%error, "the trail could not be sealed; it is tried again"),
            }
        }
    }

    /// The seals with greater numbers than `after`, in order.
    pub async fn seals(&self, after: u64) -> Result<Vec<Seal>, Error> {
        read_all(&mut self.reader().await?, i64::try_from(after).unwrap_or(i64::MAX)).await
    }

    /// A signature of this institution under a seal of another member.
    pub fn countersignature(&self, seal: &Seal) -> Result<Countersignature, Error> {
        let key = self.seal_key()?;
        let signature: Signature = key.sign(seal.text.as_bytes());
        let public = SealKey(key.verifying_key().clone());
        let member = self.settings().audit.institution.clone();
        Ok(Countersignature { member, key: public, signature: signature.to_bytes().to_vec() })
    }

    /// Takes a member's signature under a seal.
    ///
    /// Fails with [`Category::NotFound`] when there is no such seal and with [`Category::Forbidden`] when the settings
    /// know no such member or the signature is not theirs.
    pub async fn countersign(&self, number: u64, member: &str, signature: &[u8]) -> Result<(), Error> {
        let seals = self.seals(number.saturating_sub(1)).await?;
        let seal = seals.iter().find(|seal| seal.number == number);
        let seal = seal.ok_or_else(|| Error::not_found(format!("There is no seal {number}.")))?;
        let known = self.settings().audit.members.iter().find(|(name, _)| name == member);
        let Some((_, key)) = known.filter(|(_, key)| key.signed(&seal.text, signature)) else {
            let text = "The settings know no such member, or the signature is not theirs.";
            return Err(Error::new(Category::Forbidden, IssueCode::Forbidden, text));
        };
        let sql = "INSERT INTO audit_countersign (shard, seq, member, pubkey, signature) VALUES (0, $1, $2, $3, $4) \
                   ON CONFLICT (shard, seq, member) DO NOTHING";
        let number = i64::try_from(number).map_err(Error::fault)?;
        let signature = SqlValue::Bytes(signature.to_vec().into());
        self.statement(sql, vec![number.into(), member.into(), key.to_string().into(), signature]).await.map(drop)
    }

    async fn ends(&self) -> Result<Vec<Head>, Error> {
        let rows = self.reader().await?.rows("SELECT shard, seq, hash FROM audit_end ORDER BY shard", &[]).await?;
        let ends: Vec<Head> = rows
            .iter()
            .map(|row| table::end(row.int(0)?, row.int(1)?, || hash(row, 2)))
            .collect::<Result<_, Error>>()?;
        if ends.len() as i64 == CHAINS { Ok(ends) } else { Err(Error::fault("the trail lacks a chain")) }
    }
}

pub(super) async fn read_all(rows: &mut impl Rows, after: i64) -> Result<Vec<Seal>, Error> {
    let countersigned = rows
        .rows(
            "SELECT seq, member, pubkey, signature FROM audit_countersign WHERE seq > $1 ORDER BY seq, member",
            &[after.into()],
        )
        .await?;
    let found =
        rows.rows("SELECT seq, body, signature FROM audit_seal WHERE seq > $1 ORDER BY seq", &[after.into()]).await?;
    let mut seals = Vec::with_capacity(found.len());
    for row in &found {
        let seq = row.int(0)?;
        let mut countersignatures = Vec::new();
        for other in &countersigned {
            if other.int(0)? == seq {
                countersignatures.push(countersignature(other)?);
            }
        }
        let signature = row.bytes_or_null(2)?.unwrap_or_default().to_vec();
        let seal = Seal::read(row.text(1)?.to_owned(), signature, countersignatures);
        seals.push(seal.ok_or_else(|| Error::fault(format!("seal {seq} cannot be read")))?);
    }
    Ok(seals)
}

fn countersignature(row: &Row) -> Result<Countersignature, Error> {
    let signature = row.bytes_or_null(3)?.unwrap_or_default().to_vec();
    Ok(Countersignature { member: row.text(1)?.to_owned(), key: row.text(2)?.parse()?, signature })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_slice(IDENTITY, &[byte; 32]).unwrap()
    }

    fn ends(seq: i64) -> Vec<Head> {
        (0..CHAINS).map(|chain| Head { seq, ..Head::empty(chain) }).collect()
    }

    #[test]
    fn a_seal_goes_to_another_custodian_and_comes_back_the_same() {
        let mut one = Seal::made(1, 1_777_852_800_000_000, "县\n医院", &key(7), [0; 32], ends(1));
        let other = Seal::made(2, 1_777_852_860_000_000, "县医院", &key(7), digest(one.text.as_bytes()), ends(3));
        let public = SealKey(key(8).verifying_key().clone());
        let signature: Signature = key(8).sign(one.text.as_bytes());
        let signature = signature.to_bytes().to_vec();
        one.countersignatures.push(Countersignature { member: "村 卫生室".into(), key: public, signature });
        let read = Seal::parse_all(&format!("{one}\n{other}\n")).unwrap();
        assert_eq!(read, [one.clone(), other.clone()]);
        assert!(read.iter().all(Seal::is_signed) && read[1].follows(&read[0]) && !read[0].follows(&read[1]));
    }

    #[test]
    fn a_seal_of_which_a_letter_is_changed_is_not_signed() {
        let seal = Seal::made(1, 0, "县医院", &key(7), [0; 32], ends(1));
        let changed = Seal { text: seal.text.replace("chain 3: 1 ", "chain 3: 2 "), ..seal.clone() };
        assert!(seal.is_signed() && !changed.is_signed());
    }

    #[test]
    fn signatures_are_those_of_other_programs() {
        // Made with OpenSSL: pkeyutl -sign -digest sm3 -pkeyopt distid:…, as the sm2 crate's own tests have it.
        let point = "0408d77ae04c01cc4c1104360dd8af6b6f7df334283d7c1a6afd5652407b87bee5014e2a57c36c150d16324dc664e31e6432359609c4e79847a5b161c8c7364c8a";
        let key: SealKey = point.parse().unwrap();
        assert_eq!(key.to_string(), point);
        assert!("04ff".parse::<SealKey>().is_err());
    }
}
