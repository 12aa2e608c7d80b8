//! The names that are asked for: real ones where the test data is at hand.

use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;

const LISTED: &str = "lists/maltrail-1m-2026.domains.txt.gz";
const POPULAR: &str = "popularity/tranco-top100k-2026.txt.gz";
/// Names by which devices ask whether to use this resolver: not forwarded, list or no list.
const SIGNALS: [&str; 2] = ["use-application-dns.net", "icloud.com"];
/// Names below these have a meaning of their own for some servers.
const SPECIAL: [&str; 11] = [
    "alt", "arpa", "corp", "example", "home", "internal", "invalid", "lan", "local", "onion",
    "test",
];
/// As many popular names as are cached and made into names that nobody asked for.
const POPULAR_AT_MOST: usize = 20_000;

/// Names of a list, in random order, and popular ones that it does not block.
pub struct Names {
    /// Of the list; any first part of it is a list too.
    pub listed: Vec<String>,
    /// Popular, most popular first.
    pub popular: Vec<String>,
    /// Where they come from, in words.
    pub told: String,
}

impl Names {
    /// Reads or makes `count` names of a list.
    pub fn read(count: usize) -> Names {
        let mut random = Random(1);
        let (mut listed, list) = match read(LISTED) {
            Ok(names) => (names, format!("names of {LISTED}")),
            Err(why) => (Vec::new(), format!("{LISTED} cannot be read ({why})")),
        };
        random.shuffle(&mut listed);
        listed.truncate(count);
        let real = listed.len();
        listed.extend((real..count).map(|number| made(number, "blocked.example.com")));
        let blocked: HashSet<&str> = listed.iter().map(String::as_str).collect();
        let (mut popular, popularity) = match read(POPULAR) {
            Ok(names) => (names, POPULAR.to_owned()),
            Err(_) => (
                (0..POPULAR_AT_MOST).map(|n| made(n, "site.example.com")).collect(),
                "names made up".into(),
            ),
        };
        popular.retain(|name| !is_below(name, &blocked) && !SIGNALS.contains(&name.as_str()));
        popular.truncate(POPULAR_AT_MOST);
        let told = format!(
            "{real} blocked domains are real {list}, {} are made up; {} popular names: {popularity}",
            count - real,
            popular.len()
        );
        Names { listed, popular, told }
    }

    /// Returns names that nobody has asked for yet, below popular ones.
    pub fn unheard_of(&self, round: usize, count: usize) -> Vec<String> {
        let below = self.popular.iter().cycle().take(count).enumerate();
        below.map(|(number, name)| format!("m{round}x{number}.{name}")).collect()
    }
}

fn made(number: usize, below: &str) -> String {
    format!("{:05x}.n{}.{below}", number.wrapping_mul(0x9e37_79b1) & 0xf_ffff, number)
}

fn is_below(name: &str, blocked: &HashSet<&str>) -> bool {
    let cuts = name.match_indices('.').map(|(at, _)| at + 1);
    std::iter::once(0).chain(cuts).any(|at| blocked.contains(&name[at..]))
}

/// Reads the names of a packed file, one a line, without those that are no host names.
fn read(file: &str) -> Result<Vec<String>, String> {
    let folder = std::env::var_os("DEADPIXEL_TEST_DATA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")),
        PathBuf::from,
    );
    let told = |error: std::io::Error| error.to_string();
    let file = std::fs::File::open(folder.join(file)).map_err(told)?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).map_err(told)?;
    Ok(text.lines().filter(|line| is_host(line)).map(str::to_owned).collect())
}

fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        let fits =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let special = name.rsplit('.').next().is_some_and(|last| SPECIAL.contains(&last));
    // No list of ours may block what others register names under.
    let public = psl::suffix_str(name) == Some(name);
    // Whoever sets a network up by itself gets no name of the list, but that there is none.
    let discovery = name.starts_with("wpad.");
    name.len() <= 200 && !special && !public && !discovery && name.split('.').all(label)
}

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Random(pub u64);

impl Random {
    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    /// Puts things in random order.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
    }
}
