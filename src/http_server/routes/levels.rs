//! Levels: what each holds, who has it, and another for a scope.

use axum::extract::State;

use super::{Actor, Answer, Body, Shared, Snapshot, change_problem, find_scope};
use crate::api::{Changed, LevelChange, LevelList, LevelView};
use crate::model::{Level, Scope};
use crate::policy::{Standing, levels::definition};
use crate::policy_file::Change;

/// Answers `GET`.
pub async fn list(State(app): State<Shared>) -> Answer<Vec<LevelView>> {
    app.work(|app| {
        let snapshot = Snapshot::of(app);
        let (everyone, _) = snapshot.everyone();
        let view = |level| LevelView { everyone: level == everyone, ..holders(&snapshot, level) };
        Ok(Level::ALL.into_iter().map(view).collect())
    })
    .await
}

/// Answers `PUT`.
pub async fn set(
    State(app): State<Shared>,
    Actor(actor): Actor,
    Body(change): Body<LevelChange>,
) -> Answer<Changed> {
    app.work(move |app| {
        let scope = find_scope(app, change.scope)?;
        let set = Change::SetLevel(scope.clone(), Some(change.level));
        app.parts.policy.apply(&set, &actor).map_err(change_problem)?;
        Ok(app.changed(scope, change.level.to_string(), None))
    })
    .await
}

fn holders(snapshot: &Snapshot, level: Level) -> LevelView {
    let mut view = contents(&snapshot.standing, level);
    for (scope, _) in snapshot.scopes().filter(|(_, part)| part.level == Some(level)) {
        match scope {
            Scope::Group(name) => view.groups.push(name),
            Scope::Device(name) => view.devices.push(name),
            Scope::Everyone => {}
        }
    }
    view
}

/// Returns what a level holds: the program's definition and the policy's differences.
fn contents(standing: &Standing, level: Level) -> LevelView {
    let difference = standing.levels.get(&level).cloned().unwrap_or_default();
    let removed: Vec<String> = difference.remove.iter().map(ToString::to_string).collect();
    let added: Vec<String> = difference.add.iter().map(ToString::to_string).collect();
    let defined = definition(level);
    let mut lists: Vec<LevelList> = defined
        .lists
        .iter()
        .filter(|list| standing.has(list))
        .filter(|list| !removed.iter().any(|name| name == list.name))
        .filter(|list| !added.iter().any(|name| name == list.name))
        .map(|list| LevelList { name: list.name.into(), part: list.part })
        .collect();
    lists.extend(added.iter().map(|name| LevelList { name: name.clone(), part: false }));
    LevelView {
        level,
        words: defined.adds.into(),
        lists,
        added,
        removed,
        everyone: false,
        groups: Vec::new(),
        devices: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ListName;
    use crate::policy::LevelDifference;

    #[test]
    fn a_level_holds_the_programs_lists_and_the_policys_differences() {
        let name = |text| ListName::parse(text).expect("a name");
        let difference =
            LevelDifference { add: vec![name("oisd")], remove: vec![name("encrypted-dns")] };
        let standing =
            Standing { levels: [(Level::Strict, difference)].into(), ..Standing::default() };
        let strict = contents(&standing, Level::Strict);
        let names = |view: &LevelView| {
            view.lists.iter().map(|list| (list.name.clone(), list.part)).collect::<Vec<_>>()
        };
        let whole = |name: &str| (name.to_string(), false);
        assert_eq!(names(&strict), ["trackers", "trackers-strict", "oisd"].map(whole));
        assert_eq!(
            (strict.added, strict.removed),
            (vec!["oisd".into()], vec!["encrypted-dns".into()])
        );
        assert!(contents(&standing, Level::Off).lists.is_empty());
        assert_eq!(names(&contents(&standing, Level::Basic)), [("trackers".into(), true)]);
    }
}
