//! What is known of the names of one list while it is read, by their hashes: no text is kept.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use crate::model::{HashSeed, NameHashes, NameRef};

/// Most names of one list that are told apart, their parents among them.
const MAX_NAMES: usize = 8_000_000;

/// The key of the root, which has no hash.
const ROOT: u64 = 0;

/// Values of names.
pub struct NameTable<V> {
    state: RandomState,
    seed: HashSeed,
    known: HashMap<u64, V>,
}

impl<V: Default> NameTable<V> {
    /// Starts with a seed of its own.
    pub fn new() -> NameTable<V> {
        let state = RandomState::new();
        let seed = HashSeed([state.hash_one(0), state.hash_one(1)]);
        NameTable { state, seed, known: HashMap::new() }
    }

    /// Returns the keys of a name, of each parent, and of the root.
    pub fn keys(&self, name: NameRef<'_>) -> Vec<u64> {
        let hashes = NameHashes::of(name, self.seed);
        hashes.as_slice().iter().copied().chain([ROOT]).collect()
    }

    /// Returns a key for something that is no name.
    pub fn key_of(&self, other: &impl Hash) -> u64 {
        self.state.hash_one(other)
    }

    /// Returns what is known under a key.
    pub fn get(&self, key: u64) -> Option<&V> {
        self.known.get(&key)
    }

    /// Returns what is known under a key, to be changed.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        self.known.get_mut(&key)
    }

    /// Returns the place for a key, or `None` if there are too many names.
    pub fn place(&mut self, key: u64) -> Option<&mut V> {
        if self.known.len() >= MAX_NAMES && !self.known.contains_key(&key) {
            return None;
        }
        Some(self.known.entry(key).or_default())
    }
}
