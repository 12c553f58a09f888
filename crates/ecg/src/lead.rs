//! The names of leads. ISO/IEEE 11073-10101, annex A.7: 131328 and the number of the lead.

/// A lead as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called on paper, such as `aVR`.
    pub name: String,
    /// Its code of ISO/IEEE 11073, when it is one that standard knows.
    pub code: Option<u32>,
}

/// What every electrical potential of an electrocardiogram begins at.
pub(crate) const POTENTIAL: u32 = 131_328;

const LEADS: &[(&str, u32)] = &[
    ("I", 1),
    ("II", 2),
    ("V1", 3),
    ("V2", 4),
    ("V3", 5),
    ("V4", 6),
    ("V5", 7),
    ("V6", 8),
    ("V7", 9),
    ("V2R", 10),
    ("V3R", 11),
    ("V4R", 12),
    ("V5R", 13),
    ("V6R", 14),
    ("V7R", 15),
    ("III", 61),
    ("aVR", 62),
    ("aVL", 63),
    ("aVF", 64),
    ("V8", 66),
    ("V9", 67),
];

impl Named {
    /// The lead of a number: of ISO/IEEE 11073 beside the code of the potential, which are those of SCP-ECG.
    pub(crate) fn numbered(number: u32) -> Option<Self> {
        let (name, number) = LEADS.iter().find(|(_, known)| *known == number)?;
        Some(Self { name: (*name).to_owned(), code: Some(POTENTIAL + number) })
    }

    /// The lead of a code such as `MDC_ECG_LEAD_aVR`; devices write the letters large or small.
    pub(crate) fn of(code: &str) -> Self {
        let bare = code.trim().trim_start_matches("MDC_ECG_LEAD_").trim_start_matches("MDC_ECG_ELEC_POTL_");
        match LEADS.iter().find(|(name, _)| name.eq_ignore_ascii_case(bare)) {
            Some((name, number)) => Self { name: (*name).to_owned(), code: Some(POTENTIAL + number) },
            None => Self { name: bare.chars().take(32).collect(), code: None },
        }
    }
}
