//! Names people in China bear: which surnames are common, and what children were called in each decade.
//!
//! The order of surnames follows the yearly reports of the Ministry of Public Security on names; given names follow the
//! lists of popular names by decade in the same reports. A listed given name and a surname are put together by chance.

use crate::dice::Dice;
use crate::people::Sex;

/// The commonest surnames, in order; together they are borne by some nine in ten people.
const SURNAMES: &str = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕\
                        丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱\
                        戴严莫孔向常汤康易乔赖文温芦庄樊耿凌欧鲁殷詹洪兰葛焦聂柴管鲍翟柳单涂岳齐柯纪梅童尚辛游阮盛路";

/// Surnames few bear, of one and of two characters.
const RARE: [&str; 48] = [
    "欧阳", "上官", "司马", "诸葛", "皇甫", "司徒", "尉迟", "慕容", "夏侯", "东方", "令狐", "公孙", "宇文", "轩辕",
    "冼", "佘", "逄", "仇", "乜", "仉", "厍", "禤", "郄", "靳", "郇", "麴", "笪", "荀", "褚", "祁", "窦", "麦", "苗",
    "裴", "卞", "臧", "燕", "冉", "甄", "封", "芮", "储", "滕", "宓", "查", "区", "解", "缪",
];

/// What children of a sex were called in a span of years: the end of the span, favourite whole given names, and the
/// characters others were put together of.
struct Fashion {
    until: i16,
    male: (&'static str, &'static str),
    female: (&'static str, &'static str),
}

const FASHIONS: [Fashion; 6] = [
    Fashion {
        until: 1954,
        male: (
            "德福 玉成 福生 金山 长林 世荣 振华 国栋 永福 树林 文彬 占山 兆祥 明德 宝山 有才 连生",
            "德福寿荣贵金玉永长树文明振世祥林海山根富春生财龙正",
        ),
        female: (
            "秀英 桂英 玉兰 桂兰 秀兰 淑珍 凤英 玉珍 素珍 玉英 桂珍 月英 金凤 菊香 兰英 翠花 淑英",
            "秀英桂兰玉珍淑凤素月菊香翠莲花琴芳云珠梅巧银",
        ),
    },
    Fashion {
        until: 1969,
        male: (
            "建国 建华 国强 志强 卫东 建军 国庆 志明 小平 援朝 跃进 永强 建平 保国 和平 爱国 新民",
            "建国华军卫东强志明平民永跃进红新庆保军爱社",
        ),
        female: (
            "秀兰 秀英 桂兰 丽华 玉梅 淑华 红梅 桂芳 秀珍 爱华 丽娟 春梅 小红 凤兰 月娥 玉华 素芳",
            "秀丽华玉淑红梅芳爱春月凤娟英兰霞琴萍珍素",
        ),
    },
    Fashion {
        until: 1984,
        male: (
            "伟 勇 军 强 涛 斌 辉 刚 建军 志刚 海涛 建伟 永刚 晓东 志伟 国华 红兵 海军 文军 晓明",
            "伟勇军强涛斌辉刚志海建永晓文东明峰平波宏",
        ),
        female: (
            "丽 艳 敏 芳 静 霞 燕 红 丽娟 艳红 晓燕 丽萍 海燕 小丽 秀丽 春燕 丽丽 红霞 玉玲 彩霞",
            "丽艳敏芳静霞燕红娟萍玲晓海春玉雪彩慧琳梅",
        ),
    },
    Fashion {
        until: 1997,
        male: (
            "伟 磊 超 鹏 杰 浩 亮 凯 鑫 俊 帅 宇 晨 文博 志豪 俊杰 家豪 明轩 海洋 天宇",
            "伟磊超鹏杰浩亮凯鑫俊帅宇晨文博志豪家明轩天翔飞龙",
        ),
        female: (
            "静 娜 婷 婷婷 雪 丹 莹 倩 颖 佳 慧 雯 敏 思思 佳佳 晓雪 梦婷 雅静 丽娜 梦瑶",
            "静娜婷雪丹莹倩颖佳慧雯敏思晓梦雅丽琪瑶欣悦露",
        ),
    },
    Fashion {
        until: 2010,
        male: (
            "浩然 子豪 宇轩 俊杰 浩宇 博文 子轩 宇航 天佑 嘉豪 俊熙 皓轩 志远 泽宇 子涵 一鸣 文昊 睿",
            "浩然子豪宇轩俊杰博文航天嘉皓泽涵睿昊熙远志铭",
        ),
        female: (
            "欣怡 梓涵 雨桐 子涵 思雨 佳怡 雨欣 诗涵 欣妍 梦琪 可馨 雨涵 静怡 语嫣 紫涵 若曦 佳琪 婉婷",
            "欣怡梓涵雨桐思佳诗妍梦琪可馨静语若曦婉婷萱",
        ),
    },
    Fashion {
        until: i16::MAX,
        male: (
            "沐宸 浩宇 奕辰 宇泽 梓睿 宇轩 一诺 亦辰 子墨 沐阳 浩然 梓豪 宇辰 景行 泽楷 书宇 铭泽 知行",
            "沐宸浩宇奕辰泽梓睿轩亦墨阳豪景行楷书铭知安",
        ),
        female: (
            "一诺 依诺 梓萱 欣怡 沐瑶 若汐 语桐 可欣 梓涵 艺涵 雨桐 诗涵 书瑶 清妍 米朵 苡沫 安然 芷若",
            "一诺依梓萱欣怡沐瑶若汐语桐可艺诗书清妍安芷",
        ),
    },
];

/// Given and family names of a people whose names are written by their sound.
const UYGHUR: (&str, &str) = (
    "阿卜杜拉 买买提 艾力 吐尔逊 玉素甫 阿迪力 库尔班 艾尔肯 热合曼 努尔买买提",
    "古丽 阿依古丽 热依汗 帕提古丽 祖丽菲亚 迪丽娜 茹仙古丽 阿孜古丽 米热古丽 麦尔耶姆",
);
const TIBETAN: (&str, &str) = (
    "扎西 多吉 次仁 尼玛 格桑 丹增 旺堆 平措 索朗 达瓦 扎西顿珠 次仁旺堆 格桑多吉",
    "卓玛 拉姆 央金 白玛 德吉 措姆 曲珍 梅朵 次仁卓玛 格桑拉姆 白玛央金 德吉措姆",
);
const MONGOL: (&str, &str) = (
    "巴特尔 布和 朝鲁 苏和 巴图 格日勒 乌力吉 那顺 宝音 哈斯 额尔敦",
    "其其格 娜仁 乌兰 萨仁 托娅 高娃 琪琪格 斯琴 乌云 阿茹娜",
);

/// A people of China: its code of GB/T 3304, its name, and how many in a thousand belong to it here.
pub struct Ethnicity {
    /// The code of GB/T 3304-1991.
    pub code: &'static str,
    /// The name.
    pub name: &'static str,
    share: usize,
}

/// The peoples of the invented district; the first holds the rest of the thousand.
pub static ETHNICITIES: [Ethnicity; 9] = [
    Ethnicity { code: "01", name: "汉族", share: 928 },
    Ethnicity { code: "08", name: "壮族", share: 14 },
    Ethnicity { code: "03", name: "回族", share: 12 },
    Ethnicity { code: "11", name: "满族", share: 10 },
    Ethnicity { code: "05", name: "维吾尔族", share: 10 },
    Ethnicity { code: "06", name: "苗族", share: 8 },
    Ethnicity { code: "15", name: "土家族", share: 8 },
    Ethnicity { code: "04", name: "藏族", share: 6 },
    Ethnicity { code: "02", name: "蒙古族", share: 4 },
];

/// A people, as often as it is found.
pub(super) fn ethnicity(dice: &mut Dice) -> &'static Ethnicity {
    let mut place = dice.below(1_000);
    for one in &ETHNICITIES {
        match place.checked_sub(one.share) {
            Some(rest) => place = rest,
            None => return one,
        }
    }
    &ETHNICITIES[0]
}

/// A surname that goes to the children; empty for peoples who have none.
pub(super) fn surname(dice: &mut Dice, ethnicity: &Ethnicity) -> String {
    let among = match ethnicity.code {
        "05" | "04" | "02" => return String::new(),
        "08" => "韦黄覃陆莫蒙农梁",
        "03" => "马丁哈白沙金穆纳",
        "11" => "关佟那赵富金傅白",
        "06" => "龙石吴杨麻田廖",
        "15" => "彭向田覃冉谭",
        _ if dice.chance(0.02) => return (*dice.pick(&RARE)).to_owned(),
        _ => SURNAMES,
    };
    let among: Vec<char> = among.chars().filter(|letter| !letter.is_whitespace()).collect();
    dice.pick_ranked(&among, 6.0).to_string()
}

/// A given name as they were chosen in the year of birth. `family` is the surname, or empty.
pub(super) fn given(dice: &mut Dice, ethnicity: &Ethnicity, family: &str, sex: Sex, year: i16) -> String {
    let by_sex = |(male, female): (&'static str, &'static str)| if sex == Sex::Male { male } else { female };
    let one_of = |dice: &mut Dice, words: &'static str| {
        let words: Vec<&str> = words.split(' ').collect();
        (*dice.pick_ranked(&words, 4.0)).to_owned()
    };
    match ethnicity.code {
        // A child bears the father's name behind its own.
        "05" => return format!("{}·{}", one_of(dice, by_sex(UYGHUR)), one_of(dice, UYGHUR.0)),
        "04" => return one_of(dice, by_sex(TIBETAN)),
        "02" => return one_of(dice, by_sex(MONGOL)),
        _ => {}
    }
    let fashion = FASHIONS.iter().find(|fashion| year <= fashion.until).expect("the last fashion has no end");
    let (favourites, characters) = if sex == Sex::Male { fashion.male } else { fashion.female };
    if dice.chance(0.35) {
        return one_of(dice, favourites);
    }
    let characters: Vec<char> = characters.chars().collect();
    let first = *dice.pick_ranked(&characters, 8.0);
    // One character after a surname of one was the fashion from about 1970 to 2000.
    let is_short = dice.chance(if (1970..2000).contains(&year) { 0.4 } else { 0.08 });
    let second = *dice.pick(&characters);
    // Doubled characters are for girls, and came with the eighties.
    let is_odd = second == first && (sex == Sex::Male || year < 1980);
    if is_odd || (is_short && family.chars().count() == 1) { first.to_string() } else { format!("{first}{second}") }
}
