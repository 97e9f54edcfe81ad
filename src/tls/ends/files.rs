//! Certificates and keys in files: PEM as OpenSSL, certbot and step write it. Every mistake is one
//! line with the file and what would be right.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys};

use super::words;

/// More than any list of authorities has; a device or a disk image is not read to its end.
const BYTES_MAX: u64 = 16 << 20;

/// The certificate of a server and its key, which belong together.
pub(super) fn certified(certificate: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let chain = certificates(certificate)?;
    let private = private_key(key)?;
    let (chain_name, key_name) = (certificate.display(), key.display());
    let private = rustls_graviola::default_provider()
        .key_provider
        .load_private_key(private)
        .map_err(|_| {
            format!(
                "{key_name}: a key of a kind that is not supported; RSA with 2048 to 8192 bits, \
                 ECDSA on P-256 or P-384, and Ed25519 are"
            )
        })?;
    let certified = CertifiedKey::new(chain, private);
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(Error::InconsistentKeys(_)) => Err(match is_further_down(&certified) {
            true => format!(
                "{chain_name}: the certificate that belongs to the key {key_name} has to be the \
                 first, those who vouch for it come after it"
            ),
            false => format!("{key_name}: not the key of the certificate {chain_name}"),
        }),
        Err(Error::InvalidCertificate(why)) => Err(format!("{chain_name}: {}", broken(&why))),
        Err(other) => Err(format!("{chain_name}: {other}")),
    }
}

fn is_further_down(certified: &CertifiedKey) -> bool {
    certified.cert.iter().skip(1).any(|other| {
        CertifiedKey::new(vec![other.clone()], certified.key.clone()).keys_match().is_ok()
    })
}

fn broken(why: &CertificateError) -> String {
    words::certificate(why).replace(" of the server", "")
}

/// All certificates of a file, at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let name = path.display();
    let sections = sections(path, "openssl x509 -inform DER -in FILE -out NEW")?;
    let (mut certificates, mut has_key) = (Vec::new(), false);
    for (kind, bytes) in sections {
        match kind {
            SectionKind::Certificate => certificates.push(CertificateDer::from(bytes)),
            other => has_key |= is_key(other),
        }
    }
    match (certificates.is_empty(), has_key) {
        (false, _) => Ok(certificates),
        (true, true) => Err(format!("{name}: a private key, and no certificate in it")),
        (true, false) => {
            Err(format!("{name}: no certificate in it, which would be -----BEGIN CERTIFICATE-----"))
        }
    }
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let name = path.display();
    let text = text(path)?;
    if contains(&text, b"ENCRYPTED") {
        return Err(format!(
            "{name}: the key is encrypted, and nobody can be asked for its passphrase; decrypt it: \
             openssl pkey -in FILE -out NEW"
        ));
    }
    let sections = parse(path, &text, "openssl pkey -inform DER -in FILE -out NEW")?;
    let has_certificate = sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate);
    let mut keys =
        sections.into_iter().filter_map(|(kind, bytes)| PrivateKeyDer::from_pem(kind, bytes));
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(format!("{name}: several private keys, and which one is meant?")),
        (None, _) if has_certificate => Err(format!("{name}: a certificate, and no private key")),
        (None, _) => {
            Err(format!("{name}: no private key in it, which would be -----BEGIN PRIVATE KEY-----"))
        }
    }
}

fn sections(path: &Path, convert: &str) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    parse(path, &text(path)?, convert)
}

/// What has `-----BEGIN` and `-----END` around it and is known. `convert` makes PEM of DER.
fn parse(path: &Path, text: &[u8], convert: &str) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    let name = path.display();
    // DER, and PKCS #12 as well, begin with a SEQUENCE.
    if text.first() == Some(&0x30) && !contains(text, b"-----BEGIN ") {
        return Err(format!("{name}: this looks like DER, and PEM is wanted: {convert}"));
    }
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text).collect::<Result<_, _>>().map_err(|error| {
        let why = match error {
            pem::Error::MissingSectionEnd { .. } => "it is cut off: a -----END line is missing",
            pem::Error::Base64Decode(_) => "what stands between BEGIN and END is not base64",
            _ => "a line with -----BEGIN is broken",
        };
        format!("{name}: {why}")
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// Read to its end, so that a pipe will do.
fn text(path: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text));
    match read {
        Err(error) => Err(unreadable(path, &error)),
        Ok(length) if length as u64 == BYTES_MAX => {
            Err(format!("{}: too long for certificates or keys", path.display()))
        }
        Ok(_) => Ok(text),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> String {
    let name = path.display();
    match error.kind() {
        ErrorKind::NotFound => format!("{name}: there is no such file"),
        ErrorKind::IsADirectory => format!("{name}: a directory, and a file is wanted"),
        ErrorKind::PermissionDenied => {
            format!("{name}: we may not read it; give it to our user or group (chgrp, chmod 640)")
        }
        _ => format!("{name}: {error}"),
    }
}
