//! A plot of curves as SVG. `axis` says where things stand, `colours` how they look, `drawing`
//! puts them there.
//!
//! A plot stands alone, with title and legend and a white ground, or it is part of a page, which
//! has a heading and a legend of its own and says what the colours are.

mod axis;
mod colours;
mod drawing;

pub use axis::{Axis, log_steps, steps, steps_between};
pub use colours::Colour;

pub(crate) use colours::{PALETTE, PARTS};
pub(crate) use drawing::{escape, key};

use colours::Ground;
use drawing::Drawing;

/// A measured point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlotPoint {
    /// On the horizontal axis.
    pub x: f64,
    /// On the vertical axis; not a number: nothing was measured here, and the curve has a gap.
    pub y: f64,
    /// Whether it says less than the others.
    pub is_hollow: bool,
    /// The colour of its circle, if that is not the curve's.
    pub colour: Option<Colour>,
}

impl PlotPoint {
    /// A point like most others.
    pub fn at(x: f64, y: f64) -> PlotPoint {
        PlotPoint { x, y, is_hollow: false, colour: None }
    }
}

/// A curve with its name.
#[derive(Clone, Debug)]
pub struct Curve {
    /// What it is called in the legend.
    pub name: String,
    /// Its points, from the left to the right.
    pub points: Vec<PlotPoint>,
    /// What it is drawn in.
    pub colour: Colour,
    /// Whether its line is dashed: of two curves about the same thing the less important one.
    pub is_dashed: bool,
    /// Whether its points have circles, and what they say when pointed at.
    pub circles: Option<fn(&PlotPoint) -> String>,
    /// Whether what lies below is shaded.
    pub is_shaded: bool,
}

impl Curve {
    /// A curve through these points, a plain line.
    pub fn through(
        name: String,
        colour: Colour,
        points: impl IntoIterator<Item = (f64, f64)>,
    ) -> Curve {
        let points = points.into_iter().map(|(x, y)| PlotPoint::at(x, y)).collect();
        Curve { name, points, colour, is_dashed: false, circles: None, is_shaded: false }
    }
}

/// A height that matters, drawn from one side to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// What it is called in the legend.
    pub name: String,
    /// On the vertical axis.
    pub y: f64,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// What it shows: above it if it stands alone, for those who cannot see it in any case.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Later ones lie above earlier ones.
    pub curves: Vec<Curve>,
    /// Heights that matter.
    pub levels: Vec<Level>,
    /// What a hollow point means.
    pub hollow: &'static str,
}

impl Plot {
    /// The plot as an SVG that stands alone.
    pub fn draw(&self) -> String {
        Drawing::of(self, Ground::White)
    }

    /// The plot as an SVG within a page.
    pub(crate) fn draw_in_page(&self) -> String {
        Drawing::of(self, Ground::Page)
    }

    /// What the legend of a page says: how it looks, and what it is.
    pub(crate) fn legend(&self) -> Vec<(String, &str)> {
        let curves = self.curves.iter().map(|curve| (key(Some(curve), false), curve.name.as_str()));
        let levels = self.levels.iter().map(|level| (key(None, false), level.name.as_str()));
        let hollow = self.has_hollow().then(|| (key(None, true), self.hollow));
        curves.chain(levels).chain(hollow).collect()
    }

    /// Whether the legend has to say what a hollow point means.
    fn has_hollow(&self) -> bool {
        self.curves
            .iter()
            .any(|curve| curve.circles.is_some() && curve.points.iter().any(|p| p.is_hollow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let mut curve =
            Curve::through("a & b".into(), Colour::Numbered(0), [(1.0, 10.0), (2.0, 20.0)]);
        curve.points[1].is_hollow = true;
        curve.circles = Some(|point| format!("<{}>", point.y));
        let tell = |value: f64| format!("{value}");
        Plot {
            size: (400, 300),
            title: "a <title>".into(),
            x: Axis::linear("time", steps(2.0), tell),
            y: Axis::log("latency", log_steps(10.0, 20.0), tell),
            curves: vec![curve],
            levels: vec![Level { name: "enough".into(), y: 15.0 }],
            hollow: "says less",
        }
    }

    #[test]
    fn a_plot_that_stands_alone_names_its_curves_and_what_a_hollow_point_means() {
        let svg = plot().draw();
        for text in ["a &lt;title&gt;", "time", "latency", ">a &amp; b<", "enough", "says less"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
        assert!(svg.contains("xmlns") && svg.contains("role=\"img\"") && !svg.contains("var("));
        assert!(!svg.contains("<title>a <") && svg.contains("<title>&lt;20&gt;</title>"), "{svg}");
    }

    #[test]
    fn within_a_page_the_legend_and_the_colours_are_those_of_the_page() {
        let svg = plot().draw_in_page();
        assert!(!svg.contains("enough") && !svg.contains("a &amp; b"), "{svg}");
        assert!(svg.contains("stroke=\"var(--c0)\"") && !svg.contains('#'), "{svg}");
    }

    #[test]
    fn a_curve_below_another_one_is_seen_on_both_sides_of_it() {
        let mut plot = plot();
        let line = |y: f64| Curve::through("one".into(), Colour::Ink, [(0.0, y), (2.0, y)]);
        plot.curves = [15.0, 15.0, 11.0].map(line).into();
        let svg = plot.draw_in_page();
        let widths = ["6", "2"].map(|width| format!("stroke-width=\"{width}\""));
        assert_eq!(widths.map(|width| svg.matches(&width).count()), [1, 2], "{svg}");
    }

    #[test]
    fn a_single_point_is_seen_and_a_gap_is_one() {
        let mut plot = plot();
        plot.curves[0].circles = None;
        assert_eq!(plot.draw_in_page().matches("<circle").count(), 0);
        plot.curves[0].points = [10.0, f64::NAN, 12.0, 14.0].map(|y| PlotPoint::at(y, y)).into();
        let svg = plot.draw_in_page();
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
        assert!(!svg.contains("NaN"), "{svg}");
        plot.curves[0].points.clear();
        assert!(!plot.draw_in_page().contains("<circle"));
    }
}
