//! A body on its way in: counted, timed, and unpacked on another thread meanwhile.

use std::io::{self, BufReader, Read};

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{FetchError, Limits, OnProgress, Packing, Progress, unpack};

/// Pieces that may wait to be unpacked.
const WAITING: usize = 8;

/// Receives a body whole, unpacked.
pub(super) async fn receive(
    body: Incoming,
    expected: Option<u64>,
    packing: Packing,
    limits: &Limits,
    progress: OnProgress<'_>,
) -> Result<Vec<u8>, FetchError> {
    let (pieces, arriving) = mpsc::channel(WAITING);
    let limit = limits.unpacked;
    let unpacking = tokio::task::spawn_blocking(move || {
        unpack(BufReader::new(Arriving { pieces: arriving, piece: Bytes::new() }), packing, limit)
    });
    let fed = feed(body, expected, pieces, limits, progress).await;
    // However it ended, the sender is gone by now, and the thread with it soon.
    let unpacked = unpacking.await.map_err(|_| FetchError::Broken)?;
    fed.and(unpacked)
}

/// Passes pieces on until the body ends or nobody wants more of it.
async fn feed(
    mut body: Incoming,
    expected: Option<u64>,
    pieces: mpsc::Sender<Bytes>,
    limits: &Limits,
    progress: OnProgress<'_>,
) -> Result<(), FetchError> {
    let too_large = FetchError::TooLarge("64 MiB on the wire");
    if expected.is_some_and(|expected| expected > limits.wire) {
        return Err(too_large);
    }
    let mut received = 0_u64;
    progress(Progress { received, expected });
    loop {
        let frame = timeout(limits.idle, body.frame()).await.map_err(|_| FetchError::Stalled)?;
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|error| FetchError::of_exchange(&error))?;
        let Ok(piece) = frame.into_data() else { continue };
        received = received.saturating_add(piece.len() as u64);
        if received > limits.wire {
            return Err(too_large);
        }
        progress(Progress { received, expected });
        if pieces.send(piece).await.is_err() {
            return Ok(());
        }
    }
}

/// Pieces as a reader on a thread of its own.
struct Arriving {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        let taken = self.piece.split_to(count);
        buffer.iter_mut().zip(taken).for_each(|(to, from)| *to = from);
        Ok(count)
    }
}
