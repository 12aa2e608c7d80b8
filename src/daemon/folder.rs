//! The data folder and who may read what is in it.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use super::StartError;

/// Others may pass through to the socket, and see nothing.
const FOLDER_MODE: u32 = 0o711;

/// Makes the data folder and lets new files in it be read by their owner only.
pub(super) fn prepare(folder: &Path) -> Result<(), StartError> {
    let invalid = |error: std::io::Error| {
        let folder = folder.display();
        let mend = "make it a folder of this user's, or change `path` in [storage] of config.toml";
        StartError::Unusable(format!("data folder {folder}: {error}; {mend}"))
    };
    // The query log tells who asked for what: no other user may read the files made from here on.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder).map_err(invalid)?;
    // The mode given at creation is cut by the umask.
    std::fs::set_permissions(folder, Permissions::from_mode(FOLDER_MODE)).map_err(invalid)
}
