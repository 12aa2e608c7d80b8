//! One command's connection and screen, and how its output leaves.

use std::io::Write;

use serde::Serialize;

use super::{Client, Failure, Screen};

/// What a command works with.
pub struct Session {
    /// The daemon.
    pub client: Client,
    /// What is written on.
    pub screen: Screen,
    /// Whether JSON is wanted.
    pub json: bool,
}

impl Session {
    /// Prints a view: as JSON where that is wanted, else as `render` lays it out.
    pub fn show<T: Serialize>(
        &self,
        view: &T,
        render: impl FnOnce(&T, &Screen) -> String,
    ) -> Result<(), Failure> {
        if !self.json {
            return print(&render(view, &self.screen));
        }
        print_json(view)
    }
}

/// Writes a view as JSON to standard output.
pub fn print_json<T: Serialize>(view: &T) -> Result<(), Failure> {
    let json =
        serde_json::to_string_pretty(view).map_err(|why| Failure::Failed(why.to_string()))?;
    print(&format!("{json}\n"))
}

/// Writes to standard output; a closed pipe ends the command quietly.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
