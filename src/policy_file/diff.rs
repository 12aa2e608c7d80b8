//! What differs between two texts, line by line, as people read it: pure, bounded, no look outside.

use std::collections::HashMap;
use std::fmt::Write;
use std::ops::Range;

/// Most edits that are searched for; texts further apart differ as a whole between the lines that
/// both begin and end with.
const FURTHEST: usize = 1_000;

/// Lines shown around a change.
const AROUND: usize = 3;

/// What differs between two texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextDiff {
    /// The hunks of a unified diff; empty where nothing differs.
    pub text: String,
    /// Lines that came.
    pub added: usize,
    /// Lines that went.
    pub removed: usize,
}

/// Lines of the old text that gave way to lines of the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edit {
    old: Range<usize>,
    new: Range<usize>,
}

/// Compares two texts.
pub fn diff(old: &str, new: &str) -> TextDiff {
    let (old, new) = (lines(old), lines(new));
    let edits = edits(&old, &new);
    TextDiff {
        text: unified(&old, &new, &edits),
        added: edits.iter().map(|edit| edit.new.len()).sum(),
        removed: edits.iter().map(|edit| edit.old.len()).sum(),
    }
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Returns the edits between two texts, in order and apart from one another.
fn edits(old: &[&str], new: &[&str]) -> Vec<Edit> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (old.get(head..).unwrap_or(&[]), new.get(head..).unwrap_or(&[]));
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let (old, new) = numbered(old.get(..old_end), new.get(..new_end));
    let whole = || vec![(0..old.len(), 0..new.len())];
    let found = shortest(&old, &new).unwrap_or_else(whole);
    let moved = |range: Range<usize>| range.start + head..range.end + head;
    let edits = found.into_iter().map(|(old, new)| Edit { old: moved(old), new: moved(new) });
    edits.filter(|edit| !edit.old.is_empty() || !edit.new.is_empty()).collect()
}

/// Gives lines numbers, equal ones the same, so that comparing them is cheap.
fn numbered<'t>(old: Option<&[&'t str]>, new: Option<&[&'t str]>) -> (Vec<usize>, Vec<usize>) {
    let mut numbers: HashMap<&'t str, usize> = HashMap::new();
    let mut number = |lines: Option<&[&'t str]>| {
        let mut given = Vec::new();
        for line in lines.unwrap_or(&[]) {
            let next = numbers.len();
            given.push(*numbers.entry(line).or_insert(next));
        }
        given
    };
    (number(old), number(new))
}

/// Finds the fewest edits by Myers' walk along diagonals; `None` where they are too many.
fn shortest(old: &[usize], new: &[usize]) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let most = (old.len() + new.len()).min(FURTHEST);
    // By diagonal (column minus row, shifted to be positive): how far down the old text it leads.
    let mut reach = vec![0_usize; 2 * most + 3];
    let mut trace: Vec<Vec<usize>> = Vec::new();
    for depth in 0..=most {
        trace.push(reach.get(most + 1 - depth..=most + 1 + depth)?.to_vec());
        for step in 0..=depth {
            let diagonal = most + 1 + 2 * step - depth;
            let mut row = from(&reach, diagonal, (step == 0, step == depth))?;
            let mut column = column(row, diagonal, most)?;
            while old.get(row).is_some_and(|line| new.get(column) == Some(line)) {
                (row, column) = (row + 1, column + 1);
            }
            *reach.get_mut(diagonal)? = row;
            if row >= old.len() && column >= new.len() {
                return walk_back(&trace, most, (old.len(), new.len()));
            }
        }
    }
    None
}

/// Returns the row at which a diagonal is entered: a line of the new text came, or one went.
fn from(reach: &[usize], diagonal: usize, (first, last): (bool, bool)) -> Option<usize> {
    // Diagonals are numbered by the old text's lead, so that one further up means one line gone.
    let gone = || reach.get(diagonal - 1).map(|row| row + 1);
    let came = || reach.get(diagonal + 1).copied();
    match (first, last) {
        (true, true) => Some(0),
        (true, false) => came(),
        (false, true) => gone(),
        (false, false) => Some(gone()?.max(came()?)),
    }
}

fn column(row: usize, diagonal: usize, most: usize) -> Option<usize> {
    (row + most + 1).checked_sub(diagonal)
}

/// Follows the furthest reaches back to the beginning, and gathers edits that touch.
fn walk_back(
    trace: &[Vec<usize>],
    most: usize,
    (mut row, mut col): (usize, usize),
) -> Option<Vec<(Range<usize>, Range<usize>)>> {
    let mut edits: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for (depth, reach) in trace.iter().enumerate().skip(1).rev() {
        // A slice of `2 * depth + 1` diagonals around the middle, as they were before this depth.
        let diagonal = row + most + 1 - col;
        let at = diagonal.checked_sub(most + 1 - depth)?;
        let gone = at.checked_sub(1).and_then(|at| reach.get(at)).map(|row| row + 1);
        let came = reach.get(at + 1).copied();
        let came_only = at == 0 || (at < 2 * depth && came > gone);
        let (before, edit) = match came_only {
            true => {
                let row = came?;
                let col = column(row, diagonal + 1, most)?;
                ((row, col), (row..row, col..col + 1))
            }
            false => {
                let row = gone? - 1;
                let col = column(row, diagonal - 1, most)?;
                ((row, col), (row..row + 1, col..col))
            }
        };
        match edits.last_mut() {
            Some((old, new)) if edit.0.end == old.start && edit.1.end == new.start => {
                (old.start, new.start) = (edit.0.start, edit.1.start);
            }
            _ => edits.push(edit),
        }
        (row, col) = before;
    }
    edits.reverse();
    Some(edits)
}

fn unified(old: &[&str], new: &[&str], edits: &[Edit]) -> String {
    let mut text = String::new();
    let near = |a: &Edit, b: &Edit| b.old.start.saturating_sub(a.old.end) <= 2 * AROUND;
    for hunk in edits.chunk_by(near) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { continue };
        let before = first.old.start.min(AROUND);
        let after = (old.len() - last.old.end).min(AROUND);
        let old_span = first.old.start - before..last.old.end + after;
        let new_span = first.new.start - before..last.new.end + after;
        // Writing to a string does not fail.
        let _ = writeln!(text, "@@ -{} +{} @@", span(&old_span), span(&new_span));
        let mut at = old_span.start;
        for edit in hunk {
            push(&mut text, ' ', old.get(at..edit.old.start));
            push(&mut text, '-', old.get(edit.old.clone()));
            push(&mut text, '+', new.get(edit.new.clone()));
            at = edit.old.end;
        }
        push(&mut text, ' ', old.get(at..old_span.end));
    }
    text
}

/// Returns a span as unified diffs write it: the first line from 1, and how many.
fn span(lines: &Range<usize>) -> String {
    let first = if lines.is_empty() { lines.start } else { lines.start + 1 };
    match lines.len() {
        1 => first.to_string(),
        count => format!("{first},{count}"),
    }
}

fn push(text: &mut String, mark: char, lines: Option<&[&str]>) {
    for line in lines.unwrap_or(&[]) {
        text.push(mark);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(old: &str, new: &str) -> String {
        diff(old, new).text
    }

    /// Puts the edits into the old text, which must give the new one.
    fn patched(old: &[&str], new: &[&str], edits: &[Edit]) -> String {
        let mut text = String::new();
        let mut at = 0;
        for edit in edits {
            text.push_str(&old[at..edit.old.start].concat());
            text.push_str(&new[edit.new.clone()].concat());
            at = edit.old.end;
        }
        text + &old[at..].concat()
    }

    /// The length of the shortest way between two texts, by the table of all of them.
    fn distance(old: &[&str], new: &[&str]) -> usize {
        let mut row: Vec<usize> = (0..=new.len()).collect();
        for (at, line) in old.iter().enumerate() {
            let mut corner = row[0];
            row[0] = at + 1;
            for (place, other) in new.iter().enumerate() {
                let above = row[place + 1];
                let both = if line == other { corner } else { usize::MAX };
                row[place + 1] = both.min(above + 1).min(row[place] + 1);
                corner = above;
            }
        }
        row[new.len()]
    }

    #[test]
    fn a_changed_line_stands_among_those_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = old.replace("e\n", "E\n");
        assert_eq!(text(old, &new), "@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n");
        assert_eq!(text(old, old), "");
        let TextDiff { added, removed, .. } = diff(old, &new);
        assert_eq!((added, removed), (1, 1));
    }

    #[test]
    fn changes_far_apart_have_hunks_of_their_own_and_near_ones_share_one() {
        let old: String = (0..30).map(|n| format!("{n}\n")).collect();
        let far = old.replace("\n3\n", "\nthree\n").replace("\n20\n", "\n");
        assert_eq!(text(&old, &far).matches("@@ -").count(), 2);
        let near = old.replace("\n3\n", "\nthree\n").replace("\n10\n", "\n");
        assert_eq!(text(&old, &near).matches("@@ -").count(), 1);
    }

    #[test]
    fn what_comes_to_an_empty_text_or_without_a_last_line_end_is_told() {
        assert_eq!(text("", "a\n"), "@@ -0,0 +1 @@\n+a\n");
        assert_eq!(text("a", "b\n"), "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n",);
    }

    #[test]
    fn texts_far_apart_differ_as_a_whole() {
        let old: String = (0..3_000).map(|n| format!("old {n}\n")).collect();
        let new: String = (0..3_000).map(|n| format!("new {n}\n")).collect();
        let TextDiff { added, removed, .. } =
            diff(&format!("x\n{old}y\n"), &format!("x\n{new}y\n"));
        assert_eq!((added, removed), (3_000, 3_000));
    }

    proptest! {
        #[test]
        fn edits_lead_from_the_old_text_to_the_new_by_the_shortest_way(
            old in proptest::collection::vec(0..4_usize, 0..24),
            new in proptest::collection::vec(0..4_usize, 0..24),
        ) {
            let words = ["a\n", "b\n", "c\n", "d\n"];
            let old: Vec<&str> = old.into_iter().map(|n| words[n]).collect();
            let new: Vec<&str> = new.into_iter().map(|n| words[n]).collect();
            let edits = edits(&old, &new);
            prop_assert_eq!(patched(&old, &new, &edits), new.concat());
            let length: usize = edits.iter().map(|e| e.old.len() + e.new.len()).sum();
            prop_assert_eq!(length, distance(&old, &new));
        }
    }
}
