//! `cooee serve`, from its command line on: with the sockets that are there, to check or to run.

use std::ffi::OsString;

use super::settings::Invocation;
use crate::failure::Failure;
use crate::server::{Inherited, Outside, Reload, ServeArgs, Server};

/// Serves what `invocation` of the command line `words` asks for, or tells what that would be.
///
/// # Errors
/// Why not, in one line.
pub fn run(args: &ServeArgs, invocation: &Invocation, words: Vec<OsString>) -> Result<(), Failure> {
    let inherited = match args.is_apart() {
        true => Inherited::default(),
        false => Inherited::take().map_err(Failure::Usage)?,
    };
    let located = |what| Failure::Usage(invocation.locate(what));
    let config = args.config(&inherited.endpoints()).map_err(located)?;
    for remark in invocation.remarks.iter() {
        log::warn!("{remark}");
    }
    #[cfg(feature = "config")]
    if args.is_check() {
        let lines = crate::server::check(&config, &inherited).map_err(located)?;
        return crate::outlet::print(lines).map_err(Failure::Failed);
    }
    let reload = reload(args, invocation, words, &inherited);
    let server = Server::start(&config, Outside { inherited, reload });
    let server = server.map_err(|what| Failure::Failed(invocation.locate(what)))?;
    server.run().map(drop).map_err(Failure::Failed)
}

/// How the configuration is read again, if there is a file.
#[cfg(feature = "config")]
fn reload(
    args: &ServeArgs,
    invocation: &Invocation,
    words: Vec<OsString>,
    inherited: &Inherited,
) -> Option<Reload> {
    use super::settings::Mistake;
    use super::{Command, mistake};
    use crate::server::Fresh;

    let path = args.file()?.to_owned();
    let endpoints = inherited.endpoints();
    let read = move || {
        // A pipe would be empty by now, or keep everybody waiting for a writer.
        if std::fs::metadata(&path).is_ok_and(|file| !file.is_file()) {
            let path = path.display();
            return Err(format!("--config {path}: it is no regular file, to be read once only"));
        }
        let fresh = Invocation::read(&words).map_err(|mistake| match mistake {
            Mistake::Elsewhere(what) => what,
            Mistake::Words(error) => mistake::in_one_line(&error, words.iter().skip(1).cloned()),
        })?;
        let Command::Serve(args) = &fresh.cli.command else { return Err("not served".into()) };
        let config = args.config(&endpoints).map_err(|what| fresh.locate(what))?;
        config.check_limits().map_err(|what| fresh.locate(what))?;
        let is_ours = std::env::var_os("RUST_LOG").is_none();
        let level = is_ours.then(|| fresh.cli.log_level());
        Ok(Fresh { config, settings: fresh.settings(), level })
    };
    Some(Reload { settings: invocation.settings(), read: Box::new(read) })
}

#[cfg(not(feature = "config"))]
fn reload(_: &ServeArgs, _: &Invocation, _: Vec<OsString>, _: &Inherited) -> Option<Reload> {
    None
}
