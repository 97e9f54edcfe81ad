//! Plots as SVG, to stand in a page: latency over percentiles, rate and latency over time, the
//! parts of a connection.

use plotters::prelude::*;

use super::Report;
use crate::bench::figures::figure;

const SIZE: (u32, u32) = (860, 340);
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

/// A curve with its name.
pub(crate) struct Curve {
    /// What it is called in the legend.
    pub(crate) name: String,
    /// Its points.
    pub(crate) points: Vec<(f64, f64)>,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// The latency of each report over percentiles: 90 % stands at 10, 99 % at 100, and so on.
pub(crate) fn percentiles(reports: &[Report]) -> String {
    let curves: Vec<Curve> = reports.iter().filter_map(percentile_curve).collect();
    draw(|out| log_log(out, &curves))
}

fn percentile_curve(report: &Report) -> Option<Curve> {
    let histogram = report.histogram()?;
    let mut points = Vec::new();
    for value in histogram.iter_quantiles(8) {
        let quantile = value.quantile_iterated_to();
        if quantile >= 1.0 {
            break;
        }
        #[allow(clippy::cast_precision_loss)] // a picture
        let micros = value.value_iterated_to() as f64 / 1000.0;
        points.push((1.0 / (1.0 - quantile), micros.max(0.1)));
    }
    (points.len() > 1).then(|| Curve { name: name(report), points })
}

/// What a report is called in a legend.
pub(crate) fn name(report: &Report) -> String {
    match report.asked_rate_per_s {
        Some(rate) => format!("{} at {rate:.0}/s", report.workload),
        None => report.workload.clone(),
    }
}

/// Numbered, if several reports have the same name.
pub(crate) fn numbered(reports: &[Report]) -> Vec<Report> {
    let mut numbered = reports.to_vec();
    for (index, report) in numbered.iter_mut().enumerate() {
        let same = reports.iter().filter(|other| name(other) == name(report)).count();
        if same > 1 {
            report.workload = format!("{} ({})", report.workload, index + 1);
        }
    }
    numbered
}

/// The rate over time.
pub(crate) fn rates(reports: &[Report]) -> String {
    let of = |report: &Report| Curve {
        name: name(report),
        points: report.timeline.iter().map(|point| (point.at_s, point.rate_per_s)).collect(),
    };
    let curves: Vec<Curve> = reports.iter().map(of).collect();
    draw(|out| over_time(out, &curves, "a second"))
}

/// The p99 over time.
pub(crate) fn latencies(reports: &[Report]) -> String {
    let of = |report: &Report| Curve {
        name: name(report),
        points: report.timeline.iter().map(|point| (point.at_s, point.p99_us)).collect(),
    };
    let curves: Vec<Curve> = reports.iter().map(of).collect();
    draw(|out| over_time(out, &curves, "p99 in us"))
}

/// The parts of an operation: their percentiles.
pub(crate) fn phases(report: &Report) -> String {
    let curves: Vec<Curve> = report
        .phases_us
        .iter()
        .map(|(name, latency)| {
            let points = [(2.0, latency.p50), (10.0, latency.p90), (100.0, latency.p99)];
            let tail = [(1000.0, latency.p99_9), (10_000.0, latency.p99_99)];
            let points = points.into_iter().chain(tail).map(|(x, y)| (x, y.max(0.1))).collect();
            Curve { name: name.replace('_', " "), points }
        })
        .collect();
    draw(|out| log_log(out, &curves))
}

/// A plot that cannot be drawn is replaced by a word, never by nothing.
fn draw(plot: impl FnOnce(&mut String) -> Drawn) -> String {
    let mut svg = String::new();
    match plot(&mut svg) {
        Ok(()) => svg,
        Err(error) => format!("<p>no plot: {error}</p>"),
    }
}

/// The least and the greatest, a little apart.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut ends: Option<(f64, f64)> = None;
    for value in values.filter(|value| value.is_finite()) {
        let (low, high) = ends.unwrap_or((value, value));
        ends = Some((low.min(value), high.max(value)));
    }
    ends
}

fn log_log(out: &mut String, curves: &[Curve]) -> Drawn {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let (_, right) = ends(points().map(|point| point.0)).ok_or("nothing was measured")?;
    let (low, high) = ends(points().map(|point| point.1)).ok_or("nothing was measured")?;
    let area = SVGBackend::with_string(out, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (bottom, top) = (10_f64.powf(low.log10().floor()), 10_f64.powf(high.log10().ceil()));
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .margin_right(30)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(
            (1.0..right.max(100.0)).log_scale(),
            (bottom..top.max(bottom * 10.0)).log_scale(),
        )?;
    chart
        .configure_mesh()
        .light_line_style(RGBColor(240, 240, 240))
        .bold_line_style(RGBColor(215, 215, 215))
        .x_desc("percentile")
        .y_desc("microseconds")
        .label_style(("sans-serif", 13))
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|y| plain(*y))
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        // Where two lie on each other, the one below is seen on both sides of the upper one.
        let below = u32::try_from(curves.len() - 1 - index).unwrap_or(0);
        let width = 2 + 3 * below.min(2);
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), colour.stroke_width(width)))?
            .label(&curve.name)
            .legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(width))
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}

fn over_time(out: &mut String, curves: &[Curve], unit: &str) -> Drawn {
    let points = || curves.iter().flat_map(|curve| curve.points.iter());
    let (_, right) = ends(points().map(|point| point.0)).ok_or("nothing was measured")?;
    let (_, top) = ends(points().map(|point| point.1)).ok_or("nothing was measured")?;
    let area = SVGBackend::with_string(out, (SIZE.0, 250)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..right.max(0.1), 0.0..(1.1 * top).max(1.0))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(225, 225, 225))
        .x_desc("seconds")
        .y_desc(unit)
        .label_style(("sans-serif", 13))
        .x_label_formatter(&|x| plain(*x))
        .y_label_formatter(&|y| plain(*y))
        .draw()?;
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let line = LineSeries::new(curve.points.iter().copied(), colour.stroke_width(2));
        chart.draw_series(line)?;
    }
    area.present()?;
    Ok(())
}

/// `1 / (1 - quantile)` as the percentile that people know.
fn percentile(x: f64) -> String {
    let percent = format!("{:.6}", 100.0 * (1.0 - 1.0 / x));
    let percent = percent.trim_end_matches('0').trim_end_matches('.');
    if percent.is_empty() { "0".into() } else { percent.into() }
}

fn plain(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        value if value < 1.0 => format!("{value:.1}"),
        value if value < 10.0 && value.fract() > 0.001 => format!("{value:.1}"),
        value => figure(value).trim_end_matches(".0").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_shows_percentiles_as_people_know_them() {
        let shown: Vec<_> = [1.0, 2.0, 10.0, 100.0, 10_000.0].map(percentile).into();
        assert_eq!(shown, ["0", "50", "90", "99", "99.99"]);
        assert_eq!([0.0, 0.1, 1.0, 10.0, 100_000.0].map(plain), ["0", "0.1", "1", "10", "100,000"]);
    }
}
