//! The terminal: arguments to command to exit code.

mod args;
mod client;
mod commands;
mod failure;
mod offline;
mod screen;
mod span;
mod table;
mod text;

use std::process::ExitCode;

use clap::Parser;

use args::{
    Args, CacheCommand, Command, CompanyCommand, ConfigCommand, DeviceCommand, ListArgs,
    ListsCommand, LogArgs, NoticesCommand, PolicyCommand, RuleArgs, RulesCommand, ScopeArgs,
    WhyArgs,
};
use client::Client;
use failure::Failure;
use offline::OfflineArgs;
use screen::{Screen, Style, fields, length};
use span::Span;
use table::{Cell, Column, Layout, Row, Table};
use text::{bytes, count, escape, fit, fit_words, percent, plural, quote, scope_flag, width, wrap};

/// Reads the arguments, does what they say, and returns the exit code.
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Nobody is there to be told if standard error is closed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match commands::execute(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code())
        }
    }
}

#[cfg(test)]
mod tests;
