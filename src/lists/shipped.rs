//! The lists that ship with the program, made from the rows of the catalogue.

use std::collections::{HashMap, HashSet};

use regex::Regex;

use crate::catalogue::{Catalogue, Proposal, Row, RowName};
use crate::model::{CompanyId, ListKind, ListName, NameRef};
use crate::rules::{Answer, Effect, Pattern, Rule};

/// A list that ships with the program.
#[derive(Clone, Debug)]
pub struct ShippedList {
    /// Its name.
    pub name: ListName,
    /// What it is about.
    pub kind: ListKind,
    /// Whether it is only the `basic` part of the list of that name.
    pub part: bool,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// Parts of lists among the shipped ones.
pub const PARTS: usize = 1;

/// Returns the shipped lists in their order: trackers and its part, strict, encrypted DNS, bans.
///
/// In each list the longest row of the *catalogue* speaks for a name: rows of other lists below
/// its own are holes in it.
pub fn rules(catalogue: &Catalogue) -> Vec<ShippedList> {
    let rows = Rows::of(catalogue);
    let is_default = |row: &Row| row.proposal == Proposal::Default;
    let is_basic = |row: &Row| is_default(row) && row.breakage.split(':').next() == Some("no");
    let is_strict = |row: &Row| row.proposal == Proposal::Strict;
    let tracking = ListKind::Tracking;
    let resolvers = catalogue.encrypted_dns().iter();
    let resolvers = resolvers.map(|(name, line)| (name.as_ref(), *line));
    let mut lists = vec![
        list("trackers", tracking, rows.that(is_default)),
        ShippedList { part: true, ..list("trackers", tracking, rows.that(is_basic)) },
        list("trackers-strict", tracking, rows.that(is_strict)),
        list("encrypted-dns", ListKind::EncryptedDns, rows.rules(resolvers.collect(), &|_| false)),
    ];
    for company in companies_with_apps(catalogue) {
        let banned = catalogue.banned_with(company);
        let is_banned =
            |row: &Row| banned.contains(&row.company) && row.proposal != Proposal::Never;
        lists.push(list(&ban_name(catalogue, company), ListKind::Ban, rows.that(is_banned)));
    }
    lists
}

/// Returns the names of the shipped lists in their order, parts left out.
pub fn names(catalogue: &Catalogue) -> Vec<(ListName, ListKind)> {
    let tracking = ListKind::Tracking;
    let fixed = [
        ("trackers", tracking),
        ("trackers-strict", tracking),
        ("encrypted-dns", ListKind::EncryptedDns),
    ];
    let fixed = fixed.map(|(name, kind)| (list_name(name), kind));
    let companies = companies_with_apps(catalogue).into_iter();
    let bans = companies.map(|company| (list_name(&ban_name(catalogue, company)), ListKind::Ban));
    fixed.into_iter().chain(bans).collect()
}

fn ban_name(catalogue: &Catalogue, company: CompanyId) -> String {
    let slug = catalogue.companies().get(usize::from(company.0)).map_or("", |c| &c.slug);
    format!("ban-{slug}")
}

fn list(name: &str, kind: ListKind, rules: Vec<Rule>) -> ShippedList {
    ShippedList { name: list_name(name), kind, part: false, rules }
}

fn list_name(name: &str) -> ListName {
    ListName::parse(name).expect("slugs are plain and at most 60 characters")
}

fn companies_with_apps(catalogue: &Catalogue) -> Vec<CompanyId> {
    let apps = catalogue.rows().filter(|(_, row)| row.proposal == Proposal::App);
    let mut companies: Vec<CompanyId> = apps.map(|(_, row)| row.company).collect();
    companies.sort_unstable();
    companies.dedup();
    companies
}

/// The catalogue's rows, laid out for making one list after the other.
struct Rows<'c> {
    names: Vec<(NameRef<'c>, &'c Row)>,
    patterns: Vec<PatternRow<'c>>,
    /// Names that no list may block, and whether all below them is meant too.
    essential: HashMap<NameRef<'c>, bool>,
    /// By name of a row or resolver: what stands below it with no other row between.
    below: HashMap<NameRef<'c>, Vec<Spared<'c>>>,
}

/// A pattern, its words, and what of rows and essential names it matches.
struct PatternRow<'c> {
    text: &'c str,
    row: &'c Row,
    words: HashSet<&'c str>,
    matches: Vec<Spared<'c>>,
}

/// A name that is a hole in each list that covers it without holding it.
#[derive(Clone, Copy)]
struct Spared<'c> {
    name: NameRef<'c>,
    subtree: bool,
    line: u32,
}

impl<'c> Rows<'c> {
    fn of(catalogue: &'c Catalogue) -> Rows<'c> {
        let mut names = Vec::new();
        let mut texts: Vec<(&str, &Row)> = Vec::new();
        for (name, row) in catalogue.rows() {
            match name {
                RowName::Domain(name) => names.push((name.as_ref(), row)),
                RowName::Pattern(text) => texts.push((text, row)),
            }
        }
        // Where a row is essential too, its own entry comes first and covers what is below it.
        let rows = names.iter().map(|(name, row)| (*name, true, row.line));
        let essential = catalogue.essential().iter();
        let spared: Vec<Spared<'c>> = rows
            .chain(essential.clone().map(|e| (e.name.as_ref(), e.subtree, e.line)))
            .map(|(name, subtree, line)| Spared { name, subtree, line })
            .collect();
        let labelled: Vec<_> = spared.iter().map(|s| (*s, registrable_label(s.name))).collect();
        let patterns = texts.iter().map(|(text, row)| PatternRow::new(text, row, &labelled));
        Rows {
            patterns: patterns.collect(),
            essential: essential.map(|e| (e.name.as_ref(), e.subtree)).collect(),
            below: below(&names, catalogue, &spared),
            names,
        }
    }

    /// Returns the rules of the list of these rows.
    fn that(&self, takes: impl Fn(&Row) -> bool) -> Vec<Rule> {
        let names = self.names.iter().filter(|(_, row)| takes(row));
        let names = names.map(|(name, row)| (*name, row.line)).collect();
        self.rules(names, &|pattern| takes(pattern.row))
    }

    /// Returns the rules of the list of these names and patterns.
    fn rules(
        &self,
        mut names: Vec<(NameRef<'c>, u32)>,
        takes: &dyn Fn(&PatternRow<'c>) -> bool,
    ) -> Vec<Rule> {
        names.retain(|(name, _)| !self.is_essential(*name));
        let blocks = names.iter().map(|(name, line)| {
            let pattern = Pattern::Subtree((*name).to_owned());
            Rule::plain(pattern, Effect::Block(Answer::Policy), *line)
        });
        let mut rules: Vec<Rule> = blocks.collect();
        rules.extend(self.pattern_rules(&names, takes));
        rules.extend(self.holes(&names, takes));
        rules
    }

    /// Returns a rule for each pattern of the list, and a hole for each other one whose names may
    /// lie under names of the list; in the catalogue's order, in which the first that matches speaks.
    fn pattern_rules(
        &self,
        names: &[(NameRef<'c>, u32)],
        takes: &dyn Fn(&PatternRow<'c>) -> bool,
    ) -> Vec<Rule> {
        let labels: HashSet<String> = names.iter().map(|(n, _)| registrable_label(*n)).collect();
        let mut rules = Vec::new();
        for pattern in &self.patterns {
            let is_taken = takes(pattern);
            if is_taken || pattern.words.iter().any(|word| labels.contains(*word)) {
                let effect = if is_taken { Effect::Block(Answer::Policy) } else { Effect::Hole };
                let line = pattern.row.line;
                rules.push(Rule::plain(Pattern::regex(pattern.text), effect, line));
            }
        }
        rules
    }

    /// Returns holes for what the list covers, by a name above or by a pattern, and does not hold.
    fn holes(
        &self,
        names: &[(NameRef<'c>, u32)],
        takes: &dyn Fn(&PatternRow<'c>) -> bool,
    ) -> Vec<Rule> {
        let mut settled: HashSet<NameRef<'c>> = names.iter().map(|(name, _)| *name).collect();
        let by_name = names.iter().filter_map(|(name, _)| self.below.get(name)).flatten();
        let by_pattern = self.patterns.iter().filter(|p| takes(p)).flat_map(|p| &p.matches);
        let mut holes = Vec::new();
        for Spared { name, subtree, line } in by_name.chain(by_pattern) {
            if settled.insert(*name) {
                let pattern = if *subtree { Pattern::Subtree } else { Pattern::Exact };
                let pattern = pattern((*name).to_owned());
                holes.push(Rule::plain(pattern, Effect::Hole, *line));
            }
        }
        holes
    }

    fn is_essential(&self, name: NameRef<'_>) -> bool {
        let mut above = name.walk().skip(1);
        self.essential.contains_key(&name) || above.any(|n| self.essential.get(&n) == Some(&true))
    }
}

impl<'c> PatternRow<'c> {
    fn new(text: &'c str, row: &'c Row, names: &[(Spared<'c>, String)]) -> PatternRow<'c> {
        let regex = Regex::new(text).expect("the catalogue compiled the pattern when it was read");
        let words = words(text);
        let near = names.iter().filter(|(_, label)| words.contains(label.as_str()));
        let matches = near.filter(|(spared, _)| regex.is_match(&spared.name.to_string()));
        PatternRow { text, row, matches: matches.map(|(spared, _)| *spared).collect(), words }
    }
}

fn below<'c>(
    names: &[(NameRef<'c>, &'c Row)],
    catalogue: &'c Catalogue,
    spared: &[Spared<'c>],
) -> HashMap<NameRef<'c>, Vec<Spared<'c>>> {
    let rows: HashSet<NameRef<'c>> = names.iter().map(|(name, _)| *name).collect();
    let resolvers: HashSet<NameRef<'c>> =
        catalogue.encrypted_dns().iter().map(|(name, _)| name.as_ref()).collect();
    let mut below: HashMap<NameRef<'c>, Vec<Spared<'c>>> = HashMap::new();
    for spared in spared {
        for above in spared.name.walk().skip(1) {
            let is_row = rows.contains(&above);
            if is_row || resolvers.contains(&above) {
                below.entry(above).or_default().push(*spared);
            }
            if is_row {
                break;
            }
        }
    }
    below
}

/// Returns the label that people register: `tiktokv` of `mon.tiktokv.com`; that of the host where it
/// lets its customers register names of their own.
fn registrable_label(name: NameRef<'_>) -> String {
    let text = name.to_string();
    let hosting = psl::suffix(text.as_bytes()).filter(|s| s.typ() == Some(psl::Type::Private));
    let domain = match hosting {
        Some(suffix) => std::str::from_utf8(suffix.as_bytes()).unwrap_or(&text),
        None => psl::domain_str(&text).unwrap_or(&text),
    };
    domain.split('.').next().unwrap_or(domain).to_string()
}

/// Returns the words of a pattern. The label that people register is one of them for all names that
/// it matches, since it is the labels before and after that vary.
fn words(pattern: &str) -> HashSet<&str> {
    let of_label = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    pattern.split(|c| !of_label(c)).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::model::{DomainName, HashSeed, NameHashes, Tier};

    const SEED: HashSeed = HashSeed([3, 5]);

    /// One list's rules, evaluated as they read, without an index.
    struct Naive<'r> {
        list: &'r ShippedList,
        names: HashMap<NameRef<'r>, (bool, Effect)>,
        patterns: Vec<(Regex, Effect)>,
    }

    impl<'r> Naive<'r> {
        fn new(list: &'r ShippedList) -> Naive<'r> {
            let mut naive = Naive { list, names: HashMap::new(), patterns: Vec::new() };
            for rule in &list.rules {
                let (name, subtree) = match &rule.pattern {
                    Pattern::Exact(name) => (name, false),
                    Pattern::Subtree(name) => (name, true),
                    Pattern::Text(pattern) => {
                        let regex = Regex::new(&pattern.text).expect("a pattern");
                        naive.patterns.push((regex, rule.effect.clone()));
                        continue;
                    }
                    other => panic!("{other:?} is not shipped"),
                };
                let twice = naive.names.insert(name.as_ref(), (subtree, rule.effect.clone()));
                assert!(twice.is_none(), "{} has two rules for {name}", list.name);
            }
            naive
        }

        fn blocks(&self, name: NameRef<'_>, text: &str) -> bool {
            let own = self.names.get(&name).map(|(_, effect)| effect);
            let by_pattern = || self.patterns.iter().find(|(p, _)| p.is_match(text)).map(|p| &p.1);
            let above = || {
                let rules = name.walk().skip(1).filter_map(|n| self.names.get(&n));
                rules.filter(|(subtree, _)| *subtree).map(|(_, effect)| effect).next()
            };
            own.or_else(by_pattern).or_else(above) == Some(&Effect::Block(Answer::Policy))
        }
    }

    struct Lists {
        catalogue: Catalogue,
        lists: Vec<ShippedList>,
    }

    impl Lists {
        fn shipped() -> Lists {
            let catalogue = Catalogue::shipped(SEED);
            Lists { lists: rules(&catalogue), catalogue }
        }

        fn naive(&self) -> Vec<Naive<'_>> {
            self.lists.iter().map(Naive::new).collect()
        }

        fn find(&self, name: NameRef<'_>) -> Option<&Row> {
            self.catalogue.find(name, &NameHashes::of(name, SEED))
        }

        /// Rows that are names, with their names as text.
        fn names(&self) -> impl Iterator<Item = (&DomainName, &Row)> {
            self.catalogue.rows().filter_map(|(name, row)| match name {
                RowName::Domain(name) => Some((name, row)),
                RowName::Pattern(_) => None,
            })
        }
    }

    fn name(text: &str) -> DomainName {
        DomainName::parse(text).expect("a name")
    }

    /// Names of the shown lists that block `text`, and `basic` for the part.
    fn blocking<'n>(naive: &[Naive<'n>], text: &str) -> Vec<&'n str> {
        let name = name(text);
        let lists = naive.iter().filter(|n| n.blocks(name.as_ref(), text));
        lists.map(|n| if n.list.part { "basic" } else { n.list.name.as_str() }).collect()
    }

    #[test]
    fn lists_come_in_their_order_with_bans_of_companies_that_run_a_service() {
        let Lists { lists, catalogue } = Lists::shipped();
        let shown: Vec<_> = lists.iter().map(|l| (l.name.as_str(), l.kind, l.part)).collect();
        let tracking = ListKind::Tracking;
        assert_eq!(
            shown[..4],
            [
                ("trackers", tracking, false),
                ("trackers", tracking, true),
                ("trackers-strict", tracking, false),
                ("encrypted-dns", ListKind::EncryptedDns, false),
            ]
        );
        let bans = &shown[4..];
        assert!(
            bans.is_sorted_by_key(|b| b.0) && bans.iter().all(|b| b.0.starts_with("ban-") && !b.2)
        );
        assert!(bans.iter().any(|b| b.0 == "ban-tiktok"));
        assert!(!bans.iter().any(|b| b.0 == "ban-hotjar" || b.0 == "ban-cloudflare"));
        assert_eq!(bans.len(), companies_with_apps(&catalogue).len());
        assert!(lists.len() <= crate::model::MAX_LISTS);
        let whole =
            lists.iter().filter(|list| !list.part).map(|list| (list.name.clone(), list.kind));
        assert_eq!(names(&catalogue), whole.collect::<Vec<_>>());
        assert_eq!(lists.iter().filter(|list| list.part).count(), PARTS);
    }

    #[test]
    fn pixel_hosts_are_blocked_at_their_levels() {
        let lists = Lists::shipped();
        let naive = lists.naive();
        let mut companies = HashSet::new();
        for (name, row) in lists.names().filter(|(_, row)| row.tier == Tier::Pixel) {
            let blocking = blocking(&naive, &name.to_string());
            match row.proposal {
                Proposal::Default => {
                    assert!(blocking.contains(&"trackers"), "{name}: {blocking:?}");
                    let company = &lists.catalogue.companies()[usize::from(row.company.0)];
                    companies.insert(company.slug.as_str());
                }
                Proposal::Strict => {
                    assert!(blocking.contains(&"trackers-strict"), "{name}: {blocking:?}");
                    assert!(!blocking.contains(&"trackers"), "{name}: {blocking:?}");
                }
                other => panic!("{name} is a pixel of level {other:?}"),
            }
        }
        for company in [
            "tiktok",
            "meta",
            "google",
            "snap",
            "pinterest",
            "x",
            "linkedin",
            "microsoft",
            "reddit",
            "amazon",
            "quora",
            "spotify",
            "yahoo",
        ] {
            assert!(companies.contains(company), "{company} has a pixel host at default");
        }
    }

    #[test]
    fn the_basic_part_holds_only_what_breaks_nothing() {
        let lists = Lists::shipped();
        let naive = lists.naive();
        assert_eq!(blocking(&naive, "analytics.tiktok.com")[..2], ["trackers", "basic"]);
        assert_eq!(blocking(&naive, "www.google-analytics.com")[..2], ["trackers", "basic"]);
        let partly = blocking(&naive, "www.googletagmanager.com");
        assert!(partly.contains(&"trackers") && !partly.contains(&"basic"), "{partly:?}");
        // Its parent breaks nothing and is in the part: a hole spares the row that does.
        let below = blocking(&naive, "edge.adobedc.net");
        assert!(below.contains(&"trackers") && !below.contains(&"basic"), "{below:?}");
    }

    #[test]
    fn the_pixel_is_blocked_and_the_app_kept_until_it_is_banned() {
        let lists = Lists::shipped();
        let naive = lists.naive();
        let tiktok = ["tiktok", "bytedance"].map(|slug| lists.catalogue.company(slug));
        let mut apps = 0;
        for (name, row) in lists.names().filter(|(_, row)| tiktok.contains(&Some(row.company))) {
            let text = name.to_string();
            let blocking = blocking(&naive, &text);
            assert!(blocking.contains(&"ban-tiktok"), "{name}: {blocking:?}");
            assert!(blocking.contains(&"ban-bytedance"), "{name}: {blocking:?}");
            if row.proposal == Proposal::App {
                apps += 1;
                assert_eq!(blocking, ["ban-bytedance", "ban-tiktok"], "{name}");
            }
        }
        assert!(apps > 50, "{apps} hosts of the app");
        for app in ["www.tiktok.com", "api16-normal-c-useast1a.tiktokv.com", "v16.tiktokcdn.com"] {
            assert_eq!(blocking(&naive, app), ["ban-bytedance", "ban-tiktok"], "{app}");
        }
        assert!(blocking(&naive, "log99-normal-z.tiktokv.com").contains(&"trackers"));
    }

    #[test]
    fn nothing_essential_and_nothing_shared_is_blocked_by_any_list() {
        let lists = Lists::shipped();
        let naive = lists.naive();
        let none: [&str; 0] = [];
        for essential in lists.catalogue.essential() {
            let text = essential.name.to_string();
            assert_eq!(blocking(&naive, &text), none, "{text}");
            if essential.subtree {
                assert_eq!(blocking(&naive, &format!("a.b.{text}")), none, "below {text}");
            }
        }
        for (name, _) in lists.names().filter(|(_, row)| row.proposal == Proposal::Never) {
            assert_eq!(blocking(&naive, &name.to_string()), none, "{name}");
            assert_eq!(blocking(&naive, &format!("a.b.{name}")), none, "below {name}");
        }
    }

    #[test]
    fn every_resolver_of_encrypted_dns_is_blocked_by_its_list() {
        let lists = Lists::shipped();
        let naive = lists.naive();
        for (host, _) in lists.catalogue.encrypted_dns() {
            let text = format!("profile.{host}");
            assert!(blocking(&naive, &host.to_string()).contains(&"encrypted-dns"), "{host}");
            assert!(blocking(&naive, &text).contains(&"encrypted-dns"), "{text}");
        }
        for other in ["mask.icloud.com", "use-application-dns.net", "dns.msftncsi.com"] {
            assert!(!blocking(&naive, other).contains(&"encrypted-dns"), "{other}");
        }
    }

    fn unpacked(file: &str) -> String {
        let path = format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"));
        let packed = std::fs::File::open(path).expect("test data");
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("gzip");
        text
    }

    /// The meaning of a list in one line: it blocks a name when the row that speaks is one of its rows.
    #[test]
    fn a_list_blocks_a_name_exactly_if_it_has_the_row_that_speaks() {
        let lists = Lists::shipped();
        let naive = lists.naive();
        let hosts = unpacked("neodev-2026.hosts.txt.gz");
        let requests = unpacked("web-requests-in-order-2018.tsv.gz");
        let hosts = hosts.lines().filter_map(|line| line.strip_prefix("0.0.0.0  ")).step_by(16);
        let requests = requests.lines().skip(1).filter_map(|line| line.split('\t').next());
        let mut names: HashSet<String> = hosts.chain(requests).map(String::from).collect();
        for (name, _) in lists.names() {
            names.insert(name.to_string());
            if name.as_ref().labels().count() < 3 {
                names.insert(format!("log16-normal-x.{name}"));
            }
        }
        let bans: HashMap<&str, Vec<CompanyId>> = lists
            .lists
            .iter()
            .filter_map(|list| list.name.as_str().strip_prefix("ban-"))
            .filter_map(|slug| {
                Some((slug, lists.catalogue.banned_with(lists.catalogue.company(slug)?)))
            })
            .collect();
        let mut checked = 0;
        for text in &names {
            let Ok(name) = DomainName::parse(text) else { continue };
            let Some(row) = lists.find(name.as_ref()) else { continue };
            checked += 1;
            let spared = row.proposal == Proposal::Never
                || lists.catalogue.essential().iter().any(|e| {
                    e.name == name || e.subtree && name.as_ref().is_subdomain_of(e.name.as_ref())
                });
            for naive in naive.iter().filter(|n| n.list.kind != ListKind::EncryptedDns) {
                let takes = match (naive.list.name.as_str(), row.proposal) {
                    ("trackers", Proposal::Default) => {
                        !naive.list.part || row.breakage.starts_with("no")
                    }
                    ("trackers-strict", proposal) => proposal == Proposal::Strict,
                    (list, _) => list
                        .strip_prefix("ban-")
                        .is_some_and(|slug| bans[slug].contains(&row.company)),
                };
                let list = &naive.list.name;
                let blocks = naive.blocks(name.as_ref(), text);
                assert_eq!(blocks, takes && !spared, "{text} by {list}: {row:?}");
            }
        }
        assert!(checked > 6_000, "{checked} names with a row");
    }

    #[test]
    fn a_pattern_has_the_registrable_label_of_its_names() {
        let pattern = r"^(log|mon)[0-9]*\.(tiktokv\.(com|us)|isnssdk\.com)$";
        let words = words(pattern);
        assert!(words.contains("tiktokv") && words.contains("isnssdk"));
        assert!(!words.contains("snssdk") && !words.contains("tiktok"));
        assert_eq!(registrable_label(name("a.b.bbc.co.uk").as_ref()), "bbc");
        assert_eq!(registrable_label(name("x.someone.github.io").as_ref()), "github");
        assert_eq!(registrable_label(name("com.akadns.net").as_ref()), "akadns");
    }
}
