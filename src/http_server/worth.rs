//! What each list caught, out of the sets of lists that the log counted.

use std::collections::HashMap;

use crate::api::{ListWorth, Overlap};
use crate::query_log::ListSet;

/// Returns by name what each list caught that caught anything.
pub fn worth(sets: &[ListSet]) -> HashMap<String, ListWorth> {
    let mut worth: HashMap<String, ListWorth> = HashMap::new();
    let mut overlaps: HashMap<(&str, &str), u64> = HashMap::new();
    for set in sets {
        for list in &set.lists {
            let own = worth.entry(list.clone()).or_default();
            own.hits += set.queries;
            own.blocked += set.blocked;
            own.sole += if set.lists.len() == 1 { set.queries } else { 0 };
            for other in set.lists.iter().filter(|other| *other != list) {
                *overlaps.entry((list, other)).or_default() += set.queries;
            }
        }
    }
    for ((list, other), queries) in overlaps {
        if let Some(own) = worth.get_mut(list) {
            own.overlaps.push(Overlap { list: other.into(), queries });
        }
    }
    for own in worth.values_mut() {
        own.overlaps.sort_by(|a, b| b.queries.cmp(&a.queries).then_with(|| a.list.cmp(&b.list)));
    }
    worth
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lists: &[&str], queries: u64, blocked: u64) -> ListSet {
        ListSet { lists: lists.iter().map(ToString::to_string).collect(), queries, blocked }
    }

    #[test]
    fn hits_sole_hits_and_overlaps_come_out_of_the_sets() {
        let sets = [set(&["a"], 5, 5), set(&["a", "b"], 3, 2), set(&["a", "b", "c"], 1, 0)];
        let worth = worth(&sets);
        let a = &worth["a"];
        assert_eq!((a.hits, a.sole, a.blocked), (9, 5, 7));
        let overlaps: Vec<_> = a.overlaps.iter().map(|o| (o.list.as_str(), o.queries)).collect();
        assert_eq!(overlaps, [("b", 4), ("c", 1)]);
        assert_eq!((worth["b"].hits, worth["b"].sole), (4, 0));
        assert_eq!(worth["c"].overlaps.len(), 2);
    }
}
