//! Subjects: what one is, and which of them a pattern covers.

/// Whether something may be subscribed to under that: tokens between dots, `*` and `>` for some.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut tokens = text.split('.').peekable();
    while let Some(token) = tokens.next() {
        let is_early_rest = token == ">" && tokens.peek().is_some();
        if token.is_empty() || is_early_rest || token.contains([' ', '\t', '\r', '\n']) {
            return false;
        }
    }
    true
}

/// Whether `pattern` covers `subject`.
pub(crate) fn covers(pattern: &str, subject: &str) -> bool {
    let mut wanted = pattern.split('.');
    let mut tokens = subject.split('.');
    loop {
        match (wanted.next(), tokens.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(one), Some(other)) if one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_one_token_and_an_angle_all_that_follow() {
        for (pattern, subject, is_covered) in [
            ("a.b", "a.b", true),
            ("a.b", "a.B", false),
            ("a.*", "a.b", true),
            ("a.*", "a.b.c", false),
            ("a.*", "a", false),
            ("*.b", "a.b", true),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
        ] {
            assert_eq!(covers(pattern, subject), is_covered, "{pattern} and {subject}");
        }
        assert!(is_pattern("a.*.>") && !is_pattern("a..b") && !is_pattern("a.>.b"));
        assert!(!is_pattern("") && !is_pattern(".a") && !is_pattern("a."));
    }
}
