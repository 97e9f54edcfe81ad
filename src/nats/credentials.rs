//! Who we are to a NATS server: a user and a password, a token, or a key that signs what the server
//! makes up, with or without a JWT that vouches for it.

use std::fmt;

use super::nkey::Nkey;

const FORM: &str = "it should be one that nsc writes (a JWT and a seed between lines of dashes), \
                    or have the seed of a user's nkey in it, which begins with SU";
/// No JWT is longer.
const JWT_MAX: usize = 16 * 1024;

/// What we have to show.
#[derive(Clone, Default)]
pub enum Login {
    /// Nothing.
    #[default]
    None,
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
    /// A key.
    Key(Key),
}

/// The key of a user, and perhaps what vouches for it.
#[derive(Clone)]
pub struct Key {
    nkey: Nkey,
    jwt: Option<String>,
}

/// What is shown in one CONNECT.
#[derive(Clone, Default)]
pub struct Proof(Vec<(&'static str, String)>);

impl Proof {
    /// Names and values of CONNECT.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Login {
    /// Reads what is in a credentials file, or in one with an nkey's seed.
    ///
    /// # Errors
    /// What is wrong with it, for people, to be put behind the name of the file; nothing secret is
    /// in it.
    pub fn from_file_text(text: &str) -> Result<Login, String> {
        let key = match (section(text, "JWT"), section(text, "SEED")) {
            (Some(jwt), Some(seed)) => {
                Key { jwt: Some(checked(jwt)?), nkey: Nkey::from_seed(seed)? }
            }
            (None, Some(seed)) => Key { jwt: None, nkey: Nkey::from_seed(seed)? },
            (Some(_), None) => return Err(format!("there is no seed in it; {FORM}")),
            (None, None) => {
                let mut lines = text.lines().map(str::trim);
                let seed = lines.find(|line| line.starts_with("SU"));
                let seed = seed.ok_or_else(|| format!("there are no credentials in it; {FORM}"))?;
                Key { jwt: None, nkey: Nkey::from_seed(seed)? }
            }
        };
        Ok(Login::Key(key))
    }

    /// What to show to a server that wants `nonce` signed.
    ///
    /// # Errors
    /// If there is a key and nothing to sign: that server knows no keys.
    pub fn proof(&self, nonce: Option<&str>) -> Result<Proof, String> {
        Ok(Proof(match self {
            Login::None => vec![],
            Login::Password { user, password } => {
                vec![("user", user.clone()), ("pass", password.clone())]
            }
            Login::Token(token) => vec![("auth_token", token.clone())],
            Login::Key(key) => key.proof(nonce)?,
        }))
    }
}

impl Key {
    fn proof(&self, nonce: Option<&str>) -> Result<Vec<(&'static str, String)>, String> {
        let nonce = nonce.ok_or("it wants nothing signed, so a key is of no use there")?;
        let signature = self.nkey.sign(nonce).ok_or("its nonce cannot be signed")?;
        let who = match &self.jwt {
            Some(jwt) => ("jwt", jwt.clone()),
            None => ("nkey", self.nkey.public().to_owned()),
        };
        Ok(vec![who, ("sig", signature)])
    }
}

/// The first line behind one of dashes that says `BEGIN` and then `kind`.
fn section<'a>(text: &'a str, kind: &str) -> Option<&'a str> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let is_head = |line: &str| {
        line.starts_with("---")
            && line.contains("BEGIN ")
            && line.trim_end_matches('-').ends_with(kind)
    };
    lines.find(|line| is_head(line))?;
    lines.next().filter(|line| !line.starts_with("---"))
}

/// A JWT, as far as we can tell.
fn checked(jwt: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
    };
    match jwt.len() <= JWT_MAX && jwt.split('.').count() == 3 && jwt.split('.').all(is_part) {
        true => Ok(jwt.to_owned()),
        false => Err("what should be a JWT is none: three parts between dots".to_owned()),
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Login::None => "nobody",
            Login::Password { .. } => "a user and a password",
            Login::Token(_) => "a token",
            Login::Key(Key { jwt: None, .. }) => "a key",
            Login::Key(Key { jwt: Some(_), .. }) => "a key with a JWT",
        })
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}
