//! A Chromium without a window, told what to do through a pipe: pages are laid out and measured as
//! a reader would see them. It is started once for many pages, since that takes a second.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};

use super::run::PATIENCE;
use crate::support::Folder;

/// What it may be called, the first that is there.
const NAMES: &str =
    "command -v chromium || command -v chromium-browser || command -v google-chrome";
/// It hears on descriptor 3 and speaks on 4.
const START: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// Of a picture: how wide it is, the colour in its corner, which share of it has another. It asks
/// for nothing that a page may be forbidden to load.
const LOOK: &str = "(async () => {
  const bytes = Uint8Array.from(atob('PNG'), one => one.charCodeAt(0));
  const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  let other = 0;
  for (let at = 0; at < pixels.length; at += 4)
    if ([0, 1, 2].some(part => Math.abs(pixels[at + part] - pixels[part]) > 24)) other++;
  return { width: image.width, ground: pixels[0], marked: 4 * other / pixels.length };
})()";

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) width: u32,
    pub(crate) is_dark: bool,
    pub(crate) is_print: bool,
}

pub(crate) struct Browser {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// What the browser has said of its own accord about the pages.
    #[cfg_attr(not(feature = "admin"), allow(dead_code))]
    pub(crate) complaints: Vec<Value>,
    /// Whether the page that was visited last is there.
    has_loaded: bool,
    _profile: Folder,
}

impl Browser {
    /// Starts one.
    ///
    /// # Errors
    /// Why there is none here.
    pub(crate) fn start() -> Result<Browser, String> {
        let found = Command::new("sh").args(["-c", NAMES]).output().unwrap();
        let name = String::from_utf8(found.stdout).unwrap();
        if name.trim().is_empty() {
            return Err("there is no Chromium (apt-get install chromium)".into());
        }
        let profile = Folder::new("browser");
        let mut child = Command::new("sh")
            .args(["-c", START, name.trim(), "--headless=new", "--no-sandbox", "--disable-gpu"])
            .args(["--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.0.display()))
            .envs(["XDG_CONFIG_HOME", "XDG_CACHE_HOME"].map(|name| (name, &profile.0)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, answers) = channel();
        thread::spawn(move || {
            for message in output.split(0).map_while(Result::ok) {
                let _ = sender.send(serde_json::from_slice(&message).unwrap());
            }
        });
        let mut browser = Browser {
            child,
            requests,
            answers,
            session: None,
            last_id: 0,
            complaints: Vec::new(),
            has_loaded: false,
            _profile: profile,
        };
        let target = browser.ask("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attached = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.ask("Target.attachToTarget", &attached)?;
        browser.session = attached["sessionId"].as_str().map(Into::into);
        Ok(browser)
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut request = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let sent = write!(self.requests, "{request}\0").and_then(|()| self.requests.flush());
        sent.map_err(|error| format!("Chromium is gone: {error}"))?;
        loop {
            let answer = self.answers.recv_timeout(PATIENCE);
            let answer = answer.map_err(|error| format!("Chromium and {method}: {error}"))?;
            match (answer["id"] == json!(self.last_id), answer.get("error")) {
                (false, _) => self.note(&answer),
                (true, Some(error)) => return Err(format!("{method}: {error}")),
                (true, None) => return Ok(answer["result"].clone()),
            }
        }
    }

    /// Opens a page.
    pub(crate) fn open(&mut self, html: &str) {
        let frames = self.ask("Page.getFrameTree", &json!({})).unwrap();
        let frame = &frames["frameTree"]["frame"]["id"];
        self.ask("Page.setDocumentContent", &json!({ "frameId": frame, "html": html })).unwrap();
    }

    /// What it tells of its own accord.
    fn note(&mut self, told: &Value) {
        match told["method"].as_str() {
            Some("Log.entryAdded") => self.complaints.push(told["params"]["entry"].clone()),
            Some("Page.loadEventFired") => self.has_loaded = true,
            _ => {}
        }
    }

    /// Goes to a page of a server, and takes note of what its script complains about.
    #[cfg(feature = "admin")]
    pub(crate) fn visit(&mut self, url: &str) {
        for domain in ["Log.enable", "Page.enable"] {
            self.ask(domain, &json!({})).unwrap();
        }
        self.has_loaded = false;
        self.ask("Page.navigate", &json!({ "url": url })).unwrap();
        while !self.has_loaded {
            let told = self.answers.recv_timeout(PATIENCE).expect("the page loads");
            self.note(&told);
        }
    }

    /// Lays the page out as it is looked at now.
    pub(crate) fn look(&mut self, view: View) {
        let scheme = if view.is_dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = if view.is_print { "print" } else { "" };
        let media = json!({ "media": media, "features": features });
        self.ask("Emulation.setEmulatedMedia", &media).unwrap();
        let metrics = json!({
            "width": view.width, "height": 900, "deviceScaleFactor": 1, "mobile": view.width < 600
        });
        self.ask("Emulation.setDeviceMetricsOverride", &metrics).unwrap();
    }

    /// What a script finds in the page.
    pub(crate) fn evaluate(&mut self, script: &str) -> Value {
        let script = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let found = self.ask("Runtime.evaluate", &script).unwrap();
        assert!(found.get("exceptionDetails").is_none(), "{found:#}");
        found["result"]["value"].clone()
    }

    /// What is in the window, as a picture: its `width`, the red of its corner (`ground`), and
    /// which share of it is of another colour (`marked`).
    pub(crate) fn picture(&mut self) -> Value {
        let found = self.ask("Page.captureScreenshot", &json!({ "format": "png" })).unwrap();
        self.evaluate(&LOOK.replace("PNG", found["data"].as_str().unwrap()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = None;
        // It takes its helpers with it; killed, it might leave them.
        if self.ask("Browser.close", &json!({})).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
