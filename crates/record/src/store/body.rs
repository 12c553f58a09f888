//! How the bytes of a resource lie in the database: one byte that says how, then the JSON, plain or as zstd.

use std::cell::RefCell;

use bytes::Bytes;
use fhir::Error;
use zstd::zstd_safe::{CCtx, DCtx, compress_bound, get_frame_content_size};

thread_local! {
    // Making one costs more than compressing a body of the usual size with it.
    static PACKER: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static UNPACKER: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// Shorter bodies are kept plain: compressing them saves less than a database page and costs every read.
const COMPRESS_FROM: usize = 2_048;

/// The level of zstd: the fastest of those that keep their promise.
const LEVEL: i32 = 1;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// The bytes to store.
pub(crate) fn pack(json: &[u8]) -> Vec<u8> {
    if json.len() >= COMPRESS_FROM {
        let mut packed = vec![0; compress_bound(json.len()) + 1];
        packed[0] = ZSTD;
        let written = PACKER.with_borrow_mut(|packer| packer.compress(&mut packed[1..], json, LEVEL));
        if let Ok(written) = written {
            packed.truncate(written + 1);
            return packed;
        }
    }
    let mut packed = Vec::with_capacity(json.len() + 1);
    packed.push(PLAIN);
    packed.extend_from_slice(json);
    packed
}

/// The JSON of stored bytes.
pub(crate) fn unpack(stored: Bytes) -> Result<Bytes, Error> {
    match stored.first() {
        Some(&PLAIN) => Ok(stored.slice(1..)),
        Some(&ZSTD) => decompressed(&stored[1..]),
        other => Err(Error::fault(format!("a stored body begins with {other:?}"))),
    }
}

fn decompressed(packed: &[u8]) -> Result<Bytes, Error> {
    // What is packed here says how long it is.
    let length = get_frame_content_size(packed).ok().flatten().and_then(|length| usize::try_from(length).ok());
    let length = length.ok_or_else(|| Error::fault("a stored body does not say how long it is"))?;
    let mut json = Vec::with_capacity(length);
    let done = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(&mut json, packed));
    done.map_err(|code| Error::fault(zstd::zstd_safe::get_error_name(code)))?;
    Ok(Bytes::from(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_comes_back_as_it_went_in_whatever_its_length() {
        for length in [0, 1, COMPRESS_FROM - 1, COMPRESS_FROM, 100_000] {
            let json = "卒中".bytes().cycle().take(length).collect::<Vec<_>>();
            assert_eq!(unpack(Bytes::from(pack(&json))).unwrap(), json, "{length} bytes");
        }
    }

    #[test]
    fn bytes_of_an_unknown_kind_are_a_fault_and_not_an_empty_resource() {
        assert!(unpack(Bytes::from_static(&[9, 1, 2])).is_err());
        assert!(unpack(Bytes::new()).is_err());
    }
}
