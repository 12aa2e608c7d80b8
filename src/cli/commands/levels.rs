//! `levels` and `level`: what each holds, who has it, and another one.

use hyper::Method;

use super::{Column, Failure, Row, Screen, Session, Table, escape};
use crate::api::{Changed, LevelChange, LevelList, LevelView, ScopeChoice, paths};
use crate::model::Level;

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let levels: Vec<LevelView> = session.client.get(paths::LEVELS, &()).await?;
    session.show(&levels, |levels, screen| render(levels, screen))
}

/// Sets a level.
pub async fn set(session: &Session, who: &str, level: Level) -> Result<(), Failure> {
    let body = LevelChange { scope: ScopeChoice::Named(who.into()), level };
    let changed: Changed = session.client.send(Method::PUT, paths::LEVELS, &body).await?;
    session.show(&changed, |changed, _| message(changed))
}

/// Says what was changed.
pub fn message(changed: &Changed) -> String {
    let (level, scope) = (escape(&changed.subject), escape(&changed.scope.to_string()));
    format!("The level of {scope} is {level} now. What it holds: deadpixel levels\n")
}

/// Lays them out.
pub fn render(levels: &[LevelView], screen: &Screen) -> String {
    let columns = &[Column::whole("LEVEL"), Column::words("LISTS"), Column::words("WHO HAS IT")];
    let mut table = Table::new(columns);
    for level in levels {
        let lists = match level.lists.as_slice() {
            [] => "none".into(),
            lists => lists.iter().map(list_name).collect::<Vec<String>>().join(", "),
        };
        let mut row = Row::of([level.level.as_str().into(), lists.into(), who(level).into()]);
        row.remark(escape(&level.words));
        let differences = [("added", &level.added), ("taken out", &level.removed)];
        for (what, lists) in differences.iter().filter(|(_, lists)| !lists.is_empty()) {
            row.remark(format!("{what} by policy.toml: {}", escape(&lists.join(", "))));
        }
        table.push(row);
    }
    let text = table.render(screen);
    format!("{text}Another: deadpixel level everyone|GROUP|DEVICE LEVEL\n")
}

fn list_name(list: &LevelList) -> String {
    format!("{}{}", escape(&list.name), if list.part { " in part" } else { "" })
}

fn who(level: &LevelView) -> String {
    let everyone = level.everyone.then_some("everyone".into());
    let groups = level.groups.iter().map(|group| format!("group {}", escape(group.as_str())));
    let devices = level.devices.iter().map(|device| escape(device.as_str()));
    everyone.into_iter().chain(groups).chain(devices).collect::<Vec<String>>().join(", ")
}
