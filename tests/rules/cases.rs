//! The cases of `cases.toml`: list files, questions about them, and the verdicts.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;

const CASES: &str = include_str!("cases.toml");

/// Rows of the table of ambiguous cases.
const ROWS: std::ops::RangeInclusive<u32> = 1..=36;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
    /// Rows that are about the resolver, and where they are tested.
    elsewhere: Vec<Elsewhere>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    row: u32,
    test: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    row: Option<u32>,
    name: String,
    #[serde(default)]
    list: Vec<String>,
    #[serde(default)]
    allowlist: Vec<String>,
    format: Option<String>,
    #[serde(default)]
    trusted: bool,
    /// Texts of lines that are refused, in order.
    #[serde(default)]
    refused: Vec<String>,
    ask: Vec<Ask>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    name: String,
    #[serde(rename = "type")]
    query_type: Option<String>,
    #[serde(default)]
    answer: Vec<String>,
    client_ip: Option<String>,
    client_name: Option<String>,
    client_tag: Option<String>,
    /// `none`, `allow`, `truncate`, `block` (as the policy says), `block nxdomain`,
    /// `rewrite A 192.0.2.1, CNAME x.example`, `rewrite NXDOMAIN`.
    expect: String,
    /// The line that decides.
    rule: Option<String>,
}

fn cases() -> Cases {
    toml::from_str(CASES).unwrap_or_else(|why| panic!("cases.toml: {why}"))
}

#[test]
fn every_case_has_its_verdict() {
    let mut wrong = Vec::new();
    for case in cases().case {
        let folder = tempfile::tempdir().expect("a folder");
        wrong.extend(case.failures(folder.path()));
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_row_has_a_case_or_is_tested_elsewhere() {
    let Cases { case, elsewhere } = cases();
    for row in ROWS {
        let has_case = case.iter().any(|case| case.row == Some(row));
        let place = elsewhere.iter().find(|place| place.row == row);
        assert!(has_case || place.is_some_and(|place| !place.test.is_empty()), "row {row}");
    }
}

impl Case {
    fn failures(&self, folder: &Path) -> Vec<String> {
        let written = |kind: &str, texts: &[String]| {
            let mut files = Vec::new();
            for (number, text) in texts.iter().enumerate() {
                let file = folder.join(format!("{kind}-{number}"));
                std::fs::write(&file, text).expect("a list is written");
                files.push(file.into_os_string());
            }
            files
        };
        let mut files: Vec<std::ffi::OsString> = Vec::new();
        for (option, texts) in [("--list", &self.list), ("--allowlist", &self.allowlist)] {
            files.extend(written(option, texts).into_iter().flat_map(|file| [option.into(), file]));
        }
        let failure = |(ask, why): (&Ask, String)| {
            format!("row {:?} {}: {}: {why}", self.row, self.name, ask.name)
        };
        let asked = self.ask.iter().filter_map(|ask| Some((ask, self.failure(ask, &files)?)));
        asked.map(failure).collect()
    }

    fn failure(&self, ask: &Ask, files: &[std::ffi::OsString]) -> Option<String> {
        let mut why = Command::new(env!("CARGO_BIN_EXE_deadpixel"));
        why.args(["why", &ask.name, "--json"]).args(files);
        let options = [
            ("--list-format", &self.format),
            ("--type", &ask.query_type),
            ("--client-ip", &ask.client_ip),
            ("--client-name", &ask.client_name),
            ("--client-tag", &ask.client_tag),
        ];
        for (option, value) in options {
            why.args(value.iter().flat_map(|value| [option, value]));
        }
        why.args(self.trusted.then_some("--trusted"));
        why.args(ask.answer.iter().flat_map(|answer| ["--answer", answer]));
        let done = why.output().expect("the program starts");
        let told = String::from_utf8_lossy(&done.stdout);
        let Ok(report) = serde_json::from_str::<Value>(&told) else {
            return Some(String::from_utf8_lossy(&done.stderr).into_owned());
        };
        let verdict = verdict(&report);
        let rule = ask.rule.as_deref().or(report["rule"].as_str());
        let refused: Vec<&str> = report["refused"]
            .as_array()
            .map(|lines| lines.iter().filter_map(|line| line["text"].as_str()).collect())
            .unwrap_or_default();
        let is_right = verdict == ask.expect
            && rule == report["rule"].as_str()
            && refused == self.refused.iter().map(String::as_str).collect::<Vec<_>>();
        (!is_right)
            .then(|| format!("{verdict}, expected {}; refused {refused:?}\n{told}", ask.expect))
    }
}

/// The verdict as the cases write it.
fn verdict(report: &Value) -> String {
    let word = |key: &str| report[key].as_str().unwrap_or_default().to_string();
    match word("verdict").as_str() {
        "block" if word("action") != "mode" => format!("block {}", word("action")),
        "rewrite" => {
            let code = report["answer"]["rcode"].as_str().unwrap_or_default();
            let records = report["answer"]["records"].as_array().cloned().unwrap_or_default();
            let text = |record: &Value| {
                let part = |key: &str| record[key].as_str().unwrap_or_default().to_string();
                format!("{} {}", part("type"), part("data"))
            };
            let records: Vec<String> = records.iter().map(text).collect();
            let told = if records.is_empty() { code.into() } else { records.join(", ") };
            format!("rewrite {told}")
        }
        verdict => verdict.into(),
    }
}
