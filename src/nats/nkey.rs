//! nkeys: keys of Ed25519 as NATS writes them, in base32 with what they are for at the front and
//! a checksum at the end.

use std::fmt;

use crate::tls::Signer;

/// RFC 4648; the padding is left out.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The same one's for URLs.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// `S` at the front: a seed.
const SEED: u8 = 18 << 3;
/// `U` at the front, or behind the `S`: a user's.
const USER: u8 = 20 << 3;

/// The key of a user.
#[derive(Clone)]
pub(super) struct Nkey {
    signer: Signer,
    public: String,
}

impl Nkey {
    /// Reads a seed, which is some 58 characters from `SU` on.
    ///
    /// # Errors
    /// What is wrong with it, for people; nothing of the seed is in it.
    pub(super) fn from_seed(text: &str) -> Result<Nkey, String> {
        let bytes = from_base32(text).ok_or("the seed has characters that are not base32")?;
        let (sum, rest) = match bytes.split_last_chunk::<2>() {
            Some((rest, sum)) if rest.len() == 34 => (u16::from_le_bytes(*sum), rest),
            _ => return Err("the seed has not the length of one".to_owned()),
        };
        if sum != checksum(rest) {
            return Err("the checksum of the seed is wrong: some of it got lost".to_owned());
        }
        let (what, whose) = (rest[0] & 0xf8, (rest[0] & 7) << 5 | rest[1] >> 3);
        if what != SEED || whose != USER {
            return Err("that is not the seed of a user, which begins with SU".to_owned());
        }
        let seed: &[u8; 32] = rest.last_chunk().ok_or("too short")?;
        let signer = Signer::from_seed(seed)
            .map_err(|why| format!("a key of a user needs what signs for TLS: {why}"))?;
        let key = signer.public().ok_or("it has no public half")?;
        let mut public = vec![USER];
        public.extend_from_slice(&key);
        let sum = checksum(&public);
        public.extend_from_slice(&sum.to_le_bytes());
        Ok(Nkey { signer, public: encode(&public, 5, BASE32) })
    }

    /// Its public half, from `U` on.
    pub(super) fn public(&self) -> &str {
        &self.public
    }

    /// The signature of `nonce`, as CONNECT wants it.
    pub(super) fn sign(&self, nonce: &str) -> Option<String> {
        self.signer.sign(nonce.as_bytes()).map(|signature| encode(&signature, 6, BASE64))
    }
}

impl fmt::Debug for Nkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Nkey({})", self.public)
    }
}

/// CRC-16 as of XMODEM: polynomial 0x1021 from 0.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| match sum & 0x8000 {
            0 => sum << 1,
            _ => sum << 1 ^ 0x1021,
        })
    })
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| BASE32.iter().position(|one| *one == byte);
    let values: Option<Vec<u8>> =
        text.bytes().map(|byte| u8::try_from(value(byte)?).ok()).collect();
    // What is left over is padding.
    Some(regroup(&values?, 5, 8).0)
}

fn encode(bytes: &[u8], bits: u32, alphabet: &[u8]) -> String {
    let (mut values, rest) = regroup(bytes, 8, bits);
    values.extend(rest);
    values.iter().map(|value| char::from(alphabet[usize::from(*value)])).collect()
}

/// Values of `from` bits as ones of `to` bits, both at most 8; and those that are left over, if
/// there are any, with zeros behind them.
fn regroup(values: &[u8], from: u32, to: u32) -> (Vec<u8>, Option<u8>) {
    let (mut gathered, mut bits) = (0_u32, 0);
    let mut regrouped = Vec::with_capacity(values.len() * 2);
    let low = |number: u32| u8::try_from(number & ((1 << to) - 1)).unwrap_or_default();
    for value in values {
        gathered = gathered << from | u32::from(*value);
        bits += from;
        while bits >= to {
            bits -= to;
            regrouped.push(low(gathered >> bits));
        }
    }
    (regrouped, (bits > 0).then(|| low(gathered << (to - bits))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_regrouped_as_the_standard_has_it() {
        for (bytes, base32, base64) in [
            ("", "", ""),
            ("f", "MY", "Zg"),
            ("fo", "MZXQ", "Zm8"),
            ("foo", "MZXW6", "Zm9v"),
            ("foobar", "MZXW6YTBOI", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes(), 5, BASE32), base32);
            assert_eq!(encode(bytes.as_bytes(), 6, BASE64), base64);
            assert_eq!(from_base32(base32).unwrap(), bytes.as_bytes());
        }
        assert_eq!(encode(&[0xfb, 0xff], 6, BASE64), "-_8");
        assert_eq!(checksum(b"123456789"), 0x31c3);
    }

    // The example of the documentation of NATS.
    const EXAMPLE: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

    #[cfg(feature = "tls")]
    #[test]
    fn a_seed_has_its_public_half_and_signs() {
        let key = Nkey::from_seed(EXAMPLE).unwrap();
        let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        assert_eq!(key.public(), public);
        assert_eq!(format!("{key:?}"), format!("Nkey({public})"));
        let signature = key.sign("nonce").unwrap();
        assert_eq!(signature.len(), 86);
        assert_eq!(key.sign("nonce").unwrap(), signature);
        assert_ne!(key.sign("nonces").unwrap(), signature);
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn without_what_signs_a_seed_is_refused_and_that_is_said() {
        let why = Nkey::from_seed(EXAMPLE).unwrap_err();
        assert!(why.contains("needs the feature tls"), "{why}");
    }

    #[test]
    fn what_is_no_seed_of_a_user_is_refused_without_telling_it() {
        let mut swapped = EXAMPLE.to_owned();
        swapped.replace_range(20..21, "A");
        let of = |front: [u8; 2]| {
            let mut bytes = [&front[..], &[7; 32]].concat();
            bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
            encode(&bytes, 5, BASE32)
        };
        let account = of([SEED, 0]);
        let public = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        for (text, why) in [
            ("", "not the length"),
            ("SU", "not the length"),
            (&EXAMPLE[..57], "not the length"),
            ("SUACSSL1", "not base32"),
            ("suacssl3", "not base32"),
            ("SUÄ", "not base32"),
            (&swapped, "some of it got lost"),
            (&account, "begins with SU"),
            (&of([USER, 0]), "begins with SU"),
            (public, "not the length"),
        ] {
            let told = Nkey::from_seed(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
            assert!(text.len() < 4 || !told.contains(text), "{told}");
        }
    }
}
