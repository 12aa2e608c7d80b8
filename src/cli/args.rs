//! The arguments: one command tree.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::{OfflineArgs, Span};
use crate::api::ScopeChoice;
use crate::model::{Level, ListKind, LogDetail};

/// A DNS server for a network that blocks trackers and shows who asked for them.
#[derive(Clone, Debug, Parser)]
#[command(name = "deadpixel", version, propagate_version = false)]
pub struct Args {
    /// The configuration [default: config.toml here, or /etc/deadpixel/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The daemon's socket [default: as the configuration says]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// One JSON document instead of text
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

impl Args {
    /// Returns what to do: without a word, the daemon runs.
    pub fn wanted(&self) -> &Command {
        self.command.as_ref().unwrap_or(&Command::Run)
    }
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// The daemon, in the foreground; also without any command
    Run,
    /// One screen of how it fares
    Status,
    /// Who tried to track whom in the last 24 hours
    Who {
        /// Only this device: its name, a part of it, an address
        device: Option<String>,
        /// Every row, where a terminal would show the first 30
        #[arg(long)]
        all: bool,
    },
    /// The query log, oldest first
    Log(LogArgs),
    /// Why a name is blocked or not; asks nobody and logs nothing
    Why(WhyArgs),
    /// All devices
    Devices,
    /// One device
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Companies that were seen in the last 24 hours, or are switched
    Companies {
        /// Every company that is known
        #[arg(long)]
        all: bool,
    },
    /// Everything a company runs, trackers or not
    #[command(subcommand)]
    Company(CompanyCommand),
    /// Lists, and what became of each
    Lists {
        #[command(subcommand)]
        command: Option<ListsCommand>,
    },
    /// What the levels hold, and who has which
    Levels,
    /// Another level for a device, a group or everyone
    Level {
        /// `everyone`, a group or a device
        who: String,
        /// off, basic, standard or strict
        level: Level,
    },
    /// Own rules and pauses
    Rules {
        #[command(subcommand)]
        command: Option<RulesCommand>,
    },
    /// Lets a name and all below it through
    Allow(RuleArgs),
    /// Blocks a name and all below it
    Block(RuleArgs),
    /// No blocking for a while; for everyone, unless told otherwise
    Pause {
        /// How long: 10m, 2h, 1d, tomorrow
        #[arg(value_name = "TIME", default_value = "10m")]
        span: Span,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Ends a pause
    Resume {
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// What was noticed of devices and the network, with what to do
    Notices {
        /// Those that were dismissed too
        #[arg(long)]
        all: bool,
        #[command(subcommand)]
        command: Option<NoticesCommand>,
    },
    /// Answers that upstreams gave, kept for their time
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Reads config.toml, policy.toml and the lists again
    Reload,
    /// The configuration of the process
    #[command(subcommand)]
    Config(ConfigCommand),
    /// The policy of devices, groups and lists
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// The program's version
    Version,
}

/// Whom a change is for.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(multiple = false)]
pub struct ScopeArgs {
    /// A device: its name, a part of it, an address
    #[arg(short, long)]
    device: Option<String>,
    /// A group
    #[arg(short, long)]
    group: Option<String>,
    /// Everyone
    #[arg(long)]
    everyone: bool,
}

impl ScopeArgs {
    /// Returns whom the arguments name, if anybody.
    pub fn choice(&self) -> Option<ScopeChoice> {
        let device = self.device.clone().map(ScopeChoice::Device);
        let group = self.group.clone().map(ScopeChoice::Group);
        device.or(group).or(self.everyone.then_some(ScopeChoice::Everyone))
    }

    /// Returns whom the arguments name, or everyone.
    pub fn or_everyone(&self) -> ScopeChoice {
        self.choice().unwrap_or(ScopeChoice::Everyone)
    }
}

/// Which events are shown, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Whose name, or alias, has this text in it
    pub text: Option<String>,
    /// Goes on with what comes in, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
    /// Of this device
    #[arg(short, long)]
    pub device: Option<String>,
    /// Of this company; `unattributed` for names without one
    #[arg(short, long)]
    pub company: Option<String>,
    /// Only what was blocked
    #[arg(long, group = "outcome")]
    pub blocked: bool,
    /// Only what was allowed
    #[arg(long, group = "outcome")]
    pub allowed: bool,
    /// Only what failed
    #[arg(long, group = "outcome")]
    pub failed: bool,
    /// Only tracking names
    #[arg(long)]
    pub tracking: bool,
    /// Not older than this: 10m, 2h, 1d
    #[arg(long, value_name = "TIME", value_parser = Span::parse_length)]
    pub since: Option<u64>,
    /// How many of the latest
    #[arg(short = 'n', long, default_value = "50", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub number: u32,
    /// All of them
    #[arg(long, conflicts_with = "number")]
    pub all: bool,
}

/// The name to explain, and for whom.
#[derive(Clone, Debug, clap::Args)]
pub struct WhyArgs {
    /// The name
    pub name: String,
    /// For this device
    #[arg(short, long)]
    pub device: Option<String>,
    /// The type asked for
    #[arg(short = 't', long = "type", default_value = "A")]
    pub query_type: String,
    /// Ends with 0 if it is allowed, 10 if it is blocked
    #[arg(long)]
    pub exit_code: bool,
    /// List files instead of the daemon
    #[command(flatten)]
    pub offline: OfflineArgs,
}

/// An own rule.
#[derive(Clone, Debug, clap::Args)]
pub struct RuleArgs {
    /// The name; all below it is meant too
    pub name: String,
    #[command(flatten)]
    pub scope: ScopeArgs,
    /// Until then: 10m, 2h, 1d, tomorrow
    #[arg(long = "for", value_name = "TIME")]
    pub span: Option<Span>,
    /// Why
    #[arg(long)]
    pub note: Option<String>,
}

/// What to do with a device.
#[derive(Clone, Debug, Subcommand)]
pub enum DeviceCommand {
    /// Everything about it
    Show {
        /// Its name, a part of it, an address
        device: String,
    },
    /// Puts two together that are one: the first keeps its name, settings and rules
    Merge {
        /// The one that stays
        device: String,
        /// The one that is the same
        other: String,
        /// The name of both [default: the one there is, or that they call themselves]
        #[arg(long)]
        name: Option<String>,
    },
    /// Takes a hardware address or an address away from it: that is another device
    Split {
        /// Its name, a part of it, an address
        device: String,
        /// The hardware address or address that is not its own
        part: String,
        /// The name of the other device
        #[arg(long)]
        name: Option<String>,
    },
    /// Puts it into groups, the strongest first
    Group {
        /// Its name, a part of it, an address
        device: String,
        /// The groups, in their order
        #[arg(required_unless_present = "none")]
        groups: Vec<String>,
        /// Adds them behind those it has
        #[arg(long, group = "how")]
        add: bool,
        /// Takes it out of them
        #[arg(long, group = "how")]
        remove: bool,
        /// Takes it out of all groups
        #[arg(long, group = "how", conflicts_with = "groups")]
        none: bool,
    },
    /// Says what it is
    Kind {
        /// Its name, a part of it, an address
        device: String,
        /// phone, tablet, laptop, computer, tv, speaker, console, printer, camera, watch,
        /// appliance, server, router; none leaves it to what is heard
        kind: String,
    },
    /// Says what of its queries is kept
    Log {
        /// Its name, a part of it, an address
        device: String,
        /// full, tracking, counts or nothing
        #[arg(value_parser = log_detail)]
        detail: LogDetail,
    },
    /// Gives it a name
    Rename {
        /// Its name so far, a part of it, an address
        device: String,
        /// Its new name
        name: String,
    },
    /// Removes it with its rules; its next query makes a new one
    Forget {
        /// Its name, a part of it, an address
        device: String,
        /// Its past too: events and totals
        #[arg(long)]
        history: bool,
        /// Without asking
        #[arg(short, long)]
        yes: bool,
    },
}

fn log_detail(text: &str) -> Result<LogDetail, String> {
    match text {
        "full" => Ok(LogDetail::Full),
        "tracking" => Ok(LogDetail::Tracking),
        "counts" => Ok(LogDetail::Counts),
        "nothing" => Ok(LogDetail::Nothing),
        _ => Err("write full, tracking, counts or nothing".into()),
    }
}

/// What to do with a company.
#[derive(Clone, Debug, Subcommand)]
pub enum CompanyCommand {
    /// Blocks everything it runs; for everyone, unless told otherwise
    Block {
        /// Its name
        company: String,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Takes that back; its trackers stay blocked by the level
    Allow {
        /// Its name
        company: String,
        #[command(flatten)]
        scope: ScopeArgs,
    },
}

/// What to do with a list.
#[derive(Clone, Debug, Subcommand)]
pub enum ListsCommand {
    /// Lists by others that can be added by name
    Browse {
        /// Only those with these words
        words: Vec<String>,
    },
    /// Subscribes one and switches it on; for everyone, unless told otherwise
    Add(ListArgs),
    /// Takes one of your own away, with all its switches
    Remove {
        /// Its name
        list: String,
    },
    /// Puts the version that is held back in force
    Accept {
        /// Its name
        list: String,
    },
    /// Puts an earlier version back
    Rollback {
        /// Its name
        list: String,
        /// The version [default: the one before]
        version: Option<u32>,
    },
    /// Everything about one, with the lines that could not be read
    Info {
        /// Its name
        list: String,
    },
    /// Fetches lists now, due or not
    Update {
        /// Their names [default: all that have an address]
        #[arg(value_name = "NAME")]
        lists: Vec<String>,
    },
    /// Switches it on; for everyone, unless told otherwise
    Enable {
        /// Its name
        list: String,
        #[command(flatten)]
        scope: ScopeArgs,
    },
    /// Switches it off; for everyone, unless told otherwise
    Disable {
        /// Its name
        list: String,
        #[command(flatten)]
        scope: ScopeArgs,
    },
}

/// A list to be subscribed.
#[derive(Clone, Debug, clap::Args)]
pub struct ListArgs {
    /// A name that `lists browse` shows, or an https address
    pub list: String,
    /// Its name here [default: made of the address]
    #[arg(long)]
    pub name: Option<String>,
    /// What it is about: tracking, encrypted-dns, other [default: tracking]
    #[arg(long)]
    pub kind: Option<ListKind>,
    /// Everything that it names is allowed
    #[arg(long)]
    pub allowlist: bool,
    /// A plain name in it stands for all below it too
    #[arg(long)]
    pub cover_subdomains: bool,
    #[command(flatten)]
    pub scope: ScopeArgs,
}

/// What to do with own rules.
#[derive(Clone, Debug, Subcommand)]
pub enum RulesCommand {
    /// Makes one in AdGuard's syntax: '||example.com^$dnstype=AAAA'
    Add {
        /// The rule
        text: String,
        #[command(flatten)]
        scope: ScopeArgs,
        /// Why
        #[arg(long)]
        note: Option<String>,
    },
    /// Takes a rule away
    Remove {
        /// The name it is for, or its text
        name: String,
        #[command(flatten)]
        scope: ScopeArgs,
    },
}

/// What to do with notices.
#[derive(Clone, Debug, Subcommand)]
pub enum NoticesCommand {
    /// Puts one away; it comes back not before another day
    Dismiss {
        /// Its number, or `all`
        #[arg(value_name = "ID|all")]
        which: String,
        /// For good: never again of that subject
        #[arg(long)]
        always: bool,
    },
}

/// What to do with the cache.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheCommand {
    /// How full it is, and how well it serves
    Stats,
    /// Removes answers, so that upstreams are asked again; all, unless a name is given
    Flush {
        /// Only this name and all below it
        name: Option<String>,
    },
}

/// What to do with the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Checks it without starting
    Check,
    /// Shows it with its defaults
    Show,
}

/// What to do with the policy.
#[derive(Clone, Debug, Subcommand)]
pub enum PolicyCommand {
    /// Checks it without putting it in force
    Check {
        /// The file [default: policy.toml in the data folder]
        file: Option<PathBuf>,
    },
    /// Who changed what, when
    History {
        /// How many of the latest
        #[arg(short = 'n', long, default_value = "20", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        number: u32,
    },
    /// What a change changed: the last one, all since a revision, or what a file has otherwise
    Diff {
        /// A revision as `policy history` shows them, or a file
        #[arg(value_name = "REVISION|FILE")]
        from: Option<String>,
        /// A later revision [default: the one in force]
        #[arg(value_name = "REVISION")]
        to: Option<String>,
    },
    /// Takes the last change back, or goes back to a revision
    Undo {
        /// The revision whose text is put in force again
        revision: Option<String>,
    },
    /// What would change for what devices asked in the last 7 days; puts nothing in force
    Plan {
        /// The file that would be policy.toml
        file: PathBuf,
        /// Every row, where a terminal would show the first 30
        #[arg(long)]
        all: bool,
    },
    /// Holds the policy in force to asserts of device, name, type and verdict
    Test {
        /// The file of `[[assert]]` tables
        file: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, i32> {
        let words = std::iter::once("deadpixel").chain(line.split(' '));
        Args::try_parse_from(words)
            .map(|args| args.wanted().clone())
            .map_err(|error| error.exit_code())
    }

    #[test]
    fn the_tree_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_rule_has_a_name_a_scope_and_maybe_an_end() {
        let Ok(Command::Allow(rule)) = parse("allow x.example -d tv --for 1h --note works") else {
            panic!("it is right");
        };
        assert_eq!(rule.scope.choice(), Some(ScopeChoice::Device("tv".into())));
        assert_eq!(rule.span, Some(Span::Seconds(3_600)));
        assert_eq!(rule.note.as_deref(), Some("works"));
    }

    #[test]
    fn a_change_has_one_scope() {
        assert_eq!(parse("block x.example -d tv --everyone").err(), Some(2));
        assert_eq!(parse("pause -d tv -g kids").err(), Some(2));
    }

    #[test]
    fn a_pause_is_ten_minutes_for_everyone_unless_told_otherwise() {
        let Ok(Command::Pause { span, scope }) = parse("pause") else { panic!("it is right") };
        assert_eq!((span, scope.or_everyone()), (Span::Seconds(600), ScopeChoice::Everyone));
        let Ok(Command::Pause { span, scope }) = parse("pause tomorrow -g kids") else {
            panic!("it is right");
        };
        assert_eq!(
            (span, scope.or_everyone()),
            (Span::Tomorrow, ScopeChoice::Group("kids".into()))
        );
    }

    #[test]
    fn the_log_is_filtered_by_plain_options() {
        let Ok(Command::Log(log)) = parse("log -f -d tv -c tiktok --blocked --since 2h pixel -n 9")
        else {
            panic!("it is right");
        };
        assert_eq!((log.follow, log.blocked, log.since, log.number), (true, true, Some(7_200), 9));
        assert_eq!(log.text.as_deref(), Some("pixel"));
        assert_eq!(parse("log --blocked --allowed").err(), Some(2));
        assert_eq!(parse("log --since tomorrow").err(), Some(2));
        assert!(matches!(parse("log --all"), Ok(Command::Log(log)) if log.all));
        assert_eq!(parse("log --all -n 9").err(), Some(2));
        assert_eq!(parse("log -n 0").err(), Some(2));
    }

    #[test]
    fn groups_are_set_added_to_or_left() {
        let group = |line| match parse(line) {
            Ok(Command::Device(DeviceCommand::Group { groups, add, remove, none, .. })) => {
                Ok((groups.len(), add, remove, none))
            }
            Ok(other) => panic!("{other:?}"),
            Err(code) => Err(code),
        };
        assert_eq!(group("device group tv kids guests"), Ok((2, false, false, false)));
        assert_eq!(group("device group tv kids --add"), Ok((1, true, false, false)));
        assert_eq!(group("device group tv --none"), Ok((0, false, false, true)));
        for line in
            ["device group tv", "device group tv kids --none", "device group tv x --add --remove"]
        {
            assert_eq!(group(line), Err(2), "{line}");
        }
        assert_eq!(parse("device log tv loud").err(), Some(2));
    }

    #[test]
    fn global_options_stand_anywhere() {
        let args = Args::try_parse_from(["deadpixel", "status", "--json", "--socket", "/run/x"]);
        let args = args.map_err(|error| error.to_string()).expect("it is right");
        assert!(args.json && args.socket.is_some());
    }

    #[test]
    fn wrong_words_are_exit_code_2() {
        for line in ["", "nonsense", "level tv", "level tv loud", "pause soon", "device rename tv"]
        {
            assert_eq!(parse(line).err(), Some(2), "{line}");
        }
        assert!(matches!(
            parse("level kids strict"),
            Ok(Command::Level { level: Level::Strict, .. })
        ));
    }
}
