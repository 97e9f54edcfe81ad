//! How unix sockets are written: `/PATH` or `@NAME`.

use crate::engine::UnixName;

/// What the address of a unix socket has room for (unix(7), `sun_path`), but for the byte at the
/// end of a path or before an abstract name.
pub(crate) const UNIX_NAME_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// `/PATH` or `@NAME`, behind `head` and `://`.
pub(crate) fn unix_name(text: &str, head: &str) -> Result<UnixName, String> {
    let example = format!("{head}:///run/cooee/socket");
    if let Some((name, behind)) = text.split_once('?') {
        let behind = format!("?{behind}");
        return Err(format!("stray text {behind:?}: a ? ends the name {name:?}, remove it"));
    }
    if text.chars().any(char::is_control) {
        return Err("a control character is in it, remove that".into());
    }
    let name = match text.strip_prefix('@') {
        Some("") => return Err(format!("no name after the @, write {head}://@NAME")),
        Some(_) if cfg!(not(target_os = "linux")) => {
            return Err(format!("only Linux has names without a file, write {example}"));
        }
        Some(name) => UnixName::Abstract(name.into()),
        None if text.is_empty() => {
            return Err(format!("a unix socket has a path, write it like {example}"));
        }
        None if text.ends_with('/') => {
            return Err(format!("{text} is a directory, name the socket in it, like {example}"));
        }
        None if !text.starts_with('/') => {
            return Err(format!("a path begins with a / of its own, write {head}:///{text}"));
        }
        None => UnixName::Path(text.into()),
    };
    if let Some((_, port)) = text.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(format!("a unix socket has no port, remove the :{port}"));
    }
    let length = text.len() - usize::from(text.starts_with('@'));
    match length <= UNIX_NAME_BYTES {
        true => Ok(name),
        false => Err(format!(
            "the name is {length} bytes long, and that of a socket may have {UNIX_NAME_BYTES}: \
             choose a shorter one"
        )),
    }
}
