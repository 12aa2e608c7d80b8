//! The tests' own vocabulary, and whole texts read and edited.

use std::sync::Arc;

use super::*;
use crate::model::{DomainName, ListKind, ListName};

/// The tables of `state.db` that this module uses.
pub(super) fn state() -> (tempfile::TempDir, Arc<Database>) {
    let folder = tempfile::tempdir().expect("a folder");
    let database =
        Database::open(&folder.path().join("state.db"), crate::storage::STATE_MIGRATIONS)
            .expect("opened");
    (folder, Arc::new(database))
}

pub(super) fn device(text: &str) -> DeviceName {
    DeviceName::parse(text).expect("a device name")
}

pub(super) fn name(text: &str) -> DomainName {
    DomainName::parse(text).expect("a name")
}

pub(super) fn list(text: &str) -> ListName {
    ListName::parse(text).expect("a list name")
}

pub(super) fn known() -> Known {
    let lists = [
        ("trackers", ListKind::Tracking),
        ("trackers-strict", ListKind::Tracking),
        ("encrypted-dns", ListKind::EncryptedDns),
        ("ban-tiktok", ListKind::Ban),
        ("ban-meta", ListKind::Ban),
    ];
    Known {
        lists: lists.map(|(name, kind)| (list(name), kind)).to_vec(),
        companies: ["tiktok", "meta", "criteo"].map(String::from).into(),
        defaults: Vec::new(),
    }
}

/// Every table and key of the file, all right.
const HOUSE: &str = r#"# our house

[everyone]
level = "standard" # for all of us
lists = { neodev = true }

[level.strict]
add = ["neodev"]
remove = ["encrypted-dns"]

[blocking]
mode = "addresses"
addresses = ["192.168.1.2", "fd00::2"]
ttl = 60

[[list]]
name = "neodev"
file = "sub/neodev.hosts"
kind = "other"
format = "hosts"
cover_subdomains = true

# the children
[[group]]
name = "Kids"
level = "strict"
companies = { tiktok = "ban" }
log = "counts"

[[device]]
name = "TV"
# LG, bought in 2020
addresses = ["192.168.1.40", "fd00::/64"]
groups = ["Kids"]
companies = { tiktok = "lift" }
lists.trackers = false

[[device]]
name = "Radio"
addresses = ["192.168.1.41"]

[device.lists] # a table of its own
encrypted-dns = true # until it is mended

# exam week
[[rule]]
action = "allow"
name = "Example.com."
device = "TV"
note = "for the weather"
until = 2030-12-01T18:00:00+01:00

[[rule]]
action = "block"
name = "x.com"
group = "Kids"

[[rule]]
action = "block"
name = "y.com"

[[local]]
name = "*.nas.lan"
addresses = ["192.168.1.9"]

[[local]]
name = "printer.lan"
alias = "p.nas.lan"

[[zone]]
name = "home.example"
file = "zones/home.zone"
# the end
"#;

fn checked(text: &str) -> Standing {
    read("policy.toml", text, &known()).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

mod reading {
    use std::path::PathBuf;

    use super::*;
    use crate::model::{Action, GroupName, Level, LogDetail, Scope};
    use crate::policy::CompanySwitch;
    use crate::rules::parse::Format;
    use crate::sinkhole::BlockingMode;

    /// The problems of a text as `line: message / help`.
    fn problems(text: &str) -> Vec<String> {
        let problems = read("policy.toml", text, &known()).expect_err("problems").0;
        let help = |help: Option<String>| help.map(|help| format!(" / {help}")).unwrap_or_default();
        problems.into_iter().map(|p| format!("{}: {}{}", p.line, p.message, help(p.help))).collect()
    }

    #[test]
    fn scopes_are_read() {
        let house = checked(HOUSE);
        assert_eq!(house.everyone.level, Some(Level::Standard));
        assert!(house.everyone.lists[&list("neodev")]);
        assert_eq!(house.levels[&Level::Strict].add, [list("neodev")]);
        assert_eq!(house.levels[&Level::Strict].remove, [list("encrypted-dns")]);
        let kids = &house.groups[0];
        assert_eq!((kids.name.as_str(), kids.part.log), ("Kids", Some(LogDetail::Counts)));
        assert_eq!(kids.part.companies["tiktok"], CompanySwitch::Ban);
        let tv = &house.devices[0];
        assert_eq!(tv.groups, [GroupName::parse("Kids").expect("a name")]);
        assert_eq!(tv.addresses[1].to_string(), "fd00::/64");
        assert!(!tv.part.lists[&list("trackers")]);
        assert!(house.devices[1].part.lists[&list("encrypted-dns")]);
    }

    #[test]
    fn lists_rules_and_names_of_ours_are_read() {
        let house = checked(HOUSE);
        let own = &house.lists[0];
        assert_eq!(
            (own.kind, own.format, own.cover_subdomains),
            (ListKind::Other, Format::Hosts, true)
        );
        let rule = &house.rules[0];
        assert_eq!((rule.scope.clone(), rule.action), (Scope::Device(device("TV")), Action::Allow));
        assert_eq!(
            (rule.name.to_string(), rule.until),
            ("example.com".into(), Some(1_922_374_800))
        );
        assert_eq!(house.rules[2].scope, Scope::Everyone);
        assert!(house.local.names[0].wildcard && house.local.names[0].name == name("nas.lan"));
        assert_eq!(house.local.names[1].alias, Some(name("p.nas.lan")));
        assert_eq!(house.local.zone_files[0].1, PathBuf::from("zones/home.zone"));
        let (v4, v6) =
            (vec!["192.168.1.2".parse().expect("v4")], vec!["fd00::2".parse().expect("v6")]);
        assert_eq!(house.blocking, BlockingMode::Addresses { v4, v6 });
        assert_eq!(house.blocked_ttl, 60);
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(checked(""), Standing::default());
        assert_eq!(checked("# nothing\n").blocked_ttl, 10);
    }

    #[test]
    fn the_first_policy_checks_with_and_without_its_examples() {
        let first = keeper::FIRST_POLICY;
        let plain = checked(first);
        assert_eq!(plain.everyone.level, Some(Level::Standard));
        assert_eq!(Standing { everyone: Default::default(), ..plain }, Standing::default());
        let example = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_string() + "\n",
            _ => line.to_string() + "\n",
        };
        let all = checked(&first.lines().map(example).collect::<String>());
        assert_eq!((all.devices.len(), all.groups.len(), all.rules.len()), (1, 2, 1));
        assert_eq!((all.unknown.len(), all.schedules.len()), (1, 1));
        assert_eq!((all.lists.len(), all.local.names.len(), all.local.zone_files.len()), (2, 2, 1));
        assert_eq!((all.everyone.lists.len(), all.levels.len()), (1, 1));
    }

    #[test]
    fn all_problems_are_told_at_once_with_place_and_mend() {
        let text = r#"
[everyone]
levl = "standard"
lists = { tracker = true, trackers = 1, ban-tiktok = true }
companies = { tiktk = "ban", criteo = "ban", meta = "on" }
log = 5
[level.standart]
[level.off]
add = ["trackers"]
[blocking]
mode = "addresses"
ttl = 100000
[[group]]
name = "Kids"
level = "strickt"
[[device]]
name = "TV"
addresses = ["192.168.1.400", "10.0.0.1"]
groups = ["Kid", "Kids", "Kids"]
[[device]]
name = "TV"
addresses = ["10.0.0.1"]
[[device]]
name = "everyone"
addresses = []
[[rule]]
action = "deny"
name = "*.x.com"
device = "TV2"
[dns]
"#;
        assert_eq!(
            problems(text),
            [
                "3: unknown key `levl` / did you mean `level`?",
                "4: there is no list `tracker` / did you mean `trackers`?",
                "4: a list is on or off: write trackers = true or false",
                "4: `ban-tiktok` is a company ban, which is no list to switch / write companies = { tiktok = \"ban\" }",
                "5: there is no company `tiktk` / did you mean `tiktok`?",
                "5: `criteo` runs no service of its own that could be banned / its trackers are blocked by the levels",
                "5: `on` is no switch of a company; write ban or lift",
                "6: invalid type: integer `5`, expected a string",
                "7: `standart` is no level; write off, basic, standard or strict / did you mean `standard`?",
                "8: level off has no lists, so nothing can be added or removed",
                "11: mode \"addresses\" needs addresses / write addresses = [\"192.168.1.2\", \"fd00::2\"]",
                "12: a blocked answer is kept 86400 s (a day) at most",
                "15: `strickt` is no level; write off, basic, standard or strict / did you mean `strict`?",
                "18: `192.168.1.400` is no address or prefix; write 192.168.1.40, fd00::5 or 10.0.0.0/8",
                "19: there is no group `Kid` / did you mean `Kids`?",
                "19: group `Kids` stands here twice",
                "21: device TV stands in line 17 already",
                "22: 10.0.0.1 is an address of `TV` already, in line 18 / leave it at one of the two",
                "24: `everyone` means all devices; choose another name",
                "25: a device needs an address or a hardware address / write hardware = [\"3c:5a:b4:01:02:03\"] or addresses = [\"192.168.1.40\"]",
                "27: `deny` is no action; write allow or block",
                "28: a rule covers a name and all below it, so it has no `*.` / write name = \"x.com\"",
                "29: there is no device `TV2` / did you mean `TV`?",
                "30: unknown key `dns`",
            ]
        );
    }

    #[test]
    fn problems_of_lists_rules_and_names_are_told() {
        let text = r#"
[[list]]
name = "trackers"
file = "/etc/passwd"
[[list]]
name = "ban-me"
file = "a/../../b"
kind = "spam"
[[list]]
name = "mine"
file = "mine"
[[list]]
name = "mine"
file = "other"
[[rule]]
action = "block"
name = "."
[[rule]]
action = "block"
name = "a..b"
note = "two\nlines"
until = 2030-01-01T00:00:00
[[rule]]
action = "block"
name = "x.com"
[[rule]]
action = "block"
name = "X.com."
[[rule]]
name = "x.com"
[[local]]
name = "a.lan"
[[local]]
name = "b.lan"
addresses = ["1.2.3"]
[[zone]]
name = "z.example"
file = "../z"
"#;
        assert_eq!(
            problems(text),
            [
                "3: `trackers` is a list that ships with deadpixel / choose another name",
                "4: `/etc/passwd` does not lie in the folder for lists / write a path relative to that folder, without `..`",
                "6: names that begin with `ban-` are kept for company bans / choose another name",
                "7: `a/../../b` does not lie in the folder for lists / write a path relative to that folder, without `..`",
                "8: `spam` is no kind of list; write tracking, encrypted-dns or other",
                "13: list mine stands in line 10 already",
                "17: a rule cannot stand for every name / write level = \"off\" to let all through, or name a domain",
                "20: `a..b` is no name: the name has an empty label (two dots in a row, or one in front)",
                "21: a note has at most 1000 characters, without line breaks or other control characters",
                "22: `2030-01-01T00:00:00` is no time with its offset from UTC / write until = 2026-12-01T18:00:00+01:00",
                "26: rule block x.com for everyone stands in line 23 already",
                "29: missing key `action` / write action = \"block\" or \"allow\"",
                "32: `a.lan` needs either addresses or an alias / write addresses = [\"192.168.1.9\"] or alias = \"nas.lan\"",
                "35: `1.2.3` is no address; write 192.168.1.9 or fd00::9",
                "38: `../z` does not lie in the data folder / write a path relative to that folder, without `..`",
            ]
        );
    }

    #[test]
    fn a_rule_has_one_form_and_each_is_checked() {
        let text = r#"
[[rule]]
action = "block"
name = "x.com"
exact = "x.com"
[[rule]]
action = "block"
[[rule]]
action = "allow"
adguard = "||x.com^"
[[rule]]
exact = "x.com"
[[rule]]
action = "block"
exact = "a..b"
[[rule]]
action = "deny"
exact = "x.com"
[[device]]
name = "TV"
addresses = ["10.0.0.1"]
tags = ["user_child", "Kids"]
"#;
        let found = problems(text);
        let told = [
            "2: a rule has one of the keys `name`, `exact`, `regex` and `adguard` / write name",
            "6: a rule has one of the keys",
            "9: a rule in AdGuard's syntax says itself whether it allows / take `action` away",
            "11: missing key `action`",
            "15: `a..b` is no name",
            "17: `deny` is no action; write allow or block",
            "22: `Kids` is no tag; write 1 to 64 of a-z, 0-9 and _",
        ];
        for words in told {
            assert!(found.iter().any(|problem| problem.starts_with(words)), "{words}: {found:#?}");
        }
    }

    #[test]
    fn written_rules_are_read_with_scope_and_text_and_bounded() {
        let one = "[[rule]]\naction = \"block\"\nexact = \"X.com.\"\nnote = \"only it\"\n";
        let standing = checked(one);
        let rule = &standing.written[0];
        assert_eq!(
            (rule.text(), rule.note.as_deref()),
            ("block exactly x.com for everyone".into(), Some("only it"))
        );
        assert!(problems(&one.repeat(2)).iter().any(|told| told.contains("stands in line 1")));
        let many = |count: usize| -> String {
            let rule = |n: usize| format!("[[rule]]\naction = \"allow\"\nexact = \"n{n}.com\"\n");
            (0..count).map(rule).collect()
        };
        assert_eq!(checked(&many(256)).written.len(), 256);
        let told = problems(&many(257));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("everyone has more than 256 rules"), "{told:?}");
    }

    #[test]
    fn a_faulty_entry_does_not_make_what_names_it_faulty() {
        let text = "[[device]]\nname = \"TV\"\naddresses = 5\n[[rule]]\naction = \"block\"\n\
                    name = \"x.com\"\ndevice = \"TV\"\n";
        assert_eq!(problems(text), ["3: invalid type: integer `5`, expected a sequence"]);
    }

    #[test]
    fn a_syntax_error_is_told_with_its_place() {
        let told = problems("[everyone]\nlevel = \n");
        assert!(told.len() == 1 && told[0].starts_with("2: "), "{told:?}");
    }
}

fn by_address(text: &str) -> Places {
    let addresses = vec![text.parse().expect("an address")];
    Places { addresses, ..Places::default() }
}

mod editing {
    use toml_edit::Value;

    use super::*;
    use crate::model::{Action, GroupName, Scope};
    use crate::policy::OwnRule;

    fn tv() -> Scope {
        Scope::Device(device("TV"))
    }

    fn kids() -> Scope {
        Scope::Group(GroupName::parse("Kids").expect("a name"))
    }

    fn edited(text: &str, edit: impl FnOnce(&mut PolicyText) -> Result<(), EditError>) -> String {
        let mut policy = PolicyText::new(text);
        edit(&mut policy).expect("edited");
        policy.finish()
    }

    fn set(text: &str, scope: &Scope, path: &str, value: Option<Value>) -> String {
        let (table, key) = match path.split_once('.') {
            Some((table, key)) => (Some(table), key),
            None => (None, path),
        };
        edited(text, |policy| policy.set(scope, table, key, value))
    }

    /// What changed from `old` to `new`, line by line.
    fn changes(old: &str, new: &str) -> Vec<String> {
        let (mut olds, mut news): (Vec<&str>, Vec<&str>) =
            (old.split('\n').collect(), new.split('\n').collect());
        while !olds.is_empty() && olds.first() == news.first() {
            (_, _) = (olds.remove(0), news.remove(0));
        }
        while !olds.is_empty() && olds.last() == news.last() {
            (_, _) = (olds.pop(), news.pop());
        }
        let gone = olds.iter().map(|line| format!("-{line}"));
        gone.chain(news.iter().map(|line| format!("+{line}"))).collect()
    }

    #[test]
    fn a_value_is_replaced_and_its_comment_stays() {
        let new = set(HOUSE, &Scope::Everyone, "level", Some("strict".into()));
        assert_eq!(
            changes(HOUSE, &new),
            ["-level = \"standard\" # for all of us", "+level = \"strict\" # for all of us"]
        );
        checked(&new);
    }

    #[test]
    fn keys_are_added_where_they_belong() {
        let cases: [(Scope, &str, Value, &[&str]); 6] = [
            (tv(), "level", "off".into(), &["+level = \"off\""]),
            (tv(), "lists.neodev", true.into(), &["+lists.neodev = true"]),
            (
                tv(),
                "companies.meta",
                "ban".into(),
                &[
                    "-companies = { tiktok = \"lift\" }",
                    "+companies = { tiktok = \"lift\", meta = \"ban\" }",
                ],
            ),
            (kids(), "lists.neodev", false.into(), &["+lists = { neodev = false }"]),
            (Scope::Device(device("Radio")), "lists.neodev", true.into(), &["+neodev = true"]),
            (Scope::Device(device("Radio")), "log", "full".into(), &["+log = \"full\""]),
        ];
        for (scope, path, value, expected) in cases {
            let new = set(HOUSE, &scope, path, Some(value));
            assert_eq!(changes(HOUSE, &new), expected, "{scope} {path}");
            checked(&new);
        }
    }

    #[test]
    fn keys_are_taken_away_with_their_line_alone() {
        let cases: [(Scope, &str, &[&str]); 7] = [
            (Scope::Everyone, "level", &["-level = \"standard\" # for all of us"]),
            (Scope::Everyone, "lists.neodev", &["-lists = { neodev = true }"]),
            (tv(), "lists.trackers", &["-lists.trackers = false"]),
            (kids(), "companies.tiktok", &["-companies = { tiktok = \"ban\" }"]),
            (
                Scope::Device(device("Radio")),
                "lists.encrypted-dns",
                &["-encrypted-dns = true # until it is mended"],
            ),
            (tv(), "level", &[]),
            (Scope::Device(device("Nobody")), "level", &[]),
        ];
        for (scope, path, expected) in cases {
            let new = set(HOUSE, &scope, path, None);
            assert_eq!(changes(HOUSE, &new), expected, "{scope} {path}");
            checked(&new);
        }
    }

    #[test]
    fn what_stands_in_braces_keeps_its_form() {
        let text = "everyone = {level = \"basic\", lists = {trackers = true, encrypted-dns = false}} # x\n";
        let everyone = Scope::Everyone;
        assert_eq!(
            set(text, &everyone, "lists.trackers", None),
            "everyone = {level = \"basic\", lists = { encrypted-dns = false}} # x\n"
        );
        assert_eq!(
            set(text, &everyone, "lists.encrypted-dns", None),
            "everyone = {level = \"basic\", lists = {trackers = true}} # x\n"
        );
        assert_eq!(
            set(text, &everyone, "level", Some("off".into())),
            "everyone = {level = \"off\", lists = {trackers = true, encrypted-dns = false}} # x\n"
        );
        let without = set(
            &set(text, &everyone, "lists.trackers", None),
            &everyone,
            "lists.encrypted-dns",
            None,
        );
        assert_eq!(without, "everyone = {level = \"basic\"} # x\n");
    }

    fn rule(scope: Scope, action: Action, text: &str, note: Option<&str>) -> OwnRule {
        let note = note.map(String::from);
        OwnRule { scope, action, name: name(text), until: None, note }
    }

    #[test]
    fn a_rule_is_added_after_the_last_and_removed_without_a_trace() {
        let rule = rule(tv(), Action::Block, "z.com", Some("say \"no\""));
        let new = edited(HOUSE, |policy| policy.add_rule(&rule));
        assert_eq!(
            changes(HOUSE, &new),
            [
                "+[[rule]]",
                "+action = \"block\"",
                "+name = \"z.com\"",
                "+device = \"TV\"",
                "+note = 'say \"no\"'",
                "+",
            ]
        );
        assert_eq!(checked(&new).rules[3], rule);
        let back = edited(&new, |p| p.remove_rule(&rule.scope, rule.action, &rule.name));
        assert_eq!(back, HOUSE);
    }

    #[test]
    fn a_removed_rule_leaves_the_comments_around_it() {
        let new = edited(HOUSE, |p| p.remove_rule(&tv(), Action::Allow, &name("example.com")));
        let gone = changes(HOUSE, &new);
        assert_eq!(gone.len(), 6, "{gone:?}");
        assert!(
            new.contains("# exam week\n\n[[rule]]\naction = \"block\"\nname = \"x.com\""),
            "{new}"
        );
        assert_eq!(checked(&new).rules.len(), 2);
        let other = edited(HOUSE, |p| p.remove_rule(&tv(), Action::Block, &name("example.com")));
        assert_eq!(other, HOUSE);
    }

    #[test]
    fn a_device_goes_with_its_rules_and_tables() {
        let new = edited(HOUSE, |p| p.remove_device(&device("Radio")));
        assert!(!new.contains("Radio") && !new.contains("[device.lists]"), "{new}");
        let new = edited(&new, |p| p.remove_device(&device("TV")));
        let standing = checked(&new);
        assert_eq!((standing.devices.len(), standing.rules.len()), (0, 2));
        for comment in ["# our house", "# the children", "# exam week", "# the end"] {
            assert!(new.contains(comment), "{comment} in {new}");
        }
    }

    #[test]
    fn a_device_is_renamed_in_its_rules_too() {
        let new = edited(HOUSE, |p| p.rename_device(&device("TV"), &device("Fernseher \"groß\"")));
        let standing = checked(&new);
        assert_eq!(standing.devices[0].name, device("Fernseher \"groß\""));
        assert_eq!(standing.rules[0].scope, Scope::Device(device("Fernseher \"groß\"")));
        assert_eq!(new.lines().count(), HOUSE.lines().count());
    }

    #[test]
    fn entries_are_added_to_any_file() {
        let address = by_address("10.0.0.9");
        for text in
            ["", "# only a comment", "[everyone]\nlevel = \"off\"", "rule = []\ndevice = []\n"]
        {
            let new = edited(text, |policy| {
                policy.add_device(&device("TV"), &address)?;
                policy.add_rule(&rule(tv(), Action::Allow, "x.com", None))?;
                policy.set(&tv(), None, "level", Some("basic".into()))?;
                policy.set(&Scope::Everyone, None, "log", Some("counts".into()))
            });
            let standing = checked(&new);
            assert_eq!((standing.devices.len(), standing.rules.len()), (1, 1), "{new}");
            assert!(new.starts_with(text.split('[').next().expect("a part")), "{new}");
            let new = edited(&new, |policy| policy.remove_device(&device("TV")));
            assert_eq!((checked(&new).devices.len(), checked(&new).rules.len()), (0, 0), "{new}");
        }
    }

    #[test]
    fn line_ends_and_the_byte_order_mark_stay() {
        let text = format!("\u{feff}{}", HOUSE.replace('\n', "\r\n"));
        let new = set(&text, &tv(), "level", Some("basic".into()));
        assert!(new.starts_with('\u{feff}'));
        assert_eq!(new.matches('\n').count(), new.matches("\r\n").count());
        assert_eq!(new.replace("level = \"basic\"\r\n", ""), text);
        checked(&text);
    }
}

mod properties {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use toml_edit::Value;

    use super::*;
    use crate::model::{GroupName, Level, Scope};

    /// One table of a scope in each form that TOML has for it.
    fn part(form: u8, header: &str) -> String {
        match form {
            0 => String::new(),
            1 => "# c1\nlevel = \"basic\" # c2\n".into(),
            2 => "lists = { trackers = true } # c3\n\n# c4\n".into(),
            3 => "lists.trackers = true\nlists.encrypted-dns = false # c5\n".into(),
            4 => format!("level = 'off'\n\n# c6\n[{header}.lists] # c7\n# c8\ntrackers = true\n"),
            _ => "  level=\"strict\"# c9\nlists={trackers=true,trackers-strict=false}\n".into(),
        }
    }

    /// A policy with everyone, a group and two devices; `forms` says how each is written.
    fn policy(forms: [u8; 4], late: bool) -> String {
        let everyone = format!("[everyone] # c10\n{}", part(forms[0], "everyone"));
        let others = format!(
            "# c11\n[[group]]\nname = \"Kids\"\n{}# c12\n\n[[device]]\naddresses = [\n  # c13\n  \
             \"10.0.0.1\", # c14\n]\nname = \"TV\" # c15\n{}\n# c16\n[[device]]\nname = \"Radio\"\n\
             addresses = [\"10.0.0.2\"]\n{}\n# c17\n",
            part(forms[1], "group"),
            part(forms[2], "device"),
            part(forms[3], "device"),
        );
        if late { format!("{others}{everyone}") } else { format!("# c0\n{everyone}\n{others}") }
    }

    fn scopes() -> impl Strategy<Value = Scope> {
        prop_oneof![
            Just(Scope::Everyone),
            Just(Scope::Group(GroupName::parse("Kids").expect("a name"))),
            Just(Scope::Device(device("TV"))),
            Just(Scope::Device(device("Radio"))),
        ]
    }

    #[derive(Clone, Debug)]
    enum Edit {
        Level(Option<Level>),
        List(&'static str, Option<bool>),
    }

    fn edits() -> impl Strategy<Value = Edit> {
        let level = proptest::option::of(proptest::sample::select(Level::ALL.to_vec()));
        let lists = proptest::sample::select(vec!["trackers", "encrypted-dns", "trackers-strict"]);
        prop_oneof![
            level.prop_map(Edit::Level),
            (lists, proptest::option::of(any::<bool>()))
                .prop_map(|(list, on)| Edit::List(list, on)),
        ]
    }

    fn comments(text: &str) -> BTreeMap<&str, usize> {
        let mut found = BTreeMap::new();
        for line in text.lines().filter(|line| line.trim_start().starts_with('#')) {
            *found.entry(line).or_default() += 1;
        }
        found
    }

    proptest! {
        #[test]
        fn an_edit_changes_what_it_means_to_and_nothing_else(
            forms in proptest::array::uniform4(0_u8..6),
            late in any::<bool>(),
            steps in proptest::collection::vec((scopes(), edits()), 1..6),
        ) {
            let before = policy(forms, late);
            let mut expected = checked(&before);
            let mut text = PolicyText::new(&before);
            for (scope, edit) in &steps {
                let part = match scope {
                    Scope::Everyone => &mut expected.everyone,
                    Scope::Group(_) => &mut expected.groups[0].part,
                    Scope::Device(name) => {
                        &mut expected.devices.iter_mut().find(|d| d.name == *name).expect("there").part
                    }
                };
                match edit {
                    Edit::Level(level) => {
                        part.level = *level;
                        let value = level.map(|level| Value::from(level.as_str()));
                        text.set(scope, None, "level", value).expect("edited");
                    }
                    Edit::List(name, on) => {
                        match on {
                            Some(on) => part.lists.insert(list(name), *on),
                            None => part.lists.remove(&list(name)),
                        };
                        text.set(scope, Some("lists"), name, on.map(Value::from)).expect("edited");
                    }
                }
            }
            let after = text.finish();
            prop_assert_eq!(checked(&after), expected, "{}\n---\n{}", &before, &after);
            prop_assert_eq!(comments(&before), comments(&after), "{}\n---\n{}", &before, &after);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[\\[\\]a-z\"=.\n {}#0-9]{0,80}") {
            let _ = read("policy.toml", &text, &known()).is_ok();
        }

        #[test]
        fn devices_and_rules_come_and_go_without_a_trace(
            forms in proptest::array::uniform4(0_u8..6),
            late in any::<bool>(),
            label in "[ -~]{1,20}[a-z]",
        ) {
            let before = policy(forms, late);
            let label = device(&format!("d{label}"));
            let mut text = PolicyText::new(&before);
            text.add_device(&label, &by_address("10.0.0.3")).expect("added");
            let rule = crate::policy::OwnRule {
                scope: Scope::Device(label.clone()),
                action: crate::model::Action::Block,
                name: name("x.com"),
                until: None,
                note: Some(label.to_string()),
            };
            text.add_rule(&rule).expect("added");
            let added = text.finish();
            let between = checked(&added);
            prop_assert_eq!(&between.rules, &[rule]);
            prop_assert_eq!(&between.devices[2].name, &label);
            let mut text = PolicyText::new(&added);
            text.remove_device(&label).expect("removed");
            prop_assert_eq!(text.finish(), before);
        }
    }
}
