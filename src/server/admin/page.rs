//! `/`: the page for people, as it is. It asks for `/status.json` and draws it itself, so it costs
//! the server nothing but that; nothing on it comes from anywhere else.

/// The page.
pub(super) const PAGE: &str = include_str!("page.html");

/// What the browser may run on it: that one script and that one style, known by their SHA-256, and
/// it may ask us. A test says what they have to be.
pub(super) const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
    script-src 'sha256-uGgcKmtZVktsSIv4vTr6LxEW2WQUOdVhFRTjbtH+hZw='; \
    style-src 'sha256-Inwz8gkVtInJ1+vm57J35OYyerscxOBTpBeUeGPi7jw='";

#[cfg(test)]
mod tests {
    use super::*;

    const ROOTS: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2,
    ];

    /// FIPS 180-4, plainly: no crate for one test.
    fn sha256(text: &str) -> [u8; 32] {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0x80);
        bytes.resize(bytes.len().next_multiple_of(64), 0);
        if text.len() % 64 >= 56 {
            bytes.resize(bytes.len() + 64, 0);
        }
        let end = bytes.len() - 8;
        bytes[end..].copy_from_slice(&(8 * text.len() as u64).to_be_bytes());
        let mut state: [u32; 8] = [
            0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
            0x5be0cd19,
        ];
        for block in bytes.chunks_exact(64) {
            let words =
                block.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().unwrap()));
            let mut w: Vec<u32> = words.collect();
            for i in 16..64 {
                let small0 =
                    w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
                let small1 =
                    w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
                w.push(w[i - 16].wrapping_add(small0).wrapping_add(w[i - 7]).wrapping_add(small1));
            }
            let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
            for i in 0..64 {
                let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
                let one = h.wrapping_add(big1).wrapping_add((e & f) ^ (!e & g));
                let one = one.wrapping_add(ROOTS[i]).wrapping_add(w[i]);
                let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
                let two = big0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
                (h, g, f, e, d, c, b, a) =
                    (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
            }
            for (sum, part) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
                *sum = sum.wrapping_add(part);
            }
        }
        let bytes: Vec<u8> = state.iter().flat_map(|word| word.to_be_bytes()).collect();
        bytes.try_into().unwrap()
    }

    fn base64(bytes: &[u8]) -> String {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for group in bytes.chunks(3) {
            let bits =
                (0..3).fold(0, |bits, at| bits << 8 | u32::from(*group.get(at).unwrap_or(&0)));
            for at in 0..4 {
                let digit = digits[(bits >> (18 - 6 * at) & 63) as usize];
                text.push(if at <= group.len() { digit.into() } else { '=' });
            }
        }
        text
    }

    #[test]
    fn the_browser_is_told_the_script_and_the_style_that_are_there() {
        assert!(base64(&sha256("abc")).starts_with("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="));
        for (element, source) in [("script", "script-src"), ("style", "style-src")] {
            let (start, end) = (format!("<{element}>"), format!("</{element}>"));
            assert_eq!(PAGE.matches(&start).count(), 1);
            let (_, rest) = PAGE.split_once(&start).unwrap();
            let (text, _) = rest.split_once(&end).unwrap();
            let wanted = format!("{source} 'sha256-{}'", base64(&sha256(text)));
            assert!(POLICY.contains(&wanted), "write {wanted}");
        }
    }

    #[test]
    fn nothing_on_it_comes_from_elsewhere() {
        let names = PAGE.matches("http://www.w3.org/2000/svg").count();
        assert_eq!((PAGE.matches("http").count(), names), (1, 1));
        assert!(!PAGE.contains("innerHTML") && !PAGE.contains(" src="));
        let wide: Vec<_> = PAGE.lines().filter(|line| line.chars().count() > 100).collect();
        assert!(wide.is_empty(), "{wide:?}");
    }
}
