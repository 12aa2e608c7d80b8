//! `device`: one device named, sorted, put together with another, taken apart, forgotten.

use std::io::{BufRead, IsTerminal, Write};

use hyper::Method;

use super::{DeviceCommand, Failure, Screen, Session, escape, quote, recorded, wrap};
use crate::api::{
    Changed, DeviceChange, DeviceDetails, DeviceMerge, DeviceSplit, DeviceSplitting, DevicesMerged,
    paths,
};
use crate::model::LogDetail;

/// Does what the arguments say.
pub async fn run(session: &Session, command: &DeviceCommand) -> Result<(), Failure> {
    match command {
        DeviceCommand::Show { .. } => Ok(()),
        DeviceCommand::Merge { device, other, name } => {
            let (into, from, name) = (device.clone(), other.clone(), name.clone());
            let body = DeviceMerge { into, from, name };
            let path = paths::DEVICE_MERGES;
            let merged: DevicesMerged = session.client.send(Method::POST, path, &body).await?;
            session.show(&merged, merged_message)
        }
        DeviceCommand::Split { device, part, name } => {
            let body = DeviceSplitting { part: part.clone(), name: name.clone() };
            let path = paths::device_split(device);
            let split: DeviceSplit = session.client.send(Method::POST, &path, &body).await?;
            session.show(&split, split_message)
        }
        DeviceCommand::Group { .. } => group(session, command).await,
        DeviceCommand::Kind { device, kind } => {
            let body = DeviceChange { kind: Some(kind.clone()), ..DeviceChange::default() };
            let changed = change(session, device, &body).await?;
            session.show(&changed, |changed, _| kind_message(changed))
        }
        DeviceCommand::Log { device, detail } => {
            let body = DeviceChange { log: Some(*detail), ..DeviceChange::default() };
            let changed = change(session, device, &body).await?;
            session.show(&changed, |changed, screen| log_message(changed, *detail, screen))
        }
        DeviceCommand::Rename { device, name } => {
            let body = DeviceChange { name: Some(name.clone()), ..DeviceChange::default() };
            let changed = change(session, device, &body).await?;
            session.show(&changed, |changed, _| {
                let (old, new) = (escape(&changed.subject), escape(&changed.scope.to_string()));
                format!("{old} is now called {new}. Undo: deadpixel policy undo\n")
            })
        }
        DeviceCommand::Forget { device, history, yes } => {
            forget(session, device, *history, *yes).await
        }
    }
}

async fn change(session: &Session, device: &str, body: &DeviceChange) -> Result<Changed, Failure> {
    session.client.send(Method::PATCH, &paths::device(device), body).await
}

/// Sets groups, or adds to those there are, or takes some away.
async fn group(session: &Session, command: &DeviceCommand) -> Result<(), Failure> {
    let DeviceCommand::Group { device, groups, add, remove, .. } = command else { return Ok(()) };
    let mut groups = groups.clone();
    if *add || *remove {
        let found: DeviceDetails = session.client.get(&paths::device(device), &()).await?;
        let mut now: Vec<String> = found.device.groups.iter().map(ToString::to_string).collect();
        let given = |own: &String| groups.iter().any(|group| group.eq_ignore_ascii_case(own));
        now.retain(|own| !given(own));
        if *add {
            now.extend(groups);
        }
        groups = now;
    }
    let body = DeviceChange { groups: Some(groups), ..DeviceChange::default() };
    let changed = change(session, device, &body).await?;
    session.show(&changed, |changed, _| {
        let name = escape(&changed.scope.to_string());
        let device = quote(&name);
        match changed.subject.as_str() {
            "" => format!("{name} is in no group now. Undo: deadpixel policy undo\n"),
            groups => format!(
                "{name} is in {} now, the first one strongest.\n\
                 What binds it: deadpixel device show {device}\n",
                escape(groups)
            ),
        }
    })
}

/// Says what was put together, and how to take it apart.
pub fn merged_message(merged: &DevicesMerged, screen: &Screen) -> String {
    let [first, second] = &merged.from;
    let (first, second, name) = (escape(first), escape(second), escape(&merged.name));
    let line = format!("{first} and {second} are one device now, {name}, with the past of both.");
    let mut text = format!("{}\n", wrap(&line, 2, screen.width));
    if !merged.dropped.is_empty() {
        let dropped: Vec<String> = merged.dropped.iter().map(|what| escape(what)).collect();
        let line = format!("What {second} had of its own is gone: {}.", dropped.join(", "));
        text.push_str(&format!("{}\n", wrap(&line, 2, screen.width)));
    }
    text.push_str("Undo: deadpixel policy undo\n");
    text
}

/// Says what was taken from whom.
pub fn split_message(split: &DeviceSplit, screen: &Screen) -> String {
    let (name, part) = (escape(&split.name), escape(&split.part));
    let own = match &split.own_name {
        Some(own) => format!("{part} is {} now, no longer {name}.", escape(own)),
        None => format!("{part} is no longer {name}, but a device that nobody named."),
    };
    let line = format!("{own} Its past goes with it where it was recorded under that address.");
    let line = wrap(&line, 2, screen.width);
    format!("{line}\nUndo: deadpixel policy undo\n")
}

fn kind_message(changed: &Changed) -> String {
    let name = escape(&changed.scope.to_string());
    match changed.subject.as_str() {
        "none" => format!("What {name} is, is left to what is heard of it.\n"),
        kind => format!("{name} is of kind {} now.\n", escape(kind)),
    }
}

fn log_message(changed: &Changed, detail: LogDetail, screen: &Screen) -> String {
    let name = escape(&changed.scope.to_string());
    let line = format!("Of {name} is recorded from now on: {}.", recorded(detail));
    let past = match detail {
        LogDetail::Full => String::new(),
        _ => format!(
            " What is kept already stays; deadpixel device forget {} --history erases it.",
            quote(&name)
        ),
    };
    format!("{}\n", wrap(&format!("{line}{past}"), 2, screen.width))
}

async fn forget(session: &Session, device: &str, history: bool, yes: bool) -> Result<(), Failure> {
    let found: DeviceDetails = session.client.get(&paths::device(device), &()).await?;
    let name = escape(&found.device.brief.name);
    let past = if history { " and its past in the log" } else { "" };
    if !yes && !confirmed(&format!("Forget {name} with its rules{past}?"))? {
        return Err(Failure::Failed("nothing was changed".into()));
    }
    // By the word that was typed, since a device may have another one's number for its name.
    let (path, number) = (paths::device(device), found.device.brief.id);
    let path = format!("{path}?history={history}&number={number}");
    let changed: Changed = session.client.send(Method::DELETE, &path, &()).await?;
    session.show(&changed, |_, _| {
        let past = if history { ", its past is erased" } else { "" };
        format!("{name} is forgotten{past}. Its next query makes it a new device.\n")
    })
}

/// Asks on a terminal; without one the answer must have been given.
fn confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::Usage("this cannot be undone: add --yes".into()));
    }
    eprint!("{question} It cannot be undone. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
