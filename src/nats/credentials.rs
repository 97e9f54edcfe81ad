//! Who we are to a NATS server.

use std::fmt;

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
    /// Reads a credentials file or one with an nkey's seed.
    ///
    /// # Errors
    /// One line for people, without what is secret in it.
    pub fn from_file_text(_text: &str) -> Result<Login, String> {
        Err("not yet".to_owned())
    }

    /// What to show to a server that wants `nonce` signed.
    ///
    /// # Errors
    /// If it should want something signed and does not.
    pub fn proof(&self, _nonce: Option<&str>) -> Result<Proof, String> {
        Ok(Proof(match self {
            Login::None => vec![],
            Login::Password { user, password } => {
                vec![("user", user.clone()), ("pass", password.clone())]
            }
            Login::Token(token) => vec![("auth_token", token.clone())],
        }))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login(..)")
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proof(..)")
    }
}
