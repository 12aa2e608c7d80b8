//! Levels: what each holds, who has it, and another for a scope.

use axum::extract::State;

use super::{Actor, Answer, Body, Shared, Snapshot, change_problem, find_scope};
use crate::api::{Changed, LevelChange, LevelView};
use crate::model::{Level, ListName, Scope};
use crate::policy::Standing;
use crate::policy::levels::{LevelList, definition};
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
    let definition = definition(level);
    let names = |lists: &[ListName]| lists.iter().map(ToString::to_string).collect();
    let (added, removed): (Vec<String>, Vec<String>) =
        (names(&difference.add), names(&difference.remove));
    let stays = |list: &&LevelList| !removed.iter().any(|name| name == list.name);
    let is_new = |name: &&String| !definition.lists.iter().any(|list| list.name == name.as_str());
    let shipped = definition.lists.iter().filter(stays).map(|list| match list.part {
        true => format!("{} (in part)", list.name),
        false => list.name.to_string(),
    });
    LevelView {
        level,
        words: definition.adds.into(),
        lists: shipped.chain(added.iter().filter(is_new).cloned()).collect(),
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
    use crate::policy::LevelDifference;

    #[test]
    fn a_level_holds_the_programs_lists_and_the_policys_differences() {
        let name = |text| ListName::parse(text).expect("a name");
        let difference =
            LevelDifference { add: vec![name("oisd")], remove: vec![name("encrypted-dns")] };
        let standing =
            Standing { levels: [(Level::Strict, difference)].into(), ..Standing::default() };
        let strict = contents(&standing, Level::Strict);
        assert_eq!(strict.lists, ["trackers", "trackers-strict", "oisd"]);
        assert_eq!(
            (strict.added, strict.removed),
            (vec!["oisd".into()], vec!["encrypted-dns".into()])
        );
        assert_eq!(contents(&standing, Level::Basic).lists, ["trackers (in part)"]);
        assert!(contents(&standing, Level::Off).lists.is_empty());
    }
}
