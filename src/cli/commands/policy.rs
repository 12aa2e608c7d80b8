//! `policy`: policy.toml checked without being put in force.

use std::io::ErrorKind;
use std::path::Path;

use hyper::Method;

use super::{Failure, PolicyCommand, Session, daemon, plural};
use crate::api::{Checked, PolicyText, paths};

/// Does what the arguments say.
pub async fn run(
    session: &Session,
    command: &PolicyCommand,
    config: Option<&Path>,
) -> Result<(), Failure> {
    let PolicyCommand::Check { file } = command;
    let file = match file {
        Some(file) => file.clone(),
        None => daemon::policy_path(config)?,
    };
    let text = read(&file)?;
    let file = file.display().to_string();
    let body = PolicyText { file: file.clone(), text };
    let checked: Checked = session.client.send(Method::POST, paths::POLICY_CHECK, &body).await?;
    session.show(&checked, |checked, _| message(&file, checked))
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| {
        let text = format!("{}: {error}", file.display());
        match error.kind() {
            ErrorKind::PermissionDenied => Failure::NotPermitted(text),
            ErrorKind::InvalidData => Failure::Invalid(format!("error: {text}")),
            _ => Failure::Failed(text),
        }
    })
}

fn message(file: &str, checked: &Checked) -> String {
    let Checked { devices, groups, rules, lists } = checked;
    format!(
        "{file} is right: {}, {}, {}, {}.\n",
        plural(*devices as u64, "device"),
        plural(*groups as u64, "group"),
        plural(*rules as u64, "rule"),
        plural(*lists as u64, "list")
    )
}
