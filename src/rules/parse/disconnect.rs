//! Disconnect's `services.json`: domains by service and category.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{Format, Line, Lines, ListRefused, Options, Reading, Refusal, Rule, Summary};

/// Largest file; Disconnect's own has half a megabyte.
const MAX_OCTETS: usize = 8 << 20;

/// Categories that break sites, off if none are chosen.
const OFF: [&str; 4] = ["Content", "ConsentManagers", "Anti-fraud", "EmailAggressive"];

/// The file, as far as it matters.
#[derive(Deserialize)]
struct File {
    categories: Option<Pairs<Vec<Service>>>,
    entities: Option<IgnoredAny>,
}

/// `{SERVICE: {URL: [domain, …], flag: value}}`
type Service = Pairs<Pairs<Item>>;

/// What a key of a service has.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Domains(Vec<Value>),
    Flag(IgnoredAny),
}

/// An object's keys and values in the order in which they are written.
struct Pairs<V>(Vec<(String, V)>);

/// Reads a file: each domain of the categories chosen is blocked with all below it.
pub fn read(
    octets: &[u8],
    options: &Options,
    take: &mut dyn FnMut(Rule),
) -> Result<Summary, ListRefused> {
    let categories = categories(octets)?;
    let mut reading = Reading::new(Format::Disconnect, options, take);
    let mut places = Places { rest: octets, line: 1 };
    for (category, services) in categories.0 {
        let wanted = is_wanted(&category, options);
        for domain in services.iter().flat_map(domains) {
            let line = Line::new(places.find(domain), domain.as_bytes());
            reading.read(&line, |found| match domain.contains('/') {
                _ if !wanted => found.ignore(),
                true => found.refuse(Refusal::Path),
                false => found.subtree(domain),
            });
        }
    }
    Lines::new(octets).last().iter().for_each(|last| reading.skip(last));
    reading.finish()
}

fn categories(octets: &[u8]) -> Result<Pairs<Vec<Service>>, ListRefused> {
    if octets.len() > MAX_OCTETS {
        return Err(ListRefused::Disconnect("it is larger than 8 MiB".to_string()));
    }
    let file: File = serde_json::from_slice(octets)
        .map_err(|error| ListRefused::Disconnect(error.to_string()))?;
    file.categories.ok_or_else(|| match file.entities {
        Some(_) => ListRefused::Entities,
        None => ListRefused::Disconnect("it has no `categories`".to_string()),
    })
}

fn is_wanted(category: &str, options: &Options) -> bool {
    let is = |name: &str| name.eq_ignore_ascii_case(category);
    match &options.categories {
        Some(chosen) => chosen.iter().any(|name| is(name)),
        None => !OFF.iter().any(|name| is(name)),
    }
}

fn domains(service: &Service) -> impl Iterator<Item = &str> {
    let items = service.0.iter().flat_map(|(_, urls)| &urls.0);
    let lists = items.map(|(_, item)| match item {
        Item::Domains(domains) => domains.as_slice(),
        Item::Flag(_) => &[],
    });
    lists.flatten().filter_map(Value::as_str)
}

/// The texts of a file from where it has been read to.
struct Places<'t> {
    rest: &'t [u8],
    line: u32,
}

impl Places<'_> {
    /// Goes behind the next place of a text; returns its line.
    fn find(&mut self, wanted: &str) -> u32 {
        while let Some(text) = self.next_text() {
            let is_wanted = match text.contains(&b'\\') {
                false => text == wanted.as_bytes(),
                true => unescaped(text).is_some_and(|text| text == wanted),
            };
            if is_wanted {
                break;
            }
        }
        self.line
    }

    /// Goes behind the next text in quotes; returns it without them.
    fn next_text(&mut self) -> Option<&[u8]> {
        let start = self.rest.iter().position(|&octet| octet == b'"')?;
        let (before, text) = self.rest.split_at_checked(start + 1)?;
        self.line += u32::try_from(Lines::new(before).count() - 1).ok()?;
        let mut escaped = false;
        let length = text.iter().position(|&octet| {
            let ends = octet == b'"' && !escaped;
            escaped = octet == b'\\' && !escaped;
            ends
        })?;
        self.rest = text.get(length + 1..)?;
        text.get(..length)
    }
}

fn unescaped(text: &[u8]) -> Option<String> {
    serde_json::from_slice(&[b"\"", text, b"\""].concat()).ok()
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pairs<V>, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<V>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<V>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{Answer, Effect, Pattern, test_data};

    const FILE: &str = r#"{"license": "x \" y",
        "categories": {
            "Advertising": [
                {"Ads": {"https://ads.example/": ["ads.example", "b.example"],
                         "performance": "true", "dnt": 7, "more": {"a": ["no.example"]}}},
                {"Other": {"https://c.example/": [
                    "c.example",
                    "\u0064.example", 7, "bad!name"
                ]}}
            ],
            "Content": [{"Ads": {"https://e.example/": ["e.example"]}}]
        }}"#;

    fn rules(text: &str, categories: Option<&[&str]>) -> (Vec<(String, u32)>, Summary) {
        let categories = categories.map(|names| names.iter().map(|n| n.to_string()).collect());
        let options = Options { categories, ..Options::default() };
        let mut rules = Vec::new();
        let summary = read(text.as_bytes(), &options, &mut |rule| {
            assert_eq!(rule.effect, Effect::Block(Answer::Policy));
            let Pattern::Subtree(name) = rule.pattern else { panic!("{:?}", rule.pattern) };
            rules.push((name.to_string(), rule.line));
        });
        (rules, summary.expect("a good file"))
    }

    #[test]
    fn domains_are_subtrees_with_the_lines_where_they_stand() {
        let (rules, summary) = rules(FILE, None);
        let expected = [("ads.example", 4), ("b.example", 4), ("c.example", 7), ("d.example", 8)];
        assert_eq!(rules, expected.map(|(name, line)| (name.to_string(), line)));
        assert_eq!((summary.lines, summary.refused, summary.ignored), (12, 1, 1));
        assert_eq!((summary.samples[0].line, &*summary.samples[0].text), (8, "bad!name"));
    }

    #[test]
    fn categories_are_chosen_by_name_and_those_that_break_sites_are_off() {
        let names = |categories: &[&str]| {
            let (rules, _) = rules(FILE, Some(categories));
            rules.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names(&["content"]), ["e.example"]);
        assert_eq!(names(&["Content", "Advertising"]).len(), 5);
    }

    #[test]
    fn other_json_is_refused_with_its_reason() {
        let why = |text: &str| {
            let read = read(text.as_bytes(), &Options::default(), &mut |_| {});
            read.expect_err("refused").to_string()
        };
        assert!(why("{\"entities\": {}}").contains("entities.json"));
        assert!(why("{\"a\": 1}").contains("no `categories`"));
        assert!(why("{\"categories\": [1]}").contains("an object"));
        assert!(why("{\"categories\": {").contains("line 1"));
        assert!(why(&"[".repeat(100_000)).contains("services.json"));
        assert!(why(&" ".repeat(MAX_OCTETS + 1)).contains("8 MiB"));
        let deep = format!("{{\"categories\": {{\"A\": [{{\"B\": {{\"c\": {}", "[".repeat(9999));
        assert!(why(&deep).contains("recursion limit"));
    }

    #[test]
    fn the_real_file_is_read_and_its_companion_is_not() {
        let Some(services) = test_data::list("disconnect-services-2026.json.gz") else {
            return;
        };
        let services = String::from_utf8(services).expect("UTF-8");
        let (default, summary) = rules(&services, None);
        assert_eq!(summary.format, Format::Disconnect);
        assert!(summary.samples.iter().all(|sample| sample.text.contains('/')));
        assert!(summary.ignored > 100 && default.len() > 2000);
        let lines: Vec<&str> = services.lines().collect();
        for (name, line) in &default {
            assert!(lines[*line as usize - 1].contains(name.as_str()), "{name}, line {line}");
        }
        assert!(default.iter().any(|(name, _)| name == "doubleclick.net"));
        let entities = test_data::list("disconnect-entities-2026.json.gz").expect("beside it");
        let refused = read(&entities, &Options::default(), &mut |_| {}).err();
        assert_eq!(refused, Some(ListRefused::Entities));
    }
}
