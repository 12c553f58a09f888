//! Units of measure: which are of one kind, and how much one is in terms of another.
//!
//! <https://ucum.org/ucum>

use std::cmp::Ordering;
use std::sync::LazyLock;

use rust_decimal::Decimal;
use rustc_hash::FxHashMap;

/// The table the codes come from. Its head names the source.
const TABLE: &str = include_str!("ucum/units.tsv");

/// A longer code is not a unit anybody wrote.
const MAX_LENGTH: usize = 200;

/// The deepest nesting of parentheses read.
const MAX_DEPTH: usize = 8;

/// Decimals agree when this many significant digits do; factors such as π or 1/3 are not exact.
const SIGNIFICANT: u32 = 18;

/// A unit in terms of the seven base units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// How many base units one of it is.
    factor: Scaled,
    /// The exponents of m, s, g, rad, K, C and cd.
    dimension: [i8; 7],
    /// Units that nothing else can be converted to, and their exponents, in the order of their codes.
    arbitrary: Vec<(&'static str, i8)>,
    /// A scale whose zero is not that of its base unit.
    offset: Option<Offset>,
}

/// Base units = (value + shift) × factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    shift: Decimal,
}

/// `mantissa × 10^exponent` with one digit before the point, because moles and electron volts are beyond
/// what a decimal of 28 digits spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scaled {
    mantissa: Decimal,
    exponent: i32,
}

impl Scaled {
    const ONE: Self = Self { mantissa: Decimal::ONE, exponent: 0 };

    fn new(mantissa: Decimal, exponent: i32) -> Self {
        let mut scaled = Self { mantissa, exponent };
        if mantissa.is_zero() {
            return Self { mantissa: Decimal::ZERO, exponent: 0 };
        }
        while scaled.mantissa.abs() >= Decimal::TEN {
            scaled.mantissa /= Decimal::TEN;
            scaled.exponent += 1;
        }
        while scaled.mantissa.abs() < Decimal::ONE {
            scaled.mantissa *= Decimal::TEN;
            scaled.exponent -= 1;
        }
        scaled
    }

    fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        Some(Self::new(mantissa.parse().ok()?, exponent.parse().ok()?))
    }

    fn times(self, other: Self) -> Self {
        Self::new(self.mantissa * other.mantissa, self.exponent + other.exponent)
    }

    fn over(self, other: Self) -> Option<Self> {
        Some(Self::new(self.mantissa.checked_div(other.mantissa)?, self.exponent - other.exponent))
    }

    fn power(self, exponent: i8) -> Option<Self> {
        let mut result = Self::ONE;
        for _ in 0..exponent.unsigned_abs() {
            result = result.times(self);
        }
        if exponent < 0 { Self::ONE.over(result) } else { Some(result) }
    }

    /// The number itself, when 28 digits can hold it.
    fn decimal(self) -> Option<Decimal> {
        let rounded = self.mantissa.round_sf(SIGNIFICANT)?.normalize();
        if self.exponent >= 0 {
            let power = Decimal::TEN;
            (0..self.exponent).try_fold(rounded, |value, _| value.checked_mul(power))
        } else {
            let scale = rounded.scale().checked_add(self.exponent.unsigned_abs())?;
            let mut value = rounded;
            if scale <= Decimal::MAX_SCALE {
                value.set_scale(scale).ok()?;
                return Some(value);
            }
            None
        }
    }

    fn compare(self, other: Self) -> Ordering {
        let sign = |scaled: Self| scaled.mantissa.cmp(&Decimal::ZERO);
        if sign(self) != sign(other) || sign(self) == Ordering::Equal {
            return sign(self).cmp(&sign(other));
        }
        let round = |scaled: Self| {
            let rounded = scaled.mantissa.round_sf(SIGNIFICANT).unwrap_or(scaled.mantissa);
            Self::new(rounded, scaled.exponent)
        };
        let (left, right) = (round(self), round(other));
        let by_size = left.exponent.cmp(&right.exponent);
        let by_size = if sign(self) == Ordering::Less { by_size.reverse() } else { by_size };
        by_size.then(left.mantissa.cmp(&right.mantissa))
    }
}

/// The table, every unit resolved to base units.
struct Units {
    prefixes: Vec<(&'static str, Scaled)>,
    atoms: FxHashMap<&'static str, (Unit, bool)>,
}

static UNITS: LazyLock<Units> = LazyLock::new(|| {
    let mut units = Units { prefixes: Vec::new(), atoms: FxHashMap::default() };
    let mut base = 0;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut fields = line.split('\t');
        let (Some(kind), Some(code), Some(value), Some(unit)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let metric = kind.starts_with('m') || kind == "b";
        let resolved = match kind {
            "p" => {
                units.prefixes.extend(Scaled::parse(value).map(|factor| (code, factor)));
                continue;
            }
            "b" => {
                let mut dimension = [0; 7];
                dimension[base] = 1;
                base += 1;
                Some(Unit { dimension, ..Unit::one() })
            }
            "ms" | "us" => special(&units, code, value, unit),
            "ma" | "ua" => Some(Unit { arbitrary: vec![(code, 1)], ..Unit::one() }),
            _ => units.parse(unit, 0).and_then(|unit| unit.scaled(Scaled::parse(value)?)),
        };
        units.atoms.extend(resolved.map(|unit| (code, (unit, metric))));
    }
    units
});

/// A unit on a scale of its own. The three temperatures are understood; of the others (pH, decibel) one is
/// only comparable with itself.
fn special(units: &Units, code: &'static str, function: &str, definition: &str) -> Option<Unit> {
    let shift = match function {
        "Cel" => Decimal::new(27_315, 2),
        "degF" => Decimal::new(45_967, 2),
        "degRe" => Decimal::new(21_852, 2),
        _ => return Some(Unit { arbitrary: vec![(code, 1)], ..Unit::one() }),
    };
    let (value, unit) = definition.split_once(' ')?;
    let base = units.parse(unit, 0)?.scaled(Scaled::parse(value)?)?;
    Some(Unit { offset: Some(Offset { shift }), ..base })
}

impl Units {
    fn parse(&self, text: &str, depth: usize) -> Option<Unit> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut result = Unit::one();
        let (mut rest, mut divide) = match text.strip_prefix('/') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        loop {
            let length = component_length(rest)?;
            let (component, tail) = rest.split_at(length);
            let unit = self.component(component, depth)?;
            result = if divide { result.over(&unit)? } else { result.times(&unit)? };
            divide = match tail.as_bytes().first() {
                None => return Some(result),
                Some(b'.') => false,
                Some(b'/') => true,
                Some(_) => return None,
            };
            rest = &tail[1..];
        }
    }

    fn component(&self, text: &str, depth: usize) -> Option<Unit> {
        // An annotation says what is counted, not how much.
        let text = match text.find('{') {
            Some(0) => return text.ends_with('}').then(Unit::one),
            Some(at) if text.ends_with('}') => &text[..at],
            Some(_) => return None,
            None => text,
        };
        if let Some(inner) = text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            return self.parse(inner, depth + 1);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Unit::one().scaled(Scaled::parse(text)?);
        }
        if let Some(unit) = self.atom(text) {
            return Some(unit);
        }
        let unsigned = text.trim_end_matches(|digit: char| digit.is_ascii_digit());
        let atom = unsigned.strip_suffix(['+', '-']).unwrap_or(unsigned);
        let exponent = text[atom.len()..].parse().ok()?;
        self.atom(atom)?.power(exponent)
    }

    fn atom(&self, code: &str) -> Option<Unit> {
        if let Some((unit, _)) = self.atoms.get(code) {
            return Some(unit.clone());
        }
        self.prefixes.iter().find_map(|(prefix, factor)| {
            let (unit, metric) = self.atoms.get(code.strip_prefix(prefix)?)?;
            if *metric { unit.clone().scaled(*factor) } else { None }
        })
    }
}

/// The length of the first factor of a product: up to a `.` or `/` outside brackets.
fn component_length(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'(' | b'{' => depth += 1,
            b']' | b')' | b'}' => depth = depth.checked_sub(1)?,
            b'.' | b'/' if depth == 0 => return Some(at),
            _ => {}
        }
    }
    (depth == 0 && !text.is_empty()).then_some(text.len())
}

impl Unit {
    /// The unit `1`.
    fn one() -> Self {
        Self { factor: Scaled::ONE, dimension: [0; 7], arbitrary: Vec::new(), offset: None }
    }

    /// Reads a case-sensitive code such as `mg/dL`; none when it is not UCUM.
    pub fn parse(code: &str) -> Option<Self> {
        if code.len() > MAX_LENGTH || !code.is_ascii() { None } else { UNITS.parse(code, 0) }
    }

    fn scaled(mut self, factor: Scaled) -> Option<Self> {
        // A prefix on a shifted scale (m°C) is in no use and has no agreed meaning here.
        if self.offset.is_some() {
            return None;
        }
        self.factor = self.factor.times(factor);
        Some(self)
    }

    fn power(&self, exponent: i8) -> Option<Self> {
        if self.offset.is_some() {
            return (exponent == 1).then(|| self.clone());
        }
        let mut dimension = self.dimension;
        for part in &mut dimension {
            *part = part.checked_mul(exponent)?;
        }
        let mut arbitrary = self.arbitrary.clone();
        for (_, part) in &mut arbitrary {
            *part = part.checked_mul(exponent)?;
        }
        arbitrary.retain(|(_, exponent)| *exponent != 0);
        if exponent.unsigned_abs() > 40 {
            return None;
        }
        Some(Self { factor: self.factor.power(exponent)?, dimension, arbitrary, offset: None })
    }

    fn times(&self, other: &Self) -> Option<Self> {
        if *self == Self::one() {
            return Some(other.clone());
        }
        if *other == Self::one() {
            return Some(self.clone());
        }
        if self.offset.is_some() || other.offset.is_some() {
            return None;
        }
        let mut dimension = self.dimension;
        for (part, more) in dimension.iter_mut().zip(other.dimension) {
            *part = part.checked_add(more)?;
        }
        let mut arbitrary = self.arbitrary.clone();
        for (code, more) in &other.arbitrary {
            match arbitrary.iter_mut().find(|(known, _)| known == code) {
                Some((_, exponent)) => *exponent = exponent.checked_add(*more)?,
                None => arbitrary.push((code, *more)),
            }
        }
        arbitrary.retain(|(_, exponent)| *exponent != 0);
        arbitrary.sort_unstable();
        Some(Self { factor: self.factor.times(other.factor), dimension, arbitrary, offset: None })
    }

    fn over(&self, other: &Self) -> Option<Self> {
        self.times(&other.power(-1)?)
    }

    /// Whether values in the two can be compared: both are lengths, both are masses per volume.
    pub fn is_comparable(&self, other: &Self) -> bool {
        self.dimension == other.dimension && self.arbitrary == other.arbitrary
    }

    /// Whether it is a plain number.
    pub fn is_dimensionless(&self) -> bool {
        self.dimension == [0; 7] && self.arbitrary.is_empty()
    }

    fn in_base(&self, value: Decimal) -> Option<Scaled> {
        let value = match self.offset {
            Some(offset) => value.checked_add(offset.shift)?,
            None => value,
        };
        Some(Scaled::new(value, 0).times(self.factor))
    }

    /// The order of `value` of this unit and `other_value` of `other`; none when they are not comparable.
    pub fn compare(&self, value: Decimal, other: &Self, other_value: Decimal) -> Option<Ordering> {
        if !self.is_comparable(other) {
            return None;
        }
        Some(self.in_base(value)?.compare(other.in_base(other_value)?))
    }

    /// How many of `other` a `value` of this unit is, to 18 significant digits.
    pub fn convert(&self, value: Decimal, other: &Self) -> Option<Decimal> {
        if !self.is_comparable(other) {
            return None;
        }
        let converted = self.in_base(value)?.over(other.factor)?.decimal()?;
        match other.offset {
            Some(offset) => converted.checked_sub(offset.shift),
            None => Some(converted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(value: &str, from: &str, to: &str) -> Option<String> {
        let value = value.parse().unwrap();
        let result = Unit::parse(from)?.convert(value, &Unit::parse(to)?)?;
        Some(result.normalize().to_string())
    }

    #[test]
    fn every_unit_of_the_table_is_understood() {
        let codes: Vec<_> = TABLE.lines().filter(|line| !line.starts_with(['#', 'p'])).collect();
        assert!(codes.len() > 300);
        for line in codes {
            let code = line.split('\t').nth(1).unwrap();
            assert!(Unit::parse(code).is_some(), "{code}");
        }
    }

    #[test]
    fn values_convert_between_units_of_one_kind() {
        for (value, from, to, expected) in [
            ("4", "g", "mg", "4000"),
            ("1", "[in_i]", "cm", "2.54"),
            ("1", "[lb_av]", "g", "453.59237"),
            ("37", "Cel", "[degF]", "98.6"),
            ("98.6", "[degF]", "Cel", "37"),
            ("5.5", "mmol/L", "umol/mL", "5.5"),
            ("120", "mm[Hg]", "kPa", "15.998640"),
            ("1", "wk", "h", "168"),
            ("2", "cm.m", "m2", "0.02"),
            ("10", "/min", "Hz", "0.166666666666666667"),
            ("1", "10*3/uL", "10*9/L", "1"),
            ("90", "{beats}/min", "/h", "5400"),
            ("1", "kg.m/s2", "N", "1"),
            ("3", "%", "1", "0.03"),
        ] {
            let expected: Decimal = expected.parse().unwrap();
            assert_eq!(converted(value, from, to), Some(expected.normalize().to_string()), "{value} {from} in {to}");
        }
    }

    #[test]
    fn values_of_different_kinds_do_not_convert() {
        for (from, to) in [("cm", "s"), ("[iU]", "g"), ("[iU]", "[arb'U]"), ("[pH]", "mol/L"), ("Cel", "m")] {
            assert_eq!(converted("1", from, to), None, "{from} in {to}");
        }
    }

    #[test]
    fn what_is_not_ucum_is_no_unit() {
        for code in ["", "lbs", "[s]", "mg//dL", "mg/", "m(", ")", "m2-", "(((((((((((m)))))))))))", "米", "mCel"] {
            assert_eq!(Unit::parse(code), None, "{code}");
        }
    }
}
