//! Why a conversation has failed, in words: what happened, and what would help.

use rustls::pki_types::UnixTime;
use rustls::{
    AlertDescription, CertificateError, Error, HandshakeType, InvalidMessage, PeerIncompatible,
    PeerMisbehaved,
};

use super::session::End;

/// How many bytes of what is no TLS are shown.
const SHOWN_MAX: usize = 32;
/// How many names of a certificate are shown.
const NAMES_MAX: usize = 5;

/// Whether TLS may begin with `byte`: the kinds of records (RFC 8446, section 5.1).
pub(super) fn may_begin_tls(byte: u8) -> bool {
    (20..=23).contains(&byte)
}

/// The line for a peer whose first bytes are no TLS.
pub(super) fn plain_text(input: &[u8], end: End) -> String {
    let shown = input[..input.len().min(SHOWN_MAX)].escape_ascii();
    match end {
        End::Server => format!(
            "the client speaks no TLS, its first bytes were \"{shown}\": connect to it with TLS, \
             or serve this port without"
        ),
        End::Client => format!(
            "the server speaks no TLS, its first bytes were \"{shown}\": is this port one without \
             TLS?"
        ),
    }
}

/// The line for what rustls says.
pub(super) fn of(error: &Error, end: End) -> String {
    let peer = peer(end);
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::AlertReceived(alert) => received(*alert, end),
        Error::PeerIncompatible(why) => incompatible(why, end),
        Error::InappropriateHandshakeMessage { got_type: HandshakeType::ClientHello, .. }
            if end == End::Client =>
        {
            "the server speaks no TLS, it has sent our own hello back: is this port an echo \
             without TLS?"
                .into()
        }
        Error::PeerMisbehaved(PeerMisbehaved::SignedKxWithWrongAlgorithm) => format!(
            "the {peer} signs with a key that is supported in TLS 1.3 only, such as one of Ed25519"
        ),
        Error::PeerMisbehaved(why) => format!("the {peer} breaks the rules of TLS: {why:?}"),
        Error::InvalidMessage(why @ InvalidMessage::UnknownProtocolVersion)
        | Error::InvalidMessage(why @ InvalidMessage::InvalidContentType) => {
            format!("what the {peer} sends is no TLS ({why:?})")
        }
        Error::InvalidMessage(why) => format!("the {peer} sent a message that is broken: {why:?}"),
        Error::InappropriateMessage { got_type, .. } => {
            format!("the {peer} sent what has no place there: {got_type:?}")
        }
        Error::InappropriateHandshakeMessage { got_type, .. } => {
            format!("the {peer} sent what has no place there: {got_type:?}")
        }
        Error::DecryptError => format!(
            "a record of the {peer} cannot be decrypted: it has been changed on the way, or is \
             not of this conversation"
        ),
        Error::PeerSentOversizedRecord => format!("the {peer} sent a record that is too long"),
        Error::NoCertificatesPresented => format!("the {peer} showed no certificate"),
        other => other.to_string(),
    }
}

fn peer(end: End) -> &'static str {
    match end {
        End::Server => "client",
        End::Client => "server",
    }
}

/// What is wrong with a certificate; of a server's, for only clients look at any.
pub(super) fn certificate(why: &CertificateError) -> String {
    use CertificateError as E;
    match why {
        E::ExpiredContext { not_after, .. } => {
            format!("the certificate of the server expired on {}", date(*not_after))
        }
        E::NotValidYetContext { not_before, .. } => format!(
            "the certificate of the server is valid only from {}: is the clock of this machine \
             right?",
            date(*not_before)
        ),
        E::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str();
            match names(presented) {
                Some(names) => format!(
                    "the certificate of the server is for {names}, not for {expected}; which of \
                     its names is meant can be said with --server-name"
                ),
                None => format!(
                    "the certificate of the server names nobody, so it is not for {expected}: it \
                     needs a subjectAltName (openssl req -addext subjectAltName=DNS:{expected}), \
                     the common name does not count"
                ),
            }
        }
        E::UnknownIssuer => "the certificate of the server is signed by an unknown authority: \
                             give that, or the server's own certificate, with --ca FILE"
            .into(),
        E::BadSignature => "the server has not proved that its certificate is its own; RSA of \
                            less than 2048 bits, and P-521, are not supported"
            .into(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the certificate of the server is not meant for servers (extendedKeyUsage)".into()
        }
        E::BadEncoding => "the certificate of the server is broken".into(),
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate of the server is signed in a way that is not supported: RSA with 2048 \
             to 8192 bits, ECDSA on P-256 and P-384, and Ed25519 are"
                .into()
        }
        E::Other(other) => of_webpki(other.0.downcast_ref()).unwrap_or_else(|| why.to_string()),
        other => format!("the certificate of the server is not accepted: {other}"),
    }
}

fn of_webpki(error: Option<&webpki::Error>) -> Option<String> {
    Some(match error? {
        webpki::Error::CaUsedAsEndEntity => {
            "the certificate of the server is one of an authority (CA:TRUE), as `openssl req \
             -x509` makes it: believed only if --ca FILE is that very certificate"
                .into()
        }
        webpki::Error::UnsupportedCertVersion => {
            "the certificate of the server is not of version 3: make it with a subjectAltName"
                .into()
        }
        other => format!("the certificate of the server is not accepted: {other:?}"),
    })
}

/// The names of a certificate, as webpki shows them.
fn names(presented: &[String]) -> Option<String> {
    let name = |shown: &String| {
        let inner = shown.split_once('(').map_or(shown.as_str(), |(_, inner)| inner);
        inner.trim_end_matches(')').trim_matches('"').escape_debug().to_string()
    };
    let shown: Vec<String> = presented.iter().take(NAMES_MAX).map(name).collect();
    let more = presented.len().saturating_sub(NAMES_MAX);
    match more {
        _ if shown.is_empty() => None,
        0 => Some(shown.join(", ")),
        _ => Some(format!("{} and {more} more", shown.join(", "))),
    }
}

/// What the peer says against us.
fn received(alert: AlertDescription, end: End) -> String {
    use AlertDescription as A;
    let peer = peer(end);
    match (alert, end) {
        (A::UnknownCA, End::Server) => "the client does not know who has signed our certificate \
                                        (alert unknown_ca): it has to be told whom to believe"
            .into(),
        (A::CertificateExpired, End::Server) => {
            "the client says that our certificate has expired (alert certificate_expired)".into()
        }
        (A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate, End::Server) => {
            format!("the client does not accept our certificate (alert {})", snake(alert))
        }
        (A::CertificateRequired | A::NoCertificate, End::Client) => {
            "the server wants a certificate from us, and we have none (alert certificate_required)"
                .into()
        }
        (A::UnrecognisedName, End::Client) => "the server does not know the name that it is \
                                               called by (alert unrecognized_name): --server-name"
            .into(),
        (A::ProtocolVersion, _) => format!(
            "no version of TLS in common (alert protocol_version): we speak 1.2 and 1.3, the \
             {peer} does not"
        ),
        (A::HandshakeFailure | A::InsufficientSecurity, End::Server) => format!(
            "the client finds no cipher, group or signature in common (alert {})",
            snake(alert)
        ),
        (A::HandshakeFailure | A::InsufficientSecurity, End::Client) => format!(
            "the server finds no cipher, group or signature in common, or wants a certificate from \
             us (alert {})",
            snake(alert)
        ),
        _ => format!("the {peer} has given up: alert {}", snake(alert)),
    }
}

/// An alert as the standard writes it.
fn snake(alert: AlertDescription) -> String {
    let mut name = String::new();
    let shown = format!("{alert:?}");
    let mut before_is_small = false;
    for letter in shown.chars() {
        if letter.is_ascii_uppercase() && before_is_small {
            name.push('_');
        }
        before_is_small = letter.is_ascii_lowercase();
        name.push(letter.to_ascii_lowercase());
    }
    name
}

fn incompatible(why: &PeerIncompatible, end: End) -> String {
    use PeerIncompatible as P;
    let peer = peer(end);
    match why {
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        // What a client before 1.2 does not say.
        | P::SignatureAlgorithmsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => format!(
            "no version of TLS in common: we speak 1.2 and 1.3, the {peer} does not ({why:?})"
        ),
        // Who names no groups has no cipher with ECDHE.
        P::NoCipherSuitesInCommon | P::NamedGroupsExtensionRequired => format!(
            "no cipher in common with the {peer}: we have AES-GCM and ChaCha20-Poly1305, in TLS \
             1.2 with ECDHE and a key of RSA or ECDSA"
        ),
        P::NoKxGroupsInCommon => format!(
            "no group for the keys in common with the {peer}: we have X25519 (also with \
             ML-KEM-768), P-256 and P-384"
        ),
        P::NoSignatureSchemesInCommon => format!(
            "no way to sign in common with the {peer}: it does not know what our key can do"
        ),
        other => format!("the {peer} cannot do what TLS needs here: {other:?}"),
    }
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(moment) => moment.strftime("%Y-%m-%d").to_string(),
        Err(_) => "a day beyond all calendars".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_called_what_the_standard_calls_them() {
        assert_eq!(snake(AlertDescription::HandshakeFailure), "handshake_failure");
        assert_eq!(snake(AlertDescription::UnknownCA), "unknown_ca");
        assert_eq!(snake(AlertDescription::CloseNotify), "close_notify");
    }

    #[test]
    fn names_of_a_certificate_are_shown_plainly_and_not_all() {
        let shown =
            |all: &[&str]| names(&all.iter().map(|name| name.to_string()).collect::<Vec<_>>());
        assert_eq!(shown(&[]), None);
        let two = shown(&["DnsName(\"a.org\")", "IpAddress(10.0.0.1)"]);
        assert_eq!(two.as_deref(), Some("a.org, 10.0.0.1"));
        assert_eq!(shown(&["DnsName(\"a\u{1b}b\")"]).as_deref(), Some("a\\u{1b}b"));
        let many = shown(&["DnsName(\"a\")"; 7]);
        assert_eq!(many.as_deref(), Some("a, a, a, a, a and 2 more"));
    }

    #[test]
    fn what_is_no_tls_is_shown_without_its_control_bytes() {
        let line = plain_text(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", End::Server);
        assert!(line.contains("\"GET / HTTP/1.1\\r\\nHost: localhost"), "{line}");
        assert!(!line.contains('\n'));
    }
}
