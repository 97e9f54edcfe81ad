//! `COOEE_...`: flags from the environment, upper case and with `_` for `-`.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::Setting;
use super::flags::{Flags, Form};
use crate::services::text::visible;

const PREFIX: &str = "COOEE_";

/// What the environment says, and the configuration file that it names. A line about those
/// variables that say nothing goes to `remarks`.
pub(super) fn read(
    flags: &mut Flags,
    remarks: &mut Vec<String>,
) -> Result<(Vec<Setting>, Option<PathBuf>), String> {
    let (mut settings, mut path, mut unknown) = (Vec::new(), None, Vec::new());
    let mut variables: Vec<_> = std::env::vars_os().collect();
    variables.sort();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        // Empty is how containers say that something is not set.
        if value.is_empty() || is_of_kubernetes(name, &value) {
            continue;
        }
        let key = key_of(name);
        match flags.form(&key) {
            _ if key == "config" => path = Some(PathBuf::from(value)),
            Some(form) => {
                let place = format!("{name} in the environment");
                let read = setting(flags, &key, form, &value);
                let values = read.map_err(|why| format!("{place}: {why}"))?;
                settings.push(Setting { key, values, place });
            }
            None => unknown.push(name.to_owned()),
        }
    }
    remarks.extend(remark(flags, &unknown));
    Ok((settings, path))
}

fn key_of(name: &str) -> String {
    name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-")
}

fn name_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('-', "_"))
}

/// Whether it tells of a service that somebody has called `cooee` or `cooee-something`
/// (kubernetes.io/docs/concepts/services-networking/service, environment variables).
fn is_of_kubernetes(name: &str, value: &OsStr) -> bool {
    let is_address = value.to_str().is_some_and(|value| value.contains("://"));
    let is_part = |word: &str| ["TCP", "UDP", "SCTP"].contains(&word);
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT") && is_address
        || name.contains("_PORT_") && name.split('_').any(is_part)
}

fn setting(flags: &mut Flags, key: &str, form: Form, value: &OsStr) -> Result<Vec<String>, String> {
    let value = value.to_str().ok_or("it is not UTF-8")?;
    let values = match form {
        Form::Switch => vec![switch(value)?.to_string()],
        Form::Count => vec![match value.parse::<u8>() {
            Ok(count) => count.to_string(),
            Err(_) => u8::from(switch(value)?).to_string(),
        }],
        Form::One => vec![value.to_owned()],
        Form::Many => {
            let words = value.split(|c: char| c == ',' || c.is_whitespace());
            words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
    };
    values.iter().try_for_each(|value| flags.judge(key, value))?;
    Ok(values)
}

fn switch(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(visible(format!("{value:?} is neither 1 nor 0").as_bytes())),
    }
}

fn remark(flags: &Flags, unknown: &[String]) -> Option<String> {
    let first = unknown.first()?;
    let near = flags.nearest(&key_of(first)).map(name_of);
    let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    let names = visible(unknown.join(", ").as_bytes());
    Some(format!("{names} in the environment: no flag of serve is called that; ignored{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_tells_of_a_service_is_no_flag() {
        for (name, value) in [
            ("COOEE_SERVICE_HOST", "10.0.0.11"),
            ("COOEE_SERVICE_PORT", "5007"),
            ("COOEE_SERVICE_PORT_ECHO", "5007"),
            ("COOEE_PORT", "tcp://10.0.0.11:5007"),
            ("COOEE_PORT_5007_TCP", "tcp://10.0.0.11:5007"),
            ("COOEE_PORT_5007_TCP_PROTO", "tcp"),
            ("COOEE_PORT_8091_UDP_ADDR", "10.0.0.11"),
            ("COOEE_ADMIN_PORT", "tcp://10.0.0.11:5090"),
            ("COOEE_ADMIN_SERVICE_HOST", "10.0.0.11"),
        ] {
            assert!(is_of_kubernetes(name, value.as_ref()), "{name}");
        }
        for (name, value) in
            [("COOEE_ADMIN", "5090"), ("COOEE_REUSE_PORT", "1"), ("COOEE_HOST", "::")]
        {
            assert!(!is_of_kubernetes(name, value.as_ref()), "{name}");
        }
    }

    #[test]
    fn names_and_keys_are_two_spellings_of_one_thing() {
        let flags = Flags::of_serve();
        for key in flags.keys() {
            assert_eq!(key_of(&name_of(key)), key);
        }
        assert_eq!(name_of("max-per-ip"), "COOEE_MAX_PER_IP");
    }

    #[test]
    fn each_form_is_read_as_environments_write_it() {
        let mut flags = Flags::of_serve();
        let mut read = |key: &str, value: &str| {
            let form = flags.form(key).unwrap();
            setting(&mut flags, key, form, value.as_ref())
        };
        let values = |values: &[&str]| Ok(values.iter().map(ToString::to_string).collect());
        assert_eq!(read("allow", "10.0.0.0/8, ::1"), values(&["10.0.0.0/8", "::1"]));
        assert_eq!(read("endpoints", "echo chat://:0"), values(&["echo", "chat://:0"]));
        assert_eq!(read("echo-once", "Yes"), values(&["true"]));
        assert_eq!(read("no-uring", "0"), values(&["false"]));
        assert_eq!(read("verbose", "2"), values(&["2"]));
        assert_eq!(read("quiet", "true"), values(&["1"]));
        assert_eq!(read("greeting", "a, b"), values(&["a, b"]));
        for (key, value) in [("echo-once", "maybe"), ("drain", "soon"), ("allow", "10.0.0.0/40")] {
            assert!(read(key, value).is_err(), "{key}");
        }
    }

    #[test]
    fn what_is_unknown_is_told_in_one_line() {
        let flags = Flags::of_serve();
        assert_eq!(remark(&flags, &[]), None);
        let line = remark(&flags, &["COOEE_DRIAN".into(), "COOEE_X".into()]).unwrap();
        assert!(line.starts_with("COOEE_DRIAN, COOEE_X in the environment: "), "{line}");
        assert!(line.ends_with("did you mean COOEE_DRAIN?"), "{line}");
    }
}
