//! Puts a plot on its ground: texts first get the room that they need, the curves get the rest.

use std::fmt::Write;

use super::colours::Ground;
use super::{Axis, Colour, Curve, Plot, PlotPoint};

/// The height of letters.
const FONT: f64 = 13.0;
/// The height of the title.
const TITLE_FONT: f64 = 16.0;
/// The height of a line of text.
const LINE: f64 = 20.0;
/// How wide a letter is, as a share of the height; fonts differ, so it is that of wide ones.
const LETTER: f64 = 0.64;
/// Between two things.
const GAP: f64 = 8.0;
/// How wide the stroke of a legend is.
const STROKE: f64 = 20.0;
const RADIUS: f64 = 3.5;
/// A curve that comes closer to another one cannot be told from it.
const NEAR: f64 = 2.0;

/// A plot that is being drawn.
pub(super) struct Drawing<'a> {
    plot: &'a Plot,
    ground: Ground,
    svg: String,
    /// Where the curves are.
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Drawing<'_> {
    pub(super) fn of(plot: &Plot, ground: Ground) -> String {
        let (width, height) = (f64::from(plot.size.0), f64::from(plot.size.1));
        let widest = |axis: &Axis| {
            let widths = axis.marks.iter().map(|mark| text_width(&(axis.tell)(*mark)));
            widths.fold(0.0, f64::max)
        };
        let mut drawing = Drawing {
            plot,
            ground,
            svg: String::new(),
            left: widest(&plot.y) + GAP,
            right: width - (widest(&plot.x) / 2.0).max(GAP),
            top: 0.0,
            bottom: height - 2.0 * LINE - 4.0,
        };
        drawing.open();
        drawing.head();
        drawing.axes();
        drawing.levels();
        for index in 0..plot.curves.len() {
            drawing.curve(index);
        }
        drawing.svg.push_str("</svg>");
        drawing.svg
    }

    fn open(&mut self) {
        let (width, height) = self.plot.size;
        let title = escape(&self.plot.title);
        let ink = self.ground.part("ink");
        let _ = write!(self.svg, "<svg viewBox=\"0 0 {width} {height}\" role=\"img\"");
        if self.ground == Ground::White {
            let _ = write!(
                self.svg,
                " width=\"{width}\" height=\"{height}\" xmlns=\"http://www.w3.org/2000/svg\" \
                 font-family=\"system-ui, sans-serif\""
            );
        }
        let _ = write!(self.svg, " font-size=\"{FONT}\" fill=\"{ink}\"><title>{title}</title>");
        if self.ground == Ground::White {
            let ground = self.ground.part("ground");
            let _ =
                write!(self.svg, "<rect width=\"{width}\" height=\"{height}\" fill=\"{ground}\"/>");
        }
    }

    /// Title and legend of a plot that stands alone, and what the vertical axis is.
    fn head(&mut self) {
        if self.ground == Ground::White {
            // It needs some air at its edges, which a page has.
            (self.left, self.right) = (self.left + GAP, self.right - GAP);
            self.bottom -= GAP;
            self.top = GAP;
            if !self.plot.title.is_empty() {
                self.top += 1.5 * LINE;
                let (y, title) = (self.top - GAP, escape(&self.plot.title));
                let _ = write!(
                    self.svg,
                    "<text x=\"{GAP}\" y=\"{y}\" font-size=\"{TITLE_FONT}\" \
                     font-weight=\"600\">{title}</text>"
                );
            }
            self.legend();
        }
        let x = if self.ground == Ground::White { GAP } else { 0.0 };
        self.text(x, self.top + 14.0, "start", "soft", &self.plot.y.name);
        self.top += LINE + 7.0;
    }

    /// The names of the curves, as many in a row as have room.
    fn legend(&mut self) {
        let mut x = GAP;
        let plot = self.plot;
        let curves = plot.curves.iter().map(|curve| (curve.name.as_str(), Some(curve)));
        let levels = plot.levels.iter().map(|level| (level.name.as_str(), None));
        for (name, curve) in curves.chain(levels) {
            self.place_in_legend(&mut x, name);
            let y = self.top + LINE / 2.0;
            let line = curve
                .map_or_else(|| level_style(self.ground), |curve| style(self.ground, curve, 2.5));
            let end = x + STROKE;
            let _ = write!(self.svg, "<path d=\"M{x:.1} {y:.1}H{end:.1}\" {line}/>");
            if curve.is_some_and(|curve| curve.circles.is_some()) {
                let colour = self.ground.colour(curve.map_or(Colour::Ink, |curve| curve.colour));
                self.circle(x + STROKE / 2.0, y, &colour, false, "");
            }
            x += STROKE + 2.0 * GAP + text_width(name);
        }
        if plot.has_hollow() {
            self.place_in_legend(&mut x, plot.hollow);
            let (ink, y) = (self.ground.part("ink"), self.top + LINE / 2.0);
            self.circle(x + STROKE / 2.0, y, &ink, true, "");
        }
        self.top += LINE;
    }

    /// Writes a name, in the next row if it has no room in this.
    fn place_in_legend(&mut self, x: &mut f64, name: &str) {
        let end = *x + STROKE + GAP + text_width(name);
        if *x > GAP && end > f64::from(self.plot.size.0) - GAP {
            (*x, self.top) = (GAP, self.top + LINE);
        }
        self.text(*x + STROKE + GAP / 2.0, self.top + 14.5, "start", "ink", name);
    }

    fn axes(&mut self) {
        let (left, right, top, bottom) = (self.left, self.right, self.top, self.bottom);
        let (x_axis, y_axis) = (&self.plot.x, &self.plot.y);
        let (grid, soft) = (self.ground.part("grid"), self.ground.part("soft"));
        let text = |mark: f64| text_width(&(x_axis.tell)(mark)) / 2.0;
        let across = |mark: f64| (self.x(mark) - text(mark), self.x(mark) + text(mark));
        let down = |mark: f64| (self.y(mark) - FONT / 2.0, self.y(mark) + FONT / 2.0);
        let (x_marks, y_marks) = (x_axis.legible(1.5 * GAP, across), y_axis.legible(GAP, down));
        let mut lines = String::new();
        for y in y_marks.iter().map(|mark| self.y(*mark)) {
            let _ = write!(lines, "M{left:.1} {y:.1}H{right:.1}");
        }
        for x in x_marks.iter().map(|mark| self.x(*mark)) {
            let _ = write!(lines, "M{x:.1} {top:.1}V{:.1}", bottom + 5.0);
        }
        let _ = write!(self.svg, "<path d=\"{lines}\" stroke=\"{grid}\"/>");
        let _ =
            write!(self.svg, "<path d=\"M{left:.1} {bottom:.1}H{right:.1}\" stroke=\"{soft}\"/>");
        for mark in y_marks {
            let (x, y) = (left - GAP + 2.0, self.y(mark) + 4.5);
            self.text(x, y, "end", "soft", &(y_axis.tell)(mark));
        }
        for mark in x_marks {
            self.text(self.x(mark), bottom + LINE, "middle", "soft", &(x_axis.tell)(mark));
        }
        self.text(f64::midpoint(left, right), bottom + 38.0, "middle", "soft", &x_axis.name);
    }

    fn levels(&mut self) {
        let style = level_style(self.ground);
        let (left, right) = (self.left, self.right);
        for level in &self.plot.levels {
            let y = self.y(level.y);
            let _ = write!(self.svg, "<path d=\"M{left:.1} {y:.1}H{right:.1}\" {style}/>");
        }
    }

    fn curve(&mut self, index: usize) {
        let plot = self.plot;
        let curve = &plot.curves[index];
        // Where two lie on each other, the one below is seen on both sides of the upper one.
        let is_hidden = curve.circles.is_none()
            && plot.curves[index + 1..].iter().any(|other| self.is_below(curve, other));
        let style = style(self.ground, curve, if is_hidden { 6.0 } else { 2.0 });
        let is_gap = |point: &PlotPoint| !(point.x.is_finite() && point.y.is_finite());
        for points in curve.points.split(is_gap) {
            match points {
                [] => {}
                [only] if curve.circles.is_none() => {
                    let colour = self.ground.colour(curve.colour);
                    self.circle(self.x(only.x), self.y(only.y), &colour, false, "");
                }
                points => self.line(curve, points, &style),
            }
        }
        let Some(tell) = curve.circles else { return };
        for point in curve.points.iter().filter(|point| !is_gap(point)) {
            let colour = self.ground.colour(point.colour.unwrap_or(curve.colour));
            let (x, y) = (self.x(point.x), self.y(point.y));
            self.circle(x, y, &colour, point.is_hollow, &tell(point));
        }
    }

    /// Whether most of a curve could not be seen below another one.
    fn is_below(&self, curve: &Curve, other: &Curve) -> bool {
        let is_near = |point: &&PlotPoint| {
            let there = height_at(&other.points, point.x);
            there.is_some_and(|there| (self.y(there) - self.y(point.y)).abs() < NEAR)
        };
        let hidden = curve.points.iter().filter(is_near).count();
        2 * hidden > curve.points.len()
    }

    fn line(&mut self, curve: &Curve, points: &[PlotPoint], style: &str) {
        let mut path = String::new();
        for (index, point) in points.iter().enumerate() {
            let pen = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{pen}{:.1} {:.1}", self.x(point.x), self.y(point.y));
        }
        if let (true, [first, .., last]) = (curve.is_shaded, points) {
            let (from, to, floor) = (self.x(first.x), self.x(last.x), self.y(self.plot.y.start()));
            let colour = self.ground.colour(curve.colour);
            let _ = write!(
                self.svg,
                "<path d=\"{path}L{to:.1} {floor:.1}L{from:.1} {floor:.1}Z\" fill=\"{colour}\" \
                 fill-opacity=\".13\"/>"
            );
        }
        let _ = write!(self.svg, "<path d=\"{path}\" {style}/>");
    }

    fn circle(&mut self, x: f64, y: f64, colour: &str, is_hollow: bool, told: &str) {
        let circle = circle(self.ground, (x, y), colour, is_hollow);
        let _ = match told {
            "" => write!(self.svg, "{circle}/>"),
            told => write!(self.svg, "{circle}><title>{}</title></circle>", escape(told)),
        };
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, part: &str, text: &str) {
        let (fill, text) = (self.ground.part(part), escape(text));
        let _ = write!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\">{text}</text>"
        );
    }

    fn x(&self, value: f64) -> f64 {
        self.left + (self.right - self.left) * self.plot.x.share(value)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * self.plot.y.share(value)
    }
}

/// How high a line through these points is at `x`.
fn height_at(points: &[PlotPoint], x: f64) -> Option<f64> {
    let right = points.iter().position(|point| point.x >= x)?;
    let (a, b) = (points[right.saturating_sub(1)], points[right]);
    let share = if b.x > a.x { (x - a.x) / (b.x - a.x) } else { 1.0 };
    let height = a.y + share * (b.y - a.y);
    (x >= a.x && height.is_finite()).then_some(height)
}

/// How a curve looks, or a level, or a point that says less: for the legend of a page.
pub(crate) fn key(curve: Option<&Curve>, is_hollow: bool) -> String {
    let ground = Ground::Page;
    let mut svg = format!("<svg class=\"key\" viewBox=\"0 0 {STROKE} 12\" aria-hidden=\"true\">");
    if !is_hollow {
        let style = curve.map_or_else(|| level_style(ground), |curve| style(ground, curve, 3.0));
        let _ = write!(svg, "<path d=\"M0 6H{STROKE}\" {style}/>");
    }
    if is_hollow || curve.is_some_and(|curve| curve.circles.is_some()) {
        let colour = ground.colour(curve.map_or(Colour::Ink, |curve| curve.colour));
        svg.push_str(&circle(ground, (STROKE / 2.0, 6.0), &colour, is_hollow));
        svg.push_str("/>");
    }
    svg + "</svg>"
}

fn style(ground: Ground, curve: &Curve, width: f64) -> String {
    let colour = ground.colour(curve.colour);
    let dashes = match (curve.is_dashed, curve.colour.round()) {
        (true, _) => " stroke-dasharray=\"3 3\"",
        (false, 0) => "",
        (false, 1) => " stroke-dasharray=\"9 3\"",
        (false, _) => " stroke-dasharray=\"9 3 2 3\"",
    };
    format!(
        "fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
         stroke-linejoin=\"round\"{dashes}"
    )
}

fn level_style(ground: Ground) -> String {
    let ink = ground.part("ink");
    format!("fill=\"none\" stroke=\"{ink}\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\"")
}

/// A circle whose element is still open.
fn circle(ground: Ground, (x, y): (f64, f64), colour: &str, is_hollow: bool) -> String {
    let inside = if is_hollow { ground.part("ground") } else { colour.into() };
    format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{RADIUS}\" fill=\"{inside}\" \
         stroke=\"{colour}\" stroke-width=\"2\""
    )
}

/// Rather too wide than too narrow.
#[allow(clippy::cast_precision_loss)] // a picture
fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER * FONT
}

/// Text that may stand in SVG and in a page, in an attribute, too.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_heights_between_its_points_only() {
        let points = [(1.0, 10.0), (3.0, 20.0)].map(|(x, y)| PlotPoint::at(x, y));
        let found = [0.5, 1.0, 2.0, 3.0, 3.5].map(|x| height_at(&points, x));
        assert_eq!(found, [None, Some(10.0), Some(15.0), Some(20.0), None]);
        assert_eq!(height_at(&[], 1.0), None);
    }

    #[test]
    fn what_others_said_cannot_become_part_of_the_page() {
        assert_eq!(
            escape("got \"<b>\" & 'more'"),
            "got &quot;&lt;b&gt;&quot; &amp; &#39;more&#39;"
        );
    }
}
