//! Where replies wait for the next call that sends: those that come late, and a batch's own.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use tokio::net::UdpSocket;

use super::super::counters::Counters;
use super::{Outgoing, Peer, Sender};

/// The replies of one socket on their way out.
pub(super) struct Outbox<P> {
    socket: Arc<UdpSocket>,
    counters: Arc<Counters>,
    sender: RefCell<Sender<P>>,
    late: RefCell<Vec<Outgoing<P>>>,
    loop_ended: Cell<bool>,
}

/// Held by the loop; when it ends, what waits is sent, and late replies wait no more.
pub(super) struct LoopEnd<P: Peer>(Rc<Outbox<P>>);

impl<P: Peer> Outbox<P> {
    /// Opens the outbox of a socket.
    pub(super) fn new(
        socket: &Arc<UdpSocket>,
        counters: &Arc<Counters>,
        sender: Sender<P>,
    ) -> Rc<Outbox<P>> {
        Rc::new(Outbox {
            socket: Arc::clone(socket),
            counters: Arc::clone(counters),
            sender: RefCell::new(sender),
            late: RefCell::default(),
            loop_ended: Cell::new(false),
        })
    }

    /// Notices the end of the loop when the value returned is dropped.
    pub(super) fn loop_end(self: &Rc<Self>) -> LoopEnd<P> {
        LoopEnd(Rc::clone(self))
    }

    /// Sends a late reply with the next batch, or with the others that are ready now.
    pub(super) async fn post(&self, reply: Outgoing<P>) {
        let first = {
            let mut late = self.late.borrow_mut();
            late.push(reply);
            late.len() == 1
        };
        if self.loop_ended.get() {
            self.send(&[]);
        } else if first {
            behind_the_others().await;
            self.send(&[]);
        }
    }

    /// Sends `batch` and what waits.
    pub(super) fn send(&self, batch: &[Outgoing<P>]) {
        let mut late = self.late.borrow_mut();
        let count = batch.len() + late.len();
        if count > 0 {
            let replies = batch.iter().chain(late.iter());
            let unsent = self.sender.borrow_mut().send(&self.socket, replies);
            self.counters.udp.add_many(count);
            self.counters.unsent.add_many(unsent);
            late.clear();
        }
    }
}

impl<P: Peer> Drop for LoopEnd<P> {
    fn drop(&mut self) {
        self.0.loop_ended.set(true);
        self.0.send(&[]);
    }
}

/// Lets the tasks that are ready now go first, without asking the kernel for more of them.
async fn behind_the_others() {
    let mut waited = false;
    poll_fn(|context| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
