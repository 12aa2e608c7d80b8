//! What each command does: one file a command.

pub mod cache;
pub mod companies;
pub mod company;
pub mod config;
pub mod device;
pub mod device_changes;
pub mod devices;
pub mod levels;
pub mod lists;
mod lists_browse;
mod lists_change;
mod lists_update;
pub mod log;
mod log_follower;
pub mod notices;
pub mod pause;
pub mod policy;
pub mod policy_past;
pub mod policy_plan;
pub mod reload;
pub mod rules;
mod session;
pub mod status;
pub mod who;
pub mod why;

use std::path::PathBuf;

use super::{
    Args, CacheCommand, Cell, Client, Column, Command, CompanyCommand, ConfigCommand,
    DeviceCommand, Failure, Layout, ListArgs, ListsCommand, LogArgs, NoticesCommand, PolicyCommand,
    Row, RuleArgs, RulesCommand, ScopeArgs, Screen, Span, Style, Table, WhyArgs, bytes, count,
    escape, fields, fit, length, offline, percent, plural, quote, scope_flag, width, wrap,
};
use crate::api::CompanyBrief;
use crate::daemon::{self, StartError};
use crate::model::{Action, Level};
use device::recorded;
use devices::likeness_lines;
use lists::about;
use log::verdict;
use log_follower::Follower;
use rules::rules_table;
use session::{Session, print, print_json};
use who::{company_table, gap_lines, outcome_line, sentence};

/// Does what the arguments say.
pub fn execute(args: Args) -> Result<(), Failure> {
    let config = args.config.as_deref();
    match args.wanted() {
        Command::Run => daemon::run(config).map_err(start_failure),
        Command::Config(command) => config::run(command, config, args.json),
        Command::Version => version(args.json),
        Command::Why(why) if why.offline.is_wanted() => why::run_offline(why, args.json),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let session = Session {
                client: Client::new(socket(&args)?),
                screen: Screen::of_process(),
                json: args.json,
            };
            runtime.block_on(call(&session, &args))
        }
    }
}

async fn call(session: &Session, args: &Args) -> Result<(), Failure> {
    match args.wanted() {
        Command::Run | Command::Config(_) | Command::Version => Ok(()),
        Command::Status => status::run(session).await,
        Command::Who { device, all } => who::run(session, device.clone(), *all).await,
        Command::Log(log) => log::run(session, log).await,
        Command::Why(why) => why::run(session, why).await,
        Command::Devices => devices::run(session).await,
        Command::Device(DeviceCommand::Show { device }) => device::show(session, device).await,
        Command::Device(command) => device_changes::run(session, command).await,
        Command::Companies { all } => companies::run(session, *all).await,
        Command::Company(command) => company::run(session, command).await,
        Command::Lists { command: None } => lists::run(session).await,
        Command::Lists { command: Some(command) } => lists::command(session, command).await,
        Command::Levels => levels::run(session).await,
        Command::Level { who, level } => levels::set(session, who, *level).await,
        Command::Rules { command: None } => rules::run(session).await,
        Command::Rules { command: Some(command) } => rules::change(session, command).await,
        Command::Allow(rule) => rules::add(session, Action::Allow, rule).await,
        Command::Block(rule) => rules::add(session, Action::Block, rule).await,
        Command::Pause { span, scope } => pause::pause(session, *span, scope).await,
        Command::Resume { scope } => pause::resume(session, scope).await,
        Command::Notices { command: None, all } => notices::run(session, *all).await,
        Command::Notices { command: Some(command), .. } => notices::change(session, command).await,
        Command::Cache(command) => cache::run(session, command).await,
        Command::Reload => reload::run(session).await,
        Command::Policy(command) => policy::run(session, command, args.config.as_deref()).await,
    }
}

/// Returns the socket: the argument, the environment, or as the configuration says.
fn socket(args: &Args) -> Result<PathBuf, Failure> {
    let named = args.socket.clone();
    let set = || std::env::var_os("DEADPIXEL_SOCKET").filter(|path| !path.is_empty());
    match named.or_else(|| set().map(PathBuf::from)) {
        Some(path) => Ok(path),
        None => Ok(daemon::socket_path(args.config.as_deref())?),
    }
}

fn start_failure(error: StartError) -> Failure {
    match error {
        StartError::Problems(problems) => problems.into(),
        StartError::Unusable(text) => Failure::Invalid(text),
        StartError::Failed(text) => Failure::Failed(text),
    }
}

fn version(json: bool) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    match json {
        true => print(&format!("{}\n", serde_json::json!({ "version": version }))),
        false => print(&format!("deadpixel {version}\n")),
    }
}

/// Returns a company as people know it: `ByteDance · TikTok`, `Unattributed`.
fn company_title(company: Option<&CompanyBrief>) -> String {
    match company {
        None => "Unattributed".into(),
        Some(CompanyBrief { name, parent: Some(parent), .. }) if parent != name => {
            format!("{} · {}", escape(parent), escape(name))
        }
        Some(company) => escape(&company.name),
    }
}

/// Returns a level as people read it; `Custom` where lists were switched beside it.
fn level_title(level: Level, custom: bool) -> &'static str {
    match level {
        _ if custom => "Custom",
        Level::Off => "Off",
        Level::Basic => "Basic",
        Level::Standard => "Standard",
        Level::Strict => "Strict",
    }
}

/// Returns the beginning of a hash, enough to tell revisions apart.
fn short(revision: &str) -> String {
    escape(revision).chars().take(12).collect()
}
