//! Signatures by a key of Ed25519 (RFC 8032), for those who prove by one who they are.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::SigningKey;

use super::available;

/// What stands before the 32 bytes of such a key in PKCS #8 (RFC 8410).
const PRIVATE: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
/// How many bytes stand before those of the public one in its own form.
const PUBLIC: usize = 12;

/// Such a key.
#[derive(Clone, Debug)]
pub struct Signer(Arc<dyn SigningKey>);

impl Signer {
    /// Of that seed.
    ///
    /// # Errors
    ///
    /// Why there is no such thing here.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Signer, String> {
        available()?;
        let der = PrivatePkcs8KeyDer::from([&PRIVATE[..], seed].concat());
        let provider = rustls_graviola::default_provider().key_provider;
        let key = provider.load_private_key(der.into()).map_err(|error| error.to_string())?;
        Ok(Signer(key))
    }

    /// Its public half.
    pub fn public(&self) -> Option<[u8; 32]> {
        let der = self.0.public_key()?;
        der.as_ref().get(PUBLIC..)?.try_into().ok()
    }

    /// Signs that.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.0.choose_scheme(&[SignatureScheme::ED25519])?.sign(message).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex_of(text: &str) -> Vec<u8> {
        let digit = |byte: u8| u8::try_from((byte as char).to_digit(16).unwrap()).unwrap();
        text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    #[test]
    fn it_signs_as_the_standard_has_it() {
        // RFC 8032, 7.1, test 2.
        let seed = hex_of("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let signer = Signer::from_seed(seed.as_slice().try_into().unwrap()).unwrap();
        let public = hex_of("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(signer.public().unwrap().as_slice(), public);
        let signature = hex_of(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(signer.sign(&[0x72]).unwrap(), signature);
    }
}
