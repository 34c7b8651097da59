//! From laid-out pages to a PDF that archives take and screen readers follow (PDF/A-2a and PDF/UA-1).

use std::num::NonZeroU16;

use amphi_engine::core::Timestamp;
use chrono::{DateTime, Datelike as _, Timelike as _};
use krilla::color::rgb;
use krilla::configure::{Accessibility, Archival, ConfigurationBuilder};
use krilla::destination::XyzDestination;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, Node, SpanTag, TableHeaderScope, Tag, TagGroup, TagKind,
    TagTree,
};
use krilla::{Document, SerializeSettings};

use super::paper::{
    Bookmark, Element, Ink, Kind, MARGIN, Mark, PAGE_HEIGHT, PAGE_WIDTH, Paper, Shape, Style,
};
use super::type_face::TypeFaces;

/// What the document says of itself, and on each page.
pub struct About {
    /// Its title.
    pub title: String,
    /// Above each page but the first.
    pub running_title: String,
    /// Below each page, at the left.
    pub foot: String,
    /// An identifier that depends on what it says.
    pub id: String,
    /// When it was drawn up.
    pub created_at: Timestamp,
}

/// The PDF could not be made: a fault of ours, found by the checks of the standards.
#[derive(Debug, thiserror::Error)]
#[error("the PDF does not meet its standards: {0}")]
pub struct PrintError(String);

/// Draws all pages.
///
/// # Errors
/// [`PrintError`]
pub fn print(paper: &Paper, about: &About) -> Result<Vec<u8>, PrintError> {
    let configuration = ConfigurationBuilder::new()
        .with_archival_validator(Archival::A2_A)
        .with_accessibility_validator(Accessibility::UA1)
        .finish()
        .map_err(|error| PrintError(format!("{error:?}")))?;
    let settings = SerializeSettings { configuration, ..SerializeSettings::default() };
    let mut document = Document::new_with(settings);
    let mut places: Vec<Vec<Identifier>> = Vec::new();
    let count = paper.pages.len();
    for (index, marks) in paper.pages.iter().enumerate() {
        let size = PageSettings::from_wh(PAGE_WIDTH, PAGE_HEIGHT).expect("A4 is a size");
        let mut page = document.start_page_with(size);
        let mut surface = page.surface();
        draw_page(&mut surface, &paper.faces, marks, &mut places);
        draw_margins(&mut surface, &paper.faces, about, index, count);
        surface.finish();
        page.finish();
    }
    let mut tree = TagTree::new().with_lang(Some("fr-FR".to_owned()));
    for element in &paper.structure {
        tree.push(node(element, &mut places));
    }
    document.set_tag_tree(tree);
    document.set_outline(outline(&paper.bookmarks));
    document.set_metadata(metadata(about));
    document.finish().map_err(|error| PrintError(format!("{error:?}")))
}

fn metadata(about: &About) -> Metadata {
    let metadata = Metadata::new()
        .title(about.title.clone())
        .language("fr-FR".to_owned())
        .creator("amphi".to_owned())
        .document_id(about.id.clone());
    let Some(at) = DateTime::from_timestamp_millis(about.created_at.0) else { return metadata };
    let part = |number: u32| u8::try_from(number).unwrap_or(0);
    let date = krilla::metadata::DateTime::new(u16::try_from(at.year()).unwrap_or(0))
        .month(part(at.month()))
        .day(part(at.day()))
        .hour(part(at.hour()))
        .minute(part(at.minute()))
        .second(part(at.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0);
    metadata.creation_date(date)
}

/// The headings, in order.
fn outline(bookmarks: &[Bookmark]) -> Outline {
    let destination =
        |mark: &Bookmark| XyzDestination::new(mark.page, Point::from_xy(MARGIN, mark.y.max(20.0) - 20.0));
    let mut outline = Outline::new();
    for mark in bookmarks {
        outline.push_child(OutlineNode::new(mark.text.clone(), destination(mark)));
    }
    outline
}

/// Draws marks in order; those of one leaf that follow one another are one piece of the structure.
fn draw_page(
    surface: &mut Surface<'_>,
    faces: &TypeFaces,
    marks: &[Mark],
    places: &mut Vec<Vec<Identifier>>,
) {
    for piece in marks.chunk_by(|one, next| one.leaf == next.leaf) {
        let tag = match piece[0].leaf {
            Some(_) => ContentTag::Span(SpanTag::empty()),
            None => ContentTag::Artifact(Artifact::with_kind(ArtifactType::Layout)),
        };
        let identifier = surface.start_tagged(tag);
        for mark in piece {
            draw(surface, faces, &mark.shape);
        }
        surface.end_tagged();
        if let Some(leaf) = piece[0].leaf {
            if places.len() <= leaf {
                places.resize_with(leaf + 1, Vec::new);
            }
            places[leaf].push(identifier);
        }
    }
}

fn draw_margins(surface: &mut Surface<'_>, faces: &TypeFaces, about: &About, index: usize, count: usize) {
    let small = Style::text(7.0).in_ink(Ink::Grey);
    if index > 0 {
        surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Header)));
        draw(surface, faces, &Shape::Text(MARGIN, 40.0, small, about.running_title.clone()));
        let line = vec![(MARGIN, 46.0), (PAGE_WIDTH - MARGIN, 46.0)];
        draw(surface, faces, &Shape::Lines(line, 0.35, Ink::Hairline));
        surface.end_tagged();
    }
    surface.start_tagged(ContentTag::Artifact(Artifact::with_kind(ArtifactType::Footer)));
    let y = PAGE_HEIGHT - 36.0;
    let line = vec![(MARGIN, y - 12.0), (PAGE_WIDTH - MARGIN, y - 12.0)];
    draw(surface, faces, &Shape::Lines(line, 0.35, Ink::Hairline));
    draw(surface, faces, &Shape::Text(MARGIN, y, small, about.foot.clone()));
    let number = format!("page {} / {count}", index + 1);
    let x = PAGE_WIDTH - MARGIN - faces.width(small.weight, small.size, &number);
    draw(surface, faces, &Shape::Text(x, y, small, number));
    surface.end_tagged();
}

fn colour(ink: Ink) -> rgb::Color {
    match ink {
        Ink::Black => rgb::Color::new(17, 22, 27),
        Ink::Grey => rgb::Color::new(80, 90, 100),
        Ink::Accent => rgb::Color::new(0, 76, 94),
        Ink::Hairline => rgb::Color::new(188, 197, 205),
        Ink::Shade => rgb::Color::new(245, 247, 249),
    }
}

fn draw(surface: &mut Surface<'_>, faces: &TypeFaces, shape: &Shape) {
    let fill =
        |ink| Fill { paint: colour(ink).into(), opacity: NormalizedF32::ONE, rule: Default::default() };
    match shape {
        Shape::Text(x, baseline, style, text) => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(style.ink)));
            let glyphs = faces.glyphs(style.weight, text);
            let font = faces.font(style.weight);
            surface.draw_glyphs(Point::from_xy(*x, *baseline), &glyphs, font, text, style.size, false);
        }
        Shape::Fill(left, top, width, height, ink) => {
            surface.set_stroke(None);
            surface.set_fill(Some(fill(*ink)));
            let mut path = PathBuilder::new();
            if let Some(rectangle) = Rect::from_xywh(*left, *top, *width, *height) {
                path.push_rect(rectangle);
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
        Shape::Lines(points, thickness, ink) => {
            surface.set_fill(None);
            surface.set_stroke(Some(Stroke {
                paint: colour(*ink).into(),
                width: *thickness,
                ..Stroke::default()
            }));
            let mut path = PathBuilder::new();
            for (index, (x, y)) in points.iter().enumerate() {
                if index == 0 { path.move_to(*x, *y) } else { path.line_to(*x, *y) }
            }
            if let Some(path) = path.finish() {
                surface.draw_path(&path);
            }
        }
    }
}

/// The structure as the document writes it; each piece on a page is used once.
fn node(element: &Element, places: &mut Vec<Vec<Identifier>>) -> Node {
    match element {
        Element::Group(kind, parts) => {
            let children = parts.iter().flat_map(|part| match part {
                Element::Leaf(leaf) => leaf_nodes(*leaf, places),
                Element::Group(..) => vec![node(part, places)],
            });
            let children: Vec<Node> = children.collect();
            Node::Group(TagGroup::with_children(tag(kind), children))
        }
        Element::Leaf(leaf) => Node::Group(TagGroup::with_children(Tag::Span, leaf_nodes(*leaf, places))),
    }
}

fn leaf_nodes(leaf: usize, places: &mut [Vec<Identifier>]) -> Vec<Node> {
    let identifiers = places.get_mut(leaf).map(std::mem::take).unwrap_or_default();
    identifiers.into_iter().map(Node::Leaf).collect()
}

fn tag(kind: &Kind) -> TagKind {
    match kind {
        Kind::Heading(level, text) => {
            let level = NonZeroU16::new(*level).unwrap_or(NonZeroU16::MIN);
            Tag::Hn(level, Some(text.clone())).into()
        }
        Kind::Paragraph => Tag::P.into(),
        Kind::Table => Tag::Table.into(),
        Kind::TableHead => Tag::THead.into(),
        Kind::TableBody => Tag::TBody.into(),
        Kind::Row => Tag::TR.into(),
        Kind::ColumnHead => Tag::TH(TableHeaderScope::Column).into(),
        Kind::RowHead => Tag::TH(TableHeaderScope::Row).into(),
        Kind::Cell => Tag::TD.into(),
        Kind::Figure(said) => Tag::Figure(Some(said.clone())).into(),
    }
}
