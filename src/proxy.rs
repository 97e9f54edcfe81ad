//! The PROXY protocol (haproxy, doc/proxy-protocol.txt): the line or block before everything else
//! in which a proxy says for whom it speaks. Read here for those that we trust to say that, and
//! written for those who want one.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
use std::str::FromStr;

use proxy_header::{Error, ParseConfig, ProxiedAddress, ProxyHeader};

use crate::engine::{Address, Arrival, Opener, Preface, Prefaced};

/// No header may be longer. Those that are in use have some hundred bytes; a block may claim to
/// have 65,535.
const LENGTH_MAX: usize = 4096;
/// How version 1 begins.
const LINE: &[u8] = b"PROXY ";
/// How version 2 begins.
const BLOCK: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What a block is at least: its beginning, what it is, and how long the rest is.
const BLOCK_HEAD: usize = BLOCK.len() + 4;
/// The kind of the field with the checksum.
const CHECKSUM: u8 = 3;
/// As much as is shown of what is no header.
const SHOWN: usize = 16;

/// Reads a header of either version.
pub struct HeaderReader;

impl Preface for HeaderReader {
    fn read(&mut self, input: &[u8]) -> Prefaced {
        let begins = |with: &[u8]| input.starts_with(with) || with.starts_with(input);
        if !begins(LINE) && !begins(BLOCK) {
            let shown = beginning(input, SHOWN);
            return Prefaced::Wrong(format!("it begins with \"{shown}\" instead"));
        }
        if input.starts_with(BLOCK)
            && let Some(length) = block_length(input).filter(|length| *length > LENGTH_MAX)
        {
            let why = format!("a header of {length} bytes, and no more than {LENGTH_MAX} are read");
            return Prefaced::Wrong(why);
        }
        match ProxyHeader::parse(input, ParseConfig::default()) {
            Ok((header, length)) => whole(&header, &input[..length]),
            Err(Error::BufferTooShort) => Prefaced::More,
            Err(_) => Prefaced::Wrong(format!("malformed: \"{}\"", beginning(input, 107))),
        }
    }
}

/// As much of `input` as is shown.
fn beginning(input: &[u8], most: usize) -> impl fmt::Display {
    let line = input.split(|byte| *byte == b'\n').next().unwrap_or(input);
    let shown = if input.starts_with(LINE) { line.trim_ascii_end() } else { input };
    shown[..shown.len().min(most)].escape_ascii()
}

/// How long the block is as a whole, once it has said that.
fn block_length(input: &[u8]) -> Option<usize> {
    let length = input.get(BLOCK_HEAD - 2..BLOCK_HEAD)?;
    Some(BLOCK_HEAD + usize::from(u16::from_be_bytes([length[0], length[1]])))
}

fn whole(header: &ProxyHeader<'_>, bytes: &[u8]) -> Prefaced {
    if bytes.starts_with(BLOCK) && !has_right_sum(bytes) {
        return Prefaced::Wrong("a header whose checksum (CRC32c) is wrong".into());
    }
    // Without one it speaks for itself (LOCAL, UNKNOWN), or for somebody without an IP address.
    let source = header.proxied_address().map(|proxied| proxied.source);
    let source = source.map(|one| SocketAddr::new(one.ip().to_canonical(), one.port()));
    Prefaced::Whole(bytes.len(), source.map(Address::Ip))
}

/// Whether the block has its own checksum right, if it has one (section 2.2.5): it is that of the
/// block with zeros in its place.
fn has_right_sum(bytes: &[u8]) -> bool {
    let Some(place) = place_of_sum(bytes) else { return true };
    let Ok(sum) = <[u8; 4]>::try_from(&bytes[place.clone()]) else { return false };
    let mut blank = bytes.to_vec();
    blank[place].fill(0);
    crc32c(&blank) == u32::from_be_bytes(sum)
}

/// Where in the block its checksum stands. The fields are walked through rather than searched: what
/// is in one of them may look like another.
fn place_of_sum(bytes: &[u8]) -> Option<Range<usize>> {
    let addresses = match bytes.get(BLOCK.len() + 1)? >> 4 {
        1 => 12,
        2 => 36,
        3 => 216,
        _ => 0,
    };
    let mut at = BLOCK_HEAD + addresses;
    while let Some([kind, high, low]) = bytes.get(at..at + 3) {
        let value = at + 3..at + 3 + usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == CHECKSUM {
            return bytes.get(value.clone()).map(|_| value);
        }
        at = value.end;
    }
    None
}

/// The Castagnoli CRC (RFC 3720, appendix B.4), bit by bit: a header is short.
fn crc32c(bytes: &[u8]) -> u32 {
    let turn = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    };
    !bytes.iter().fold(!0, turn)
}

/// The header that a client sends: `v1` or `v2`, and perhaps `=IP:PORT`, for whom it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderPlan {
    version: Version,
    /// `None`: for itself, with its real address.
    source: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl FromStr for HeaderPlan {
    type Err = String;

    fn from_str(text: &str) -> Result<HeaderPlan, String> {
        let (version, source) = match text.split_once('=') {
            Some((version, source)) => (version, Some(source)),
            None => (text, None),
        };
        let version = match version {
            "v1" | "1" => Version::V1,
            "v2" | "2" => Version::V2,
            _ => return Err(format!("{version:?} is no version of it, write v1 or v2")),
        };
        let source = source.map(|source| {
            source.parse().map_err(|_| {
                format!("{source:?} is no source, write v1=192.0.2.7:4711 or v1=[2001:db8::7]:4711")
            })
        });
        Ok(HeaderPlan { version, source: source.transpose()? })
    }
}

impl fmt::Display for HeaderPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.version {
            Version::V1 => "v1",
            Version::V2 => "v2",
        })?;
        self.source.map_or(Ok(()), |source| write!(f, "={source}"))
    }
}

impl HeaderPlan {
    /// What says it at the beginning of each connection.
    pub fn opener(self) -> Opener {
        Rc::new(move |arrival| self.header(arrival))
    }

    /// The header for one connection.
    fn header(self, arrival: &Arrival) -> Vec<u8> {
        let destination = ip(arrival.remote);
        let source = self.source.or(ip(arrival.local));
        let header = match (source, destination.or(source)) {
            (Some(source), Some(destination)) => {
                let (source, destination) = alike(source, destination);
                ProxyHeader::with_address(ProxiedAddress::stream(source, destination))
            }
            // Without addresses of its own it can speak for nobody else.
            _ => ProxyHeader::with_local(),
        };
        let mut bytes = Vec::new();
        let written = match self.version {
            Version::V1 => header.encode_v1(&mut bytes),
            Version::V2 => header.encode_v2(&mut bytes),
        };
        debug_assert!(written.is_ok(), "two addresses of one family and nothing else");
        bytes
    }
}

fn ip(address: Address) -> Option<SocketAddr> {
    match address {
        Address::Ip(address) => Some(address),
        Address::Unix(_) => None,
    }
}

/// Both as addresses of the same family, as a header has them: IPv4 ones as IPv6 knows them, where
/// they are not.
fn alike(one: SocketAddr, other: SocketAddr) -> (SocketAddr, SocketAddr) {
    match one.is_ipv4() == other.is_ipv4() {
        true => (one, other),
        false => (mapped(one), mapped(other)),
    }
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(input: &[u8]) -> Prefaced {
        HeaderReader.read(input)
    }

    fn whole(input: &[u8], behind: usize, remote: Option<&str>) {
        let remote = remote.map(|text| Address::Ip(text.parse().unwrap()));
        assert_eq!(read(input), Prefaced::Whole(input.len() - behind, remote), "{input:?}");
        for length in 0..input.len() - behind {
            assert_eq!(read(&input[..length]), Prefaced::More, "{length} of {input:?}");
        }
    }

    fn block(head: [u8; 2], rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [BLOCK, &head, &length, rest].concat()
    }

    const V4: [u8; 12] = [198, 51, 100, 7, 192, 0, 2, 1, 0x12, 0x67, 0, 7];

    #[test]
    fn a_line_of_version_1_names_its_source() {
        whole(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 7\r\nhello", 5, Some("198.51.100.7:4711"));
        whole(b"PROXY TCP6 2001:db8::7 2001:db8::1 4711 7\r\n", 0, Some("[2001:db8::7]:4711"));
        whole(b"PROXY TCP6 ::ffff:198.51.100.7 ::1 9 7\r\n", 0, Some("198.51.100.7:9"));
        whole(b"PROXY UNKNOWN\r\n", 0, None);
        whole(b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\nx", 1, None);
    }

    #[test]
    fn a_block_of_version_2_names_its_source_and_its_other_fields_are_passed_over() {
        whole(&block([0x21, 0x11], &V4), 0, Some("198.51.100.7:4711"));
        let fields = [&V4[..], &[0xe0, 0, 3, 1, 2, 3], &[4, 1, 0], &[0; 256]].concat();
        whole(&block([0x21, 0x11], &fields), 0, Some("198.51.100.7:4711"));
        whole(
            &block([0x21, 0x21], &[&[0; 10][..], &[0xff; 2], &V4[..4], &[0; 20]].concat()),
            0,
            Some("198.51.100.7:0"),
        );
        // LOCAL: a check of the proxy's own, whatever else stands there.
        whole(&block([0x20, 0x11], &V4), 0, None);
        whole(&block([0x20, 0x00], &[]), 0, None);
        // AF_UNSPEC and AF_UNIX.
        whole(&block([0x21, 0x00], &[1, 2, 3]), 0, None);
        whole(&block([0x21, 0x31], &[b'x'; 216]), 0, None);
    }

    #[test]
    fn what_is_no_header_is_told_with_its_first_bytes_as_soon_as_it_shows() {
        for (input, why) in [
            (&b"G"[..], r#"it begins with "G" instead"#),
            (b"PROXZ", r#"it begins with "PROXZ" instead"#),
            (b"hello, is anybody there?", r#"it begins with "hello, is anybod" instead"#),
            (b"\r\nhello", r#"it begins with "\r\nhello" instead"#),
            (
                b"PROXY TCP9 1.2.3.4 1.2.3.4 1 1\r\n",
                r#"malformed: "PROXY TCP9 1.2.3.4 1.2.3.4 1 1""#,
            ),
            (
                b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
                r#"malformed: "PROXY TCP4 1.2.3.4 1.2.3.4 1 99999""#,
            ),
            (b"PROXY TCP4 1.2.3.4 ::1 1 1\r\n", r#"malformed: "PROXY TCP4 1.2.3.4 ::1 1 1""#),
        ] {
            assert_eq!(read(input), Prefaced::Wrong(why.into()), "{input:?}");
        }
        let long = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        assert!(matches!(read(&long), Prefaced::Wrong(_)));
    }

    #[test]
    fn a_block_may_have_4096_bytes_and_is_refused_at_once_if_it_claims_more() {
        let rest = |length| [&V4[..], &vec![4; length - BLOCK_HEAD - V4.len()]].concat();
        let most = block([0x21, 0x11], &rest(LENGTH_MAX));
        assert!(matches!(read(&most), Prefaced::Whole(LENGTH_MAX, _)));
        let more = block([0x21, 0x11], &rest(LENGTH_MAX + 1));
        let why = "a header of 4097 bytes, and no more than 4096 are read";
        assert_eq!(read(&more[..BLOCK_HEAD]), Prefaced::Wrong(why.into()));
        assert_eq!(read(&more[..BLOCK_HEAD - 1]), Prefaced::More);
    }

    #[test]
    fn a_checksum_has_to_be_right_where_there_is_one() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let sealed = |sum: u32| {
            let field = [&[3, 0, 4][..], &sum.to_be_bytes()].concat();
            block([0x21, 0x11], &[&V4[..], &field].concat())
        };
        let right = crc32c(&sealed(0));
        whole(&sealed(right), 0, Some("198.51.100.7:4711"));
        let why = "a header whose checksum (CRC32c) is wrong";
        assert_eq!(read(&sealed(right ^ 1)), Prefaced::Wrong(why.into()));
        // One of another length is none.
        let short = block([0x21, 0x11], &[&V4[..], &[3, 0, 2, 1, 2]].concat());
        assert_eq!(read(&short), Prefaced::Wrong(why.into()));
    }

    #[test]
    fn what_looks_like_a_checksum_within_another_field_is_none() {
        let inner = [3, 0, 4, 1, 2, 3, 4].repeat(580);
        let length = u16::try_from(inner.len()).unwrap().to_be_bytes();
        let fields = [&V4[..], &[0xe0], &length, &inner].concat();
        whole(&block([0x21, 0x11], &fields), 0, Some("198.51.100.7:4711"));
        let local = [&V4[..], &[3, 0, 4, 0, 0, 0, 0]].concat();
        let sum = crc32c(&block([0x20, 0x11], &local));
        let sealed = [&V4[..], &[3, 0, 4], &sum.to_be_bytes()].concat();
        whole(&block([0x20, 0x11], &sealed), 0, None);
    }

    fn plan(text: &str) -> HeaderPlan {
        text.parse().unwrap()
    }

    #[test]
    fn a_client_speaks_for_itself_or_for_whom_it_is_told() {
        let here = Arrival::new(([192, 0, 2, 1], 7).into(), ([192, 0, 2, 9], 4000).into());
        let said = |text| plan(text).header(&here);
        assert_eq!(said("v1"), b"PROXY TCP4 192.0.2.9 192.0.2.1 4000 7\r\n");
        assert_eq!(said("v1=198.51.100.7:9"), b"PROXY TCP4 198.51.100.7 192.0.2.1 9 7\r\n");
        assert_eq!(said("v1=[2001:db8::7]:9"), b"PROXY TCP6 2001:db8::7 ::ffff:192.0.2.1 9 7\r\n");
        assert_eq!(said("v2=198.51.100.7:4711"), block([0x21, 0x11], &V4));
        let unix = Arrival::new(Address::Unix(None), Address::Unix(None));
        assert_eq!(plan("v1").header(&unix), b"PROXY UNKNOWN\r\n");
        assert_eq!(plan("v2").header(&unix), block([0x20, 0], &[]));
        whole(&plan("v2=198.51.100.7:9").header(&unix), 0, Some("198.51.100.7:9"));
    }

    #[test]
    fn a_plan_is_written_as_it_is_read_and_a_wrong_one_is_told() {
        for text in ["v1", "v2", "v1=192.0.2.1:7", "v2=[::1]:7"] {
            assert_eq!(plan(text).to_string(), text);
        }
        for (text, why) in
            [("v3", "v1 or v2"), ("", "v1 or v2"), ("v1=1.2.3.4", "v1=192.0.2.7:4711")]
        {
            let error = text.parse::<HeaderPlan>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_was_refused_stays_refused(
            begins in prop::sample::select(vec![&b""[..], b"PROXY ", b"PROXY TCP4 ", BLOCK]),
            rest in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let input = [begins, &rest].concat();
            let first = (0..=input.len()).map(|length| read(&input[..length]));
            let settled = first.skip_while(|outcome| *outcome == Prefaced::More);
            let mut settled = settled.map(|outcome| match outcome {
                Prefaced::Wrong(_) => None,
                other => Some(other),
            });
            if let Some(first) = settled.next() {
                prop_assert!(settled.all(|later| later == first));
            }
        }
    }
}
