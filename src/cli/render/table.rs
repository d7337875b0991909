//! Tables of text: aligned columns under a heading, no lines, wrapped to the terminal and never wrapped in a pipe.

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};

use super::one_line;
use crate::cli::terminal::Style;

/// A column's heading and which side it is aligned to.
#[derive(Debug, Clone, Copy)]
pub enum Column {
    /// Text.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

/// Lays rows out, indented by two blanks; nothing if there are none.
pub fn lay_out(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>, style: Style) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    match style.width {
        Some(width) => {
            table
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width.saturating_sub(2).max(40));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    table.set_header(columns.iter().map(|column| {
        let (Column::Left(name) | Column::Right(name)) = column;
        align(*column, Cell::new(name).add_attribute(Attribute::Bold))
    }));
    for row in rows {
        table.add_row(
            columns.iter().zip(row).map(|(column, text)| align(*column, Cell::new(one_line(&text)))),
        );
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut out = String::new();
    for line in table.lines() {
        let line = line.trim_end();
        if !line.is_empty() {
            out.push_str("  ");
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

fn align(column: Column, cell: Cell) -> Cell {
    match column {
        Column::Left(_) => cell,
        Column::Right(_) => cell.set_alignment(CellAlignment::Right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 2] = [Column::Left("name"), Column::Right("rows")];

    fn rows() -> Vec<Vec<String>> {
        [["users", "1,200"], ["diagnóstico", "7"]].map(|row| row.map(String::from).to_vec()).to_vec()
    }

    #[test]
    fn columns_are_aligned_without_trailing_blanks() {
        let text = lay_out(&COLUMNS, rows(), Style::default());
        assert_eq!(text, "  name          rows\n  users        1,200\n  diagnóstico      7\n");
        assert_eq!(lay_out(&COLUMNS, Vec::new(), Style::default()), "");
    }

    #[test]
    fn long_text_is_wrapped_to_the_terminal_only() {
        let long = vec![vec!["word ".repeat(30), "1".into()]];
        let narrow = lay_out(&COLUMNS, long.clone(), Style { color: false, width: Some(60) });
        assert!(narrow.lines().count() > 2 && narrow.lines().all(|line| line.len() <= 60), "{narrow}");
        assert_eq!(lay_out(&COLUMNS, long, Style::default()).lines().count(), 2);
    }
}
