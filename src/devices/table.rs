//! What queries read: bindings by asker, in shards that are replaced whole.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Asker, Binding, Claim};
use crate::model::{HardwareAddress, QuickHash};

/// Shards; a change copies its own alone.
const SHARDS: usize = 64;

type Shard = HashMap<Asker, Binding, QuickHash>;

/// The published bindings.
pub(super) struct Table {
    shards: Vec<ArcSwap<Shard>>,
    /// Secret, so that nobody outside can fill one shard.
    seed: u64,
}

impl Table {
    pub(super) fn new() -> Table {
        let empty = Shard::default();
        Table {
            shards: (0..SHARDS).map(|_| ArcSwap::from_pointee(empty.clone())).collect(),
            seed: getrandom::u64().expect("the system gives random octets"),
        }
    }

    /// Finds a binding: no lock, no allocation.
    pub(super) fn find(&self, asker: Asker) -> Option<Binding> {
        self.shards.get(self.place(asker))?.load().get(&asker).copied()
    }

    /// Publishes changes; `None` takes a binding away.
    pub(super) fn replace(&self, changes: impl Iterator<Item = (Asker, Option<Binding>)>) {
        let mut copies: HashMap<usize, Shard> = HashMap::new();
        for (asker, binding) in changes {
            let place = self.place(asker);
            let Some(shard) = self.shards.get(place) else { continue };
            let copy = copies.entry(place).or_insert_with(|| Shard::clone(&shard.load()));
            match binding {
                Some(binding) => copy.insert(asker, binding),
                None => copy.remove(&asker),
            };
        }
        for (place, mut copy) in copies {
            if copy.capacity() > 4 * copy.len() + 64 {
                copy.shrink_to_fit();
            }
            if let Some(shard) = self.shards.get(place) {
                shard.store(Arc::new(copy));
            }
        }
    }

    fn place(&self, asker: Asker) -> usize {
        let spread = match asker {
            Asker::Address(address) => bits(address),
            Asker::Claimed(_, Claim::Address(address)) => !bits(address),
            Asker::Claimed(_, Claim::Hardware(hardware)) => hardware_bits(hardware),
            Asker::Claimed(_, Claim::Both(hardware, address)) => {
                hardware_bits(hardware) ^ bits(address).rotate_left(23)
            }
        };
        let mixed = (spread ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize % SHARDS
    }
}

fn hardware_bits(hardware: HardwareAddress) -> u64 {
    let [a, b, c, d, e, f] = hardware.0;
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Returns the bits of an address folded into a word.
fn bits(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits >> 64) as u64 ^ (bits as u64).rotate_left(17)
        }
    }
}
