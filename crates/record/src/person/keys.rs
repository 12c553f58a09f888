//! Keys under which a registration is found by those it may be of one person with. Two registrations of one person
//! share at least one of them unless nearly everything in one of them is wrong.

use crate::person::traits::{Name, Sex, Traits};

/// The most keys kept of one registration, however many numbers and names it bears.
const MOST: usize = 40;

/// The key under which people of a name are counted.
pub(super) fn name_key(name: &Name) -> String {
    format!("n:{}", name.whole.iter().collect::<String>())
}

/// The keys of a registration, each once.
pub fn keys(traits: &Traits) -> Vec<String> {
    let mut keys = Vec::new();
    let mut put = |key: String| {
        if keys.len() < MOST && !keys.contains(&key) {
            keys.push(key);
        }
    };
    for number in &traits.resident_ids {
        put(format!("i:{}", number.text));
    }
    for number in &traits.unique {
        put(format!("u:{number}"));
    }
    for phone in &traits.phones {
        put(format!("p:{phone}"));
    }
    for name in &traits.names {
        put(name_key(name));
        // Sorted, so that a family name in the place of the given name does not matter.
        let mut sounds: Vec<&str> = name.sounds.iter().map(String::as_str).collect();
        sounds.sort_unstable();
        let initials: String = sounds.iter().filter_map(|sound| sound.chars().next()).collect();
        if let Some(birth) = traits.birth {
            if let Some(date) = birth.date() {
                for sound in &sounds {
                    put(format!("b:{date}:{sound}"));
                }
                put(format!("d:{:02}{:02}:{}", date.month(), date.day(), sounds.concat()));
            }
            let sex = match traits.sex {
                Some(Sex::Male) => "m",
                Some(Sex::Female) => "f",
                None => "",
            };
            put(format!("y:{}:{initials}:{sex}", birth.year));
        }
        for home in &traits.addresses {
            // The street or township: what most addresses of one place begin with.
            let area: String = home.place.chars().take(4).collect();
            put(format!("a:{area}:{}", sounds.concat()));
        }
    }
    keys
}
