//! How one person comes to be written down differently at different counters.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

use crate::dice::Dice;
use crate::people::{Address, Person, Sex, address, check_digit, phone};

/// One way in which a copy differs from the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// No identity number.
    NoId,
    /// One digit of the identity number is wrong, so that its check digit does not fit.
    WrongIdDigit,
    /// The fifteen digits of a card from before 1999.
    OldCard,
    /// The identity number of a father or mother, given for a child.
    RelativesId,
    /// No insurance number.
    NoInsurance,
    /// One digit of the insurance number is wrong.
    WrongInsuranceDigit,
    /// A character of the name that sounds alike: 静 for 婧.
    SoundAlike,
    /// A character of the name that looks alike: 未 for 末.
    ShapeAlike,
    /// Family and given name stand in each other's place.
    SwappedName,
    /// The name as one text, without parts.
    NameInOne,
    /// The given name lacks a character.
    ShortName,
    /// Two neighbouring digits of the birth date changed places.
    SwappedBirthDigits,
    /// One digit of the birth date is wrong.
    WrongBirthDigit,
    /// The day by the lunar calendar, some weeks before.
    LunarBirth,
    /// No birth date.
    NoBirth,
    /// The other sex.
    WrongSex,
    /// A number they had before.
    OldPhone,
    /// A relative's number.
    SharedPhone,
    /// One digit of the telephone number is wrong.
    WrongPhoneDigit,
    /// No telephone number.
    NoPhone,
    /// Another address, where they lived before or live now.
    Moved,
    /// The address without house and flat.
    ShortAddress,
    /// No address.
    NoAddress,
    /// Nothing is known but the sex: someone found unconscious.
    Nameless,
}

/// How often each fault is made, from 0 to 1.
#[derive(Debug, Clone)]
pub struct Rates(Vec<(Fault, f64)>);

impl Default for Rates {
    /// As a district may look whose counters read cards but whose old systems did not.
    fn default() -> Self {
        Self(vec![
            (Fault::NoId, 0.12),
            (Fault::WrongIdDigit, 0.01),
            (Fault::OldCard, 0.01),
            (Fault::RelativesId, 0.03),
            (Fault::NoInsurance, 0.2),
            (Fault::WrongInsuranceDigit, 0.005),
            (Fault::SoundAlike, 0.015),
            (Fault::ShapeAlike, 0.01),
            (Fault::SwappedName, 0.006),
            (Fault::NameInOne, 0.1),
            (Fault::ShortName, 0.004),
            (Fault::SwappedBirthDigits, 0.006),
            (Fault::WrongBirthDigit, 0.008),
            (Fault::LunarBirth, 0.02),
            (Fault::NoBirth, 0.004),
            (Fault::WrongSex, 0.004),
            (Fault::OldPhone, 0.15),
            (Fault::SharedPhone, 0.08),
            (Fault::WrongPhoneDigit, 0.01),
            (Fault::NoPhone, 0.06),
            (Fault::Moved, 0.1),
            (Fault::ShortAddress, 0.12),
            (Fault::NoAddress, 0.1),
        ])
    }
}

impl Rates {
    /// The same rates but for one fault.
    pub fn with(mut self, fault: Fault, rate: f64) -> Self {
        self.0.retain(|(other, _)| *other != fault);
        self.0.push((fault, rate));
        self
    }

    /// No faults at all, to begin with.
    pub fn none() -> Self {
        Self(Vec::new())
    }
}

/// Makes copies with faults.
pub struct Errors {
    dice: Dice,
    rates: Rates,
}

impl Errors {
    /// With the rates of a district.
    pub fn new(seed: u64) -> Self {
        Self::with_rates(seed, Rates::default())
    }

    /// With rates of one's own.
    pub fn with_rates(seed: u64, rates: Rates) -> Self {
        Self { dice: Dice::new(seed ^ 0x0e44_04e5), rates }
    }

    /// A person as somebody else wrote them down, and what is wrong with it. `home` are the people of the household,
    /// whose telephones and cards are given by mistake.
    pub fn copy(&mut self, person: &Person, home: &[Person]) -> (Person, Vec<Fault>) {
        let mut copy = person.clone();
        let mut made = Vec::new();
        let rates = std::mem::take(&mut self.rates.0);
        for (fault, rate) in &rates {
            if self.dice.chance(*rate) && self.make(*fault, &mut copy, home) {
                made.push(*fault);
            }
        }
        self.rates.0 = rates;
        (copy, made)
    }

    /// A person whom an ambulance brings without papers: “unknown male 1”.
    pub fn nameless(&mut self, person: &Person, order: usize) -> (Person, Vec<Fault>) {
        let mut copy = person.clone();
        let sex = if copy.sex == Some(Sex::Female) { "女" } else { "男" };
        copy.family = String::new();
        copy.given = format!("无名氏{sex}{order}");
        (copy.resident_id, copy.insurance, copy.phone, copy.address, copy.birth) = (None, None, None, None, None);
        (copy, vec![Fault::Nameless])
    }

    /// Makes a fault if the copy has what it takes, and says whether it did.
    fn make(&mut self, fault: Fault, copy: &mut Person, home: &[Person]) -> bool {
        let before = copy.clone();
        match fault {
            Fault::NoId => copy.resident_id = None,
            Fault::WrongIdDigit => self.wrong_digit(&mut copy.resident_id, 17),
            Fault::OldCard => copy.resident_id = copy.resident_id.take().map(old_card),
            Fault::RelativesId => {
                let child = before.birth.is_some_and(|birth| birth.year() > 2012);
                let parent = home.iter().find(|other| child && copy.parents.contains(&Some(other.number)));
                if let Some(parent) = parent {
                    copy.resident_id.clone_from(&parent.resident_id);
                }
            }
            Fault::NoInsurance => copy.insurance = None,
            Fault::WrongInsuranceDigit => self.wrong_digit(&mut copy.insurance, 12),
            Fault::SoundAlike => self.other_character(copy, SOUND_ALIKE),
            Fault::ShapeAlike => self.other_character(copy, SHAPE_ALIKE),
            Fault::SwappedName if !copy.family.is_empty() => std::mem::swap(&mut copy.family, &mut copy.given),
            Fault::NameInOne if !copy.family.is_empty() => {
                copy.given = before.name();
                copy.family = String::new();
            }
            Fault::ShortName if copy.given.chars().count() == 2 => copy.given.truncate(copy.given.len() / 2),
            Fault::SwappedName | Fault::NameInOne | Fault::ShortName | Fault::Nameless => {}
            Fault::SwappedBirthDigits => copy.birth = copy.birth.map(|birth| self.swapped(birth)),
            Fault::WrongBirthDigit => copy.birth = copy.birth.map(|birth| self.wrong_day(birth)),
            Fault::LunarBirth => {
                let earlier = Span::new().days(self.dice.between(20, 50));
                let old = copy.birth.filter(|birth| birth.year() < 1975);
                copy.birth = old.and_then(|birth| birth.checked_sub(earlier).ok()).or(copy.birth);
            }
            Fault::NoBirth => copy.birth = None,
            Fault::WrongSex => copy.sex = copy.sex.map(|sex| if sex == Sex::Male { Sex::Female } else { Sex::Male }),
            Fault::OldPhone => copy.phone = copy.phone.take().map(|_| phone(&mut self.dice)),
            Fault::SharedPhone => {
                let others: Vec<&Person> = home.iter().filter(|other| other.number != copy.number).collect();
                if !others.is_empty() {
                    copy.phone.clone_from(&self.dice.pick(&others).phone);
                }
            }
            Fault::WrongPhoneDigit => self.wrong_digit(&mut copy.phone, 11),
            Fault::NoPhone => copy.phone = None,
            Fault::Moved => copy.address = copy.address.take().map(|_| address(&mut self.dice)),
            Fault::ShortAddress => {
                let short = |Address { town, line }: Address| {
                    let end = line.find(|letter: char| letter.is_ascii_digit()).unwrap_or(line.len());
                    Address { town, line: line[..end].to_owned() }
                };
                copy.address = copy.address.take().map(short);
            }
            Fault::NoAddress => copy.address = None,
        }
        *copy != before
    }

    /// Another digit at one of the first places.
    fn wrong_digit(&mut self, number: &mut Option<String>, places: usize) {
        let Some(text) = number.as_mut().filter(|text| text.len() >= places) else { return };
        let place = self.dice.below(places);
        let Some(old) = text[place..=place].chars().next().and_then(|digit| digit.to_digit(10)) else { return };
        let other = (old + self.dice.between(1, 9) as u32) % 10;
        text.replace_range(place..=place, &other.to_string());
    }

    /// Another character of the same group for one of the name.
    fn other_character(&mut self, copy: &mut Person, groups: &str) {
        let is_split = !copy.family.is_empty();
        let letters: Vec<char> = copy.given.chars().collect();
        // A wrong surname is rarer than a wrong given name, because counters ask for it first.
        let start = usize::from(!is_split && letters.len() > 1);
        let fits = |letter: &char| groups.split(' ').find(|group| group.contains(*letter));
        let places: Vec<usize> = (start..letters.len()).filter(|&place| fits(&letters[place]).is_some()).collect();
        if places.is_empty() {
            return;
        }
        let place = *self.dice.pick(&places);
        let group = fits(&letters[place]).expect("only places that fit were kept");
        let others: Vec<char> = group.chars().filter(|other| *other != letters[place]).collect();
        let other = *self.dice.pick(&others);
        copy.given = letters.iter().enumerate().map(|(at, &old)| if at == place { other } else { old }).collect();
    }

    /// Two neighbouring digits changed places, if that makes a day.
    fn swapped(&mut self, birth: Date) -> Date {
        let digits: Vec<char> = format!("{:04}{:02}{:02}", birth.year(), birth.month(), birth.day()).chars().collect();
        let day = |at: usize| {
            let mut other = digits.clone();
            other.swap(at, at + 1);
            read(&other.iter().collect::<String>()).filter(|day| *day != birth && (1900..2100).contains(&day.year()))
        };
        let days: Vec<Date> = (2..7).filter_map(day).collect();
        if days.is_empty() { birth } else { *self.dice.pick(&days) }
    }

    fn wrong_day(&mut self, birth: Date) -> Date {
        let away = match self.dice.below(3) {
            0 => self.dice.between(1, 9).days(),
            1 => self.dice.between(1, 5).months(),
            _ => self.dice.between(1, 9).years(),
        };
        birth.checked_sub(away).unwrap_or(birth)
    }
}

fn read(eight: &str) -> Option<Date> {
    let part = |from: usize, to: usize| eight[from..to].parse::<i16>().ok();
    let (month, day) = (i8::try_from(part(4, 6)?).ok()?, i8::try_from(part(6, 8)?).ok()?);
    Date::new(part(0, 4)?, month, day).ok()
}

/// The number as it stood on cards before 1999, for whoever may have had one.
fn old_card(number: String) -> String {
    let could_have = number.len() == 18
        && &number[6..8] == "19"
        && check_digit(&number[..17]) == number.chars().last().unwrap_or(' ');
    if could_have { format!("{}{}", &number[..6], &number[8..17]) } else { number }
}

/// Characters of names that sound alike.
const SOUND_ALIKE: &str = "伟炜玮卫 静婧靖敬 丽莉俐力 玲铃灵凌 英瑛樱 芳方舫 霞侠 燕艳彦雁 娟涓鹃 梅玫枚 兰岚蓝 \
                           秀绣琇 珍真贞臻 华桦骅 明铭鸣 志智致 强蔷 军君钧均 国果 建健剑 平萍苹 海亥 涛滔韬 斌彬宾滨 \
                           辉晖徽 刚钢岗 浩皓昊灏 宇雨羽禹 轩萱暄 杰捷洁 欣新馨鑫心 怡宜仪 涵含函 梓子紫 佳嘉家 琪琦祺淇 \
                           雯文纹 慧惠蕙 敏闵 倩茜 莹盈颖 婷亭庭 瑶遥 诗施 诺懦 辰晨宸 泽择 睿瑞锐 博伯 俊骏峻 超朝 鹏朋 \
                           磊蕾 凯恺 亮良 帅率 龙隆 富福 贵桂 荣容蓉 玉钰育 春椿 生升 林琳霖 山珊 德得 永勇咏 长常 文闻 \
                           红洪宏鸿虹 晓小筱 东冬 波博 峰锋枫丰 淑舒 素苏 月悦玥 香湘 琴芹勤 云芸 巧俏 爱艾 新昕 娜纳 丹单";

/// Characters of names that look alike.
const SHAPE_ALIKE: &str = "末未 己已 伟苇 静净 晴睛 洋泮 梅海 佳住 莹萤 丽两 娟捐 辰晨 宇字 浩洁 杰然 涛铸 磊蠢 婷停 颖颍 \
                           玉王 兰三 芳芬 秀季 珍珎 凤风 英莫 敏繁 燕蒸 霞露 红江 建健 国固 明朋 志忘 强张 军车 平乎 刚钢 \
                           辉挥 鹏鸠 凯凱 鑫金 俊俏 超起 亮壳 帅师 晨震 博搏 文丈 欣欧 怡恰 梓锌 涵淘 雨两 思恩 诗持 琪淇 \
                           馨磬 语话 若苦 曦羲 沐沭 宸震 奕弈 睿容 墨黑 阳阴 诺若 依侬 萱营 瑶摇 汐夕 桐铜 艺芝 清情 妍研";
