//! The tables, as text and as JSON.

use std::fmt::Write;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::book::{Book, Cell};
use crate::course::Course;
use crate::events::{LogRow, Replaced};

/// Widths of columns.
const WHAT: usize = 30;
const OURS: usize = 17;
const PEER: usize = 9;
const BOUND: usize = 6;

/// All figures, ready to be shown.
pub struct Report {
    machine: Vec<(String, String)>,
    peers: Vec<String>,
    tables: Vec<Table>,
    notes: Vec<String>,
    samples: Vec<Value>,
}

/// Rows that stand together.
pub struct Table {
    /// What it shows.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// One line.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Figures by the name of the server.
    pub cells: Vec<(String, Cell)>,
    /// What must hold, and what is aimed at.
    pub bounds: Option<(f64, f64)>,
}

impl Row {
    /// Returns a row of what `figure` gives for each name.
    pub fn of(what: &str, names: &[String], figure: impl Fn(&str) -> Option<Cell>) -> Row {
        let cell = |name: &String| Some((name.clone(), figure(name)?));
        Row { what: what.to_owned(), cells: names.iter().filter_map(cell).collect(), bounds: None }
    }

    /// Sets the gate and the aim.
    pub fn within(self, gate: f64, aim: f64) -> Row {
        Row { bounds: Some((gate, aim)), ..self }
    }

    fn cell(&self, name: &str) -> Option<Cell> {
        self.cells.iter().find(|(of, _)| of == name).map(|(_, cell)| *cell)
    }

    /// Says whether our own figure keeps the gate, or even the aim.
    fn holds(&self) -> &'static str {
        match (self.bounds, self.cell("deadpixel")) {
            (Some((_, aim)), Some(cell)) if cell.median <= aim => "aim",
            (Some((gate, _)), Some(cell)) if cell.median <= gate => "yes",
            (Some(_), Some(_)) => "NO",
            _ => "",
        }
    }

    fn text(&self, peers: &[String]) -> String {
        let ours = self.cell("deadpixel").map_or_else(String::new, with_range);
        let mut line = format!("{:WHAT$} {ours:>OURS$}", self.what);
        for peer in peers {
            let cell = self.cell(peer).map_or_else(|| "-".to_owned(), |cell| short(cell.median));
            let _ = write!(line, "{cell:>PEER$}");
        }
        if let Some((gate, aim)) = self.bounds {
            let (gate, aim, holds) = (short(gate), short(aim), self.holds());
            let _ = write!(line, "{gate:>BOUND$}{aim:>BOUND$}{holds:>BOUND$}");
        }
        line
    }

    fn json(&self) -> Value {
        let cells: serde_json::Map<String, Value> = self
            .cells
            .iter()
            .map(|(name, cell)| {
                let figures = json!({"median": cell.median, "min": cell.least, "max": cell.most});
                (name.clone(), figures)
            })
            .collect();
        json!({
            "what": self.what,
            "servers": cells,
            "gate": self.bounds.map(|bounds| bounds.0),
            "aim": self.bounds.map(|bounds| bounds.1),
            "holds": self.bounds.map(|_| self.holds()),
        })
    }
}

impl Report {
    /// Puts the tables together.
    pub fn new(
        course: &Course,
        machine: Vec<(String, String)>,
        starts: Option<Cell>,
        replaced: &[Replaced],
        log_row: Option<LogRow>,
    ) -> Report {
        let peers: Vec<String> = course.peers.iter().map(|peer| peer.name().to_owned()).collect();
        let mut notes = course.book.notes.clone();
        if let Some(row) = &log_row {
            notes.push(format!("a row of the log: measured with {} rows", row.rows));
        }
        let tables = crate::tables::all(course, starts, replaced, log_row.as_ref());
        Report { machine, peers, tables, notes, samples: samples(&course.book) }
    }

    /// Returns the tables as people read them.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (what, value) in &self.machine {
            let _ = writeln!(text, "{what:>10}: {value}");
        }
        for table in &self.tables {
            let _ = writeln!(text, "\n{}", table.title);
            let _ = write!(text, "{:WHAT$} {:>OURS$}", "", "deadpixel (range)");
            let columns = self.columns(table);
            for column in &columns {
                let _ = write!(text, "{column:>PEER$}");
            }
            if table.rows.iter().any(|row| row.bounds.is_some()) {
                let _ = write!(text, "{:>BOUND$}{:>BOUND$}{:>BOUND$}", "gate", "aim", "holds");
            }
            text.push('\n');
            for row in &table.rows {
                let _ = writeln!(text, "{}", row.text(&columns).trim_end());
            }
        }
        if !self.notes.is_empty() {
            text += "\nNotes\n";
        }
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// Returns the columns after ours: the peers, and the echo where it has figures.
    fn columns(&self, table: &Table) -> Vec<String> {
        let has_echo = table.rows.iter().any(|row| row.cell("echo").is_some());
        let echo = has_echo.then(|| "echo".to_owned());
        self.peers.iter().cloned().chain(echo).collect()
    }

    /// Writes everything as JSON, and reads it back.
    pub fn write_json(&self, path: &Path) -> io::Result<()> {
        let machine: serde_json::Map<String, Value> =
            self.machine.iter().map(|(what, value)| (what.clone(), json!(value))).collect();
        let table = |table: &Table| {
            let rows: Vec<Value> = table.rows.iter().map(Row::json).collect();
            json!({"title": table.title, "rows": rows})
        };
        let tables: Vec<Value> = self.tables.iter().map(table).collect();
        let all = json!({
            "machine": machine, "tables": tables, "notes": self.notes, "samples": self.samples,
        });
        std::fs::write(path, serde_json::to_string_pretty(&all)?)?;
        let read: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let whole =
            read["tables"].as_array().is_some_and(|tables| tables.len() == self.tables.len());
        if whole {
            Ok(())
        } else {
            Err(io::Error::other("the JSON does not hold what was written"))
        }
    }
}

fn samples(book: &Book) -> Vec<Value> {
    let sample = |sample: &crate::book::Sample| {
        let (outcome, cost) = (&sample.outcome, &sample.cost);
        let micros = |part: f64| outcome.latency.quantile(part).as_nanos() as f64 / 1e3;
        json!({
            "server": sample.who.name, "domains": sample.who.domains, "workers": sample.who.workers,
            "work": format!("{:?}", sample.work.0), "transport": format!("{:?}", sample.work.1),
            "round": sample.round, "queries": outcome.sent, "answered": outcome.answered,
            "lost": outcome.lost, "wrong": outcome.wrong, "stray": outcome.stray,
            "closed": outcome.closed, "per_second": outcome.rate().round(),
            "process_ns": cost.process.round(), "query_path_ns": cost.path.round(),
            "log_ns": cost.log.round(), "busy": cost.busy,
            "p50_us": micros(0.5), "p95_us": micros(0.95), "p99_us": micros(0.99),
            "max_us": outcome.latency.most().as_nanos() as f64 / 1e3,
        })
    };
    book.samples.iter().map(sample).collect()
}

fn with_range(cell: Cell) -> String {
    if cell.least == cell.most {
        return short(cell.median);
    }
    format!("{} ({}-{})", short(cell.median), short(cell.least), short(cell.most))
}

/// Writes a figure with about three digits.
fn short(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        size if size >= 100.0 => format!("{figure:.0}"),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size < 0.1 => format!("{figure:.3}"),
        _ => format!("{figure:.2}"),
    }
}
