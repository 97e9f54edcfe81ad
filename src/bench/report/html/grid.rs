//! A table of a page. Text is escaped here, so that none can be forgotten.

use std::fmt::Write;

use crate::bench::report::plot::{Colour, Curve, escape, key};

/// What is not known, or would say nothing.
pub(super) const NONE: &str = "-";

/// A table in a box of its own, in which it can be moved where it is too wide.
/// Columns in which nothing is known are left out.
pub(super) struct Grid {
    label: String,
    head: Vec<String>,
    rows: Vec<GridRow>,
}

struct GridRow {
    colour: Option<Colour>,
    name: String,
    cells: Vec<String>,
    /// The class of the last cell, which is in words if it has one.
    class: &'static str,
}

impl Grid {
    /// With `label` for those who cannot see it, and the names of its columns.
    pub(super) fn new<T: AsRef<str>>(label: &str, head: &[T]) -> Grid {
        let head = head.iter().map(|name| name.as_ref().into()).collect();
        Grid { label: label.into(), head, rows: Vec::new() }
    }

    /// A row, about a run if it has a colour.
    pub(super) fn row(&mut self, colour: Option<Colour>, name: &str, cells: &[String]) {
        self.rows.push(GridRow { colour, name: name.into(), cells: cells.into(), class: "" });
    }

    /// A row whose last cell is in words, of this class.
    pub(super) fn words(&mut self, name: &str, cells: &[String], class: &'static str) {
        self.rows.push(GridRow { colour: None, name: name.into(), cells: cells.into(), class });
    }

    /// The whole as HTML; nothing, if nothing is known.
    pub(super) fn done(self) -> String {
        let is_known =
            |row: &GridRow, column| row.cells.get(column).is_some_and(|cell| cell != NONE);
        let columns = 0..self.head.len().saturating_sub(1);
        let shown = columns.filter(|column| self.rows.iter().any(|row| is_known(row, *column)));
        let shown: Vec<usize> = shown.collect();
        if shown.is_empty() {
            return String::new();
        }
        let label = escape(&self.label);
        let mut html =
            format!("<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{label}\">");
        let _ = write!(html, "<table><thead><tr><th scope=\"col\">{}</th>", escape(&self.head[0]));
        let has_words = self.rows.iter().any(|row| !row.class.is_empty());
        for column in &shown {
            let is_words = has_words && Some(column) == shown.last();
            let class = if is_words { " class=\"words\"" } else { "" };
            let name = escape(&self.head[column + 1]);
            let _ = write!(html, "<th scope=\"col\"{class}>{name}</th>");
        }
        html.push_str("</tr></thead>\n<tbody>");
        for row in &self.rows {
            row.write(&mut html, &shown);
        }
        html + "</tbody></table></div>\n"
    }
}

impl GridRow {
    fn write(&self, html: &mut String, shown: &[usize]) {
        let key = self.colour.map_or(String::new(), key_of);
        let _ = write!(html, "<tr><th scope=\"row\">{key}{}</th>", escape(&self.name));
        for column in shown {
            let is_words = !self.class.is_empty() && column + 1 == self.cells.len();
            let class = if is_words { format!(" class=\"{}\"", self.class) } else { String::new() };
            let cell = self.cells.get(*column).map_or(NONE.into(), |cell| escape(cell));
            let _ = write!(html, "<td{class}>{cell}</td>");
        }
        html.push_str("</tr>\n");
    }
}

/// The colour of a run, before its name.
fn key_of(colour: Colour) -> String {
    key(Some(&Curve::through(String::new(), colour, [])), false)
}
