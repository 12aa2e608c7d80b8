//! The local socket: bound for owner and group, served until told to stop.

use std::fs::{self, Permissions};
use std::future::Future;
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use axum::Router;
use socket2::{Domain, SockAddr, Socket, Type};

use super::Peer;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// The local socket, bound and not yet served.
pub struct UnixDoor {
    path: PathBuf,
    listener: std::os::unix::net::UnixListener,
}

/// Binds the local socket; a dead one is replaced, one that answers is not.
pub fn bind_unix(path: &Path) -> io::Result<UnixDoor> {
    remove_dead(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Nobody can connect before `listen`, so that nobody gets in before the mode is set.
    fs::set_permissions(path, Permissions::from_mode(0o660))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixDoor { path: path.into(), listener: OwnedFd::from(socket).into() })
}

impl UnixDoor {
    /// Serves until `stop` is ready and open requests are answered; then removes the socket.
    pub async fn serve(
        self,
        router: Router,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let listener = tokio::net::UnixListener::from_std(self.listener)?;
        let service = router.into_make_service_with_connect_info::<Peer>();
        let served = axum::serve(listener, service).with_graceful_shutdown(stop).await;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => served,
        }
    }
}

fn remove_dead(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let refuse =
        |why: &str| Err(io::Error::new(ErrorKind::AddrInUse, format!("{}: {why}", path.display())));
    if !found.file_type().is_socket() {
        return refuse("a file that is no socket lies there; move it away");
    }
    match UnixStream::connect(path) {
        Ok(_) => refuse("another deadpixel answers there; stop it first"),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}
