//! What a person should know, told once per subject and day, kept in `state.db`.

use std::sync::Arc;

use crate::clock::Clock;
use crate::storage::{Database, StorageError};

/// Notices; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Notices(Arc<Inner>);

struct Inner {
    state: Arc<Database>,
    clock: Clock,
}

impl Notices {
    /// Reads what was told before.
    pub fn open(state: Arc<Database>, clock: Clock) -> Result<Notices, StorageError> {
        let notices = Notices(Arc::new(Inner { state, clock }));
        let _ = (&notices.0.state, &notices.0.clock);
        Ok(notices)
    }
}
