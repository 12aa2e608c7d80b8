//! A new config.toml or policy.toml: checked, put in force or told why not.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::policy_file::PolicyFile;

/// Reads both files again; a handle that is cheap to clone.
#[derive(Clone)]
pub(super) struct Reloader {
    running: Arc<Config>,
    policy: PolicyFile,
    notice: Arc<Mutex<Option<String>>>,
}

impl Reloader {
    pub(super) fn new(running: Config, policy: PolicyFile) -> Reloader {
        Reloader { running: Arc::new(running), policy, notice: Arc::default() }
    }

    /// Reloads; returns what to tell, or why the old settings stay.
    pub(super) fn reload(&self) -> Result<Vec<String>, String> {
        let result = self.reload_all();
        match &result {
            Ok(told) => told.iter().for_each(|line| tracing::info!("reload: {line}")),
            Err(problems) => tracing::error!("reload: nothing was changed\n{problems}"),
        }
        result
    }

    /// Returns what is wrong with config.toml as it is now, if the last reload saw anything.
    pub(super) fn notice(&self) -> Option<String> {
        self.notice.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload_all(&self) -> Result<Vec<String>, String> {
        let config = Config::load(self.running.file.as_deref()).map_err(|problems| {
            let text = problems.to_string();
            self.tell(Some(format!("config.toml does not check; the old settings stay:\n{text}")));
            text
        })?;
        let restart = changed_sections(&self.running, &config);
        self.tell(restart.first().map(|_| needs_restart(&restart)));
        let reloaded = self.policy.reload().map_err(|problems| problems.to_string())?;
        let mut told = reloaded.notices;
        told.extend(restart.first().map(|_| needs_restart(&restart)));
        tracing::info!(
            "reload: {}",
            if reloaded.changed { "policy and lists are in force" } else { "nothing changed" }
        );
        Ok(told)
    }

    fn tell(&self, notice: Option<String>) {
        *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = notice;
    }
}

fn changed_sections(old: &Config, new: &Config) -> Vec<&'static str> {
    let sections = [
        ("[dns]", old.dns == new.dns),
        ("[resolver]", old.resolver == new.resolver),
        ("[upstream]", old.upstream == new.upstream),
        ("[devices]", old.devices == new.devices),
        ("[policy]", old.policy == new.policy),
        ("[lists]", old.lists == new.lists),
        ("[log]", old.log == new.log),
        ("[storage]", old.storage == new.storage),
    ];
    sections.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
}

fn needs_restart(sections: &[&str]) -> String {
    format!("config.toml changed in {}: restart to put that in force", sections.join(", "))
}
