//! `lists browse`: lists by others that can be subscribed by their names.

use super::{Column, Failure, Row, Screen, Session, Table, about, count, escape, wrap};
use crate::lists::known::{KnownList, known};

/// Prints those whose name, title or purpose has all words; no daemon is asked.
pub fn run(session: &Session, words: &[String]) -> Result<(), Failure> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let lists: Vec<&KnownList> = known().iter().filter(|list| matches(list, &words)).collect();
    session.show(&lists, |lists, screen| render(lists, screen))
}

fn matches(list: &KnownList, words: &[String]) -> bool {
    let kind = about(list.kind);
    let text = format!("{} {} {kind} {}", list.name, list.title, list.words).to_lowercase();
    words.iter().all(|word| text.contains(word))
}

fn render(lists: &[&KnownList], screen: &Screen) -> String {
    if lists.is_empty() {
        return "No list that is known here has these words. `deadpixel lists add ADDRESS` takes \
                any other.\n"
            .into();
    }
    let columns = &[
        Column::text("LIST"),
        Column::whole("ABOUT"),
        Column::number("NAMES, ABOUT"),
        Column::text("LICENCE"),
    ];
    let mut table = Table::new(columns);
    for list in lists {
        let name = escape(list.name.as_str());
        let names = count(u64::from(list.names));
        let mut row =
            Row::of([name.into(), about(list.kind).into(), names.into(), list.licence.into()]);
        let words = wrap(&format!("{}: {}", list.title, list.words), 2, screen.width);
        words.lines().for_each(|line| row.remark(line.trim_start()));
        table.push(row);
    }
    let mut text = table.render(screen);
    text.push_str("Subscribe one: deadpixel lists add NAME\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_must_be_met_in_any_order_and_case() {
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
            known().iter().filter(|list| matches(list, &words)).count()
        };
        assert_eq!(found(&[]), known().len());
        assert!(found(&["HaGeZi"]) > 5);
        assert_eq!(found(&["subscribes", "hagezi", "exception"]), 1);
        assert_eq!(found(&["hagezi", "nonsense"]), 0);
    }

    #[test]
    fn the_table_fits_80_columns() {
        let lists: Vec<&KnownList> = known().iter().collect();
        let screen = Screen { width: Some(80), colour: false, ..Screen::of_process() };
        let text = render(&lists, &screen);
        let wide = text.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None);
        assert!(render(&[], &screen).starts_with("No list"));
    }
}
