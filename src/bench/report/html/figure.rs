//! Plots as parts of a page: with a caption and a legend, and as wide as there is room.

use std::fmt::Write;

use crate::bench::report::plot::{Plot, escape};

/// A plot that takes the whole width, on a wide screen and on a narrow one.
const WIDE: (u32, u32) = (960, 350);
const NARROW: (u32, u32) = (440, 300);
/// A plot beside another one.
const HALF: (u32, u32) = (460, 250);

/// A figure over the whole width; it is drawn twice, for letters that shrink cannot be read.
pub(super) fn wide(plot: &Plot) -> String {
    let at = |size| Plot { size, ..plot.clone() }.draw_in_page();
    let body = format!(
        "<div class=\"on-wide\">{}</div><div class=\"on-narrow\">{}</div>",
        at(WIDE),
        at(NARROW)
    );
    figure(plot, "", &body)
}

/// Figures beside each other, or below each other where there is no room, each with its caption.
pub(super) fn halves<'a>(plots: impl IntoIterator<Item = &'a Plot>) -> String {
    let mut out = String::new();
    for plot in plots {
        let body = Plot { size: HALF, ..plot.clone() }.draw_in_page();
        let caption = format!("<figcaption>{}</figcaption>", escape(&plot.title));
        out.push_str(&figure(plot, &caption, &body));
    }
    if out.is_empty() { out } else { format!("<div class=\"halves\">\n{out}</div>\n") }
}

/// A single curve needs no legend: the caption, or the heading, says what it is.
fn figure(plot: &Plot, caption: &str, body: &str) -> String {
    let mut out = format!("<figure>{caption}");
    let legend = plot.legend();
    if legend.len() > 1 {
        out.push_str("<ul class=\"legend\">");
        for (key, name) in legend {
            let _ = write!(out, "<li>{key}{}</li>", escape(name));
        }
        out.push_str("</ul>");
    }
    out + body + "</figure>\n"
}
