//! One query held against list files: its name, then the answer, element by element.

use super::report::{AnswerView, MatchView, RecordView, RefusedView, Report};
use super::{Element, Loaded};
use crate::model::{DomainName, ListId, ListMask, RecordType};
use crate::rules::parse::Format;
use crate::rules::{
    Answer, Asker, Asking, Candidate, Evaluation, Fate, FoundRule, Judgement, ListInfo, LookedUp,
    Rewritten, evaluate,
};
use crate::wire::{ResponseCode, data_text};

/// Seconds that a blocked answer may be kept where nobody says otherwise.
const BLOCKED_TTL: u32 = 10;

/// Refused lines that are told.
const MOST_REFUSED: usize = 100;

/// What is to be judged.
pub struct Case<'c> {
    /// What is looked up, the name asked for first.
    pub elements: &'c [Element],
    /// The lists in their order.
    pub lists: &'c [Loaded],
    /// Who asks.
    pub asker: Asker<'c>,
    /// The type asked for.
    pub query_type: RecordType,
}

/// What was decided by which rule.
struct Decided<'c> {
    judgement: Judgement,
    element: &'c Element,
    rule: Option<(&'c Loaded, &'c FoundRule)>,
}

/// Judges the name asked for and then, without a verdict, what the answer leads to.
pub fn judge(case: &Case<'_>) -> Report {
    let infos: Vec<ListInfo> = case.lists.iter().map(|list| list.info.clone()).collect();
    let mut matches = Vec::new();
    let mut decided = None;
    for (place, element) in case.elements.iter().enumerate() {
        let found = case.covering(place);
        let (judgement, deciding) = case.judge_one(element, &found, &infos, &mut matches);
        if ends(&judgement, place == 0, &infos) {
            let rule = deciding.and_then(|at| found.get(at)).map(|(_, list, rule)| (*list, *rule));
            decided = Some(Decided { judgement, element, rule });
            break;
        }
    }
    case.report(decided, matches)
}

/// A rule that covers an element, with its list.
type Covering<'c> = (ListId, &'c Loaded, &'c FoundRule);

impl<'c> Case<'c> {
    fn covering(&self, place: usize) -> Vec<Covering<'c>> {
        let lists = (0..=u8::MAX).map(ListId).zip(self.lists);
        let rules =
            lists.flat_map(|(id, list)| list.rules.iter().map(move |rule| (id, list, rule)));
        rules.filter(|(_, _, rule)| rule.subjects.contains(&place)).collect()
    }

    /// Judges one element; returns the place of the rule that decides too.
    fn judge_one(
        &self,
        element: &Element,
        found: &[Covering<'_>],
        infos: &[ListInfo],
        matches: &mut Vec<MatchView>,
    ) -> (Judgement, Option<usize>) {
        let name = match &element.subject {
            LookedUp::Name(name) => name,
            LookedUp::Address(_) => &element.owner,
        };
        let asking =
            Asking { name: name.as_ref(), query_type: element.record_type, asker: self.asker };
        let candidates: Vec<Candidate<'_>> =
            found.iter().map(|(list, _, it)| Candidate { list: *list, rule: &it.rule }).collect();
        let all: ListMask = found.iter().map(|(list, ..)| *list).collect();
        let mut evaluation = evaluate(&candidates, infos, all, &asking);
        if is_by_zone(&evaluation.judgement, infos) {
            // Data that stands in for what an answer leads to is of the type asked for.
            let asking = Asking { query_type: self.query_type, ..asking };
            evaluation = evaluate(&candidates, infos, all, &asking);
        }
        let Evaluation { judgement, fates } = evaluation;
        for ((_, list, rule), fate) in found.iter().zip(&fates) {
            let by = fate.by().and_then(|by| found.get(by)).map(located).unwrap_or_default();
            matches.push(match_view(element, list, rule, fate.words(&by)));
        }
        let deciding = fates.iter().position(|fate| *fate == Fate::Decided);
        (judgement, deciding)
    }

    fn report(&self, decided: Option<Decided<'_>>, matches: Vec<MatchView>) -> Report {
        let refused = self.lists.iter().flat_map(|list| {
            list.refused.iter().map(|line| RefusedView {
                list: list.file.clone(),
                line: line.line,
                text: line.text.clone(),
                why: line.why.clone(),
            })
        });
        let refused = refused.take(MOST_REFUSED).collect();
        let rule = decided.as_ref().and_then(|decided| decided.rule);
        let (verdict, action) = words(decided.as_ref().map(|decided| &decided.judgement));
        Report {
            verdict,
            action,
            answer: decided.as_ref().and_then(|decided| self.answer(decided)),
            rule: rule.map(|(_, rule)| rule.text.clone()),
            list: rule.map(|(list, _)| list.file.clone()),
            line: rule.map(|(_, rule)| rule.rule.line),
            matches,
            refused,
        }
    }

    /// Returns what the client would get; none: upstream's answer, or no reply.
    fn answer(&self, decided: &Decided<'_>) -> Option<AnswerView> {
        let asked = &self.elements.first()?.owner;
        match &decided.judgement {
            Judgement::None | Judgement::Allow(_) => None,
            Judgement::Truncate(_) => Some(AnswerView::empty(ResponseCode::NOERROR)),
            Judgement::Rewrite(_, rewritten) => Some(rewritten_answer(decided.element, rewritten)),
            Judgement::Block(_, answer) => blocked_answer(asked, self.query_type, *answer),
        }
    }
}

/// Returns whether a judgement is the last word (`filter-rules.md`, section 2.2).
fn ends(judgement: &Judgement, is_asked: bool, infos: &[ListInfo]) -> bool {
    match judgement {
        Judgement::None => false,
        Judgement::Allow(_) => is_asked,
        Judgement::Block(..) | Judgement::Truncate(_) => true,
        // Of what an answer leads to, only a response policy zone may answer.
        Judgement::Rewrite(..) => is_asked || is_by_zone(judgement, infos),
    }
}

/// Returns whether a judgement is local data of a response policy zone.
fn is_by_zone(judgement: &Judgement, infos: &[ListInfo]) -> bool {
    let Judgement::Rewrite(list, _) = judgement else { return false };
    infos.get(usize::from(list.0)).is_some_and(|info| info.format == Format::Rpz)
}

fn words(judgement: Option<&Judgement>) -> (&'static str, Option<&'static str>) {
    match judgement {
        None | Some(Judgement::None) => ("none", None),
        Some(Judgement::Allow(_)) => ("allow", None),
        Some(Judgement::Rewrite(..)) => ("rewrite", None),
        Some(Judgement::Truncate(_)) => ("truncate", None),
        Some(Judgement::Block(_, answer)) => ("block", Some(action(*answer))),
    }
}

fn action(answer: Answer) -> &'static str {
    match answer {
        Answer::Policy => "mode",
        Answer::NxDomain => "nxdomain",
        Answer::NoData => "nodata",
        Answer::Refused => "refused",
        Answer::Drop => "drop",
    }
}

fn blocked_answer(
    asked: &DomainName,
    query_type: RecordType,
    answer: Answer,
) -> Option<AnswerView> {
    let null = match query_type {
        RecordType::A => Some("0.0.0.0"),
        RecordType::AAAA => Some("::"),
        _ => None,
    };
    match answer {
        Answer::Drop => None,
        Answer::NxDomain => Some(AnswerView::empty(ResponseCode::NXDOMAIN)),
        Answer::NoData => Some(AnswerView::empty(ResponseCode::NOERROR)),
        Answer::Refused => Some(AnswerView::empty(ResponseCode::REFUSED)),
        Answer::Policy => {
            let record = null.map(|data| record(asked, query_type, BLOCKED_TTL, data.into()));
            let records = record.into_iter().collect();
            Some(AnswerView { records, ..AnswerView::empty(ResponseCode::NOERROR) })
        }
    }
}

/// Returns the aliases on the way, and the data under the name that they lead to.
fn rewritten_answer(element: &Element, rewritten: &Rewritten) -> AnswerView {
    let alias = |(from, to): &(DomainName, DomainName)| {
        record(from, RecordType::CNAME, BLOCKED_TTL, to.to_string())
    };
    let mut records: Vec<RecordView> = element.aliases.iter().map(alias).collect();
    let owner = &element.owner;
    records.extend(rewritten.alias.as_ref().map(|target| alias(&(owner.clone(), target.clone()))));
    records.extend(rewritten.records.iter().map(|it| {
        let data = data_text(it.record_type, &it.data);
        record(owner, it.record_type, it.ttl.unwrap_or(BLOCKED_TTL), data)
    }));
    AnswerView { records, ..AnswerView::empty(ResponseCode(rewritten.code)) }
}

fn record(name: &DomainName, record_type: RecordType, ttl: u32, data: String) -> RecordView {
    RecordView { name: name.to_string(), record_type, ttl, data }
}

fn located((_, list, rule): &Covering<'_>) -> String {
    format!("{}, line {}: {}", list.file, rule.rule.line, rule.text)
}

fn match_view(element: &Element, list: &Loaded, rule: &FoundRule, why: String) -> MatchView {
    let of = match &element.subject {
        LookedUp::Name(name) => name.to_string(),
        LookedUp::Address(address) => address.to_string(),
    };
    MatchView {
        of,
        list: list.file.clone(),
        line: rule.rule.line,
        rule: rule.text.clone(),
        verdict: rule.rule.word(list.info.allowlist),
        why,
    }
}
