//! The colours of plots, and of whatever else tells the same things apart.

/// In which colour something is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// That of text: for what is no measured thing among others.
    Ink,
    /// One of the palette, by number; behind its end the strokes are dashed.
    Numbered(usize),
}

/// What a plot lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// A white one of its own, so that it can be read on a dark page, too.
    White,
    /// That of the page it is part of, whose variables name the colours.
    Page,
}

/// On a light and on a dark ground; told apart by most of the colour-blind (after Okabe and Ito).
pub(crate) const PALETTE: [(&str, &str); 8] = [
    ("#0072b2", "#56b4e9"),
    ("#d04a00", "#ff8c42"),
    ("#00805c", "#35cfa0"),
    ("#b4488c", "#e88cc4"),
    ("#946c00", "#e0b33c"),
    ("#6a4fc4", "#b3a1ff"),
    ("#00889a", "#4fd6e6"),
    ("#6b6b6b", "#c0c0c0"),
];

/// What is no curve: its variable, on a light and on a dark ground.
pub(crate) const PARTS: [(&str, &str, &str); 4] = [
    ("ink", "#1f2328", "#e8eaed"),
    ("soft", "#596069", "#a6adb5"),
    ("grid", "#dfe2e6", "#383e46"),
    ("ground", "#ffffff", "#16191d"),
];

impl Colour {
    /// What follows the strokes of the palette: how often it has been gone through.
    pub(super) fn round(self) -> usize {
        match self {
            Colour::Ink => 0,
            Colour::Numbered(number) => number / PALETTE.len(),
        }
    }

    /// The variable of a page that holds it, without its dashes.
    pub(crate) fn variable(self) -> String {
        match self {
            Colour::Ink => "ink".into(),
            Colour::Numbered(number) => format!("c{}", number % PALETTE.len()),
        }
    }
}

impl Ground {
    /// The colour as SVG takes it.
    pub(super) fn colour(self, colour: Colour) -> String {
        match (self, colour) {
            (Ground::White, Colour::Numbered(number)) => PALETTE[number % PALETTE.len()].0.into(),
            (Ground::White, Colour::Ink) => self.part("ink"),
            (Ground::Page, _) => format!("var(--{})", colour.variable()),
        }
    }

    /// The colour of one of `PARTS`.
    pub(super) fn part(self, name: &str) -> String {
        let light = PARTS.iter().find(|part| part.0 == name).map_or("#000000", |part| part.1);
        match self {
            Ground::White => light.into(),
            Ground::Page => format!("var(--{name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of WCAG 2.
    fn luminance(colour: &str) -> f64 {
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn text_and_curves_can_be_read_on_both_grounds() {
        let [ink, soft, _, ground] = PARTS;
        for text in [ink, soft] {
            assert!(contrast(text.1, ground.1) >= 4.5 && contrast(text.2, ground.2) >= 4.5);
        }
        for (light, dark) in PALETTE {
            let found = (contrast(light, ground.1), contrast(dark, ground.2));
            assert!(found.0 >= 4.0 && found.1 >= 4.0, "{light} {dark}: {found:?}");
        }
    }

    #[test]
    fn behind_the_end_of_the_palette_the_round_tells_colours_apart() {
        let (first, ninth) = (Colour::Numbered(0), Colour::Numbered(PALETTE.len()));
        assert_eq!(first.variable(), ninth.variable());
        assert_ne!(first.round(), ninth.round());
    }
}
