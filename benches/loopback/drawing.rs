//! A plot of lines as SVG, with a legend beside it. Its ground is white, so it can be read on a
//! dark page, too.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

const SIZE: (u32, u32) = (900, 440);
/// What the legend has of the width.
const LEGEND: u32 = 170;
/// The height of one name in it.
const NAME: i32 = 24;
/// Told apart by the colour-blind (Okabe and Ito), without their yellow, which white swallows.
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];
/// The share of an axis before its first mark, and behind its last.
const EDGE: f64 = 0.02;
const FONT: &str = "sans-serif";

/// A measured point.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// Whether it says less than the others.
    pub(crate) is_hollow: bool,
}

/// A line with its name.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<Point>,
}

/// An axis from its first mark to its last.
#[derive(Clone)]
pub(crate) struct Axis {
    name: &'static str,
    marks: Vec<f64>,
    is_log: bool,
    tell: fn(f64) -> String,
}

impl Axis {
    pub(crate) fn log(
        name: &'static str,
        marks: impl Iterator<Item = f64>,
        tell: fn(f64) -> String,
    ) -> Axis {
        Axis { name, marks: marks.collect(), is_log: true, tell }
    }

    pub(crate) fn linear(name: &'static str, marks: Vec<f64>, tell: fn(f64) -> String) -> Axis {
        Axis { name, marks, is_log: false, tell }
    }

    /// Where a value stands, as a share of the way from one end to the other.
    fn share(&self, value: f64) -> f64 {
        let place = |value: f64| if self.is_log { value.ln() } else { value };
        let Range { start, end } = self.range();
        (place(value) - place(start)) / (place(end) - place(start))
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[allow(clippy::cast_possible_truncation)] // pixels
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        // The points at both ends are not cut.
        let share = EDGE + (1.0 - 2.0 * EDGE) * self.share(*value);
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        let (first, last) = (self.marks.first(), self.marks.last());
        first.copied().unwrap_or(1.0)..last.copied().unwrap_or(2.0)
    }
}

/// What is drawn. The first line lies above the others.
pub(crate) struct Plot {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// What a hollow point means, below the legend.
    pub(crate) hollow: [&'static str; 3],
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

impl Plot {
    /// The plot as the text of an SVG.
    pub(crate) fn draw(&self) -> Result<String, String> {
        let mut svg = String::new();
        self.draw_to(&mut svg).map_err(|error| error.to_string())?;
        Ok(svg)
    }

    fn draw_to(&self, svg: &mut String) -> Drawn {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let area = area.titled(&self.title, (FONT, 18))?;
        let (left, right) = area.split_horizontally(SIZE.0 - LEGEND);
        self.chart(&left)?;
        self.legend(&right)?;
        area.present()?;
        Ok(())
    }

    fn chart(&self, area: &Area<'_>) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(14)
            .x_label_area_size(46)
            .y_label_area_size(84)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(RGBColor(222, 222, 222))
            .x_desc(self.x.name)
            .y_desc(self.y.name)
            .label_style((FONT, 14))
            .x_label_formatter(&|value| (self.x.tell)(*value))
            .y_label_formatter(&|value| (self.y.tell)(*value))
            .draw()?;
        for (index, line) in self.lines.iter().enumerate().rev() {
            let (colour, width) = style(index);
            let place = |point: &Point| (point.x, point.y);
            let points = line.points.iter().map(place);
            chart.draw_series(LineSeries::new(points, colour.stroke_width(width)))?;
            let (hollow, full): (Vec<Point>, Vec<Point>) =
                line.points.iter().partition(|point| point.is_hollow);
            let ring = colour.stroke_width(2);
            chart.draw_series(hollow.iter().map(|p| Circle::new(place(p), 4, WHITE.filled())))?;
            chart.draw_series(hollow.iter().map(|p| Circle::new(place(p), 4, ring)))?;
            chart.draw_series(full.iter().map(|p| Circle::new(place(p), 4, colour.filled())))?;
        }
        Ok(())
    }

    fn legend(&self, area: &Area<'_>) -> Drawn {
        let mut y = 24;
        for (index, line) in self.lines.iter().enumerate() {
            let (colour, width) = style(index);
            area.draw(&PathElement::new([(4, y), (32, y)], colour.stroke_width(width)))?;
            area.draw(&Circle::new((18, y), 4, colour.filled()))?;
            area.draw(&Text::new(line.name.clone(), (40, y - 7), (FONT, 14)))?;
            y += NAME;
        }
        if self.lines.iter().flat_map(|line| &line.points).any(|point| point.is_hollow) {
            area.draw(&Circle::new((18, y), 4, BLACK.stroke_width(2)))?;
            for text in self.hollow {
                area.draw(&Text::new(text, (40, y - 6), (FONT, 12)))?;
                y += 16;
            }
        }
        Ok(())
    }
}

/// Colour and width of a line: ours is the thickest.
fn style(index: usize) -> (RGBColor, u32) {
    (COLOURS[index % COLOURS.len()], if index == 0 { 4 } else { 2 })
}

/// Round marks from 0 to no less than `highest`.
pub(crate) fn steps(highest: f64) -> Vec<f64> {
    let decade = 10_f64.powf(highest.max(1.0).log10().floor());
    let widths = [0.1, 0.2, 0.5, 1.0].map(|share| share * decade);
    let width = widths.into_iter().find(|width| highest / width <= 8.0).unwrap_or(decade);
    let mut marks = vec![0.0];
    while let Some(last) = marks.last().filter(|last| **last < highest) {
        marks.push(last + width);
    }
    marks
}

/// Marks at 1, 2, 5, 10 and so on, from no more than the lower end to no less than the upper.
pub(crate) fn ones_twos_fives((low, high): (f64, f64)) -> Vec<f64> {
    let mut marks = Vec::new();
    let mut decade = 10_f64.powf(low.max(1.0).log10().floor());
    while marks.last().is_none_or(|last| *last < high) {
        for mark in [1.0, 2.0, 5.0].map(|digit| digit * decade) {
            if marks.last().is_none_or(|last| *last < high) {
                if mark <= low {
                    marks.clear();
                }
                marks.push(mark);
            }
        }
        decade *= 10.0;
    }
    marks
}
