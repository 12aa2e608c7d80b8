//! `company`: everything a company runs, blocked or not.

use hyper::Method;

use super::{CompanyCommand, Failure, Session, escape, quote, scope_flag};
use crate::api::{Changed, CompanyChange, paths};

/// Does what the arguments say.
pub async fn run(session: &Session, command: &CompanyCommand) -> Result<(), Failure> {
    let (company, scope, blocked) = match command {
        CompanyCommand::Block { company, scope } => (company, scope, true),
        CompanyCommand::Allow { company, scope } => (company, scope, false),
    };
    let body = CompanyChange { scope: scope.or_everyone(), blocked };
    let path = paths::company_policy(company);
    let changed: Changed = session.client.send(Method::PUT, &path, &body).await?;
    session.show(&changed, |changed, _| message(changed, company, blocked))
}

/// Says what was changed, and how to change it back.
pub fn message(changed: &Changed, company: &str, blocked: bool) -> String {
    let (name, scope) = (escape(&changed.subject), escape(&changed.scope.to_string()));
    let flag = scope_flag(&changed.scope);
    let company = quote(company);
    match blocked {
        true => format!(
            "Everything {name} runs is blocked for {scope}; its sites and apps stop working there.\n\
             Undo: deadpixel company allow {company} {flag}\n"
        ),
        false => format!(
            "No ban on {name} for {scope} any more; its trackers stay blocked as the level says.\n\
             Undo: deadpixel company block {company} {flag}\n"
        ),
    }
}
