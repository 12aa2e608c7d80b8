//! The watch over the folder of `policy.toml`: editors rename, so it is the folder that is watched.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// How long the folder must be quiet before the file is read.
const QUIET: Duration = Duration::from_millis(100);

/// Signals after which the file is read though the folder is not quiet.
const MOST_SIGNALS: usize = 50;

enum Signal {
    Touched,
    Stop,
}

/// The watch over policy.toml; ends when dropped.
pub struct Watching {
    watcher: Option<RecommendedWatcher>,
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    /// Calls `touched` soon after anything but a database changed in `folder`.
    pub(super) fn start(
        folder: &Path,
        touched: impl Fn() + Send + 'static,
    ) -> Result<Watching, String> {
        let fail = |error: notify::Error| format!("{}: {error}", folder.display());
        let (signals, received) = mpsc::channel();
        let from_folder = signals.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, concerns_policy) {
                // The thread has ended only if the watch is being dropped.
                let _ = from_folder.send(Signal::Touched);
            }
        })
        .map_err(fail)?;
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(fail)?;
        let thread = thread::Builder::new()
            .name("policy-watch".into())
            .spawn(move || follow(&received, touched))
            .map_err(|error| error.to_string())?;
        Ok(Watching { watcher: Some(watcher), signals, thread: Some(thread) })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watcher = None;
        // A thread that has ended already needs no signal.
        let _ = self.signals.send(Signal::Stop);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the watch over policy.toml had failed");
        }
    }
}

fn follow(received: &Receiver<Signal>, touched: impl Fn()) {
    while let Ok(Signal::Touched) = received.recv() {
        for _ in 0..MOST_SIGNALS {
            match received.recv_timeout(QUIET) {
                Ok(Signal::Touched) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        touched();
    }
}

/// Leaves out what the databases write several times a second, and mere reading.
fn concerns_policy(event: &Event) -> bool {
    let database = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy());
        name.is_some_and(|name| name.starts_with("state.db") || name.starts_with("log.db"))
    };
    !event.kind.is_access() && !event.paths.iter().all(|path| database(path))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn watched() -> (tempfile::TempDir, Watching, Receiver<()>) {
        let folder = tempfile::tempdir().expect("a folder");
        let (told, calls) = mpsc::channel();
        let touched = move || told.send(()).expect("the test listens");
        let watching = Watching::start(folder.path(), touched).expect("watched");
        (folder, watching, calls)
    }

    #[test]
    fn a_written_and_a_renamed_file_are_noticed() {
        let (folder, _watching, calls) = watched();
        fs::write(folder.path().join("policy.toml.new"), "x").expect("written");
        calls.recv_timeout(LONG).expect("noticed");
        fs::rename(folder.path().join("policy.toml.new"), folder.path().join("policy.toml"))
            .expect("renamed");
        calls.recv_timeout(LONG).expect("noticed");
    }

    #[test]
    fn databases_are_left_out() {
        let event = |name: &str| {
            let kind = notify::EventKind::Modify(notify::event::ModifyKind::Any);
            Event::new(kind).add_path(Path::new("/data").join(name))
        };
        assert!(!concerns_policy(&event("log.db-wal")));
        assert!(!concerns_policy(&event("state.db")));
        assert!(concerns_policy(&event("policy.toml")));
        assert!(concerns_policy(&event("..data")));
    }

    #[test]
    fn dropping_the_watch_ends_its_thread() {
        let (folder, watching, calls) = watched();
        drop(watching);
        fs::write(folder.path().join("policy.toml"), "x").expect("written");
        assert!(calls.recv().is_err(), "the thread and its end of the channel are gone");
    }
}
