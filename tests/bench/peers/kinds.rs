//! The servers that are held against each other: how each is set up in its best native form.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arguments::{ECHO, STUB};
use crate::load::Wanted;

/// A server that can be measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The floor: a bare echo of datagrams.
    Echo,
    /// The upstream.
    Stub,
    /// This project, with its query log or without.
    Deadpixel {
        /// Whether queries are recorded.
        log: bool,
    },
    /// dnsmasq.
    Dnsmasq,
    /// Unbound.
    Unbound,
    /// dnsdist.
    Dnsdist,
    /// PowerDNS Recursor.
    Recursor,
    /// Knot Resolver.
    Kresd,
    /// BIND.
    Bind,
    /// One that the command line names.
    Other {
        /// Its name.
        name: String,
        /// Its command, with places for port, upstream and list.
        command: String,
    },
}

/// What a server is to be.
pub struct Setup<'a> {
    /// A folder of its own.
    pub folder: &'a Path,
    /// The port to answer on.
    pub port: u16,
    /// The upstream's port.
    pub upstream: u16,
    /// The names to block, with all below them.
    pub listed: &'a [String],
    /// How many workers answer.
    pub workers: usize,
}

/// How a server takes a new list.
pub enum Reload {
    /// By a signal.
    Hangup,
    /// By a command.
    Command(Box<Command>),
    /// Only by a new start.
    Never,
}

/// All peers that are known by name.
pub const PEERS: [Kind; 6] =
    [Kind::Dnsmasq, Kind::Unbound, Kind::Dnsdist, Kind::Recursor, Kind::Kresd, Kind::Bind];

impl Kind {
    /// Returns the name in the tables.
    pub fn name(&self) -> &str {
        match self {
            Kind::Echo => "echo",
            Kind::Stub => "upstream",
            Kind::Deadpixel { log: true } => "deadpixel",
            Kind::Deadpixel { log: false } => "deadpixel, log off",
            Kind::Dnsmasq => "dnsmasq",
            Kind::Unbound => "unbound",
            Kind::Dnsdist => "dnsdist",
            Kind::Recursor => "recursor",
            Kind::Kresd => "kresd",
            Kind::Bind => "bind9",
            Kind::Other { name, .. } => name,
        }
    }

    /// Returns the program, and how it tells its version.
    fn program(&self) -> (&str, &str) {
        match self {
            Kind::Dnsmasq => ("dnsmasq", "--version"),
            Kind::Unbound => ("unbound", "-V"),
            Kind::Dnsdist => ("dnsdist", "--version"),
            Kind::Recursor => ("pdns_recursor", "--version"),
            Kind::Kresd => ("kresd", "--version"),
            Kind::Bind => ("named", "-v"),
            Kind::Deadpixel { .. } => (env!("CARGO_BIN_EXE_deadpixel"), "--version"),
            Kind::Other { command, .. } => {
                (command.split_whitespace().next().unwrap_or_default(), "--version")
            }
            Kind::Echo | Kind::Stub => ("/proc/self/exe", ""),
        }
    }

    /// Returns the version in the program's own words; an error where it is not installed.
    pub fn version(&self) -> io::Result<String> {
        let (program, argument) = self.program();
        let output = Command::new(program).arg(argument).stdin(Stdio::null()).output()?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
        let line = line.unwrap_or(&text).trim();
        // This one puts the time before it.
        let begin = line.find("PowerDNS").unwrap_or(0);
        Ok(line[begin..].chars().take(60).collect())
    }

    /// Returns what a blocked name must be answered with.
    pub fn blocked(&self) -> Wanted {
        match self {
            Kind::Echo => Wanted::Echo,
            Kind::Dnsmasq | Kind::Recursor | Kind::Kresd | Kind::Bind => Wanted::NoSuchName,
            Kind::Other { .. } => Wanted::Blocked,
            _ => Wanted::Address([0, 0, 0, 0]),
        }
    }

    /// Says why it has no part in rounds with two workers, if it has none.
    pub fn only_one_worker(&self) -> Option<&'static str> {
        match self {
            Kind::Dnsmasq => Some("it has one thread"),
            Kind::Kresd => Some("it has one thread; several are several processes"),
            Kind::Other { .. } => Some("its command says how many workers it has"),
            _ => None,
        }
    }

    /// Says why it has no part in rounds over TCP, if it has none.
    pub fn no_tcp(&self) -> Option<&'static str> {
        match self {
            Kind::Dnsmasq => Some("it forks for each connection, which hides its CPU time"),
            Kind::Echo => Some("it has datagrams only"),
            _ => None,
        }
    }

    /// Writes its files and returns the command that starts it.
    pub fn prepare(&self, setup: &Setup) -> io::Result<Command> {
        fs::create_dir_all(setup.folder)?;
        self.write_list(setup.folder, setup.listed, false)?;
        let mut command = Command::new(self.program().0);
        let file = |name: &str| setup.folder.join(name);
        match self {
            Kind::Echo => {
                own(&mut command, ECHO, setup.port)?;
            }
            Kind::Stub => {
                own(&mut command, STUB, setup.port)?;
            }
            Kind::Deadpixel { log } => {
                fs::write(file("config.toml"), deadpixel(setup))?;
                fs::create_dir_all(file("data"))?;
                fs::write(file("data/policy.toml"), policy(*log, !setup.listed.is_empty()))?;
                command.args(["run", "--config"]).arg(file("config.toml"));
            }
            Kind::Dnsmasq => {
                command.args(dnsmasq(setup));
            }
            Kind::Unbound => {
                fs::write(file("unbound.conf"), unbound(setup))?;
                command.arg("-d").arg("-c").arg(file("unbound.conf"));
            }
            Kind::Dnsdist => {
                fs::write(file("dnsdist.conf"), dnsdist(setup))?;
                command.args(["--supervised", "--disable-syslog", "-C"]).arg(file("dnsdist.conf"));
            }
            Kind::Recursor => {
                fs::write(file("recursor.conf"), recursor(setup))?;
                fs::write(file("rpz.lua"), format!("rpzFile(\"{}\")\n", file("list").display()))?;
                command.arg(format!("--config-dir={}", setup.folder.display()));
            }
            Kind::Kresd => {
                fs::write(file("kresd.conf"), kresd(setup))?;
                command.args(["-n", "-q", "-c", "kresd.conf"]).arg(setup.folder);
            }
            Kind::Bind => {
                fs::write(file("named.conf"), bind(setup))?;
                let threads = setup.workers.to_string();
                command.args(["-f", "-4", "-n", &threads, "-c"]).arg(file("named.conf"));
            }
            Kind::Other { command: text, .. } => command = other(text, setup)?,
        }
        Ok(command)
    }

    /// Writes the list in its form; with `aside` to a file that is not in force yet.
    pub fn write_list(&self, folder: &Path, names: &[String], aside: bool) -> io::Result<()> {
        let path = list_path(self, folder);
        let path = if aside { path.with_extension("next") } else { path };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = BufWriter::new(fs::File::create(&path)?);
        if matches!(self, Kind::Recursor | Kind::Kresd | Kind::Bind) {
            file.write_all(ZONE_HEAD.as_bytes())?;
        }
        for name in names {
            self.write_name(&mut file, name)?;
        }
        file.flush()
    }

    fn write_name(&self, file: &mut impl Write, name: &str) -> io::Result<()> {
        match self {
            Kind::Dnsmasq => writeln!(file, "server=/{name}/"),
            Kind::Unbound => writeln!(file, "local-zone: \"{name}.\" always_null"),
            // Names are relative to the zone, whose own name is the root in the other two.
            Kind::Recursor | Kind::Kresd | Kind::Bind => {
                writeln!(file, "{name} CNAME .\n*.{name} CNAME .")
            }
            _ => writeln!(file, "{name}"),
        }
    }

    /// Puts the list that was written aside in its place.
    pub fn swap_list(&self, folder: &Path) -> io::Result<()> {
        let path = list_path(self, folder);
        fs::rename(path.with_extension("next"), path)
    }

    /// Returns how it is told of a new list.
    pub fn reload(&self, folder: &Path) -> Reload {
        match self {
            Kind::Deadpixel { .. } => {
                let mut command = Command::new(self.program().0);
                command.args(["reload", "--config"]).arg(folder.join("config.toml"));
                Reload::Command(Box::new(command))
            }
            Kind::Recursor => {
                let mut command = Command::new("rec_control");
                command.arg(format!("--socket-dir={}", folder.display()));
                command.arg("reload-lua-config");
                Reload::Command(Box::new(command))
            }
            Kind::Dnsmasq | Kind::Unbound | Kind::Bind => Reload::Hangup,
            _ => Reload::Never,
        }
    }
}

const ZONE_HEAD: &str =
    "$TTL 300\n@ SOA localhost. root.localhost. 1 3600 600 86400 300\n@ NS localhost.\n";

fn list_path(kind: &Kind, folder: &Path) -> PathBuf {
    match kind {
        Kind::Deadpixel { .. } => folder.join("data/lists/bench.domains"),
        _ => folder.join("list"),
    }
}

fn own(command: &mut Command, part: &str, port: u16) -> io::Result<()> {
    *command = Command::new(std::env::current_exe()?);
    command.args([part, &port.to_string()]);
    Ok(())
}

fn deadpixel(setup: &Setup) -> String {
    format!(
        "[dns]\nlisten = [\"127.0.0.1:{}\"]\nworkers = {}\n\
         [upstream]\nservers = [{{ url = \"udp://127.0.0.1:{}\" }}]\n\
         [discovery]\nleases = []\nmdns = false\nreverse_names = false\n\
         [lists]\nsubscribe_defaults = false\n",
        setup.port, setup.workers, setup.upstream
    )
}

/// Returns a policy in which the list of the benchmark alone blocks.
fn policy(log: bool, listed: bool) -> String {
    let log = if log { "full" } else { "nothing" };
    let mut text = format!("[everyone]\nlevel = \"standard\"\nlog = \"{log}\"\n");
    text += "[level.standard]\nremove = [\"trackers\"]\n";
    if listed {
        text += "add = [\"bench\"]\n[[list]]\nname = \"bench\"\nfile = \"bench.domains\"\n\
                 kind = \"tracking\"\nformat = \"domains\"\ncover_subdomains = true\n";
    }
    text
}

fn dnsmasq(setup: &Setup) -> Vec<String> {
    let mut words: Vec<String> = [
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--no-resolv",
        "--no-hosts",
        "--pid-file=",
        "--user=",
        "--group=",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        // Room for every name of a run: a full cache costs it ten times as much a miss.
        "--cache-size=200000",
        "--dns-forward-max=10000",
        "--log-facility=/dev/null",
    ]
    .map(str::to_owned)
    .to_vec();
    words.push(format!("--port={}", setup.port));
    words.push(format!("--server=127.0.0.1#{}", setup.upstream));
    words.push(format!("--servers-file={}", setup.folder.join("list").display()));
    words
}

fn unbound(setup: &Setup) -> String {
    format!(
        "server:\n interface: 127.0.0.1@{}\n num-threads: {}\n do-daemonize: no\n username: \"\"\n \
         chroot: \"\"\n directory: \"\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"/dev/null\"\n \
         verbosity: 0\n module-config: \"iterator\"\n do-not-query-localhost: no\n \
         qname-minimisation: no\n so-reuseport: yes\n so-rcvbuf: 4m\n so-sndbuf: 4m\n \
         outgoing-range: 4096\n num-queries-per-thread: 4096\n msg-cache-size: 64m\n \
         rrset-cache-size: 128m\n minimal-responses: yes\n include: \"{}\"\n\
         forward-zone:\n name: \".\"\n forward-addr: 127.0.0.1@{}\n\
         remote-control:\n control-enable: no\n",
        setup.port,
        setup.workers,
        setup.folder.join("list").display(),
        setup.upstream
    )
}

fn dnsdist(setup: &Setup) -> String {
    let mut text = format!("setLocal(\"127.0.0.1:{}\", {{reusePort=true}})\n", setup.port);
    for _ in 1..setup.workers {
        text += &format!("addLocal(\"127.0.0.1:{}\", {{reusePort=true}})\n", setup.port);
    }
    text += &format!(
        "setACL({{\"127.0.0.0/8\"}})\nsetSecurityPollSuffix(\"\")\n\
         setUDPMultipleMessagesVectorSize(32)\n\
         newServer({{address=\"127.0.0.1:{}\"}})\n\
         getPool(\"\"):setCache(newPacketCache(100000, {{maxTTL=86400}}))\n\
         listed = newSuffixMatchNode()\n\
         for name in io.lines(\"{}\") do listed:add(newDNSName(name)) end\n\
         addAction(SuffixMatchNodeRule(listed), SpoofAction({{\"0.0.0.0\"}}))\n",
        setup.upstream,
        setup.folder.join("list").display()
    );
    text
}

fn recursor(setup: &Setup) -> String {
    format!(
        "local-address=127.0.0.1\nlocal-port={}\nthreads={}\nreuseport=yes\n\
         pdns-distributes-queries=no\ndnssec=off\nforward-zones-recurse=.=127.0.0.1:{}\n\
         dont-query=\nqname-minimization=no\nlua-config-file={}\nsocket-dir={}\n\
         daemon=no\ndisable-syslog=yes\nquiet=yes\nloglevel=3\nsecurity-poll-suffix=\n\
         write-pid=no\nmax-mthreads=8192\nserve-rfc1918=no\nany-to-tcp=no\n",
        setup.port,
        setup.workers,
        setup.upstream,
        setup.folder.join("rpz.lua").display(),
        setup.folder.display()
    )
}

fn kresd(setup: &Setup) -> String {
    let mut text = format!(
        "net.listen('127.0.0.1', {}, {{ kind = 'dns' }})\ncache.size = 100 * MB\n\
         trust_anchors.remove('.')\n\
         for _, name in ipairs({{'ta_update', 'ta_signal_query', 'ta_sentinel', 'priming', \
         'detect_time_skew', 'detect_time_jump'}}) do modules.unload(name) end\n",
        setup.port
    );
    if !setup.listed.is_empty() {
        let list = setup.folder.join("list");
        text += &format!("policy.add(policy.rpz(policy.DENY, '{}', false))\n", list.display());
    }
    text + &format!("policy.add(policy.all(policy.STUB({{'127.0.0.1@{}'}})))\n", setup.upstream)
}

fn bind(setup: &Setup) -> String {
    format!(
        "options {{ directory \"{0}\"; pid-file none; session-keyfile none; \
         listen-on port {1} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion yes; \
         allow-query {{ any; }}; forwarders port {2} {{ 127.0.0.1; }}; forward only; \
         dnssec-validation no; empty-zones-enable no; minimal-responses yes; \
         recursive-clients 10000; max-cache-size 256m; \
         response-policy {{ zone \"rpz\"; }} qname-wait-recurse no min-update-interval 1; }};\n\
         zone \"rpz\" {{ type primary; file \"{0}/list\"; allow-query {{ none; }}; }};\n\
         controls {{ }};\nlogging {{ category default {{ null; }}; }};\n",
        setup.folder.display(),
        setup.port,
        setup.upstream
    )
}

fn other(text: &str, setup: &Setup) -> io::Result<Command> {
    let hosts = setup.folder.join("hosts");
    let lines: String = setup.listed.iter().map(|name| format!("0.0.0.0 {name}\n")).collect();
    fs::write(&hosts, lines)?;
    let word = |word: &str| {
        word.replace("{port}", &setup.port.to_string())
            .replace("{upstream}", &format!("127.0.0.1:{}", setup.upstream))
            .replace("{list}", &setup.folder.join("list").display().to_string())
            .replace("{hosts}", &hosts.display().to_string())
            .replace("{folder}", &setup.folder.display().to_string())
    };
    let mut words = text.split_whitespace().map(word);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    Ok(command)
}
