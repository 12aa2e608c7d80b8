//! Threads that stand back behind those that answer, where they share a processor.

/// How far: a thread that answers gets three times the time of one of these.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// Makes the calling thread stand back, for good.
///
/// On Linux only: elsewhere niceness is the whole program's.
pub fn stand_back() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICENESS);
}
