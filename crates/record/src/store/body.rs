//! How the bytes of a resource lie in the database: one byte that says how, then the JSON, plain or as zstd.

use bytes::Bytes;
use fhir::Error;

/// Shorter bodies are kept plain: compressing them saves less than a database page and costs every read.
const COMPRESS_FROM: usize = 2_048;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// The bytes to store.
pub(crate) fn pack(json: &[u8]) -> Vec<u8> {
    if json.len() >= COMPRESS_FROM {
        let mut packed = vec![0; zstd::zstd_safe::compress_bound(json.len()) + 1];
        packed[0] = ZSTD;
        if let Ok(written) = zstd::bulk::compress_to_buffer(json, &mut packed[1..], 1) {
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
        Some(&ZSTD) => zstd::decode_all(&stored[1..]).map(Bytes::from).map_err(Error::fault),
        other => Err(Error::fault(format!("a stored body begins with {other:?}"))),
    }
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
