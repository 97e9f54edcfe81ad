//! What a client hears, taken apart, without what is chance.

use serde_json::Value;

/// What was said, without what is chance.
pub(super) fn words(bytes: &[u8], is_over: bool) -> Vec<String> {
    let mut said = Vec::new();
    let mut rest = bytes;
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let line = String::from_utf8(rest[..end].to_vec()).unwrap();
        rest = &rest[end + 2..];
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["INFO", ..] => said.push(masked_info(&line[5..])),
            // When it is asked whether it is there is chance.
            ["PING"] => {}
            ["MSG" | "HMSG", .., size] => {
                let size: usize = size.parse().unwrap();
                let Some(body) = rest.get(..size) else { break };
                let body = String::from_utf8(body.to_vec()).unwrap();
                // The sizes go by the names in it.
                let sizes = if fields[0] == "HMSG" { 2 } else { 1 };
                let named: Vec<String> =
                    fields[..fields.len() - sizes].iter().copied().map(masked_name).collect();
                said.push(format!("{} {}", named.join(" "), masked_body(&body)));
                rest = &rest[size + 2..];
            }
            _ => said.push(line),
        }
    }
    if is_over {
        said.push("over".into());
    }
    said.sort();
    // How often it beats in a while is chance, too.
    said.dedup_by(|one, other| one == other && one.contains("Idle Heartbeat"));
    said
}

fn masked_info(json: &str) -> String {
    let info: Value = serde_json::from_str(json).unwrap();
    let names = ["headers", "max_payload", "jetstream", "auth_required", "ldm", "proto"];
    let told: Vec<String> = names.iter().map(|name| format!("{name}={}", info[*name])).collect();
    format!("INFO {}", told.join(" "))
}

/// `$JS.ACK.STREAM.NAME.1.2.3.TIME.0` and the like without what differs.
fn masked_name(field: &str) -> String {
    let mut tokens: Vec<&str> = field.split('.').collect();
    match tokens[..] {
        ["$JS", "ACK", _, ref mut name, _, _, _, ref mut at, _] => (*name, *at) = ("NAME", "TIME"),
        ["$JS", "FC", _, ref mut name, ref mut nonce] => (*name, *nonce) = ("NAME", "NONCE"),
        _ => {}
    }
    tokens.join(".")
}

fn masked_body(body: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else {
        return body.split("\r\n").map(masked_stall).collect::<Vec<String>>().join("|");
    };
    mask(&mut value);
    value.to_string()
}

fn masked_stall(line: &str) -> String {
    let (name, value) = line.split_once(": ").unwrap_or((line, ""));
    format!("{name}: {}", masked_name(value))
}

/// Leaves out names and times, and what nobody reads.
fn mask(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    for key in [
        "created",
        "first_ts",
        "last_ts",
        "ts",
        "bytes",
        "num_subjects",
        "last_active",
        "total",
        "offset",
        "limit",
        "limits",
        "api",
        "memory",
        "storage",
        "ack_floor",
        // Whether deliveries come before the answer is chance.
        "num_pending",
        "delivered",
    ] {
        object.remove(key);
    }
    if object.get("type").and_then(Value::as_str).is_some_and(|kind| kind.contains("consumer_")) {
        object.remove("name");
    }
    object.values_mut().for_each(mask);
}
