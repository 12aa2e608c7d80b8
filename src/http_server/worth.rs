//! What each list caught, out of the sets of lists that the log counted.

use std::collections::HashMap;

use crate::api::{ListWorth, Overlap};
use crate::query_log::ListSet;

/// Returns by name what each list caught that caught anything.
pub fn worth(sets: &[ListSet]) -> HashMap<String, ListWorth> {
    let mut worth: HashMap<String, ListWorth> = HashMap::new();
    let mut overlaps: HashMap<(&str, &str), u64> = HashMap::new();
    for set in sets {
        // A ban names all that its company runs, trackers too: beside it no list would be alone.
        let lists: Vec<&String> = set.lists.iter().filter(|list| !is_ban(list)).collect();
        for list in &set.lists {
            let own = worth.entry(list.clone()).or_default();
            let others = lists.iter().filter(|other| **other != list);
            own.hits += set.queries;
            own.blocked += set.blocked;
            own.sole += if others.clone().next().is_none() { set.queries } else { 0 };
            for other in others {
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

fn is_ban(list: &str) -> bool {
    list.starts_with("ban-")
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

    #[test]
    fn a_ban_takes_no_sole_hit_away() {
        let worth = worth(&[set(&["trackers", "ban-tiktok"], 4, 4)]);
        assert_eq!((worth["trackers"].sole, worth["ban-tiktok"].sole), (4, 0));
        assert!(worth["trackers"].overlaps.is_empty());
    }
}
