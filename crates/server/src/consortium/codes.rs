//! The words in which a consortium is told, and the code systems they come from.

use serde::Deserialize;

/// Marks whatever a consortium's file brought into the record; the code is the consortium's id.
pub(crate) const TAG: &str = "https://qingshan.dev/fhir/CodeSystem/consortium";
/// What an organisation is to the consortium, beside the official types.
pub(crate) const ORGANIZATION_TYPE: &str = "https://qingshan.dev/fhir/CodeSystem/organization-type";
/// The official types. <http://hl7.org/fhir/R4/valueset-organization-type.html>
pub(crate) const OFFICIAL_TYPE: &str = "http://terminology.hl7.org/CodeSystem/organization-type";
/// The tiers of care: codes of [`Level`].
pub(crate) const LEVEL: &str = "https://qingshan.dev/fhir/CodeSystem/level";
/// In which way one organisation belongs to another.
pub(crate) const AFFILIATION: &str = "https://qingshan.dev/fhir/CodeSystem/affiliation";
/// What someone does at a post: codes of [`record::DUTIES`].
pub(crate) const DUTY: &str = "https://qingshan.dev/fhir/CodeSystem/duty";
/// The kinds of places. <http://hl7.org/fhir/R4/valueset-location-physical-type.html>
pub(crate) const PHYSICAL_TYPE: &str = "http://terminology.hl7.org/CodeSystem/location-physical-type";
/// Unified social credit codes (GB 32100-2015).
pub(crate) const CREDIT_CODE: &str = "https://qingshan.dev/fhir/sid/unified-social-credit-code";
/// Numbers of licences to practise.
pub(crate) const LICENCE: &str = "https://qingshan.dev/fhir/sid/practitioner-licence";

/// [`ORGANIZATION_TYPE`] of the consortium itself.
pub(crate) const CONSORTIUM: &str = "medical-consortium";
/// [`ORGANIZATION_TYPE`] of an alliance; also its [`AFFILIATION`].
pub(crate) const ALLIANCE: &str = "specialty-alliance";
/// [`AFFILIATION`] of an institution to its consortium, and of the one that leads it.
pub(crate) const MEMBER: &str = "member";
/// [`AFFILIATION`] of the leading institution.
pub(crate) const LEAD: &str = "lead";
/// [`AFFILIATION`] of an institution to the one that manages its people, money and goods (同一直管).
pub(crate) const DIRECT_MANAGEMENT: &str = "direct-management";

/// A tier of care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Tertiary,
    Secondary,
    Community,
    Village,
}

impl Level {
    pub(crate) const ALL: [Self; 4] = [Self::Tertiary, Self::Secondary, Self::Community, Self::Village];

    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Tertiary => "tertiary",
            Self::Secondary => "secondary",
            Self::Community => "community",
            Self::Village => "village",
        }
    }

    pub(crate) const fn display(self) -> &'static str {
        match self {
            Self::Tertiary => "三级医院",
            Self::Secondary => "二级医院",
            Self::Community => "基层医疗卫生机构",
            Self::Village => "村卫生室",
        }
    }
}

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Site,
    Building,
    Ward,
    Room,
    Bed,
    Vehicle,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [Self::Site, Self::Building, Self::Ward, Self::Room, Self::Bed, Self::Vehicle];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Building => "building",
            Self::Ward => "ward",
            Self::Room => "room",
            Self::Bed => "bed",
            Self::Vehicle => "vehicle",
        }
    }

    /// The code of [`PHYSICAL_TYPE`].
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Site => "si",
            Self::Building => "bu",
            Self::Ward => "wa",
            Self::Room => "ro",
            Self::Bed => "bd",
            Self::Vehicle => "ve",
        }
    }
}

#[cfg(test)]
mod tests {
    use record::DUTIES;

    #[test]
    fn the_portal_knows_the_duties_that_the_record_knows() {
        let portal = include_str!("../../../../web/portal/src/duties.ts");
        let (_, list) = portal.split_once("export const duties = [").expect("the portal lists the duties");
        let (list, _) = list.split_once(']').expect("the list ends");
        let known: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(known, DUTIES.map(|duty| duty.code));
    }
}
