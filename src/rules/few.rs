//! A row of numbers that is short as a rule, and then needs no allocation.

/// Numbers that fit without allocation.
const HERE: usize = 6;

/// Numbers in the order they came; up to six lie in the value itself.
#[derive(Clone, Debug, Default)]
pub struct Few {
    here: [u32; HERE],
    count: u8,
    /// All of them, once they are more.
    more: Vec<u32>,
}

impl Few {
    /// Adds a number behind the others.
    pub fn push(&mut self, number: u32) {
        match self.here.get_mut(usize::from(self.count)) {
            Some(free) => {
                *free = number;
                self.count += 1;
            }
            None => {
                if self.more.is_empty() {
                    self.more.extend(self.here);
                }
                self.more.push(number);
            }
        }
    }

    /// Returns the numbers.
    pub fn as_slice(&self) -> &[u32] {
        if self.more.is_empty() {
            self.here.get(..usize::from(self.count)).unwrap_or_default()
        } else {
            &self.more
        }
    }

    /// Puts the numbers in order.
    pub fn sort(&mut self) {
        match self.here.get_mut(..usize::from(self.count)) {
            Some(here) if self.more.is_empty() => here.sort_unstable(),
            _ => self.more.sort_unstable(),
        }
    }

    /// Returns resident octets outside the value itself.
    pub fn size(&self) -> usize {
        self.more.capacity() * size_of::<u32>()
    }
}

impl PartialEq for Few {
    fn eq(&self, other: &Few) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Few {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order_here_and_beyond() {
        let mut few = Few::default();
        for number in 0..20 {
            let before: Vec<u32> = (0..number).map(|n| 100 - n).collect();
            assert_eq!(few.as_slice(), before);
            few.push(100 - number);
        }
        few.sort();
        assert_eq!(few.as_slice(), (81..=100).collect::<Vec<_>>());
        assert!(few.size() > 0);
        assert_eq!(Few::default().size(), 0);
    }
}
