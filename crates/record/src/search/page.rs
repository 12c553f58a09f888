//! The place where a page begins, so that paging never repeats a match and never misses one that matched throughout.
//!
//! Without an order, matches stand by their rid, which never changes. With one, what is to come is held by rid, because
//! the values it was ordered by may change meanwhile; each is checked again when its page comes.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use fhir::{Category, Error, IssueCode};

use crate::Record;

/// So many rids travel in the link to the next page; more are put into a drawer.
const CARRIED: usize = 250;

/// How long a drawer is kept.
const KEPT: i64 = 3_600 * 1_000_000;

const DRAWER: &str = "search";

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cursor {
    /// After this rid.
    After(i64),
    /// With these, and what follows them.
    Held(Held),
}

/// Matches in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) rids: Vec<i64>,
    /// How matches go on after these.
    pub(super) then: Then,
}

/// What follows the matches that are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    #[default]
    End,
    /// Those after this value and rid.
    Key(i64, i64),
    /// Those that have no value to be ordered by, after this rid.
    Without(i64),
}

impl Cursor {
    /// Reads what [`Cursor::write`] wrote.
    pub(super) async fn read(record: &Record, text: &str) -> Result<Self, Error> {
        let (kind, rest) = text.split_at_checked(1).ok_or_else(unreadable)?;
        match kind {
            "a" => rest.parse().map(Self::After).map_err(|_| unreadable()),
            "h" => {
                let bytes = BASE64_URL_SAFE_NO_PAD.decode(rest).map_err(|_| unreadable())?;
                Held::unpack(&bytes).map(Self::Held).ok_or_else(unreadable)
            }
            "d" => {
                let (id, from) = rest.split_once('.').ok_or_else(unreadable)?;
                let from: usize = from.parse().map_err(|_| unreadable())?;
                let bytes = record.drawer_get(DRAWER, id).await?.ok_or_else(|| {
                    let text = "This page of a search is no longer kept; search again.";
                    Error::new(Category::Gone, IssueCode::NotFound, text)
                })?;
                let mut held = Held::unpack(&bytes).ok_or_else(unreadable)?;
                held.rids.drain(..from.min(held.rids.len()));
                Ok(Self::Held(held))
            }
            _ => Err(unreadable()),
        }
    }

    /// The cursor as text for a link, from letters that need no escape.
    pub(super) async fn write(&self, record: &Record, before: Option<&str>, taken: usize) -> Result<String, Error> {
        let held = match self {
            Self::After(rid) => return Ok(format!("a{rid}")),
            Self::Held(held) => held,
        };
        if held.rids.len() <= CARRIED {
            return Ok(format!("h{}", BASE64_URL_SAFE_NO_PAD.encode(held.pack())));
        }
        // What lies in a drawer stays there; only the place in it moves.
        if let Some((id, from)) = before.and_then(|text| text.strip_prefix('d')).and_then(|rest| rest.split_once('.'))
            && let Ok(from) = from.parse::<usize>()
        {
            return Ok(format!("d{id}.{}", from + taken));
        }
        let id = record.surroundings().new_id();
        let expires = record.surroundings().clock.now() + KEPT;
        record.drawer_put(DRAWER, &id, Bytes::from(held.pack()), Some(expires)).await?;
        Ok(format!("d{id}.0"))
    }
}

fn unreadable() -> Error {
    Error::invalid("The link to this page of a search was not made here.").at("http._page")
}

impl Held {
    /// Numbers of seven bits a byte, rids as differences, which are small.
    fn pack(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.rids.len() * 2 + 20);
        match self.then {
            Then::End => put(&mut bytes, 0),
            Then::Key(value, rid) => [1, value, rid].iter().for_each(|number| put(&mut bytes, *number)),
            Then::Without(rid) => [2, rid].iter().for_each(|number| put(&mut bytes, *number)),
        }
        let mut last = 0;
        for rid in &self.rids {
            put(&mut bytes, rid.wrapping_sub(last));
            last = *rid;
        }
        bytes
    }

    fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let then = match take(&mut rest)? {
            0 => Then::End,
            1 => Then::Key(take(&mut rest)?, take(&mut rest)?),
            2 => Then::Without(take(&mut rest)?),
            _ => return None,
        };
        let (mut rids, mut last) = (Vec::new(), 0_i64);
        while !rest.is_empty() {
            last = last.wrapping_add(take(&mut rest)?);
            rids.push(last);
        }
        Some(Self { rids, then })
    }
}

fn put(bytes: &mut Vec<u8>, number: i64) {
    // The sign goes to the lowest bit, so that small negative differences stay short.
    let mut left = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
}

fn take(bytes: &mut &[u8]) -> Option<i64> {
    let (mut value, mut shift) = (0_u64, 0_u32);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_comes_back_in_its_order() {
        for then in [Then::End, Then::Key(i64::MIN, i64::MAX), Then::Without(7)] {
            let held = Held { rids: vec![5, 3, 1_000_000, -1, 0, i64::MAX], then };
            assert_eq!(Held::unpack(&held.pack()), Some(held));
        }
    }

    #[test]
    fn bytes_that_were_not_packed_here_are_refused_or_harmless() {
        for bytes in [&[][..], &[9], &[1, 2], &[0xff; 40], &[0, 0x80]] {
            assert_eq!(Held::unpack(bytes), None, "{bytes:?}");
        }
    }
}
