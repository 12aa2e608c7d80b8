//! What the program says of itself: to stderr, for a terminal or the service manager.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging; `DEADPIXEL_LOG` chooses how much (`info`, `deadpixel=debug`).
pub(super) fn start() {
    let filter = EnvFilter::try_from_env("DEADPIXEL_LOG").unwrap_or_else(|_| {
        EnvFilter::new(
            "info,hickory=warn,hickory_net=warn,hickory_resolver=warn,hickory_server=warn",
        )
    });
    let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
    // A second daemon in one process (tests) keeps the first one's logging.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!plain)
        .with_target(false)
        .try_init();
}
