//! Signals: stop and reload.

use tokio::signal::unix::{SignalKind, signal};

use super::Daemon;

/// Waits for SIGTERM or SIGINT; reloads at each SIGHUP.
pub(super) fn wait(daemon: &Daemon) -> std::io::Result<()> {
    daemon.runtime().block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hang_up.recv() => {
                    let reload = daemon.reloader();
                    let _ = tokio::task::spawn_blocking(move || reload.reload()).await;
                }
            }
        }
    })
}
