//! The benchmark of the project: `cargo bench --bench peers`; with `-- --short` only whether it works.
//!
//! Starts deadpixel and the other servers that are installed with the same list and the same upstream,
//! asks each the same in turn, verifies every answer, and prints what that cost as text and JSON.

mod arguments;
mod book;
mod course;
mod events;
mod kinds;
#[expect(dead_code, reason = "the soak uses the rest")]
#[path = "../load/mod.rs"]
mod load;
mod machine;
mod names;
mod process;
mod report;
mod server;
mod tables;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use arguments::{Arguments, Scale};
use book::Book;
use course::{Asked, Course};
use kinds::{Kind, PEERS};
use names::Names;
use process::{Cores, bind_to};
use report::Report;
use server::Ground;

/// How long the upstream's answers may be kept.
const TTL: u32 = 86_400;
/// After so long the whole is given up.
const LIMIT: Duration = Duration::from_secs(40 * 60);
const SHORT_LIMIT: Duration = Duration::from_secs(8 * 60);

fn main() -> ExitCode {
    let done = match Arguments::read() {
        Ok(Arguments::Echo(port)) => load::responder::echo(port).map(|()| true),
        Ok(Arguments::Stub(port)) => load::responder::stub(port, TTL).map(|()| true),
        Ok(Arguments::Measure(scale)) => measure(&scale),
        Err(usage) => Err(io::Error::other(usage)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything; returns whether every answer was right.
fn measure(scale: &Scale) -> io::Result<bool> {
    events::watch(if scale.short { SHORT_LIMIT } else { LIMIT });
    let cores = Cores::share_out()?;
    bind_to(&[cores.generator])?;
    let folder = tempfile::tempdir()?;
    let (_running, upstream) = events::start_upstream(folder.path(), &cores)?;
    let ground = Ground { cores: &cores, folder: folder.path(), upstream };
    let names = Names::read(scale.domains[2]);
    let mut book = Book::default();
    let (peers, versions) = installed(scale, &mut book);
    let asked = Asked::choose(&names, scale);
    let (standing, begin) = (Vec::new(), Instant::now());
    let mut course =
        Course { scale, ground: &ground, names: &names, asked, peers, book, begin, standing };
    course.one_worker()?;
    course.two_workers()?;
    let starts = course.starts()?;
    let replaced = course.replacements()?;
    let log_row = course.log_row()?;
    let machine = machine::told(&cores, &names, versions);
    let report = Report::new(&course, machine, starts, &replaced, log_row);
    println!("{}", report.text());
    report.write_json(&scale.json)?;
    println!("the same as JSON: {}", scale.json.display());
    Ok(course.book.wrong == 0)
}

/// Returns the peers that can be started, and the versions of all; notes who is missing.
fn installed(scale: &Scale, book: &mut Book) -> (Vec<Kind>, Vec<(String, String)>) {
    let others = scale
        .others
        .iter()
        .map(|(name, command)| Kind::Other { name: name.clone(), command: command.clone() });
    let ours = [Kind::Deadpixel { log: true }];
    let mut versions = Vec::new();
    let mut peers = Vec::new();
    for kind in ours.into_iter().chain(PEERS).chain(others) {
        let name = kind.name().to_owned();
        let is_ours = matches!(kind, Kind::Deadpixel { .. });
        if !is_ours && !scale.only.is_empty() && !scale.only.contains(&name) {
            continue;
        }
        match kind.version() {
            Ok(version) => {
                versions.push((name, version));
                peers.extend(Some(kind).filter(|_| !is_ours));
            }
            Err(error) => book.notes.push(format!("{name} is left out: {error}")),
        }
    }
    (peers, versions)
}
