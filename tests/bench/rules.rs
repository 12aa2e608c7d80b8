//! The compiled ruleset with real lists: `cargo bench --bench rules`.
//!
//! Prints CPU time to compile, octets a name, and what a look costs: hot, and with caches that other
//! memory has filled. Names and patterns come from the lists of the tests' data (or from
//! DEADPIXEL_TEST_DATA); it says what it cannot find. Asserts nothing about time.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use bytes::Bytes;
use deadpixel::model::{
    DomainName, HashSeed, ListKind, ListMask, ListName, NameHashes, RecordType,
};
use deadpixel::rules::parse::{Format, Options, read};
use deadpixel::rules::{
    Answer, Asker, Asking, Compiler, Effect, ListInfo, Pattern, Rule, Ruleset, TextPattern,
    TextSyntax,
};
use flate2::read::MultiGzDecoder;

const SEED: HashSeed = HashSeed([0x5eed, 0xfeed]);

/// Names looked up in each measurement.
const SAMPLE: usize = 20_000;

/// Names looked up over and over.
const HOT: usize = 1000;

/// Looks between two walks over other memory, and octets of that.
const COLD_BATCH: usize = 64;
const OTHER_MEMORY: usize = 64 << 20;

fn main() {
    let popular = file("popularity/tranco-top100k-2026.txt.gz").map(|octets| names(&octets));
    let union = file("lists/union-2.7m-2026.domains.txt.gz");
    let maltrail = file("lists/maltrail-1m-2026.domains.txt.gz");
    let (Some(popular), Some(union), Some(maltrail)) = (popular, union, maltrail) else {
        return;
    };
    let slice = every(&union, 27);
    lists("100k names, every 27th of union", &[&slice], &popular);
    lists("maltrail-1m", &[&maltrail], &popular);
    lists("union-2.7m", &[&union], &popular);
    let third = |part: usize| part_of(&union, part);
    let parts = [third(0), third(1), third(2)];
    lists("union-2.7m as three lists that overlap", &[&parts[0], &parts[1], &parts[2]], &popular);
    let www = below(&union);
    lists("5m: union, maltrail and www. below union's", &[&union, &maltrail, &www], &popular);
    patterns(&popular);
    println!("most memory at any time: {} MiB", status("VmHWM:") / 1024);
}

/// Compiles lists and looks names up.
fn lists(title: &str, lists: &[&[u8]], popular: &[DomainName]) {
    println!("\n{title}");
    let parsed = cpu(|| {
        for octets in lists {
            let mut rules = 0_u32;
            let options = Options { format: Format::Domains, ..Options::default() };
            let summary = read(octets, &options, &mut |rule| rules += u32::from(rule.line > 0));
            black_box((rules, summary.is_ok()));
        }
    });
    let mut committed = 0;
    let mut build = None;
    let both = cpu(|| {
        let mut compiler = Compiler::new(SEED);
        for octets in lists {
            let mut draft = compiler.begin(info()).expect("few lists");
            let options = Options { format: Format::Domains, ..Options::default() };
            read(octets, &options, &mut |rule| draft.take(rule)).expect("a good list");
            committed += draft.commit().names;
        }
        build = Some(compiler.finish());
    });
    let ruleset = build.expect("it is built");
    let distinct = distinct(lists);
    println!(
        "  {committed} rules, {distinct} names; CPU to read and compile {:.2} s, of which reading {:.2} s",
        both, parsed
    );
    println!("  {:.2} octets a name", ruleset.size() as f64 / distinct as f64);
    stored(&ruleset);
    let listed = sample(lists);
    let strange = strange(&ruleset, popular);
    for (what, names) in [("hit", &listed), ("miss", &strange)] {
        println!(
            "  {what}: hashing {:.0} ns, look hot {:.0} ns, look cold {:.0} ns, hashed, looked up and judged hot {:.0} ns",
            hashing(names),
            look_hot(&ruleset, names),
            look_cold(&ruleset, names),
            whole(&ruleset, names),
        );
    }
}

/// Times what a start costs: octets to ruleset.
fn stored(ruleset: &Ruleset) {
    let mut octets = Vec::new();
    let written = cpu(|| octets = ruleset.to_octets(&[7; 32]));
    let octets = Bytes::from(octets);
    let loaded = cpu(|| {
        black_box(Ruleset::from_octets(octets.clone(), &[7; 32], SEED).expect("whole"));
    });
    println!(
        "  artefact: {} MiB, written in {:.0} ms, checked and read in {:.0} ms",
        octets.len() >> 20,
        written * 1e3,
        loaded * 1e3
    );
}

/// Text patterns: what they add to a name that none of them matches.
fn patterns(popular: &[DomainName]) {
    let words: Vec<String> = popular.iter().map(|name| name.to_string()).collect();
    let words: Vec<&str> = words.iter().filter_map(|name| name.split('.').next()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| word.len() > 4).collect();
    let regexes = expressions(&words);
    let texts = substrings();
    for (title, syntax, texts) in [
        (
            "regular expressions, those of adguard-dns and the same with other words",
            TextSyntax::Regex,
            &regexes,
        ),
        ("substrings of easylist and easyprivacy", TextSyntax::Glob, &texts),
    ] {
        println!("\n{} {title}", texts.len());
        let mut build = None;
        let seconds = cpu(|| build = Some(compile_texts(syntax, texts)));
        let (ruleset, refused) = build.expect("it is built");
        println!("  CPU to compile {seconds:.2} s, {refused} refused");
        let (meeting, strange): (Vec<DomainName>, Vec<DomainName>) =
            popular.iter().take(SAMPLE).cloned().partition(|name| {
                let hashes = NameHashes::of(name.as_ref(), SEED);
                !ruleset.find(name.as_ref(), &hashes).is_empty()
            });
        println!(
            "  {} of {SAMPLE} popular names match; look at one that does {:.0} ns, that does not {:.0} ns",
            meeting.len(),
            look_hot(&ruleset, &meeting),
            look_hot(&ruleset, &strange),
        );
    }
}

fn compile_texts(syntax: TextSyntax, texts: &[String]) -> (Ruleset, usize) {
    let mut compiler = Compiler::new(SEED);
    let mut draft = compiler.begin(info()).expect("one list");
    for (line, text) in (1..).zip(texts) {
        let text =
            TextPattern { syntax, text: text.as_str().into(), inverted: false, addresses: false };
        draft.take(Rule::plain(Pattern::Text(text), Effect::Block(Answer::Policy), line));
    }
    let refused = draft.commit().refused.len();
    (compiler.finish(), refused)
}

/// Returns 1,000 expressions: those of real lists, then the same with other words in them.
fn expressions(words: &[&str]) -> Vec<String> {
    let mut real = BTreeSet::new();
    for list in ["adguard-dns-noprivacy-2026.adguard.txt.gz", "adguard-dns-2019.adguard.txt.gz"] {
        let Some(octets) = file(&format!("lists/{list}")) else { continue };
        let text = String::from_utf8_lossy(&octets).into_owned();
        let lines = text.lines().map(str::trim);
        let inner = lines.filter_map(|line| line.strip_prefix('/')?.strip_suffix('/'));
        let known = inner.filter(|inner| regex::bytes::Regex::new(inner).is_ok());
        real.extend(known.map(str::to_string));
    }
    let mut all: Vec<String> = real.iter().cloned().collect();
    println!("\n{} expressions in real lists", all.len());
    let mut next = words.iter().step_by(7).cycle();
    while all.len() < 1000 && !real.is_empty() {
        for expression in &real {
            let mut changed = String::new();
            let mut run = String::new();
            for character in expression.chars().chain(['\0']) {
                if character.is_ascii_lowercase() {
                    run.push(character);
                    continue;
                }
                let replace = run.len() > 3 && !changed.ends_with('\\');
                let word = if replace { next.next().copied() } else { None };
                changed.push_str(&word.map_or(run.clone(), regex_syntax_escape));
                run.clear();
                changed.extend((character != '\0').then_some(character));
            }
            if changed != *expression && all.len() < 1000 {
                all.push(changed);
            }
        }
    }
    all
}

fn regex_syntax_escape(word: &str) -> String {
    word.replace('.', "\\.")
}

/// Returns 1,000 texts that browser lists look for anywhere, less what stands behind the host.
fn substrings() -> Vec<String> {
    let mut texts = BTreeSet::new();
    for list in ["easylist-2025.adblock.txt.gz", "easyprivacy-2025.adblock.txt.gz"] {
        let Some(octets) = file(&format!("lists/{list}")) else { continue };
        let text = String::from_utf8_lossy(&octets).to_lowercase();
        for line in text.lines().filter(|line| !line.contains(['#', '!', '@', '|', '='])) {
            let line = line.split(['$', '?', '^']).next().unwrap_or_default();
            let longest = line.split('/').max_by_key(|part| part.len()).unwrap_or_default();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.*".contains(c);
            if longest.len() > 4 && longest.chars().all(plain) {
                texts.insert(longest.trim_matches('*').to_string());
            }
        }
    }
    let step = texts.len() / 1000 + 1;
    let all: Vec<String> = texts.into_iter().collect();
    let skipped: Vec<String> = all.iter().step_by(step.max(1)).cloned().collect();
    skipped.into_iter().chain(all).take(1000).collect::<BTreeSet<_>>().into_iter().collect()
}

fn info() -> ListInfo {
    ListInfo::new(ListName::parse("a-list").expect("a name"), ListKind::Other, Format::Domains)
}

/// Returns nanoseconds to hash a name and its parents.
fn hashing(names: &[DomainName]) -> f64 {
    hot(names, |name| {
        black_box(NameHashes::of(name.as_ref(), SEED));
    })
}

/// Returns nanoseconds to look a name up whose hashes are known.
fn look_hot(ruleset: &Ruleset, names: &[DomainName]) -> f64 {
    let hashed: Vec<_> =
        names.iter().map(|name| (name, NameHashes::of(name.as_ref(), SEED))).collect();
    hot(&hashed, |(name, hashes)| {
        black_box(ruleset.find(name.as_ref(), hashes));
    })
}

/// Returns nanoseconds to hash, look up and judge.
fn whole(ruleset: &Ruleset, names: &[DomainName]) -> f64 {
    let lists: ListMask = (0..8).map(deadpixel::model::ListId).collect();
    let asker = Asker { address: [192, 0, 2, 1].into(), names: &[], tags: &[] };
    hot(names, |name| {
        let name = name.as_ref();
        let matches = ruleset.find(name, &NameHashes::of(name, SEED));
        let asking = Asking { name, query_type: RecordType::A, asker };
        let _ = black_box(ruleset.judge(&matches, lists, &asking));
    })
}

/// Returns nanoseconds for one of a few things, done in many rounds; the median round counts.
fn hot<T>(things: &[T], act: impl Fn(&T)) -> f64 {
    let things = things.get(..HOT.min(things.len())).unwrap_or_default();
    if things.is_empty() {
        return 0.0;
    }
    let round = |_| {
        let begin = Instant::now();
        things.iter().for_each(|thing| act(black_box(thing)));
        begin.elapsed().as_nanos() as f64 / things.len() as f64
    };
    median((0..400).map(round).collect())
}

/// Returns nanoseconds a look, other memory having been walked before each few; the median.
fn look_cold(ruleset: &Ruleset, names: &[DomainName]) -> f64 {
    let mut other = vec![1_u8; OTHER_MEMORY];
    let batch = |names: &[DomainName]| {
        let hashed: Vec<_> =
            names.iter().map(|name| (name, NameHashes::of(name.as_ref(), SEED))).collect();
        other.iter_mut().step_by(64).for_each(|octet| *octet = octet.wrapping_add(1));
        // What is asked for has just come in with the packet.
        hashed.iter().for_each(|it| drop(black_box((it.0.clone(), it.1.clone()))));
        let begin = Instant::now();
        for (name, hashes) in &hashed {
            black_box(ruleset.find(name.as_ref(), hashes));
        }
        begin.elapsed().as_nanos() as f64 / hashed.len() as f64
    };
    median(names.chunks(COLD_BATCH).take(150).map(batch).collect())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(0.0)
}

/// Returns names of lists, in no order.
fn sample(lists: &[&[u8]]) -> Vec<DomainName> {
    let all: Vec<&str> = lists.iter().flat_map(|octets| lines(octets)).collect();
    let mut at = 1_usize;
    let mut taken = Vec::with_capacity(SAMPLE);
    while taken.len() < SAMPLE {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let line = all[(at >> 16) % all.len()];
        taken.extend(DomainName::parse(line).ok());
    }
    taken
}

/// Returns popular names that no list has.
fn strange(ruleset: &Ruleset, popular: &[DomainName]) -> Vec<DomainName> {
    let is_strange = |name: &&DomainName| {
        ruleset.find(name.as_ref(), &NameHashes::of(name.as_ref(), SEED)).is_empty()
    };
    popular.iter().filter(is_strange).take(SAMPLE).cloned().collect()
}

fn distinct(lists: &[&[u8]]) -> usize {
    let mut hashes: Vec<u64> = lists
        .iter()
        .flat_map(|octets| lines(octets))
        .filter_map(|line| DomainName::parse(line).ok())
        .filter_map(|name| NameHashes::of(name.as_ref(), SEED).whole())
        .collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}

fn names(octets: &[u8]) -> Vec<DomainName> {
    lines(octets).filter_map(|line| DomainName::parse(line).ok()).collect()
}

fn lines(octets: &[u8]) -> impl Iterator<Item = &str> {
    let lines = octets.split(|&octet| octet == b'\n');
    let texts = lines.filter_map(|line| std::str::from_utf8(line).ok().map(str::trim));
    texts.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Returns each so-manieth line.
fn every(octets: &[u8], step: usize) -> Vec<u8> {
    lines(octets).step_by(step).flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

/// Returns two thirds of the lines, other ones for each part.
fn part_of(octets: &[u8], part: usize) -> Vec<u8> {
    let lines = lines(octets).enumerate().filter(|(at, _)| at % 3 != part);
    lines.flat_map(|(_, line)| [line.as_bytes(), b"\n"].concat()).collect()
}

/// Returns a name below each name: its `www`.
fn below(octets: &[u8]) -> Vec<u8> {
    let bare = lines(octets).filter(|line| !line.starts_with("www."));
    bare.flat_map(|line| [b"www.", line.as_bytes(), b"\n"].concat()).collect()
}

/// Unpacks a file of the tests' data, or says that it is not there.
fn file(path: &str) -> Option<Vec<u8>> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("DEADPIXEL_TEST_DATA")
        .map_or_else(|| here.join("../shared/data"), PathBuf::from);
    let Ok(packed) = std::fs::read(folder.join(path)) else {
        println!("skipped: {path} is not below {}", folder.display());
        return None;
    };
    let mut octets = Vec::new();
    MultiGzDecoder::new(&*packed).read_to_end(&mut octets).expect("the data is whole");
    Some(octets)
}

/// Returns seconds of CPU time that this thread takes.
fn cpu(run: impl FnOnce()) -> f64 {
    let before = on_cpu();
    run();
    (on_cpu() - before) as f64 / 1e9
}

fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// Returns KiB from this process's status.
fn status(key: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
