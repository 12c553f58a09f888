//! What people of the district fall ill with, in the words doctors write it down in.

/// Something to take.
pub(super) struct Drug {
    pub(super) name: &'static str,
    pub(super) dosage: &'static str,
}

/// A result a laboratory gives: LOINC code, name, unit (UCUM), what is normal, and how many digits follow the point.
pub(super) struct Test {
    pub(super) loinc: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) digits: usize,
}

const fn test(loinc: &'static str, name: &'static str, unit: &'static str, low: f64, high: f64, digits: usize) -> Test {
    Test { loinc, name, unit, low, high, digits }
}

/// Tests ordered together: the LOINC code of the panel, what it is called, and its tests.
pub(super) struct Panel {
    pub(super) loinc: &'static str,
    pub(super) name: &'static str,
    pub(super) tests: &'static [Test],
}

/// An examination with images.
pub(super) struct Imaging {
    /// DICOM modality.
    pub(super) modality: &'static str,
    pub(super) loinc: &'static str,
    pub(super) name: &'static str,
    pub(super) seen: &'static str,
    pub(super) opinion: &'static str,
}

pub(super) const BLOOD: Panel = Panel {
    loinc: "58410-2",
    name: "血常规",
    tests: &[
        test("6690-2", "白细胞计数", "10*9/L", 3.5, 9.5, 1),
        test("718-7", "血红蛋白", "g/L", 115.0, 160.0, 0),
        test("777-3", "血小板计数", "10*9/L", 125.0, 350.0, 0),
    ],
};
pub(super) const SUGAR: Panel = Panel {
    loinc: "24331-1",
    name: "血糖血脂",
    tests: &[
        test("14771-0", "空腹血糖", "mmol/L", 3.9, 6.1, 1),
        test("4548-4", "糖化血红蛋白", "%", 4.0, 6.0, 1),
        test("22748-8", "低密度脂蛋白胆固醇", "mmol/L", 1.5, 3.4, 2),
    ],
};
pub(super) const KIDNEY: Panel = Panel {
    loinc: "24362-6",
    name: "肾功能电解质",
    tests: &[
        test("14682-9", "肌酐", "umol/L", 57.0, 97.0, 0),
        test("14933-6", "尿酸", "umol/L", 208.0, 428.0, 0),
        test("2823-3", "钾", "mmol/L", 3.5, 5.3, 2),
    ],
};
pub(super) const INFLAMMATION: Panel =
    Panel { loinc: "1988-5", name: "C反应蛋白", tests: &[test("1988-5", "C反应蛋白", "mg/L", 0.0, 10.0, 1)] };
pub(super) const URINE: Panel =
    Panel { loinc: "24356-8", name: "尿常规", tests: &[test("5821-4", "尿白细胞", "/[HPF]", 0.0, 5.0, 0)] };
pub(super) const CD4: Panel = Panel {
    loinc: "24467-3",
    name: "CD4+T淋巴细胞计数",
    tests: &[test("24467-3", "CD4+T淋巴细胞", "/uL", 410.0, 1590.0, 0)],
};

const CHEST: Imaging = Imaging {
    modality: "DX",
    loinc: "36643-5",
    name: "胸部正侧位片",
    seen: "双肺纹理增多、增粗，右下肺野见斑片状模糊影。心影大小、形态未见明显异常，双侧肋膈角锐利。",
    opinion: "右下肺炎症可能，建议抗感染治疗后复查。",
};
const CHEST_CT: Imaging = Imaging {
    modality: "CT",
    loinc: "24627-2",
    name: "胸部CT平扫",
    seen: "双肺透亮度增高，双肺上叶见多发小囊状透亮影，右肺下叶见片状磨玻璃密度影，边界模糊。气管及主支气管通畅。纵隔未见肿大淋巴结。",
    opinion: "1. 慢支、肺气肿征象；2. 右肺下叶炎症，请结合临床。",
};
const HEAD_CT: Imaging = Imaging {
    modality: "CT",
    loinc: "24725-4",
    name: "头颅CT平扫",
    seen: "左侧基底节区见片状低密度影，边界欠清，大小约1.6 cm×1.2 cm。脑室系统未见明显扩大，中线结构居中。",
    opinion: "左侧基底节区脑梗死，建议MRI检查。",
};
const SPINE: Imaging = Imaging {
    modality: "DX",
    loinc: "24972-2",
    name: "腰椎正侧位片",
    seen: "腰椎生理曲度变直，L3–L5椎体边缘骨质增生，L4/5椎间隙变窄。",
    opinion: "腰椎退行性变。",
};
const ANKLE: Imaging = Imaging {
    modality: "DX",
    loinc: "24541-5",
    name: "踝关节正侧位片",
    seen: "踝关节诸骨骨质结构完整，未见明确骨折征象，关节间隙正常，外踝周围软组织肿胀。",
    opinion: "未见明确骨折，外踝软组织肿胀。",
};
const ABDOMEN: Imaging = Imaging {
    modality: "US",
    loinc: "24558-9",
    name: "腹部彩超",
    seen: "右下腹见一盲管状低回声，直径约9 mm，管壁增厚，周围脂肪回声增强，未见明显包块。",
    opinion: "右下腹异常回声，考虑急性阑尾炎。",
};

/// An illness, as it brings somebody to a doctor.
pub(super) struct Illness {
    /// ICD-10.
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) complaint: &'static str,
    pub(super) story: &'static str,
    pub(super) plan: &'static str,
    pub(super) drugs: &'static [Drug],
    pub(super) panels: &'static [&'static Panel],
    pub(super) imaging: Option<&'static Imaging>,
    /// The department of a tertiary hospital, and of a secondary one.
    pub(super) department: [&'static str; 2],
    /// From what age to what age.
    pub(super) ages: (i64, i64),
}

const fn drug(name: &'static str, dosage: &'static str) -> Drug {
    Drug { name, dosage }
}

/// What comes and goes, and is dealt with at an office.
pub(super) const ACUTE: &[Illness] = &[
    Illness {
        code: "J06.9",
        name: "急性上呼吸道感染",
        complaint: "咽痛、流涕3天",
        story: "3天前受凉后出现咽痛、鼻塞、流清涕，无发热，无胸闷气促，自服感冒药后稍缓解。",
        plan: "多饮水，注意休息，对症治疗；如有高热、气促随时就诊。",
        drugs: &[drug("对乙酰氨基酚片", "0.5 g 口服，必要时，24小时内不超过4次")],
        panels: &[&BLOOD],
        imaging: None,
        department: ["respiratory", "medicine"],
        ages: (14, 90),
    },
    Illness {
        code: "J06.9",
        name: "急性上呼吸道感染",
        complaint: "发热、咳嗽2天",
        story: "2天前出现发热，体温最高38.6 ℃，伴阵发性咳嗽，精神、胃纳尚可，大小便正常。",
        plan: "物理降温，多饮水；体温超过38.5 ℃服退热药；2日后复诊。",
        drugs: &[drug("布洛芬混悬液", "按体重口服，必要时，间隔不少于6小时")],
        panels: &[&BLOOD, &INFLAMMATION],
        imaging: None,
        department: ["paediatrics", "paediatrics"],
        ages: (1, 14),
    },
    Illness {
        code: "J20.9",
        name: "急性支气管炎",
        complaint: "咳嗽、咳黄痰1周",
        story: "1周前感冒后咳嗽，咳黄色黏痰，不易咳出，夜间为著，无咯血及盗汗。",
        plan: "抗感染、止咳化痰，完善胸片；3日后复诊。",
        drugs: &[drug("盐酸氨溴索片", "30 mg 口服，每日3次"), drug("阿莫西林胶囊", "0.5 g 口服，每日3次")],
        panels: &[&BLOOD],
        imaging: Some(&CHEST),
        department: ["respiratory", "medicine"],
        ages: (10, 90),
    },
    Illness {
        code: "K29.7",
        name: "胃炎",
        complaint: "上腹胀痛半月，加重2天",
        story: "半月前无明显诱因上腹部胀痛，餐后明显，伴反酸、嗳气，无黑便，无体重下降。",
        plan: "规律饮食，忌辛辣；必要时行胃镜检查。",
        drugs: &[drug("奥美拉唑肠溶胶囊", "20 mg 口服，每日1次，早餐前"), drug("铝碳酸镁咀嚼片", "1 g 嚼服，每日3次")],
        panels: &[],
        imaging: None,
        department: ["gastroenterology", "medicine"],
        ages: (16, 80),
    },
    Illness {
        code: "A09.9",
        name: "急性胃肠炎",
        complaint: "腹泻伴脐周隐痛1天",
        story: "1天前进食不洁食物后腹泻，黄色稀水便5次，伴脐周隐痛，无脓血便，无里急后重。",
        plan: "清淡饮食，口服补液；如不能进食或尿少随时就诊。",
        drugs: &[drug("蒙脱石散", "3 g 口服，每日3次"), drug("口服补液盐Ⅲ", "每次稀便后口服")],
        panels: &[&BLOOD],
        imaging: None,
        department: ["gastroenterology", "medicine"],
        ages: (3, 90),
    },
    Illness {
        code: "M54.5",
        name: "腰痛",
        complaint: "腰部酸痛1月，活动后加重",
        story: "1月前搬重物后腰部酸痛，弯腰及久坐后加重，休息后缓解，无下肢放射痛，无大小便障碍。",
        plan: "避免久坐、负重，腰背肌锻炼；理疗。",
        drugs: &[drug("塞来昔布胶囊", "0.2 g 口服，每日1次")],
        panels: &[],
        imaging: Some(&SPINE),
        department: ["orthopaedics", "surgery"],
        ages: (25, 85),
    },
    Illness {
        code: "N39.0",
        name: "泌尿道感染",
        complaint: "尿频、尿急、尿痛2天",
        story: "2天前出现尿频、尿急、尿痛，无发热、腰痛，无肉眼血尿。",
        plan: "多饮水，勤排尿；疗程结束后复查尿常规。",
        drugs: &[drug("左氧氟沙星片", "0.5 g 口服，每日1次")],
        panels: &[&URINE, &BLOOD],
        imaging: None,
        department: ["surgery", "surgery"],
        ages: (20, 85),
    },
    Illness {
        code: "L30.9",
        name: "湿疹",
        complaint: "双上肢皮疹伴瘙痒5天",
        story: "5天前双上肢出现红斑、丘疹，瘙痒明显，搔抓后有渗出，无水疱。",
        plan: "避免搔抓及热水烫洗，注意保湿。",
        drugs: &[drug("氯雷他定片", "10 mg 口服，每日1次"), drug("糠酸莫米松乳膏", "外用，每日1次")],
        panels: &[],
        imaging: None,
        department: ["surgery", "medicine"],
        ages: (2, 80),
    },
    Illness {
        code: "S93.4",
        name: "踝关节扭伤",
        complaint: "右踝扭伤肿痛3小时",
        story: "3小时前下楼梯时右踝内翻扭伤，随即肿胀、疼痛，行走受限。",
        plan: "制动、冰敷、抬高患肢；1周后复诊。",
        drugs: &[drug("双氯芬酸钠缓释片", "75 mg 口服，每日1次")],
        panels: &[],
        imaging: Some(&ANKLE),
        department: ["orthopaedics", "surgery"],
        ages: (8, 70),
    },
    Illness {
        code: "B08.4",
        name: "手足口病",
        complaint: "手足皮疹伴低热1天",
        story: "1天前家长发现患儿手掌、足底红色斑丘疹，口腔可见疱疹，体温37.8 ℃，精神可。",
        plan: "居家隔离，清淡饮食；出现持续高热、肢体抖动、精神差立即就诊。",
        drugs: &[drug("开喉剑喷雾剂（儿童型）", "喷口腔，每日3次")],
        panels: &[&BLOOD],
        imaging: None,
        department: ["paediatrics", "paediatrics"],
        ages: (1, 6),
    },
];

/// What takes people to bed in a hospital.
pub(super) const SEVERE: &[Illness] = &[
    Illness {
        code: "I63.9",
        name: "脑梗死",
        complaint: "突发右侧肢体无力伴言语不清4小时",
        story: "4小时前晨起时突发右侧肢体无力，持物不稳，伴言语含糊，无头痛、呕吐，无意识障碍及抽搐。",
        plan: "抗血小板聚集、调脂稳定斑块，监测血压，早期康复。",
        drugs: &[drug("阿司匹林肠溶片", "100 mg 口服，每日1次"), drug("阿托伐他汀钙片", "20 mg 口服，每晚1次")],
        panels: &[&BLOOD, &SUGAR, &KIDNEY],
        imaging: Some(&HEAD_CT),
        department: ["neurology", "medicine"],
        ages: (55, 95),
    },
    Illness {
        code: "I20.0",
        name: "不稳定型心绞痛",
        complaint: "反复胸闷、胸痛1月，加重1天",
        story: "1月来活动后胸骨后压榨样疼痛，持续3–5分钟，休息可缓解；1天来发作频繁，静息亦有发作，伴出汗。",
        plan: "双联抗血小板、抗凝、扩冠，完善冠脉造影。",
        drugs: &[drug("硫酸氢氯吡格雷片", "75 mg 口服，每日1次"), drug("单硝酸异山梨酯缓释片", "40 mg 口服，每日1次")],
        panels: &[&BLOOD, &SUGAR, &KIDNEY],
        imaging: None,
        department: ["cardiology", "medicine"],
        ages: (50, 90),
    },
    Illness {
        code: "J44.1",
        name: "慢性阻塞性肺病伴急性加重",
        complaint: "反复咳嗽、咳痰、气促10年，加重3天",
        story: "10年来反复咳嗽、咳痰、活动后气促；3天前受凉后加重，咳黄脓痰，稍动即喘，夜间不能平卧。",
        plan: "持续低流量吸氧，抗感染，雾化吸入支气管扩张剂。",
        drugs: &[drug("布地奈德混悬液", "2 mg 雾化吸入，每日2次"), drug("多索茶碱片", "0.2 g 口服，每日2次")],
        panels: &[&BLOOD, &INFLAMMATION, &KIDNEY],
        imaging: Some(&CHEST_CT),
        department: ["respiratory", "medicine"],
        ages: (55, 92),
    },
    Illness {
        code: "K35.8",
        name: "急性阑尾炎",
        complaint: "转移性右下腹痛1天",
        story: "1天前脐周隐痛，6小时后转移并固定于右下腹，呈持续性胀痛，伴恶心，无呕吐，体温37.9 ℃。",
        plan: "急诊行腹腔镜阑尾切除术，术后抗感染、补液。",
        drugs: &[drug("头孢呋辛钠", "1.5 g 静脉滴注，每日2次")],
        panels: &[&BLOOD, &INFLAMMATION],
        imaging: Some(&ABDOMEN),
        department: ["surgery", "surgery"],
        ages: (10, 70),
    },
    Illness {
        code: "J18.9",
        name: "社区获得性肺炎",
        complaint: "发热、咳嗽、气促5天",
        story: "5天前受凉后发热，体温最高39.2 ℃，咳嗽、咳黄痰，活动后气促，门诊口服药物效果欠佳。",
        plan: "静脉抗感染，化痰，监测血氧饱和度。",
        drugs: &[
            drug("莫西沙星氯化钠注射液", "0.4 g 静脉滴注，每日1次"),
            drug("盐酸氨溴索注射液", "30 mg 静脉注射，每日2次"),
        ],
        panels: &[&BLOOD, &INFLAMMATION],
        imaging: Some(&CHEST),
        department: ["respiratory", "medicine"],
        ages: (3, 92),
    },
];

/// What stays, and is looked after for years.
pub(super) struct Chronic {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) drugs: &'static [Drug],
    pub(super) panel: &'static Panel,
    pub(super) visit: &'static str,
    /// How many of those over 35 have it at 40, and how many more each ten years later.
    pub(super) rate: (f64, f64),
}

pub(super) const CHRONIC: &[Chronic] = &[
    Chronic {
        code: "I10",
        name: "原发性高血压",
        drugs: &[drug("苯磺酸氨氯地平片", "5 mg 口服，每日1次"), drug("缬沙坦胶囊", "80 mg 口服，每日1次")],
        panel: &KIDNEY,
        visit: "高血压随访：规律服药，无头晕、胸闷，低盐饮食依从性一般。",
        rate: (0.12, 0.13),
    },
    Chronic {
        code: "E11.9",
        name: "2型糖尿病",
        drugs: &[drug("盐酸二甲双胍片", "0.5 g 口服，每日3次，餐中"), drug("达格列净片", "10 mg 口服，每日1次")],
        panel: &SUGAR,
        visit: "糖尿病随访：无多饮、多尿，偶有餐前心慌，足背动脉搏动可。",
        rate: (0.06, 0.05),
    },
    Chronic {
        code: "I25.1",
        name: "冠状动脉粥样硬化性心脏病",
        drugs: &[drug("阿司匹林肠溶片", "100 mg 口服，每日1次"), drug("瑞舒伐他汀钙片", "10 mg 口服，每晚1次")],
        panel: &SUGAR,
        visit: "冠心病复诊：近期无胸痛发作，活动耐量可。",
        rate: (0.01, 0.035),
    },
    Chronic {
        code: "J44.9",
        name: "慢性阻塞性肺病",
        drugs: &[drug("噻托溴铵粉吸入剂", "18 μg 吸入，每日1次")],
        panel: &BLOOD,
        visit: "慢阻肺随访：平路快走稍气促，已戒烟，吸入装置使用正确。",
        rate: (0.01, 0.03),
    },
];

/// What is nobody's business but the patient's and their doctor's: an illness, and the label it bears.
pub(super) struct Private {
    pub(super) label: &'static str,
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) complaint: &'static str,
    pub(super) story: &'static str,
    pub(super) drugs: &'static [Drug],
    pub(super) panel: Option<&'static Panel>,
    pub(super) department: &'static str,
    pub(super) rate: f64,
}

pub(super) const PRIVATE: &[Private] = &[
    Private {
        label: "PSY",
        code: "F32.1",
        name: "中度抑郁发作",
        complaint: "情绪低落、失眠2月",
        story: "2月来情绪低落，兴趣减退，早醒，易疲乏，自责，否认自杀观念。",
        drugs: &[drug("盐酸舍曲林片", "50 mg 口服，每日1次，早餐后")],
        panel: None,
        department: "psychology",
        rate: 0.02,
    },
    Private {
        label: "PSY",
        code: "F41.1",
        name: "广泛性焦虑障碍",
        complaint: "紧张、心慌、入睡困难半年",
        story: "半年来无明显诱因紧张不安，心慌、出汗，入睡困难，多次查心电图未见异常。",
        drugs: &[drug("草酸艾司西酞普兰片", "10 mg 口服，每日1次")],
        panel: None,
        department: "psychology",
        rate: 0.015,
    },
    Private {
        label: "HIV",
        code: "B24",
        name: "人类免疫缺陷病毒病",
        complaint: "定期随访取药",
        story: "规律抗病毒治疗，无发热、腹泻，体重稳定，依从性好。",
        drugs: &[drug("替诺福韦/拉米夫定/多替拉韦片", "1片 口服，每日1次")],
        panel: Some(&CD4),
        department: "infection",
        rate: 0.003,
    },
    Private {
        label: "STD",
        code: "A53.9",
        name: "梅毒",
        complaint: "复查",
        story: "驱梅治疗后3月复查，无皮疹，无不适。",
        drugs: &[drug("苄星青霉素", "240万单位 肌内注射，每周1次")],
        panel: None,
        department: "infection",
        rate: 0.004,
    },
];

/// What people must not be given: the substance, and what it did.
pub(super) const ALLERGIES: &[(&str, &str)] = &[
    ("青霉素", "皮疹"),
    ("头孢类抗生素", "皮疹"),
    ("磺胺类药物", "皮肤瘙痒"),
    ("碘对比剂", "恶心、荨麻疹"),
    ("海鲜", "荨麻疹"),
    ("花生", "口周红肿"),
];

/// Vaccines of the national programme: name, and the age in months at which it is due.
pub(super) const VACCINES: &[(&str, i32)] = &[
    ("乙型肝炎疫苗", 0),
    ("卡介苗", 0),
    ("脊髓灰质炎灭活疫苗", 2),
    ("吸附无细胞百白破联合疫苗", 3),
    ("麻腮风联合减毒活疫苗", 8),
    ("乙型脑炎减毒活疫苗", 8),
];
