//! A small layout engine: text, facts and tables flow down A4 pages.
//!
//! It only decides where things stand, on which page, and what they are (for the structure that screen
//! readers follow); `print.rs` draws them. A heading is never left alone at the foot of a page, a row of a table
//! is never cut, and a table that goes on repeats its headings.

use super::type_face::{TypeFaces, Weight, settable};

/// A4, in points.
pub const PAGE_WIDTH: f32 = 595.28;
/// A4, in points.
pub const PAGE_HEIGHT: f32 = 841.89;
/// Left and right margin.
pub const MARGIN: f32 = 42.5;
/// Where text may begin: below the running title.
const TOP: f32 = 62.0;
/// Where it must have ended: above the foot.
const BOTTOM: f32 = PAGE_HEIGHT - 62.0;
/// Width of the text.
pub const TEXT_WIDTH: f32 = PAGE_WIDTH - 2.0 * MARGIN;
/// Space between two columns of a table, half on each side.
const CELL_PADDING: f32 = 3.0;
/// Space above and below the text of a row.
const ROW_PADDING: f32 = 2.4;
/// What a column gets beyond its text: sums of widths are rounded, and a word must not break for that.
const SLACK: f32 = 0.5;
/// A table begins on this page only if a heading and this many lines still fit.
const KEEP_LINES: f32 = 4.0;

/// The inks: calm ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ink {
    /// For reading.
    Black,
    /// For what accompanies.
    Grey,
    /// For titles.
    Accent,
    /// For lines.
    Hairline,
    /// Behind every other row.
    Shade,
}

/// How text is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// How heavy.
    pub weight: Weight,
    /// In points.
    pub size: f32,
    /// In which ink.
    pub ink: Ink,
}

impl Style {
    /// Text of `size` for reading.
    pub const fn text(size: f32) -> Self {
        Self { weight: Weight::Regular, size, ink: Ink::Black }
    }

    /// The same in bold.
    #[must_use]
    pub const fn bold(self) -> Self {
        Self { weight: Weight::Bold, ..self }
    }

    /// The same in another ink.
    #[must_use]
    pub const fn in_ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }

    /// From one baseline to the next.
    pub fn leading(self) -> f32 {
        self.size * 1.28
    }
}

/// Something drawn on a page.
pub struct Mark {
    /// Which leaf of the structure it belongs to; decoration belongs to none.
    pub leaf: Option<usize>,
    /// What.
    pub shape: Shape,
}

/// What can be drawn.
pub enum Shape {
    /// A line of text, from its baseline's left end.
    Text(f32, f32, Style, String),
    /// A filled rectangle: left, top, width, height.
    Fill(f32, f32, f32, f32, Ink),
    /// Connected straight lines, and how thick.
    Lines(Vec<(f32, f32)>, f32, Ink),
}

/// The structure of the document, in reading order.
pub enum Element {
    /// Something made of parts.
    Group(Kind, Vec<Element>),
    /// Marks on one page or several.
    Leaf(usize),
}

/// What a part is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A heading of this level; its text, for the outline.
    Heading(u16, String),
    /// A paragraph.
    Paragraph,
    /// A table.
    Table,
    /// Its headings.
    TableHead,
    /// Its rows.
    TableBody,
    /// A row.
    Row,
    /// The heading of a column.
    ColumnHead,
    /// The heading of a row.
    RowHead,
    /// Another cell.
    Cell,
    /// A drawing, and what it shows.
    Figure(String),
}

/// A heading and where it stands, for the outline.
pub struct Bookmark {
    /// Its text.
    pub text: String,
    /// Its page, from 0.
    pub page: usize,
    /// Its top.
    pub y: f32,
}

/// A column of a table on paper.
pub struct PaperColumn {
    /// Its heading.
    pub heading: String,
    /// Whether it is set to the right.
    pub right: bool,
}

/// The pages so far.
pub struct Paper {
    /// The type.
    pub faces: TypeFaces,
    /// What stands on each page.
    pub pages: Vec<Vec<Mark>>,
    /// What it all is.
    pub structure: Vec<Element>,
    /// The headings.
    pub bookmarks: Vec<Bookmark>,
    leaves: usize,
    y: f32,
}

impl Paper {
    /// One empty page.
    pub fn new() -> Self {
        Self {
            faces: TypeFaces::load(),
            pages: vec![Vec::new()],
            structure: Vec::new(),
            bookmarks: Vec::new(),
            leaves: 0,
            y: TOP,
        }
    }

    fn new_leaf(&mut self) -> usize {
        self.leaves += 1;
        self.leaves - 1
    }

    fn mark(&mut self, leaf: Option<usize>, shape: Shape) {
        self.pages.last_mut().expect("there is a page from the start").push(Mark { leaf, shape });
    }

    /// Begins a new page unless `height` points fit on this one; says whether it did.
    fn make_room(&mut self, height: f32) -> bool {
        if self.y + height <= BOTTOM || self.y <= TOP {
            return false;
        }
        self.pages.push(Vec::new());
        self.y = TOP;
        true
    }

    /// Leaves `height` points empty.
    pub fn skip(&mut self, height: f32) {
        self.y += height;
    }

    /// Sets lines of one leaf from `x`, and moves below them.
    fn lines(&mut self, leaf: usize, x: f32, style: Style, lines: Vec<String>) {
        for line in lines {
            self.make_room(style.leading());
            let baseline = self.y + style.size;
            self.mark(Some(leaf), Shape::Text(x, baseline, style, line));
            self.y += style.leading();
        }
    }

    /// A heading; `keep` more points must fit under it.
    pub fn heading(&mut self, level: u16, style: Style, text: &str, keep: f32) {
        let text = settable(text);
        let lines = self.faces.wrap(style.weight, style.size, &text, TEXT_WIDTH);
        self.make_room(lines.len() as f32 * style.leading() + keep);
        let (page, y) = (self.pages.len() - 1, self.y);
        self.bookmarks.push(Bookmark { text: text.clone(), page, y });
        let leaf = self.new_leaf();
        self.lines(leaf, MARGIN, style, lines);
        self.structure.push(Element::Group(Kind::Heading(level, text), vec![Element::Leaf(leaf)]));
    }

    /// A paragraph over the whole width.
    pub fn paragraph(&mut self, style: Style, text: &str) {
        let lines = self.faces.wrap(style.weight, style.size, &settable(text), TEXT_WIDTH);
        let leaf = self.new_leaf();
        self.lines(leaf, MARGIN, style, lines);
        self.structure.push(Element::Group(Kind::Paragraph, vec![Element::Leaf(leaf)]));
    }

    /// A thin line over the whole width.
    pub fn rule(&mut self, ink: Ink, thickness: f32) {
        let y = self.y;
        self.mark(None, Shape::Lines(vec![(MARGIN, y), (PAGE_WIDTH - MARGIN, y)], thickness, ink));
        self.y += thickness;
    }

    /// A drawing of `height` points; `draw` gets its left, top and width.
    pub fn figure(&mut self, said: &str, height: f32, draw: impl FnOnce(f32, f32, f32) -> Vec<Shape>) {
        self.make_room(height);
        let leaf = self.new_leaf();
        for shape in draw(MARGIN, self.y, TEXT_WIDTH) {
            self.mark(Some(leaf), shape);
        }
        self.y += height;
        self.structure.push(Element::Group(Kind::Figure(said.to_owned()), vec![Element::Leaf(leaf)]));
    }

    /// Boxes to be filled in by hand, side by side, never cut.
    pub fn boxes(&mut self, style: Style, height: f32, labels: &[&str]) {
        self.make_room(height);
        let gap = 12.0;
        let width = (TEXT_WIDTH - gap * (labels.len() as f32 - 1.0)) / labels.len() as f32;
        let top = self.y;
        for (index, label) in labels.iter().enumerate() {
            let left = MARGIN + index as f32 * (width + gap);
            let (right, bottom) = (left + width, top + height);
            let frame = vec![(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
            self.mark(None, Shape::Lines(frame, 0.5, Ink::Hairline));
            let leaf = self.new_leaf();
            for (line, text) in
                self.faces.wrap(style.weight, style.size, label, width - 12.0).into_iter().enumerate()
            {
                let baseline = top + 6.0 + style.size + line as f32 * style.leading();
                self.mark(Some(leaf), Shape::Text(left + 6.0, baseline, style, text));
            }
            self.structure.push(Element::Group(Kind::Paragraph, vec![Element::Leaf(leaf)]));
        }
        self.y += height;
    }

    /// Facts: what on the left, its value on the right. A table, whose first column heads the rows.
    pub fn facts(&mut self, style: Style, label_width: f32, facts: &[(&str, String)]) {
        let label_style = style.in_ink(Ink::Grey);
        let mut rows = Vec::new();
        for (label, value) in facts {
            let (label, value) = (settable(label), settable(value));
            let labels = self.faces.wrap(style.weight, style.size, &label, label_width - 8.0);
            let values = self.faces.wrap(style.weight, style.size, &value, TEXT_WIDTH - label_width);
            let height = labels.len().max(values.len()) as f32 * style.leading();
            self.make_room(height);
            let cells = [
                (MARGIN, label_style, labels, Kind::RowHead),
                (MARGIN + label_width, style, values, Kind::Cell),
            ];
            let top = self.y;
            let mut row = Vec::new();
            for (x, style, lines, kind) in cells {
                self.y = top;
                let leaf = self.new_leaf();
                self.lines(leaf, x, style, lines);
                row.push(Element::Group(kind, vec![Element::Leaf(leaf)]));
            }
            self.y = top + height + 1.2;
            rows.push(Element::Group(Kind::Row, row));
        }
        let body = Element::Group(Kind::TableBody, rows);
        self.structure.push(Element::Group(Kind::Table, vec![body]));
    }

    /// How high a heading and the beginning of a table must be together, to stand on one page.
    pub fn table_keep(style: Style) -> f32 {
        KEEP_LINES * (style.leading() + 2.0 * ROW_PADDING)
    }

    /// A table over the whole width.
    pub fn table(&mut self, style: Style, columns: &[PaperColumn], rows: &[Vec<String>]) {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| settable(cell)).collect()).collect();
        let widths = self.column_widths(style, columns, &rows);
        let head_style = style.bold().in_ink(Ink::Accent);
        let headings: Vec<String> = columns.iter().map(|column| column.heading.clone()).collect();
        let head = self.wrapped(head_style, &widths, &headings);
        let mut body = Vec::new();
        let first = self.row(head_style, columns, &widths, &head, &Kind::ColumnHead, false);
        for (index, row) in rows.iter().enumerate() {
            let lines = self.wrapped(style, &widths, row);
            if self.make_room(row_height(style, &lines)) {
                self.repeated_head(head_style, columns, &widths, &head);
            }
            body.push(self.row(style, columns, &widths, &lines, &Kind::Cell, index % 2 == 1));
        }
        let parts = vec![Element::Group(Kind::TableHead, vec![first]), Element::Group(Kind::TableBody, body)];
        self.structure.push(Element::Group(Kind::Table, parts));
    }

    fn wrapped(&self, style: Style, widths: &[f32], cells: &[String]) -> Vec<Vec<String>> {
        let wrap = |(cell, width): (&String, &f32)| {
            self.faces.wrap(style.weight, style.size, cell, width - 2.0 * CELL_PADDING)
        };
        cells.iter().zip(widths).map(wrap).collect()
    }

    /// The headings of a table that goes on: seen, not read out again.
    fn repeated_head(&mut self, style: Style, columns: &[PaperColumn], widths: &[f32], head: &[Vec<String>]) {
        let drawn = self.pages.last().map_or(0, Vec::len);
        self.row(style, columns, widths, head, &Kind::ColumnHead, false);
        for mark in self.pages.last_mut().expect("a row was just set").iter_mut().skip(drawn) {
            mark.leaf = None;
        }
    }

    fn row(
        &mut self,
        style: Style,
        columns: &[PaperColumn],
        widths: &[f32],
        cells: &[Vec<String>],
        kind: &Kind,
        shaded: bool,
    ) -> Element {
        let height = row_height(style, cells);
        let top = self.y;
        if shaded {
            self.mark(None, Shape::Fill(MARGIN, top, TEXT_WIDTH, height, Ink::Shade));
        }
        let mut elements = Vec::new();
        let mut left = MARGIN;
        for ((column, width), lines) in columns.iter().zip(widths).zip(cells) {
            let leaf = self.new_leaf();
            let mut seen = false;
            for (index, line) in lines.iter().filter(|line| !line.is_empty()).enumerate() {
                let wide = self.faces.width(style.weight, style.size, line.trim_end_matches(' '));
                let x = if column.right { left + width - CELL_PADDING - wide } else { left + CELL_PADDING };
                let baseline = top + ROW_PADDING + style.size + index as f32 * style.leading();
                self.mark(Some(leaf), Shape::Text(x, baseline, style, line.clone()));
                seen = true;
            }
            // An empty cell is still a cell: it keeps the columns of its row in their places.
            let content = if seen { vec![Element::Leaf(leaf)] } else { Vec::new() };
            elements.push(Element::Group(kind.clone(), content));
            left += width;
        }
        self.y = top + height;
        let (thickness, ink) =
            if *kind == Kind::ColumnHead { (0.8, Ink::Accent) } else { (0.35, Ink::Hairline) };
        let y = self.y;
        self.mark(None, Shape::Lines(vec![(MARGIN, y), (PAGE_WIDTH - MARGIN, y)], thickness, ink));
        Element::Group(Kind::Row, elements)
    }

    /// Widths of the columns, as browsers set tables: each gets what its longest word needs, and of what
    /// is left in proportion to how much more it would like.
    fn column_widths(&self, style: Style, columns: &[PaperColumn], rows: &[Vec<String>]) -> Vec<f32> {
        let mut least = Vec::new();
        let mut liked = Vec::new();
        for (index, column) in columns.iter().enumerate() {
            let head = style.bold();
            let mut narrow = self.faces.widest_word(head.weight, head.size, &column.heading);
            let mut wide = narrow;
            for cell in rows.iter().filter_map(|row| row.get(index)) {
                narrow = narrow.max(self.faces.widest_word(style.weight, style.size, cell));
                wide = wide.max(self.faces.width(style.weight, style.size, cell));
            }
            // One endless word must not starve the other columns: it is cut.
            least.push(narrow.min(TEXT_WIDTH / 3.0) + 2.0 * CELL_PADDING + SLACK);
            liked.push(wide.max(narrow) + 2.0 * CELL_PADDING + SLACK);
        }
        let (least_sum, liked_sum): (f32, f32) = (least.iter().sum(), liked.iter().sum());
        let share = |index: usize| {
            if least_sum >= TEXT_WIDTH {
                least[index] * TEXT_WIDTH / least_sum
            } else if liked_sum <= TEXT_WIDTH {
                liked[index] * TEXT_WIDTH / liked_sum
            } else {
                let more = (liked[index] - least[index]).max(0.0) / (liked_sum - least_sum);
                least[index] + more * (TEXT_WIDTH - least_sum)
            }
        };
        (0..columns.len()).map(share).collect()
    }
}

fn row_height(style: Style, cells: &[Vec<String>]) -> f32 {
    let lines = cells.iter().map(Vec::len).max().unwrap_or(1);
    lines as f32 * style.leading() + 2.0 * ROW_PADDING
}
