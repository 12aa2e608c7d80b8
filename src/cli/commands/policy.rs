//! `policy`: policy.toml checked, held to asserts; its past and its plans have files of their own.

use std::io::ErrorKind;
use std::path::Path;

use hyper::Method;

use super::{Failure, PolicyCommand, Session, daemon, escape, plural, policy_past, policy_plan};
use crate::api::{Checked, PolicyText, Tested, paths};

/// Does what the arguments say.
pub async fn run(
    session: &Session,
    command: &PolicyCommand,
    config: Option<&Path>,
) -> Result<(), Failure> {
    match command {
        PolicyCommand::Check { file: Some(file) } => check(session, file).await,
        PolicyCommand::Check { file: None } => check(session, &daemon::policy_path(config)?).await,
        PolicyCommand::Test { file } => test(session, file).await,
        PolicyCommand::History { number } => policy_past::history(session, *number).await,
        PolicyCommand::Diff { from, to } => {
            policy_past::diff(session, from.as_deref(), to.clone()).await
        }
        PolicyCommand::Undo { revision } => policy_past::undo(session, revision.clone()).await,
        PolicyCommand::Plan { file, all } => policy_plan::run(session, file, *all).await,
    }
}

async fn check(session: &Session, file: &Path) -> Result<(), Failure> {
    let text = read(file)?;
    let file = file.display().to_string();
    let body = PolicyText { file: file.clone(), text };
    let checked: Checked = session.client.send(Method::POST, paths::POLICY_CHECK, &body).await?;
    session.show(&checked, |checked, _| message(&file, checked))
}

async fn test(session: &Session, file: &Path) -> Result<(), Failure> {
    let text = read(file)?;
    let file = file.display().to_string();
    let body = PolicyText { file: file.clone(), text };
    let tested: Tested = session.client.send(Method::POST, paths::POLICY_TEST, &body).await?;
    session.show(&tested, |tested, _| told(&file, tested))?;
    match tested.failed.len() {
        0 => Ok(()),
        failed => Err(Failure::Failed(format!("{failed} of {} asserts fail", tested.asserts))),
    }
}

fn told(file: &str, tested: &Tested) -> String {
    let failed = tested.failed.iter();
    let failed = failed.map(|it| format!("{}:{}: {}\n", escape(file), it.line, escape(&it.why)));
    let failed: String = failed.collect();
    match tested.asserts {
        _ if !failed.is_empty() => failed,
        1 => format!("{}: 1 assert holds.\n", escape(file)),
        asserts => format!("{}: {asserts} asserts hold.\n", escape(file)),
    }
}

/// Reads a file that people name.
pub fn read(file: &Path) -> Result<String, Failure> {
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
