//! Tables: columns aligned by the width of characters, the widest cut to fit the screen.

use super::{Screen, Style, fit, fit_words, width};

/// Blanks between columns.
const GAP: usize = 2;

/// No column that may be cut gets narrower than this.
const NARROWEST: usize = 6;

/// A column's title, where its text stands, and how far it may be cut.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    title: &'static str,
    right: bool,
    words: bool,
    least: usize,
}

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

/// One row, and remarks on lines of their own below it.
#[derive(Clone, Debug)]
pub struct Row {
    cells: Vec<Cell>,
    remarks: Vec<String>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

/// The widths of a table's columns on one screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<usize>);

impl Column {
    /// Makes a column of text that may be cut.
    pub const fn text(title: &'static str) -> Column {
        Column { title, right: false, words: false, least: NARROWEST }
    }

    /// Makes a column of words, which are cut at their end.
    pub const fn words(title: &'static str) -> Column {
        Column { words: true, ..Column::text(title) }
    }

    /// Makes a column of text that is never cut.
    pub const fn whole(title: &'static str) -> Column {
        Column { least: usize::MAX, ..Column::text(title) }
    }

    /// Makes a column of numbers, which are never cut.
    pub const fn number(title: &'static str) -> Column {
        Column { right: true, ..Column::whole(title) }
    }

    /// Keeps so many columns as long as others have more to give.
    pub const fn least(self, least: usize) -> Column {
        Column { least, ..self }
    }
}

impl Cell {
    /// Makes a cell that stands out.
    pub fn styled(style: Style, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(Style::Plain, text)
    }
}

impl Row {
    /// Makes a row.
    pub fn of(cells: impl IntoIterator<Item = Cell>) -> Row {
        Row { cells: cells.into_iter().collect(), remarks: Vec::new() }
    }

    /// Adds a remark below the row.
    pub fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }
}

impl Table {
    /// Makes a table without rows.
    pub fn new(columns: &[Column]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Returns the table with its heading.
    pub fn render(&self, screen: &Screen) -> String {
        let layout = self.layout(screen);
        let mut text = self.heading(&layout, screen);
        text.push_str(&self.body(&layout, screen));
        text
    }

    /// Works out how wide each column is.
    pub fn layout(&self, screen: &Screen) -> Layout {
        let natural = self.columns.iter().enumerate().map(|(place, column)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(place));
            let widest = cells.map(|cell| width(&cell.text)).max().unwrap_or(0);
            widest.max(width(column.title))
        });
        let widths: Vec<usize> = natural.collect();
        self.shrunken(widths, screen)
    }

    /// Returns a layout for rows to come: no column narrower than `usual`, if the screen allows.
    pub fn layout_for_more(&self, usual: &[usize], screen: &Screen) -> Layout {
        let Layout(widths) = self.layout(&Screen { width: None, ..screen.clone() });
        let widths = widths.iter().zip(usual).map(|(wide, usual)| *wide.max(usual));
        self.shrunken(widths.collect(), screen)
    }

    /// Returns the line with the titles.
    pub fn heading(&self, layout: &Layout, screen: &Screen) -> String {
        let titles = self.columns.iter().map(|column| Cell::styled(Style::Faint, column.title));
        self.line(&titles.collect::<Vec<Cell>>(), layout, screen)
    }

    /// Returns the lines of the rows.
    pub fn body(&self, layout: &Layout, screen: &Screen) -> String {
        let mut text = String::new();
        for row in &self.rows {
            text.push_str(&self.line(&row.cells, layout, screen));
            for remark in &row.remarks {
                text.push_str("  ");
                text.push_str(&super::wrap(remark, 4, screen.width));
                text.push('\n');
            }
        }
        text
    }

    /// Takes from the column with most to give until all fit.
    fn shrunken(&self, mut widths: Vec<usize>, screen: &Screen) -> Layout {
        let gaps = GAP * widths.len().saturating_sub(1);
        let most = screen.width.map_or(usize::MAX, |most| most.saturating_sub(gaps));
        while widths.iter().sum::<usize>() > most {
            let columns = widths.iter_mut().zip(&self.columns);
            match columns.max_by_key(|(wide, column)| wide.saturating_sub(column.least)) {
                Some((wide, column)) if *wide > column.least => *wide -= 1,
                _ => break,
            }
        }
        Layout(widths)
    }

    fn line(&self, cells: &[Cell], layout: &Layout, screen: &Screen) -> String {
        let mut line = String::new();
        let mut pending = 0;
        for ((column, cell), &wide) in self.columns.iter().zip(cells).zip(&layout.0) {
            let text = match screen.width {
                None => cell.text.clone(),
                Some(_) if column.words => fit_words(&cell.text, wide),
                Some(_) => fit(&cell.text, wide),
            };
            let blank = wide.saturating_sub(width(&text));
            let (before, after) = if column.right { (blank, 0) } else { (0, blank) };
            // Blanks wait for the next text, so that no line ends with them.
            pending += before;
            if !text.is_empty() {
                line.push_str(&" ".repeat(pending));
                line.push_str(&screen.paint(cell.style, &text));
                pending = 0;
            }
            pending += after + GAP;
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    use super::*;

    fn screen(width: Option<usize>) -> Screen {
        Screen { width, colour: false, now: Timestamp::UNIX_EPOCH, zone: TimeZone::UTC }
    }

    fn table() -> Table {
        let mut table = Table::new(&[Column::text("NAME"), Column::number("N"), Column::text("X")]);
        table.push(Row::of(["電視.example".into(), "1,000".into(), Cell::from("x")]));
        let mut row = Row::of(["a.very.long.name.example".into(), "2".into(), Cell::from("")]);
        row.remark("why");
        table.push(row);
        table
    }

    #[test]
    fn columns_stand_below_their_titles() {
        let expected = "\
NAME                          N  X
電視.example              1,000  x
a.very.long.name.example      2
  why
";
        assert_eq!(table().render(&screen(None)), expected);
    }

    #[test]
    fn the_column_with_most_to_give_gives_way() {
        let text = table().render(&screen(Some(24)));
        let expected = "\
NAME                N  X
電視.example    1,000  x
a.very…example      2
  why
";
        assert_eq!(text, expected);
    }

    #[test]
    fn columns_keep_what_they_need_most() {
        let mut table =
            Table::new(&[Column::text("A").least(12), Column::whole("B"), Column::text("C")]);
        table.push(Row::of([
            "a.long.name.example".into(),
            "14:22:00".into(),
            Cell::from("a longer word"),
        ]));
        let layout = table.layout(&screen(Some(34)));
        assert_eq!(layout, Layout(vec![14, 8, 8]));
        let more = table.layout_for_more(&[0, 10, 0], &screen(Some(34)));
        assert_eq!(more, Layout(vec![13, 10, 7]));
        assert_eq!(table.layout(&screen(Some(10))), Layout(vec![12, 8, 6]), "no further");
    }

    #[test]
    fn colour_takes_no_room() {
        let coloured = Screen { colour: true, ..screen(Some(80)) };
        let mut table = Table::new(&[Column::text("A"), Column::text("B")]);
        table.push(Row::of([Cell::styled(Style::Blocked, "x"), "y".into()]));
        let text = table.render(&coloured);
        assert!(text.ends_with("\u{1b}[36mx\u{1b}[0m  y\n"), "{text:?}");
    }
}
