#![no_main]

use routing::{Point, Policy, Roads, Travel};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(roads) = Roads::read(bytes, &Policy::default())
        && let (Some(from), Some(to)) = (Point::new(0.0, 0.0), Point::new(0.0, 0.1))
    {
        assert!(roads.legs(from, &[to]).iter().all(|leg| leg.minutes.is_finite()));
    }
});
