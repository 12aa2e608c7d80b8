//! What is told of a query that list files were held against.

use serde::Serialize;

use super::{Screen, Style, escape, fields, plural, width};
use crate::model::RecordType;
use crate::wire::ResponseCode;

/// Where the verdict ends in the first line.
const VERDICT_END: usize = 64;

/// Refused lines shown to people.
const SHOWN_REFUSED: usize = 3;

/// The verdict on a query, and why.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// block, allow, rewrite, truncate or none.
    pub verdict: &'static str,
    /// Of a block: mode, nxdomain, nodata, refused or drop.
    pub action: Option<&'static str>,
    /// What the client would get; none: upstream's answer, or no reply.
    pub answer: Option<AnswerView>,
    /// The line that decides, as it stands in its list.
    pub rule: Option<String>,
    /// Its list.
    pub list: Option<String>,
    /// Its number.
    pub line: Option<u32>,
    /// All rules that cover what was looked up, until the verdict.
    pub matches: Vec<MatchView>,
    /// Lines that were refused.
    pub refused: Vec<RefusedView>,
}

/// An answer of ours.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerView {
    /// Its response code.
    pub rcode: String,
    /// Its records.
    pub records: Vec<RecordView>,
}

/// A record.
#[derive(Clone, Debug, Serialize)]
pub struct RecordView {
    /// Its owner.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub record_type: RecordType,
    /// Seconds it may be kept.
    pub ttl: u32,
    /// Its data.
    pub data: String,
}

/// A rule that covers what was looked up.
#[derive(Clone, Debug, Serialize)]
pub struct MatchView {
    /// The name or address that it covers.
    pub of: String,
    /// Its list.
    pub list: String,
    /// Its line.
    pub line: u32,
    /// The line's text.
    pub rule: String,
    /// What it would do: block, allow, rewrite, truncate, hole, cancel.
    pub verdict: &'static str,
    /// Why it decides, or does not.
    pub why: String,
}

/// A line that was refused.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedView {
    /// Its list.
    pub list: String,
    /// Its number.
    pub line: u32,
    /// Its text.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl AnswerView {
    /// Returns an answer without records.
    pub fn empty(code: ResponseCode) -> AnswerView {
        AnswerView { rcode: code.to_string(), records: Vec::new() }
    }
}

/// Lays it out: the verdict, the rule, what else matched.
pub fn render(name: &str, report: &Report, screen: &Screen) -> String {
    let (style, verdict) = match report.verdict {
        "block" => (Style::Blocked, "BLOCKED"),
        "allow" => (Style::Plain, "ALLOWED"),
        "rewrite" => (Style::Strong, "REWRITTEN"),
        "truncate" => (Style::Plain, "TRUNCATED"),
        _ => (Style::Plain, "NO VERDICT"),
    };
    let name = escape(name);
    let used = width(&name) + verdict.len();
    let blank = " ".repeat(VERDICT_END.saturating_sub(used).max(2));
    let heading =
        format!("{}{blank}{}\n", screen.paint(Style::Strong, &name), screen.paint(style, verdict));
    let (deciding, others): (Vec<&MatchView>, Vec<&MatchView>) =
        report.matches.iter().partition(|found| found.why == "decides");
    let through = deciding.first().map(|found| escape(&found.of)).filter(|of| *of != name);
    let mut lines = vec![
        ("through", through.unwrap_or_default()),
        ("rule", rule_line(report)),
        ("answer", answer_line(report)),
    ];
    let others = others.into_iter();
    lines.extend(others.map(|found| ("also", match_line(found, &name))));
    lines.extend(report.refused.iter().take(SHOWN_REFUSED).map(|refused| {
        let RefusedView { list, line, text, why } = refused;
        ("refused", escape(&format!("{list}, line {line}: {text}: {why}")))
    }));
    if let Some(more) = report.refused.len().checked_sub(SHOWN_REFUSED).filter(|more| *more > 0) {
        lines.push(("", format!("and {} more", plural(more as u64, "refused line"))));
    }
    format!("{heading}{}", fields(&lines, screen))
}

fn rule_line(report: &Report) -> String {
    match (&report.list, report.line, &report.rule) {
        (Some(list), Some(line), Some(rule)) => escape(&format!("{list}, line {line}: {rule}")),
        _ if report.matches.is_empty() => "none matches".into(),
        _ => "none decides".into(),
    }
}

fn answer_line(report: &Report) -> String {
    let Some(AnswerView { rcode, records }) = &report.answer else {
        let dropped = report.action == Some("drop");
        return if dropped { "no reply" } else { "the real one, from upstream" }.into();
    };
    let records = records.iter().map(|record| {
        let RecordView { name, record_type, ttl, data } = record;
        escape(&format!("{name} {ttl} {record_type} {data}"))
    });
    let records: Vec<String> = records.collect();
    match (report.verdict, records.is_empty()) {
        ("truncate", _) => "truncated over UDP, the real one over TCP".into(),
        (_, true) => format!("{rcode}, no records"),
        (_, false) => format!("{rcode}: {}", records.join("; ")),
    }
}

fn match_line(found: &MatchView, asked: &str) -> String {
    let MatchView { of, list, line, rule, why, .. } = found;
    let of = if of == asked { String::new() } else { format!("on {of}: ") };
    escape(&format!("{list}, line {line}: {rule} ({of}{why})"))
}
