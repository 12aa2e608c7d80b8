//! What the command line asks for.

use std::path::PathBuf;

/// The arguments of this program, and of its other parts that run as processes of their own.
pub enum Arguments {
    /// The benchmark.
    Measure(Scale),
    /// The echo, on a port.
    Echo(u16),
    /// The upstream, on a port.
    Stub(u16),
}

/// How much is measured.
pub struct Scale {
    /// Whether this only tries whether everything works.
    pub short: bool,
    /// Domains of the lists: none, some, many.
    pub domains: [usize; 3],
    /// Rounds in which every server has its turn.
    pub rounds: usize,
    /// Queries of a round for answers that are at hand.
    pub queries: usize,
    /// Queries of a round that go upstream.
    pub misses: usize,
    /// Different names that are blocked or cached.
    pub names: usize,
    /// Queries a second while a list is replaced, and seconds that this may take.
    pub replacing: (f64, u64),
    /// Queries a second while rows of the log are counted: none may fall out of its ring.
    pub log_rate: f64,
    /// Seconds of loads at a set pace.
    pub seconds: f64,
    /// Where the figures go as JSON.
    pub json: PathBuf,
    /// Only these peers, if any are named.
    pub only: Vec<String>,
    /// Other servers: a name and a command each.
    pub others: Vec<(String, String)>,
}

const USAGE: &str = "\
cargo bench --bench peers -- [--short] [--rounds N] [--json FILE] [--only PEER,PEER]
    [--peer 'NAME=COMMAND']

--peer starts another server; in COMMAND, which may hold several words,
{port}    is the port it must answer on, at 127.0.0.1,
{upstream} is the server that it must forward to, as 127.0.0.1:PORT,
{list}    is a file of names to block with all below them, one a line,
{hosts}   is the same as a hosts file, {folder} a folder of its own.";

/// The argument by which this program is one of its own servers.
pub const ECHO: &str = "echo";
/// The argument by which it is the upstream.
pub const STUB: &str = "stub";

impl Scale {
    fn long() -> Scale {
        Scale {
            short: false,
            domains: [0, 200_000, 1_000_000],
            rounds: 5,
            queries: 60_000,
            misses: 15_000,
            names: 10_000,
            replacing: (2_000.0, 120),
            log_rate: 15_000.0,
            seconds: 2.0,
            json: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers.json")),
            only: Vec::new(),
            others: Vec::new(),
        }
    }

    fn short() -> Scale {
        Scale {
            short: true,
            domains: [0, 2_000, 10_000],
            rounds: 1,
            queries: 2_000,
            misses: 500,
            names: 500,
            replacing: (200.0, 30),
            log_rate: 500.0,
            seconds: 0.3,
            json: PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers-short.json")),
            ..Scale::long()
        }
    }
}

impl Arguments {
    /// Reads the command line; an error tells how it is used.
    pub fn read() -> Result<Arguments, String> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let port = words.get(1).and_then(|word| word.parse().ok());
        match (words.first().map(String::as_str), port) {
            (Some(ECHO), Some(port)) => return Ok(Arguments::Echo(port)),
            (Some(STUB), Some(port)) => return Ok(Arguments::Stub(port)),
            _ => {}
        }
        let short = words.iter().any(|word| word == "--short");
        let mut scale = if short { Scale::short() } else { Scale::long() };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // Cargo itself adds `--bench`.
            if word != "--short" && word != "--bench" {
                let value = words.next().ok_or(USAGE)?;
                scale.set(&word, &value)?;
            }
        }
        Ok(Arguments::Measure(scale))
    }
}

impl Scale {
    fn set(&mut self, word: &str, value: &str) -> Result<(), String> {
        match word {
            "--rounds" => {
                self.rounds = value.parse().ok().filter(|rounds| *rounds > 0).ok_or(USAGE)?;
            }
            "--json" => self.json = PathBuf::from(value),
            "--only" => self.only = value.split(',').map(str::to_owned).collect(),
            "--peer" => {
                let (name, command) = value.split_once('=').ok_or(USAGE)?;
                self.others.push((name.to_owned(), command.to_owned()));
            }
            _ => return Err(USAGE.to_owned()),
        }
        Ok(())
    }
}
