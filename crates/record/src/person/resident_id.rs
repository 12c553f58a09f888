//! Resident identity numbers: GB 11643-1999, whose last digit is ISO 7064 MOD 11-2.

use jiff::civil::Date;

use crate::person::Sex;

/// A resident identity number whose check digit fits and whose birth date is a day.
///
/// Cards of residents of Hong Kong, Macao and Taiwan begin with 81, 82 and 83 and are built alike. Whether the region
/// code still stands for a place is not asked: people keep the number they were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResidentId([u8; 18]);

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK: &[u8; 11] = b"10X98765432";

impl ResidentId {
    /// Reads a number as people type it: full-width digits, a small x and blanks are taken. The fifteen digits of cards
    /// from before 1999 are read as the eighteen their holder has now. `None` when it is no such number.
    pub fn read(text: &str) -> Option<Self> {
        let mut number = plain(text);
        if number.len() == 15 && number.iter().all(u8::is_ascii_digit) {
            number.splice(6..6, *b"19");
            number.push(check_digit(&number)?);
        }
        let number: [u8; 18] = number.try_into().ok()?;
        let is_shaped = matches!(number[0], b'1'..=b'9') && check_digit(&number[..17])? == number[17];
        (is_shaped && day(&number).is_some()).then_some(Self(number))
    }

    /// The eighteen characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII was let in")
    }

    /// The birth date it names.
    pub fn birth(&self) -> Date {
        day(&self.0).expect("only numbers with a day were let in")
    }

    /// The sex it names: the seventeenth digit is odd for men.
    pub fn sex(&self) -> Sex {
        if self.0[16] % 2 == 1 { Sex::Male } else { Sex::Female }
    }
}

/// The characters of a number in their plain form, without blanks.
pub(super) fn plain(text: &str) -> Vec<u8> {
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '\u{200b}');
    let narrow = letters.map(|letter| match u32::from(letter) {
        wide @ 0xff01..=0xff5e => char::from_u32(wide - 0xfee0).unwrap_or(letter),
        _ => letter,
    });
    narrow.collect::<String>().to_uppercase().into_bytes()
}

fn check_digit(seventeen: &[u8]) -> Option<u8> {
    let is_number = seventeen.len() == WEIGHTS.len() && seventeen.iter().all(u8::is_ascii_digit);
    let sum: u32 = seventeen.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    is_number.then(|| CHECK[sum as usize % CHECK.len()])
}

fn day(number: &[u8; 18]) -> Option<Date> {
    let part = |from: usize, to: usize| std::str::from_utf8(&number[from..to]).ok()?.parse::<i16>().ok();
    let (month, day) = (i8::try_from(part(10, 12)?).ok()?, i8::try_from(part(12, 14)?).ok()?);
    Date::new(part(6, 10)?, month, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Examples of the standard and of its commentaries; nobody holds these numbers.
    const VECTORS: [&str; 2] = ["11010519491231002X", "440524188001010014"];

    #[test]
    fn the_examples_of_the_standard_are_read() {
        let [female, male] = VECTORS.map(|text| ResidentId::read(text).unwrap());
        assert_eq!((female.birth().to_string().as_str(), female.sex()), ("1949-12-31", Sex::Female));
        assert_eq!((male.birth().to_string().as_str(), male.sex()), ("1880-01-01", Sex::Male));
    }

    #[test]
    fn full_width_digits_a_small_x_and_blanks_are_taken() {
        for text in ["11010519491231002x", " 110105 19491231 002X ", "１１０１０５１９４９１２３１００２Ｘ"]
        {
            assert_eq!(ResidentId::read(text).unwrap().as_str(), VECTORS[0], "{text}");
        }
    }

    #[test]
    fn an_old_card_is_the_number_its_holder_has_now() {
        assert_eq!(ResidentId::read("110105491231002").unwrap().as_str(), VECTORS[0]);
    }

    #[test]
    fn every_substitution_of_one_character_is_refused() {
        for vector in VECTORS {
            for place in 0..18 {
                for other in "0123456789X".chars().filter(|other| *other != vector.as_bytes()[place].into()) {
                    let mut wrong = vector.to_owned();
                    wrong.replace_range(place..=place, &other.to_string());
                    assert_eq!(ResidentId::read(&wrong), None, "{wrong}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "123",
            "11010519491331002X",
            "一二三",
            "11010519491231002XX",
            "-10105194912310020",
            "é".repeat(9).as_str(),
        ] {
            assert_eq!(ResidentId::read(text), None, "{text}");
        }
    }
}
