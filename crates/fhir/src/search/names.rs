//! The sounds of Chinese names, so that 张伟 is found as `zhangwei`, `Zhāng Wěi` and `zw`.
//!
//! Readings come from the `pinyin` crate. What it cannot know, that a character is read differently as a surname
//! (单 is Shan, not Dan) and which two characters are one surname, comes from `surnames.tsv`, which names its sources.

use std::sync::LazyLock;

use pinyin::{Pinyin, ToPinyinMulti};
use rustc_hash::FxHashMap;

use super::text::fold;

/// At most so many readings of one character are considered, the commonest first.
const READINGS: usize = 3;
/// At most so many ways to read one whole name are kept: all those of two characters.
const COMBINATIONS: usize = READINGS * READINGS;
/// Names longer than this many characters are not read; no Chinese name is.
const MAX_CHARACTERS: usize = 24;

/// Which part of a name a search parameter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The whole name.
    Whole,
    /// Family names only.
    Family,
    /// Given names only.
    Given,
}

/// The texts, besides those written, by which a name is found.
///
/// Empty for a name that is not written in Han characters alone, such as one with kana, hangul or Latin letters.
pub(crate) fn sounds(family: Option<&str>, given: &[&str], text: Option<&str>, part: Part) -> Vec<String> {
    let Some((family, given)) = split(family, given, text) else { return Vec::new() };
    let family_sounds = read_surname(&family);
    let given_sounds = read(&given);
    let mut found = Vec::new();
    if part != Part::Given {
        push_sounds(&mut found, &family_sounds);
    }
    if part != Part::Family && !given.is_empty() {
        push_sounds(&mut found, &given_sounds);
        push_initials(&mut found, &given_sounds);
    }
    if part == Part::Whole {
        if !given.is_empty() && !family.is_empty() {
            let whole = combine(&family_sounds, &given_sounds);
            push_sounds(&mut found, &whole);
            push_initials(&mut found, &whole);
        }
        push(&mut found, fold(&format!("{family}{given}")));
    }
    if part != Part::Given {
        push(&mut found, fold(&family));
    }
    if part != Part::Family {
        push(&mut found, fold(&given));
    }
    found.retain(|form| !form.is_empty());
    found
}

/// What a person may have typed for a name: the folded text and, where it differs, the same run together,
/// without blanks, apostrophes and tone digits.
///
/// Matching any of these as a prefix is how a string parameter on names is searched.
pub fn spellings(typed: &str) -> Vec<String> {
    let folded = fold(typed);
    let latin = folded.is_ascii();
    let is_dropped = |letter: char| match letter {
        ' ' | '\'' | '’' | '·' | '-' => true,
        // 张3 would be looked for as it stands, but zhang3 has a tone.
        letter => latin && letter.is_ascii_digit(),
    };
    let together: String = folded.chars().filter(|&letter| !is_dropped(letter)).collect();
    if together == folded || together.is_empty() { vec![folded] } else { vec![folded, together] }
}

/// A name written in Han characters, taken apart and read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The family name, found by its surname when the name is one text.
    pub family: String,
    /// The given name.
    pub given: String,
    /// The commonest syllable of each character without its tone, a surname read as surnames are.
    pub syllables: Vec<&'static str>,
}

/// Reads a name, given in parts or as one text, the commonest way. `None` for a name that is not written in Han
/// characters alone, or holds one without a known sound.
pub fn reading(family: Option<&str>, given: &[&str], text: Option<&str>) -> Option<Reading> {
    let (family, given) = split(family, given, text)?;
    let mut syllables = read_surname(&family).into_iter().next()?;
    syllables.extend(read(&given).into_iter().next()?);
    Some(Reading { family, given, syllables })
}

/// All the ways a run of characters may be read, each a list of syllables.
type Sounds = Vec<Vec<&'static str>>;

/// The family and given part of a name, if it is written in Han characters.
fn split(family: Option<&str>, given: &[&str], text: Option<&str>) -> Option<(String, String)> {
    let family = family.map(str::trim).filter(|family| !family.is_empty());
    let given: String = given.iter().flat_map(|given| given.chars()).filter(|letter| !is_gap(*letter)).collect();
    if family.is_some() || !given.is_empty() {
        let family: String = family.unwrap_or_default().chars().filter(|letter| !is_gap(*letter)).collect();
        return is_han(&format!("{family}{given}")).then_some((family, given));
    }
    let text = text?.trim();
    let whole: String = text.chars().filter(|letter| !is_gap(*letter)).collect();
    if !is_han(&whole) {
        return None;
    }
    if let Some((family, given)) = text.split_once(char::is_whitespace) {
        let part = |part: &str| part.chars().filter(|letter| !is_gap(*letter)).collect::<String>();
        return Some((part(family), part(given)));
    }
    let mut ends = whole.char_indices().map(|(at, _)| at).skip(1);
    let (one, two) = (ends.next().unwrap_or(whole.len()), ends.next());
    // A compound surname needs a character left for the given name; 司马 alone is read as one all the same.
    let end = two
        .or((whole.chars().count() == 2).then_some(whole.len()))
        .filter(|&end| SURNAMES.contains_key(&whole[..end]))
        .unwrap_or(one);
    Some((whole[..end].to_owned(), whole[end..].to_owned()))
}

/// Blanks and the dot between the parts of a transcribed name.
fn is_gap(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '·' | '•' | '・' | '‧')
}

fn is_han(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= MAX_CHARACTERS
        && text.chars().all(|letter| {
            matches!(u32::from(letter), 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x323af)
        })
}

static SURNAMES: LazyLock<FxHashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    include_str!("surnames.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .map(|(surname, sounds)| (surname, sounds.split(' ').collect()))
        .collect()
});

/// A surname is read as surnames are; the few people who read theirs otherwise are found by its characters.
fn read_surname(surname: &str) -> Sounds {
    match SURNAMES.get(surname) {
        Some(sounds) => widen(sounds.iter().map(|sound| variants(sound)).collect()),
        None => read(surname),
    }
}

fn read(text: &str) -> Sounds {
    let choices = text
        .chars()
        .map(|letter| {
            let mut sounds = Vec::new();
            for reading in letter.to_pinyin_multi().into_iter().flatten().map(Pinyin::plain) {
                for sound in variants(reading) {
                    if !sounds.contains(&sound) {
                        sounds.push(sound);
                    }
                }
            }
            sounds.truncate(READINGS);
            sounds
        })
        .collect();
    widen(choices)
}

/// A syllable with ü is typed with `v` in input methods, `u` by most others, and `yu` in passports.
fn variants(sound: &'static str) -> Vec<&'static str> {
    match sound {
        "lü" => vec!["lv", "lu", "lyu"],
        "nü" => vec!["nv", "nu", "nyu"],
        "lüe" => vec!["lve", "lue"],
        "nüe" => vec!["nve", "nue"],
        sound if sound.is_ascii() => vec![sound],
        _ => Vec::new(),
    }
}

/// The readings of a whole from the readings of its characters, the one of all the commonest first, up to the bound.
fn widen(choices: Vec<Vec<&'static str>>) -> Sounds {
    if choices.iter().any(Vec::is_empty) {
        return Vec::new();
    }
    choices.iter().fold(vec![Vec::new()], |readings, sounds| {
        let longer = sounds.iter().flat_map(|sound| {
            readings.iter().map(move |reading| reading.iter().copied().chain([*sound]).collect::<Vec<_>>())
        });
        longer.take(COMBINATIONS).collect()
    })
}

fn combine(first: &Sounds, second: &Sounds) -> Sounds {
    let pairs = second.iter().flat_map(|second| first.iter().map(move |first| [first.as_slice(), second].concat()));
    pairs.take(COMBINATIONS).collect()
}

fn push_sounds(found: &mut Vec<String>, sounds: &Sounds) {
    for reading in sounds {
        push(found, reading.concat());
    }
}

fn push_initials(found: &mut Vec<String>, sounds: &Sounds) {
    for reading in sounds {
        push(found, reading.iter().filter_map(|sound| sound.chars().next()).collect());
    }
}

fn push(found: &mut Vec<String>, form: String) {
    if !found.contains(&form) {
        found.push(form);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a search for `typed` finds the name by the prefix rule on its sounds.
    fn finds(typed: &str, name: &[String]) -> bool {
        spellings(typed).iter().any(|typed| name.iter().any(|form| form.starts_with(typed.as_str())))
    }

    fn written(text: &str) -> Vec<String> {
        sounds(None, &[], Some(text), Part::Whole)
    }

    #[test]
    fn a_name_is_found_by_full_pinyin_initials_and_characters() {
        let parts = sounds(Some("张"), &["伟"], None, Part::Whole);
        for name in [written("张伟"), written("张 伟"), parts] {
            for typed in
                ["张伟", "张 伟", "zhangwei", "Zhang Wei", "Zhāng Wěi", "zhang1 wei3", "zhangw", "zw", "wei", "伟"]
            {
                assert!(finds(typed, &name), "{typed} in {name:?}");
            }
            assert!(!finds("lw", &name) && !finds("zhangmin", &name));
        }
    }

    #[test]
    fn surnames_are_read_as_surnames() {
        for (name, right, wrong) in [
            ("单田芳", "shantianfang", "dan"),
            ("仇英", "qiuying", "chou"),
            ("解缙", "xiejin", "jie"),
            ("曾巩", "zenggong", "ceng"),
            ("区寄", "ouji", "qu"),
            ("查良", "zhaliang", "cha"),
            ("朴正", "piaozheng", "pu"),
            ("尉迟恭", "yuchigong", "weichi"),
            ("万俟卨", "moqi", "wansi"),
            ("长孙无忌", "zhangsunwuji", "changsun"),
            ("单于丹", "chanyudan", "danyu"),
            ("种师道", "chongshidao", "zhong"),
        ] {
            let forms = written(name);
            assert!(finds(right, &forms), "{right} in {forms:?}");
            assert!(!finds(wrong, &forms), "{wrong} in {forms:?}");
        }
    }

    #[test]
    fn a_compound_surname_leaves_the_given_name_whole() {
        for forms in [written("欧阳修"), sounds(Some("欧阳"), &["修"], None, Part::Whole)] {
            for typed in ["ouyangxiu", "oyx", "xiu", "欧阳修"] {
                assert!(finds(typed, &forms), "{typed} in {forms:?}");
            }
        }
        assert_eq!(sounds(Some("欧阳"), &["修"], None, Part::Family), ["ouyang", "欧阳"]);
        assert!(finds("xiu", &sounds(None, &[], Some("欧阳修"), Part::Given)));
    }

    #[test]
    fn a_given_name_that_may_be_read_in_two_ways_is_found_by_both() {
        let forms = written("王乐");
        assert!(finds("wangle", &forms) && finds("wangyue", &forms), "{forms:?}");
        let many = written("乐乐乐乐乐乐乐乐");
        assert!(many.len() <= 5 * COMBINATIONS + 3, "{}", many.len());
    }

    #[test]
    fn a_name_is_read_one_way_however_it_is_taken_apart() {
        let whole = reading(None, &[], Some("欧阳修")).unwrap();
        assert_eq!((whole.family.as_str(), whole.given.as_str()), ("欧阳", "修"));
        assert_eq!(whole.syllables, ["ou", "yang", "xiu"]);
        assert_eq!(reading(Some("欧阳"), &["修"], Some("欧阳修")), Some(whole));
        assert_eq!(reading(Some("单"), &[], None).unwrap().syllables, ["shan"]);
        assert_eq!(reading(Some("Smith"), &["John"], None), None);
    }

    #[test]
    fn u_with_two_dots_is_found_as_people_type_it() {
        let forms = written("吕布");
        for typed in ["lvbu", "lubu", "lyubu", "lǚ bù", "lb"] {
            assert!(finds(typed, &forms), "{typed} in {forms:?}");
        }
    }

    #[test]
    fn names_in_other_scripts_get_no_sounds() {
        for name in ["山田 はなこ", "ヤマダ", "김철수", "John Smith", "Müller", "张 Wei"] {
            assert_eq!(written(name), Vec::<String>::new(), "{name}");
        }
        assert_eq!(sounds(Some("Smith"), &["John"], None, Part::Whole), Vec::<String>::new());
    }

    #[test]
    fn a_transcribed_name_is_read_across_its_dot() {
        assert!(finds("abudula", &written("阿卜杜拉·买买提")));
    }

    #[test]
    fn what_was_typed_keeps_its_first_form() {
        assert_eq!(spellings("O'Brien"), ["o'brien", "obrien"]);
        assert_eq!(spellings("smith"), ["smith"]);
    }
}
