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

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(login: &Login, nonce: Option<&str>) -> Vec<(&'static str, String)> {
        let proof = login.proof(nonce).unwrap();
        proof.fields().map(|(name, value)| (name, value.to_owned())).collect()
    }

    #[test]
    fn each_login_is_shown_as_the_server_wants_it_and_never_by_accident() {
        let password = Login::Password { user: "ann".into(), password: "s3cret".into() };
        let token = Login::Token("s3cret".into());
        assert_eq!(fields(&Login::None, None), []);
        let wanted = [("user", "ann".to_owned()), ("pass", "s3cret".to_owned())];
        assert_eq!(fields(&password, Some("n")), wanted);
        assert_eq!(fields(&token, None), [("auth_token", "s3cret".to_owned())]);
        for login in [password, token] {
            assert!(!format!("{login:?} {:?}", login.proof(None)).contains("s3cret"));
        }
    }

    #[cfg(feature = "tls")]
    mod keys {
        use super::*;

        const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

        fn as_nsc_writes_it(jwt: &str) -> String {
            format!(
                "-----BEGIN NATS USER JWT-----\r\n{jwt}\r\n------END NATS USER JWT------\r\n\r\n\
                 ************************* IMPORTANT *************************\r\n\
                 NKEY Seed printed below can be used to sign and prove identity.\r\n\r\n\
                 -----BEGIN USER NKEY SEED-----\r\n{SEED}\r\n------END USER NKEY SEED------\r\n"
            )
        }

        #[test]
        fn a_credentials_file_is_a_jwt_and_what_signs_for_it() {
            let login = Login::from_file_text(&as_nsc_writes_it("eyJ0.eyJq-_.c2ln")).unwrap();
            let shown = fields(&login, Some("n0nce"));
            assert_eq!(shown[0], ("jwt", "eyJ0.eyJq-_.c2ln".to_owned()));
            assert_eq!((shown[1].0, shown.len()), ("sig", 2));
            assert_eq!(format!("{login:?}"), "a key with a JWT");
        }

        #[test]
        fn a_seed_may_stand_alone_or_among_remarks() {
            let framed = as_nsc_writes_it("").split_off(60);
            for text in [SEED.to_owned(), format!("# mine\n  {SEED} \n"), framed] {
                let login = Login::from_file_text(&text).unwrap();
                assert_eq!(fields(&login, Some("n"))[0].0, "nkey", "{text}");
                assert!(login.proof(None).unwrap_err().contains("nothing signed"));
            }
        }

        #[test]
        fn a_file_that_is_something_else_is_refused_in_one_line_without_its_secrets() {
            let whole = as_nsc_writes_it("a.b.c");
            let (jwt, _) = whole.split_once("\r\n\r\n").unwrap();
            for (text, why) in [
                ("", "there are no credentials in it"),
                ("user: ann", "there are no credentials in it"),
                (jwt, "there is no seed in it"),
                (&as_nsc_writes_it("a.b"), "is none: three parts"),
                (&as_nsc_writes_it("a.b.c d"), "is none: three parts"),
                (&whole.replace("SUACS", "SUACT"), "some of it got lost"),
            ] {
                let told = Login::from_file_text(text).unwrap_err();
                assert!(told.contains(why) && !told.contains('\n'), "{told}");
                assert!(!told.contains("SUAC"), "{told}");
            }
        }
    }
}
