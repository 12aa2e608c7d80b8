//! `config`: config.toml checked or shown, no daemon needed.

use std::path::Path;

use super::{ConfigCommand, Failure, daemon, print};

/// Does what the arguments say.
pub fn run(command: &ConfigCommand, config: Option<&Path>, json: bool) -> Result<(), Failure> {
    let text = match command {
        ConfigCommand::Check if json => {
            serde_json::json!({ "right": daemon::check_config(config).map(|_| true)? }).to_string()
        }
        ConfigCommand::Check => daemon::check_config(config)?,
        ConfigCommand::Show if json => format!("{:#}", daemon::config_values(config)?),
        ConfigCommand::Show => daemon::show_config(config)?,
    };
    print(&format!("{}\n", text.trim_end()))
}
