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
