//! What people are on duty for. The one list of it: whoever needs the duties takes them from here, or is compared with it.

/// What somebody does at a post: a code of <https://qingshan.dev/fhir/CodeSystem/duty>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duty {
    /// The code, of which the access rules speak.
    pub code: &'static str,
    /// What the code system calls it.
    pub display: &'static str,
}

/// Every duty a post can have.
pub const DUTIES: [Duty; 17] = [
    duty("doctor", "医生"),
    duty("nurse", "护士"),
    duty("registrar", "挂号收费"),
    duty("technician", "医技"),
    duty("radiologist", "影像诊断"),
    duty("pharmacist", "药师"),
    duty("family-doctor", "家庭医生"),
    duty("public-health", "公共卫生"),
    duty("village-doctor", "乡村医生"),
    duty("referral-officer", "转诊办"),
    duty("quality", "质控"),
    duty("privacy-officer", "隐私与信息安全"),
    duty("data-officer", "区域数据"),
    duty("security-admin", "安全管理员"),
    duty("system-admin", "系统管理员"),
    duty("paramedic", "院前急救"),
    duty("dispatcher", "急救调度"),
];

const fn duty(code: &'static str, display: &'static str) -> Duty {
    Duty { code, display }
}
