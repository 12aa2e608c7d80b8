//! Signals: stop and reload.

use std::io;

use tokio::runtime::{self, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Daemon;

/// The signals that are heeded; one that comes before they are waited for is not lost.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Begins to listen: before anything is served, or an early SIGTERM would kill.
    pub(super) fn listen() -> io::Result<Signals> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let [terminate, interrupt, hang_up] =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
        let (terminate, interrupt, hang_up) = (terminate?, interrupt?, hang_up?);
        drop(inside);
        Ok(Signals { runtime, terminate, interrupt, hang_up })
    }

    /// Waits for SIGTERM or SIGINT; reloads at each SIGHUP.
    pub(super) fn wait(mut self, daemon: &Daemon) {
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return,
                    _ = self.interrupt.recv() => return,
                    _ = self.hang_up.recv() => {
                        let reload = daemon.reloader();
                        let _ = tokio::task::spawn_blocking(move || reload.reload()).await;
                    }
                }
            }
        });
    }
}
