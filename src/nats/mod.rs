//! NATS, as far as the bus speaks it: what a server says ([`Parser`]), what it is told ([`say`]),
//! its streams ([`stream`]), where servers are ([`servers`]) and who we are to them
//! ([`credentials`]). No socket, no clock; chance is an argument.

pub mod credentials;
pub mod headers;
pub mod info;
mod nkey;
pub mod parser;
pub mod say;
pub mod servers;
pub mod stream;

pub use credentials::Login;
pub use headers::Headers;
pub use info::Info;
pub use parser::{LINE_MAX, MESSAGE_MAX, Message, Parsed, Parser, ServerOp};
pub use servers::{Pool, ServerAddress, Waits};

/// Whether that is something to publish under, or to ask for an answer at: tokens between dots, no
/// blanks, nothing that would drive a terminal. `*` and `>` would be tokens like others.
pub fn is_subject(text: &str) -> bool {
    let is_token = |token: &str| {
        !token.is_empty() && !token.contains(|c: char| c.is_whitespace() || c.is_control())
    };
    text.split('.').all(is_token)
}

/// What became of us at a server that says `-ERR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Something may not be published or subscribed to; all else goes on.
    Permission,
    /// It does not take us for who we say that we are, and ends.
    Login,
    /// Anything else, behind which it ends as a rule.
    Other,
}

/// What a text of `-ERR` means.
pub fn trouble(text: &str) -> Trouble {
    let text = text.to_ascii_lowercase();
    let begins = |with: &[&str]| with.iter().any(|start| text.starts_with(start));
    if begins(&["permissions violation", "invalid subject", "invalid publish subject"]) {
        Trouble::Permission
    } else if begins(&["authorization", "authentication", "user auth", "account auth"]) {
        Trouble::Login
    } else {
        Trouble::Other
    }
}

/// What may not be published under, if that is what a text of `-ERR` says.
pub fn denied_publish(text: &str) -> Option<&str> {
    const HEAD: &str = "permissions violation for publish to \"";
    let (head, rest) = text.split_at_checked(HEAD.len())?;
    let is_it = head.eq_ignore_ascii_case(HEAD);
    rest.split_once('"').map(|(subject, _)| subject).filter(|_| is_it)
}

/// How a question by which no service listens is answered: the status of its headers.
pub const NO_RESPONDERS: u16 = 503;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_tokens_between_dots() {
        for text in ["a", "cooee.1.say.lobby", "$JS.ACK.S.c.1.2.3.4.0", "_INBOX.x", "ä.b"] {
            assert!(is_subject(text), "{text}");
        }
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\r", "a\n", "a\u{1b}", "a\u{a0}"]
        {
            assert!(!is_subject(text), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_permitted_is_not_the_end_and_a_wrong_login_is_told_apart() {
        for (text, wanted) in [
            ("Permissions Violation for Publish to \"x\"", Trouble::Permission),
            ("permissions violation for subscription to \"x\"", Trouble::Permission),
            ("Invalid Subject", Trouble::Permission),
            ("Authorization Violation", Trouble::Login),
            ("Authentication Timeout", Trouble::Login),
            ("User Authentication Expired", Trouble::Login),
            ("Account Authentication Expired", Trouble::Login),
            ("Maximum Payload Violation", Trouble::Other),
            ("Slow Consumer", Trouble::Other),
            ("", Trouble::Other),
        ] {
            assert_eq!(trouble(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_may_not_be_published_is_told_apart_from_what_may_not_be_heard() {
        for (text, wanted) in [
            ("Permissions Violation for Publish to \"a.b\"", Some("a.b")),
            ("permissions violation for publish to \"a\" using x", Some("a")),
            ("Permissions Violation for Publish to \"a.b", None),
            ("Permissions Violation for Subscription to \"a.b\"", None),
            ("Permissions Violation for Publish tö \"a\"", None),
            ("", None),
        ] {
            assert_eq!(denied_publish(text), wanted, "{text}");
        }
    }
}
