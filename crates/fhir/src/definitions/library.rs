//! Official resources as JSON text, opened one frame at a time: sixteen megabytes that are hardly ever needed
//! at once stay compressed.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use super::tables::text;

static FRAMES: &[u8] = include_bytes!("../../definitions/library.zst");

/// Where each resource lies in the frames. Decoded when first asked.
#[derive(Debug, Default)]
pub(super) struct Library(OnceLock<Index>);

type Index = FxHashMap<&'static str, Vec<(&'static str, Place)>>;

#[derive(Debug, Clone, Copy)]
struct Place {
    frame: usize,
    frame_length: usize,
    offset: usize,
    length: usize,
}

impl Library {
    /// The JSON text of a resource. A `|version` counts only for the few tables whose URL itself holds one.
    pub(super) fn text(&self, resource_type: &str, url: &str) -> Option<String> {
        let entries = self.index().get(resource_type)?;
        let find = |url: &str| entries.binary_search_by(|(listed, _)| (*listed).cmp(url)).ok();
        let at = find(url).or_else(|| find(url.split('|').next()?))?;
        let Place { frame, frame_length, offset, length } = entries[at].1;
        let frame =
            zstd::stream::decode_all(&FRAMES[frame..frame + frame_length]).expect("a frame is as it was written");
        let text = frame[offset..offset + length].to_vec();
        Some(String::from_utf8(text).expect("the library is UTF-8"))
    }

    pub(super) fn urls(&self, resource_type: &str) -> impl Iterator<Item = &'static str> + use<'_> {
        self.index().get(resource_type).into_iter().flatten().map(|(url, _)| *url)
    }

    fn index(&self) -> &Index {
        self.0.get_or_init(|| {
            let mut index = Index::default();
            for line in text(include_bytes!("../../definitions/library.index.tsv.zst")).lines() {
                let mut fields = line.split('\t');
                let mut next = || fields.next().expect("a line of the index has six fields");
                let (resource_type, url) = (next(), next());
                let mut number = || next().parse().expect("the index holds numbers");
                let place = Place { frame: number(), frame_length: number(), offset: number(), length: number() };
                // The index is written in the order of type and URL.
                index.entry(resource_type).or_default().push((url, place));
            }
            index
        })
    }
}
