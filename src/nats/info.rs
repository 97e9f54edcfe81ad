//! INFO, which every server opens with, and CONNECT, which answers it. Read leniently: each part
//! may be missing or other than it should be, then it counts as not said.

use serde_json::{Value, json};

use super::credentials::Proof;
use super::parser::fit_to_show;

/// Servers of a cluster beyond so many are not remembered.
const URLS_MAX: usize = 64;

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Made by chance at its start.
    pub server_id: String,
    /// By default the same.
    pub server_name: String,
    /// Such as `2.9.10`.
    pub version: String,
    /// Where it listens: an address, or a name.
    pub host: String,
    /// How many bytes may be published at once.
    pub max_payload: Option<u64>,
    /// Whether it knows headers (since 2.2).
    pub headers: bool,
    /// Whether it has streams; those before 2.10 say so only to some.
    pub jetstream: bool,
    /// Whether it goes on inside TLS only.
    pub tls_required: bool,
    /// Whether it would go on inside TLS.
    pub tls_available: bool,
    /// Whether it wants to know who we are.
    pub auth_required: bool,
    /// What to sign, for those who have a key.
    pub nonce: Option<String>,
    /// Other servers of its cluster, `HOST:PORT`.
    pub connect_urls: Vec<String>,
    /// It is about to leave (lame duck mode): go elsewhere.
    pub ldm: bool,
}

impl Info {
    /// Reads what stands behind `INFO`.
    ///
    /// # Errors
    /// If that is no JSON object, in words for people.
    pub fn parse(bytes: &[u8]) -> Result<Info, String> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| format!("an INFO that is not JSON ({error})"))?;
        if !value.is_object() {
            return Err("an INFO that is no JSON object".to_owned());
        }
        let text = |key: &str| fit_to_show(value[key].as_str().unwrap_or_default());
        let is = |key: &str| value[key].as_bool().unwrap_or(false);
        let urls = value["connect_urls"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(Info {
            server_id: text("server_id"),
            server_name: text("server_name"),
            version: text("version"),
            host: text("host"),
            max_payload: value["max_payload"].as_u64(),
            headers: is("headers"),
            jetstream: is("jetstream"),
            tls_required: is("tls_required"),
            tls_available: is("tls_available"),
            auth_required: is("auth_required"),
            nonce: value["nonce"].as_str().map(str::to_owned),
            connect_urls: urls
                .iter()
                .take(URLS_MAX)
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            ldm: is("ldm"),
        })
    }
}

/// What we say of ourselves behind CONNECT, in one line of JSON: we are `cooee NODE`, and want
/// neither our own messages back nor every step confirmed.
pub(super) fn connect(node: &str, proof: &Proof, is_tls: bool) -> String {
    let mut said = json!({
        "verbose": false,
        "pedantic": false,
        "echo": false,
        "headers": true,
        "no_responders": true,
        "tls_required": is_tls,
        "protocol": 1,
        "lang": "rust",
        "version": env!("CARGO_PKG_VERSION"),
        "name": format!("cooee {node}"),
    });
    for (key, value) in proof.fields() {
        said[key] = Value::from(value);
    }
    said.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_read() {
        let info = Info::parse(
            br#" {"server_id":"NA","server_name":"n1","version":"2.9.10","proto":1,"go":"go1.19",
            "host":"localhost","port":4222,"headers":true,"max_payload":1048576,"jetstream":true,
            "auth_required":true,"tls_available":true,"client_id":5,"nonce":"abc","ldm":true,
            "connect_urls":["10.0.0.1:4222","[::1]:4222"],"cluster":"c","xkey":"X"} "#,
        )
        .unwrap();
        let wanted = Info {
            server_id: "NA".into(),
            server_name: "n1".into(),
            version: "2.9.10".into(),
            host: "localhost".into(),
            max_payload: Some(1_048_576),
            headers: true,
            jetstream: true,
            tls_available: true,
            auth_required: true,
            nonce: Some("abc".into()),
            connect_urls: vec!["10.0.0.1:4222".into(), "[::1]:4222".into()],
            ldm: true,
            ..Info::default()
        };
        assert_eq!(info, wanted);
    }

    #[test]
    fn what_is_missing_or_other_than_it_should_be_counts_as_not_said() {
        assert_eq!(Info::parse(b"{}"), Ok(Info::default()));
        let strange = br#"{"server_id":7,"host":null,"max_payload":"many","headers":1,"nonce":[],
            "connect_urls":{"a":1},"ldm":"true","tls_required":null}"#;
        assert_eq!(Info::parse(strange), Ok(Info::default()));
        let urls = format!("{{\"connect_urls\":[7,{}\"b\"]}}", "\"a\",".repeat(1000));
        assert_eq!(Info::parse(urls.as_bytes()).unwrap().connect_urls.len(), URLS_MAX - 1);
        let shown = Info::parse(b"{\"server_name\":\"a\\u001b[2J\"}").unwrap().server_name;
        assert_eq!(shown, "a\u{fffd}[2J");
    }

    #[test]
    fn what_is_no_object_is_wrong() {
        let deep = "[".repeat(10_000);
        for text in ["", " ", "{", "[]", "7", "null", "{} {}", "{\"a\":}", &deep] {
            assert!(Info::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Info::parse(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn we_say_who_we_are_and_what_we_want() {
        let login = super::super::Login::Token("a \"b\"\r\nPUB x 0".into());
        let line = connect("north", &login.proof(None).unwrap(), true);
        assert!(!line.contains(char::is_control));
        let said: Value = serde_json::from_str(&line).unwrap();
        let is = |key: &str| said[key].as_bool().unwrap();
        assert!(!is("verbose") && !is("pedantic") && !is("echo"));
        assert!(is("headers") && is("no_responders") && is("tls_required"));
        assert_eq!(
            (said["protocol"].as_u64(), said["name"].as_str()),
            (Some(1), Some("cooee north"))
        );
        assert_eq!(said["auth_token"], "a \"b\"\r\nPUB x 0");
        assert!(said["user"].is_null());
    }
}
