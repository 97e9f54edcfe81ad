//! `/`: the page for people, as it is. It asks for `/status.json` and draws it itself, so it costs
//! the server nothing but that; nothing on it comes from anywhere else.

/// The page.
pub(super) const PAGE: &str = include_str!("page.html");

/// What the browser may run on it: that one script and that one style, known by their SHA-256, and
/// it may ask us. A test computes both.
pub(super) const POLICY: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; \
    script-src 'sha256-SCRIPT'; \
    style-src 'sha256-STYLE'";
