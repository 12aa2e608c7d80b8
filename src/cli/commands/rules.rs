//! `rules`, `allow` and `block`: own rules shown, made and taken away.

use hyper::Method;

use super::{
    Cell, Column, Failure, Row, RuleArgs, RulesCommand, ScopeArgs, Screen, Session, Style, Table,
    escape, quote, scope_flag,
};
use crate::api::{
    Changed, PauseView, RuleChange, RuleRemoval, RuleSyntax, RuleText, RuleView, Rules,
    ScopeChoice, paths,
};
use crate::model::Action;

/// Calls the daemon and prints.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let rules: Rules = session.client.get(paths::RULES, &()).await?;
    session.show(&rules, render)
}

/// Makes a rule.
pub async fn add(session: &Session, action: Action, args: &RuleArgs) -> Result<(), Failure> {
    let command = match action {
        Action::Allow => "allow",
        Action::Block => "block",
    };
    let body = RuleChange {
        scope: scope(&args.scope, command, &args.name)?,
        action,
        name: args.name.clone(),
        seconds: args.span.map(|span| span.seconds(&session.screen.local_now())),
        note: args.note.clone(),
    };
    let changed: Changed = session.client.send(Method::POST, paths::RULES, &body).await?;
    session.show(&changed, |changed, screen| message(changed, action, screen))
}

/// Makes a rule in AdGuard's syntax, or takes one away.
pub async fn change(session: &Session, command: &RulesCommand) -> Result<(), Failure> {
    match command {
        RulesCommand::Add { text, scope: choice, note } => {
            let scope = scope(choice, "rules add", text)?;
            let body = RuleText { scope, text: text.clone(), note: note.clone() };
            let changed: Changed =
                session.client.send(Method::POST, paths::RULES_TEXT, &body).await?;
            session.show(&changed, |changed, _| written(changed))
        }
        RulesCommand::Remove { name, scope: choice } => {
            let scope = scope(choice, "rules remove", name)?;
            let body = RuleRemoval { scope, name: name.clone() };
            let changed: Changed =
                session.client.send(Method::POST, paths::RULES_REMOVE, &body).await?;
            session.show(&changed, |changed, _| {
                let (name, scope) = (escape(&changed.subject), escape(&changed.scope.to_string()));
                format!("No rule for {name} binds {scope} any more.\n")
            })
        }
    }
}

fn written(changed: &Changed) -> String {
    let (text, scope) = (&changed.subject, escape(&changed.scope.to_string()));
    let flag = scope_flag(&changed.scope);
    format!(
        "In force for {scope}: {}\nUndo: deadpixel rules remove {} {flag}\n",
        escape(text),
        quote(text)
    )
}

/// Returns whom a rule is for; says the three ways to tell where nobody is named.
pub fn scope(args: &ScopeArgs, command: &str, name: &str) -> Result<ScopeChoice, Failure> {
    args.choice().ok_or_else(|| {
        let name = quote(name);
        Failure::Usage(format!(
            "for whom? Write one of\n  \
             deadpixel {command} {name} -d DEVICE\n  \
             deadpixel {command} {name} -g GROUP\n  \
             deadpixel {command} {name} --everyone"
        ))
    })
}

/// Says what was changed, and how to change it back.
pub fn message(changed: &Changed, action: Action, screen: &Screen) -> String {
    let verb = match action {
        Action::Allow => "Allowed",
        Action::Block => "Blocked",
    };
    let (name, scope) = (escape(&changed.subject), escape(&changed.scope.to_string()));
    let until = changed.until.map(|until| format!(" until {}", screen.clock(until)));
    let flag = scope_flag(&changed.scope);
    format!(
        "{verb} for {scope}{}: {name} and all below it.\n\
         Undo: deadpixel rules remove {name} {flag}\n",
        until.unwrap_or_default()
    )
}

/// Lays rules and pauses out.
pub fn render(rules: &Rules, screen: &Screen) -> String {
    let mut text = match rules.rules.is_empty() {
        true => "No own rule. Make one: deadpixel block NAME -d DEVICE\n".into(),
        false => rules_table(&rules.rules, screen),
    };
    for PauseView { scope, until } in &rules.pauses {
        let scope = escape(&scope.to_string());
        text.push_str(&format!("Paused for {scope} until {}.\n", screen.clock(*until)));
    }
    text
}

/// Lays rules out.
pub fn rules_table(rules: &[RuleView], screen: &Screen) -> String {
    let names = rules.iter().all(|rule| rule.syntax == RuleSyntax::Name);
    let columns = &[
        Column::whole("RULE"),
        Column::text(if names { "NAME AND BELOW" } else { "NAME AND BELOW, OR RULE" }).least(20),
        Column::text("FOR"),
        Column::whole("UNTIL"),
        Column::words("NOTE"),
    ];
    let mut table = Table::new(columns);
    for rule in rules {
        let action = match rule.action {
            Some(Action::Allow) => Cell::styled(Style::GotThrough, "allow"),
            Some(Action::Block) => Cell::styled(Style::Blocked, "block"),
            None => "adguard".to_string().into(),
        };
        let how = match rule.syntax {
            RuleSyntax::Exact => "only ",
            RuleSyntax::Regex => "regex ",
            RuleSyntax::Name | RuleSyntax::Adguard => "",
        };
        table.push(Row::of([
            action,
            format!("{how}{}", escape(&rule.name)).into(),
            escape(&rule.scope.to_string()).into(),
            rule.until.map(|until| screen.clock(until)).unwrap_or_default().into(),
            rule.note.as_deref().map(escape).unwrap_or_default().into(),
        ]));
    }
    table.render(screen)
}
