//! Pauses and rules with an end, in `state.db`: they work with a read-only `policy.toml` too.

use std::sync::Arc;

use rusqlite::{Row, Transaction, params};

use crate::model::{Action, DeviceName, DomainName, GroupName, Scope};
use crate::policy::{OwnRule, Pause, Timed, action_word, scope_words};
use crate::storage::{Database, StorageError};

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimedStep {
    /// Makes a rule with an end, or gives it another one.
    PutRule(OwnRule),
    /// Takes a rule away.
    DropRule(Scope, Action, DomainName),
    /// Begins a pause, or gives it another end.
    Pause(Pause),
    /// Ends a pause.
    Resume(Scope),
    /// Moves what a device has to its new name.
    Rename(DeviceName, DeviceName),
    /// Takes away all that a device has.
    Forget(DeviceName),
}

/// Pauses and rules with an end.
pub struct TimedStore {
    state: Arc<Database>,
}

impl TimedStore {
    /// Uses the tables of `state.db`.
    pub fn new(state: Arc<Database>) -> TimedStore {
        TimedStore { state }
    }

    /// Returns all that has not ended at `now`, seconds since 1970.
    pub fn load(&self, now: i64) -> Result<Timed, StorageError> {
        self.state.with(|connection| {
            let mut query = connection.prepare(
                "SELECT scope_kind, scope_name, created, until FROM pause WHERE until > ?
                 ORDER BY scope_kind, scope_name",
            )?;
            let pauses =
                query.query_map([now], |row| Ok((scope(row)?, row.get(2)?, row.get(3)?)))?;
            let pauses = pauses.collect::<rusqlite::Result<Vec<_>>>()?;
            let mut query = connection.prepare(
                "SELECT scope_kind, scope_name, action, name, until, note FROM timed_rule
                 WHERE until > ? ORDER BY scope_kind, scope_name, name, action",
            )?;
            let rules = query.query_map([now], rule)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let pause = |(scope, from, until): (Option<Scope>, i64, i64)| {
                Some(Pause { scope: scope?, from, until })
            };
            Ok(Timed {
                pauses: pauses.into_iter().filter_map(pause).collect(),
                rules: rules.into_iter().flatten().collect(),
                ..Timed::default()
            })
        })
    }

    /// Makes steps, all or none, and removes what has ended.
    pub fn apply(&self, steps: &[TimedStep], now: i64, actor: &str) -> Result<(), StorageError> {
        self.state.with(|connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM pause WHERE until <= ?", [now])?;
            transaction.execute("DELETE FROM timed_rule WHERE until <= ?", [now])?;
            for step in steps {
                make(&transaction, step, now, actor)?;
            }
            transaction.commit()
        })
    }
}

fn make(
    transaction: &Transaction<'_>,
    step: &TimedStep,
    now: i64,
    actor: &str,
) -> rusqlite::Result<()> {
    match step {
        TimedStep::PutRule(rule) => put_rule(transaction, rule, now, actor),
        TimedStep::DropRule(scope, action, name) => {
            let (kind, scope) = scope_words(scope);
            let key = params![kind, scope, action_word(*action), name.to_string()];
            execute(
                transaction,
                "DELETE FROM timed_rule
                 WHERE scope_kind = ? AND scope_name = ? AND action = ? AND name = ?",
                key,
            )
        }
        TimedStep::Pause(pause) => {
            let (kind, scope) = scope_words(&pause.scope);
            execute(
                transaction,
                "INSERT OR REPLACE INTO pause (scope_kind, scope_name, until, created, actor)
                 VALUES (?, ?, ?, ?, ?)",
                params![kind, scope, pause.until, pause.from, actor],
            )
        }
        TimedStep::Resume(scope) => {
            let (kind, scope) = scope_words(scope);
            let sql = "DELETE FROM pause WHERE scope_kind = ? AND scope_name = ?";
            execute(transaction, sql, params![kind, scope])
        }
        TimedStep::Rename(from, to) => in_both(
            transaction,
            "UPDATE OR REPLACE {} SET scope_name = ?2
             WHERE scope_kind = 'device' AND scope_name = ?1",
            params![from.as_str(), to.as_str()],
        ),
        TimedStep::Forget(name) => in_both(
            transaction,
            "DELETE FROM {} WHERE scope_kind = 'device' AND scope_name = ?1",
            params![name.as_str()],
        ),
    }
}

fn put_rule(
    transaction: &Transaction<'_>,
    rule: &OwnRule,
    now: i64,
    actor: &str,
) -> rusqlite::Result<()> {
    let (kind, scope) = scope_words(&rule.scope);
    let name = rule.name.to_string();
    execute(
        transaction,
        "INSERT OR REPLACE INTO timed_rule
         (scope_kind, scope_name, action, name, until, note, created, actor)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        params![kind, scope, action_word(rule.action), name, rule.until, rule.note, now, actor],
    )
}

fn in_both(
    transaction: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params + Copy,
) -> rusqlite::Result<()> {
    for table in ["pause", "timed_rule"] {
        transaction.execute(&sql.replace("{}", table), params)?;
    }
    Ok(())
}

fn execute(
    transaction: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> rusqlite::Result<()> {
    transaction.execute(sql, params).map(|_| ())
}

/// Reads the first two columns; `None` for what no version of this program has written.
fn scope(row: &Row<'_>) -> rusqlite::Result<Option<Scope>> {
    let kind: String = row.get(0)?;
    let name: String = row.get(1)?;
    Ok(match kind.as_str() {
        "device" => DeviceName::parse(&name).ok().map(Scope::Device),
        "group" => GroupName::parse(&name).ok().map(Scope::Group),
        "everyone" => Some(Scope::Everyone),
        _ => None,
    })
}

fn rule(row: &Row<'_>) -> rusqlite::Result<Option<OwnRule>> {
    let action = match row.get::<_, String>(2)?.as_str() {
        "allow" => Some(Action::Allow),
        "block" => Some(Action::Block),
        _ => None,
    };
    let name = DomainName::from_presentation(&row.get::<_, String>(3)?).ok();
    let (until, note) = (row.get(4)?, row.get(5)?);
    let scope = scope(row)?;
    Ok(scope.zip(action).zip(name).map(|((scope, action), name)| OwnRule {
        scope,
        action,
        name,
        until,
        note,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_file::tests::{device, name, state};

    fn allow(scope: Scope, text: &str, until: i64) -> OwnRule {
        let note = Some("exam week".to_string());
        OwnRule { scope, action: Action::Allow, name: name(text), until: Some(until), note }
    }

    fn store(steps: &[TimedStep]) -> (tempfile::TempDir, TimedStore) {
        let (folder, state) = state();
        let store = TimedStore::new(state);
        store.apply(steps, 100, "cli root").expect("applied");
        (folder, store)
    }

    #[test]
    fn pauses_and_rules_survive_and_end() {
        let tv = Scope::Device(device("TV"));
        let pause = Pause { scope: Scope::Everyone, from: 100, until: 200 };
        let rule = allow(tv, "x.com", 300);
        let (_folder, store) =
            store(&[TimedStep::Pause(pause.clone()), TimedStep::PutRule(rule.clone())]);
        let again = TimedStore::new(Arc::clone(&store.state));
        let timed = again.load(199).expect("read");
        assert_eq!(
            timed,
            Timed { pauses: vec![pause], rules: vec![rule.clone()], ..Timed::default() }
        );
        assert_eq!(again.load(200).expect("read").pauses, []);
        assert_eq!(again.load(200).expect("read").rules, [rule]);
        assert_eq!(again.load(300).expect("read"), Timed::default());
    }

    #[test]
    fn what_has_ended_is_removed_with_the_next_step() {
        let (_folder, store) =
            store(&[TimedStep::Pause(Pause { scope: Scope::Everyone, from: 100, until: 200 })]);
        store.apply(&[], 200, "x").expect("applied");
        assert_eq!(store.load(0).expect("read"), Timed::default());
    }

    #[test]
    fn the_same_pause_and_rule_get_another_end() {
        let rule = |until| TimedStep::PutRule(allow(Scope::Everyone, "x.com", until));
        let pause = |until| TimedStep::Pause(Pause { scope: Scope::Everyone, from: 100, until });
        let (_folder, store) = store(&[rule(200), pause(200), rule(500), pause(500)]);
        let timed = store.load(300).expect("read");
        assert_eq!((timed.pauses.len(), timed.rules.len()), (1, 1));
        let drop = TimedStep::DropRule(Scope::Everyone, Action::Allow, name("x.com"));
        store.apply(&[drop, TimedStep::Resume(Scope::Everyone)], 300, "x").expect("applied");
        assert_eq!(store.load(300).expect("read"), Timed::default());
    }

    #[test]
    fn a_device_takes_its_own_along_and_leaves_a_group_of_that_name_alone() {
        let kids = Scope::Group(GroupName::parse("TV").expect("a name"));
        let (_folder, store) = store(&[
            TimedStep::Pause(Pause { scope: Scope::Device(device("TV")), from: 100, until: 200 }),
            TimedStep::Pause(Pause { scope: kids.clone(), from: 100, until: 200 }),
            TimedStep::PutRule(allow(Scope::Device(device("TV")), "x.com", 200)),
            TimedStep::Rename(device("TV"), device("Big TV")),
        ]);
        let timed = store.load(100).expect("read");
        assert_eq!(timed.pauses[0].scope, Scope::Device(device("Big TV")));
        assert_eq!(timed.rules[0].scope, Scope::Device(device("Big TV")));
        store.apply(&[TimedStep::Forget(device("Big TV"))], 100, "x").expect("applied");
        let timed = store.load(100).expect("read");
        assert_eq!(
            timed,
            Timed {
                pauses: vec![Pause { scope: kids, from: 100, until: 200 }],
                ..Timed::default()
            }
        );
    }
}
