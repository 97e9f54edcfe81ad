//! A plot of curves as SVG. Its ground is white, so it can be read on a dark page, too.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

/// Dark enough on white, and told apart by the colour-blind (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];
const GRID: RGBColor = RGBColor(222, 222, 222);
const FONT: &str = "sans-serif";
/// The share of an axis before its start, and behind its end: points there are not cut.
const EDGE: f64 = 0.02;

/// A measured point.
#[derive(Clone, Copy, Debug)]
pub struct PlotPoint {
    /// On the horizontal axis.
    pub x: f64,
    /// On the vertical axis.
    pub y: f64,
    /// Whether it says less than the others.
    pub is_hollow: bool,
}

/// A curve with its name.
pub struct Curve {
    /// What it is called in the legend.
    pub name: String,
    /// Its points, from the left to the right.
    pub points: Vec<PlotPoint>,
}

impl Curve {
    /// A curve through these points.
    pub fn through(name: String, points: impl IntoIterator<Item = (f64, f64)>) -> Curve {
        let point = |(x, y)| PlotPoint { x, y, is_hollow: false };
        Curve { name, points: points.into_iter().map(point).collect() }
    }
}

/// An axis: where it begins and ends, and where it is marked.
#[derive(Clone)]
pub struct Axis {
    name: &'static str,
    marks: Vec<f64>,
    range: Range<f64>,
    is_log: bool,
    tell: fn(f64) -> String,
}

impl Axis {
    /// A logarithmic axis from its first mark to its last.
    pub fn log(name: &'static str, marks: Vec<f64>, tell: fn(f64) -> String) -> Axis {
        Axis { name, range: ends(&marks), marks, is_log: true, tell }
    }

    /// A linear axis from its first mark to its last.
    pub fn linear(name: &'static str, marks: Vec<f64>, tell: fn(f64) -> String) -> Axis {
        Axis { name, range: ends(&marks), marks, is_log: false, tell }
    }

    /// A logarithmic axis of percentiles: p stands at 1 / (1 - p), so that each nine has the same
    /// width.
    pub fn percentiles(name: &'static str, marks: Vec<f64>) -> Axis {
        Axis::log(name, marks, percentile)
    }

    /// The same axis with another end. Marks behind it are not shown.
    #[must_use]
    pub fn until(mut self, end: f64) -> Axis {
        self.range.end = end;
        self.marks.retain(|mark| *mark <= end);
        self
    }

    /// Where a value stands, as a share of the way from one end to the other.
    fn share(&self, value: f64) -> f64 {
        let place = |value: f64| if self.is_log { value.ln() } else { value };
        let Range { start, end } = self.range;
        (place(value) - place(start)) / (place(end) - place(start))
    }
}

fn ends(marks: &[f64]) -> Range<f64> {
    marks.first().copied().unwrap_or(1.0)..marks.last().copied().unwrap_or(2.0)
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    #[allow(clippy::cast_possible_truncation)] // pixels
    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let share = EDGE + (1.0 - 2.0 * EDGE) * self.share(*value);
        from + (f64::from(to - from) * share).round() as i32
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// What is drawn.
pub struct Plot {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// What stands above it; empty: nothing.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Later ones lie above earlier ones.
    pub curves: Vec<Curve>,
    /// Whether a legend in the upper left corner names the curves.
    pub has_legend: bool,
    /// What a hollow point means. `None`: points have no circles.
    pub hollow: Option<&'static str>,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

impl Plot {
    /// The plot as the text of an SVG.
    ///
    /// # Errors
    /// Why it cannot be drawn.
    pub fn draw(&self) -> Result<String, String> {
        let mut svg = String::new();
        self.draw_to(&mut svg).map_err(|error| error.to_string())?;
        Ok(svg)
    }

    fn draw_to(&self, svg: &mut String) -> Drawn {
        let mut area = SVGBackend::with_string(svg, self.size).into_drawing_area();
        area.fill(&WHITE)?;
        if !self.title.is_empty() {
            area = area.titled(&self.title, (FONT, 18))?;
        }
        self.draw_chart(&area)?;
        area.present()?;
        Ok(())
    }

    fn draw_chart(&self, area: &Area<'_>) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(30)
            .x_label_area_size(46)
            .y_label_area_size(84)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .x_desc(self.x.name)
            .y_desc(self.y.name)
            .label_style((FONT, 13))
            .x_label_formatter(&|value| (self.x.tell)(*value))
            .y_label_formatter(&|value| (self.y.tell)(*value))
            .draw()?;
        for index in 0..self.curves.len() {
            self.draw_curve(&mut chart, index)?;
        }
        self.draw_legend(&mut chart)
    }

    fn draw_curve(&self, chart: &mut Chart<'_>, index: usize) -> Drawn {
        let curve = &self.curves[index];
        let colour = COLOURS[index % COLOURS.len()];
        // Where two lie on each other, the one below is seen on both sides of the upper one.
        let below = u32::try_from(self.curves.len() - 1 - index).unwrap_or(0);
        let has_circles = self.hollow.is_some();
        let line = colour.stroke_width(if has_circles { 2 } else { 2 + 3 * below.min(2) });
        let place = |point: &PlotPoint| (point.x, point.y);
        chart
            .draw_series(LineSeries::new(curve.points.iter().map(place), line))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], line));
        if has_circles {
            for point in &curve.points {
                let inside = if point.is_hollow { WHITE } else { colour };
                let circles = [inside.filled(), colour.stroke_width(2)];
                chart.draw_series(circles.map(|style| Circle::new(place(point), 4, style)))?;
            }
        }
        Ok(())
    }

    fn draw_legend(&self, chart: &mut Chart<'_>) -> Drawn {
        if !self.has_legend {
            return Ok(());
        }
        let is_any_hollow =
            self.curves.iter().flat_map(|curve| &curve.points).any(|point| point.is_hollow);
        if let Some(meaning) = self.hollow.filter(|_| is_any_hollow) {
            chart
                .draw_series(std::iter::empty::<Circle<(f64, f64), i32>>())?
                .label(meaning)
                .legend(|(x, y)| Circle::new((x + 9, y), 4, BLACK.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .label_font((FONT, 13))
            .draw()?;
        Ok(())
    }
}

/// `1 / (1 - quantile)` as the percentile that people know.
fn percentile(x: f64) -> String {
    let percent = format!("{:.6}", 100.0 * (1.0 - 1.0 / x));
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    if percent.is_empty() { "0".into() } else { percent.into() }
}

/// Round marks from 0 to no less than `highest`.
pub fn steps(highest: f64) -> Vec<f64> {
    let decade = 10_f64.powf(highest.max(1.0).log10().floor());
    let widths = [0.1, 0.2, 0.5, 1.0].map(|share| share * decade);
    let width = widths.into_iter().find(|width| highest / width <= 8.0).unwrap_or(decade);
    let mut marks = vec![0.0];
    while let Some(last) = marks.last().filter(|last| **last < highest) {
        marks.push(last + width);
    }
    marks
}

/// Marks at 1, 2, 5, 10 and so on, from no more than `low` to no less than `high`; at 1, 10, 100
/// and so on, if that is many decades. Both have to be above zero.
pub fn log_steps(low: f64, high: f64) -> Vec<f64> {
    let digits: &[f64] = if high / low > 1e3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut marks = Vec::new();
    let mut decade = 10_f64.powf(low.log10().floor());
    while marks.last().is_none_or(|last| *last < high) {
        for mark in digits.iter().map(|digit| digit * decade) {
            if mark <= low {
                marks.clear();
            }
            if marks.last().is_none_or(|last| *last < high) {
                marks.push(mark);
            }
        }
        decade *= 10.0;
    }
    if marks.len() < 2 {
        marks.push(decade);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_shows_percentiles_as_people_know_them() {
        let shown: Vec<_> = [1.0, 2.0, 10.0, 100.0, 10_000.0].map(percentile).into();
        assert_eq!(shown, ["0", "50", "90", "99", "99.99"]);
    }

    #[test]
    fn marks_reach_from_below_the_least_to_above_the_greatest() {
        assert_eq!(steps(0.0), [0.0]);
        assert_eq!(steps(7.0), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        assert_eq!(steps(230_000.0).last(), Some(&250_000.0));
        assert_eq!(log_steps(78.0, 4100.0), [50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0]);
        assert_eq!(log_steps(12.0, 90_000.0), [10.0, 100.0, 1000.0, 10_000.0, 100_000.0]);
        assert_eq!(log_steps(10.0, 10.0), [10.0, 100.0]);
    }

    #[test]
    fn a_plot_names_its_curves_and_what_a_hollow_point_means() {
        let mut curve = Curve::through("a & b".into(), [(1.0, 10.0), (2.0, 20.0)]);
        curve.points[1].is_hollow = true;
        let tell = |value: f64| format!("{value}");
        let plot = Plot {
            size: (400, 300),
            title: "a title".into(),
            x: Axis::linear("time", steps(2.0), tell),
            y: Axis::log("latency", log_steps(10.0, 20.0), tell),
            curves: vec![curve],
            has_legend: true,
            hollow: Some("says less"),
        };
        let svg = plot.draw().unwrap();
        for text in ["a title", "time", "latency", "a &amp; b", "says less"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        let circles = Plot { hollow: None, ..plot }.draw().unwrap().matches("<circle").count();
        assert_eq!(circles, 0);
    }
}
