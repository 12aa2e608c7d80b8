//! `reload`: the files people write, read again.

use hyper::Method;

use super::{Failure, Screen, Session, escape, short};
use crate::api::{Reloaded, paths};

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let reloaded: Reloaded = session.client.send(Method::POST, paths::RELOAD, &()).await?;
    session.show(&reloaded, render)
}

/// Says what is in force now, and what a person should know of it.
pub fn render(reloaded: &Reloaded, _: &Screen) -> String {
    let notices = reloaded.notices.iter().map(|notice| format!("! {}\n", escape(notice)));
    let notices: String = notices.collect();
    format!("Read again; policy revision {} is in force.\n{notices}", short(&reloaded.revision))
}
