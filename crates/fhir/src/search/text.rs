//! How text is folded so that case, accents, width and spacing do not matter.

use unicode_normalization::UnicodeNormalization;

/// The longest folded text that is kept, in bytes: what stays well inside one index row of every database.
/// Longer text is found by its beginning.
pub const MAX_KEY: usize = 512;

/// Folds text for comparison: compatibility forms (full width, ligatures) made plain, letters lower-case, Latin,
/// Greek and Cyrillic accents dropped, white space collapsed, and cut to [`MAX_KEY`] bytes.
///
/// Marks that make other letters, such as the voicing of kana or the vowels of Devanagari, stay.
/// <http://hl7.org/fhir/R4/search.html#string>
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(MAX_KEY));
    let mut blank = false;
    let mut push = |letter: char| {
        if letter.is_whitespace() {
            blank = true;
            return true;
        }
        if blank && !folded.is_empty() {
            folded.push(' ');
        }
        blank = false;
        folded.push(letter);
        folded.len() <= MAX_KEY
    };
    if text.is_ascii() {
        let _ = text.bytes().all(|byte| push(char::from(byte.to_ascii_lowercase())));
    } else {
        let plain = text.nfkd().filter(|letter| !is_accent(*letter)).flat_map(char::to_lowercase).nfc();
        let _ = plain.flat_map(letters).all(&mut push);
    }
    cut(&mut folded);
    folded
}

/// A token, uri or reference as it is kept for comparison: unchanged, but cut to what an index row can hold.
/// Two values that agree for so long are taken to be the same.
pub fn key(text: &str) -> &str {
    &text[..floor(text, 2 * MAX_KEY)]
}

/// Whether this mark is an accent on a letter rather than a part of it.
fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

/// The plain letters of those Latin ones that Unicode does not decompose.
fn letters(letter: char) -> impl Iterator<Item = char> {
    let (first, second) = match letter {
        'ß' => ('s', Some('s')),
        'æ' => ('a', Some('e')),
        'œ' => ('o', Some('e')),
        'ø' => ('o', None),
        'đ' | 'ð' => ('d', None),
        'ł' => ('l', None),
        'þ' => ('t', Some('h')),
        'ı' => ('i', None),
        other => (other, None),
    };
    std::iter::once(first).chain(second)
}

fn cut(text: &mut String) {
    let end = floor(text, MAX_KEY);
    text.truncate(end);
}

/// The last character boundary at or before `limit`.
fn floor(text: &str, limit: usize) -> usize {
    if text.len() <= limit {
        return text.len();
    }
    (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_width_and_spacing_do_not_matter() {
        assert_eq!(fold("  José   ÁLVAREZ\t"), "jose alvarez");
        assert_eq!(fold("Ｊｏｈｎ　Ｓｍｉｔｈ"), "john smith");
        assert_eq!(fold("Straße Łódź Øre"), "strasse lodz ore");
        assert_eq!(fold("ΑΘΉΝΑ"), fold("αθηνα"));
    }

    #[test]
    fn letters_of_other_scripts_keep_their_marks() {
        assert_eq!(fold("がぎ"), "がぎ");
        assert_ne!(fold("がぎ"), fold("かき"));
        assert_eq!(fold("김철수"), "김철수");
        assert_eq!(fold("हिन्दी"), "हिन्दी");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let folded = fold(&"张".repeat(1_000));
        assert!(folded.len() <= MAX_KEY && folded.chars().all(|letter| letter == '张'));
        assert_eq!(key(&"é".repeat(2_000)).len(), 2 * MAX_KEY);
    }
}
