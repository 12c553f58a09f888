//! The elements of a DICOM file, PS3.5 chapter 7: borrowed from its bytes, and nothing of them copied before it is asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fhir::Error;

use crate::{invalid, too_large};

/// Group and element.
pub(super) type Tag = (u16, u16);

/// Items within items at most, and elements of a file at most; electrocardiograms have some three levels and thousands.
const MOST_LEVELS: usize = 8;
const MOST_ELEMENTS: usize = 200_000;

/// The length of what ends with a delimiter. PS3.5 7.1.1.
const UNDEFINED: u32 = 0xffff_ffff;
const ITEM: Tag = (0xfffe, 0xe000);
const ITEM_END: Tag = (0xfffe, 0xe00d);
const SEQUENCE_END: Tag = (0xfffe, 0xe0dd);

/// Sequences whose VR an implicit file does not tell and that are looked into here.
const SEQUENCES: [Tag; 7] = [
    (0x5400, 0x0100),
    (0x003a, 0x0200),
    (0x003a, 0x0208),
    (0x003a, 0x0211),
    (0x0040, 0xb020),
    (0x0040, 0xa043),
    (0x0040, 0x08ea),
];

#[derive(Debug)]
enum Value<'b> {
    Bytes(&'b [u8]),
    Items(Vec<Elements<'b>>),
}

/// The elements of a file or of an item.
#[derive(Debug, Default)]
pub(super) struct Elements<'b>(BTreeMap<Tag, Value<'b>>);

impl<'b> Elements<'b> {
    /// The bytes of an element.
    pub(super) fn bytes(&self, tag: Tag) -> Option<&'b [u8]> {
        match self.0.get(&tag)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Items(_) => None,
        }
    }

    /// An element that is written in ASCII, without what fills it up.
    pub(super) fn text(&self, tag: Tag) -> Option<String> {
        let text = std::str::from_utf8(self.bytes(tag)?).ok().filter(|text| text.is_ascii())?;
        Some(text.trim_matches([' ', '\0']).to_owned())
    }

    /// An element that is written in the letters of a character set, PS3.3 C.12.1.1.2. None where they are not known here:
    /// what cannot be read is not guessed at.
    pub(super) fn words(&self, tag: Tag, set: &str) -> Option<String> {
        let bytes = self.bytes(tag)?;
        let text: Cow<'_, str> = match set {
            _ if bytes.is_ascii() && !bytes.contains(&0x1b) => String::from_utf8_lossy(bytes),
            "ISO_IR 192" => std::str::from_utf8(bytes).ok()?.into(),
            "ISO_IR 100" => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into(),
            "GB18030" | "GBK" => encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes)?,
            _ => return None,
        };
        Some(text.trim_matches([' ', '\0']).to_owned())
    }

    /// A number of 16 bits.
    pub(super) fn short(&self, tag: Tag) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(tag)?.try_into().ok()?))
    }

    /// A number of 32 bits.
    pub(super) fn long(&self, tag: Tag) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(tag)?.try_into().ok()?))
    }

    /// The items of a sequence.
    pub(super) fn items(&self, tag: Tag) -> impl Iterator<Item = &Elements<'b>> {
        let items = match self.0.get(&tag) {
            Some(Value::Items(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter()
    }
}

/// The elements of group 2, which are always explicit (PS3.10 7.1), and what comes after them.
pub(super) fn meta(bytes: &[u8]) -> Result<(Elements<'_>, &[u8]), Error> {
    let mut reader = Reader { rest: bytes, is_explicit: true, left: MOST_ELEMENTS };
    let mut found = Elements::default();
    while reader.rest.get(..2) == Some(&[2, 0]) {
        let (tag, value) = reader.element(0)?;
        found.0.insert(tag, value);
    }
    Ok((found, reader.rest))
}

/// All elements of a file after its group 2.
pub(super) fn all(bytes: &[u8], is_explicit: bool) -> Result<Elements<'_>, Error> {
    let mut reader = Reader { rest: bytes, is_explicit, left: MOST_ELEMENTS };
    reader.elements(0)
}

struct Reader<'b> {
    rest: &'b [u8],
    is_explicit: bool,
    /// How many more elements are read.
    left: usize,
}

impl<'b> Reader<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], Error> {
        let taken = self.rest.split_at_checked(count);
        let (taken, rest) = taken.ok_or_else(|| invalid("The DICOM file ends in the middle of an element."))?;
        self.rest = rest;
        Ok(taken)
    }

    fn short(&mut self) -> Result<u16, Error> {
        let bytes = self.take(2)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    fn long(&mut self) -> Result<u32, Error> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn tag(&mut self) -> Result<Tag, Error> {
        Ok((self.short()?, self.short()?))
    }

    /// Elements until the bytes or the item ends.
    fn elements(&mut self, level: usize) -> Result<Elements<'b>, Error> {
        let mut found = Elements::default();
        while !self.rest.is_empty() {
            if self.rest.get(..4) == Some(&[0xfe, 0xff, 0x0d, 0xe0]) {
                self.take(8)?;
                break;
            }
            let (tag, value) = self.element(level)?;
            found.0.insert(tag, value);
        }
        Ok(found)
    }

    fn element(&mut self, level: usize) -> Result<(Tag, Value<'b>), Error> {
        self.left = self.left.checked_sub(1).ok_or_else(|| too_large("The DICOM file has too many elements."))?;
        let tag = self.tag()?;
        let (is_sequence, length) = if self.is_explicit {
            let kind = self.take(2)?;
            // PS3.5 7.1.2: these have two bytes of nothing and a length of 32 bits.
            let is_long = matches!(
                kind,
                b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT" | b"UV"
            );
            let length = if is_long {
                self.take(2)?;
                self.long()?
            } else {
                u32::from(self.short()?)
            };
            (kind == b"SQ", length)
        } else {
            let length = self.long()?;
            (length == UNDEFINED || SEQUENCES.contains(&tag), length)
        };
        if is_sequence {
            return Ok((tag, Value::Items(self.sequence(length, level + 1)?)));
        }
        if length == UNDEFINED {
            return Err(invalid("The DICOM file has an element whose end cannot be told."));
        }
        Ok((tag, Value::Bytes(self.take(length as usize)?)))
    }

    fn sequence(&mut self, length: u32, level: usize) -> Result<Vec<Elements<'b>>, Error> {
        if level > MOST_LEVELS {
            return Err(too_large("The DICOM file has items within items without an end."));
        }
        let mut items = Vec::new();
        if length != UNDEFINED {
            let own = self.take(length as usize)?;
            let mut inner = Reader { rest: own, is_explicit: self.is_explicit, left: self.left };
            while !inner.rest.is_empty() {
                items.extend(inner.item(level)?);
            }
            self.left = inner.left;
            return Ok(items);
        }
        while let Some(item) = self.item(level)? {
            items.push(item);
        }
        Ok(items)
    }

    /// The next item of a sequence; none at its end.
    fn item(&mut self, level: usize) -> Result<Option<Elements<'b>>, Error> {
        self.left = self.left.checked_sub(1).ok_or_else(|| too_large("The DICOM file has too many items."))?;
        let (tag, length) = (self.tag()?, self.long()?);
        match tag {
            SEQUENCE_END => Ok(None),
            ITEM if length == UNDEFINED => Ok(Some(self.elements(level)?)),
            ITEM => {
                let own = self.take(length as usize)?;
                let mut inner = Reader { rest: own, is_explicit: self.is_explicit, left: self.left };
                let item = inner.elements(level)?;
                self.left = inner.left;
                Ok(Some(item))
            }
            ITEM_END => Err(invalid("An item of the DICOM file ends that has not begun.")),
            _ => Err(invalid("A sequence of the DICOM file holds something else than items.")),
        }
    }
}
