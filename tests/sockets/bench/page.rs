//! The page as its reader sees it: on a wide screen, on a narrow one, light, dark, on paper.
//! Nothing is cut off, nothing lies on something else, nothing moves sideways but tables.

use serde_json::{Value, json};

use crate::support::loudly;

use super::browser::{Browser, View};
use super::run::bench;
use crate::support::Folder;

/// What is wrong with the page, a line each.
const MEASURE: &str = r#"(() => {
  const faults = [], root = document.documentElement, near = 1;
  const told = element => `${element.tagName} ${element.textContent.slice(0, 60)}`;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} wide`);
  for (const one of document.querySelectorAll('main, main *:not(svg *)')) {
    const box = one.getBoundingClientRect();
    const moves = one.closest('.wide table');
    if (!moves && (box.left < -near || box.right > root.clientWidth + near))
      faults.push(`beside the page: ${told(one)}`);
    if (!one.matches('.wide, svg') && one.clientWidth && one.scrollWidth > one.clientWidth + near)
      faults.push(`wider than its box: ${told(one)}`);
  }
  for (const table of document.querySelectorAll('table')) {
    const heads = [...table.querySelectorAll('thead tr > *, tbody tr > :first-child')];
    if (!heads.every(head => head.tagName == 'TH' && head.scope))
      faults.push(`no header cells: ${told(table)}`);
    if (!table.closest('[tabindex="0"][aria-label]')) faults.push(`no label: ${told(table)}`);
  }
  for (const svg of document.querySelectorAll('svg:not([aria-hidden=true])')) {
    const box = svg.getBoundingClientRect();
    if (svg.getAttribute('role') != 'img' || !svg.querySelector('title').textContent)
      faults.push('a plot without a title');
    // The same plot for another width.
    if (!box.width) continue;
    const scale = box.width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll('text')]
      .map(text => [text, text.getBoundingClientRect()]);
    for (const [text, place] of texts) {
      if (place.left < box.left - near || place.right > box.right + near ||
          place.top < box.top - near || place.bottom > box.bottom + near)
        faults.push(`cut off in a plot: ${text.textContent}`);
      const size = scale * parseFloat(getComputedStyle(text).fontSize);
      if (size < 9.5 || size > 20) faults.push(`${size} px: ${text.textContent}`);
      for (const [other, there] of texts)
        if (text != other && place.left < there.right && there.left < place.right &&
            place.top < there.bottom - 3 && there.top < place.bottom - 3)
          faults.push(`on each other in a plot: ${text.textContent} and ${other.textContent}`);
    }
    const curves = svg.querySelectorAll('[stroke^="var(--c"], [stroke^="var(--ink"]');
    const has_extent = curve => curve.getBoundingClientRect().width > 0;
    if (![...curves].some(has_extent)) faults.push(`an empty plot: ${told(svg)}`);
  }
  const foreign = document.querySelectorAll('script, img, link, iframe, a, [src], [href]');
  if (foreign.length) faults.push(`not of this page: ${foreign.length}`);
  return faults;
})()"#;

/// How many plots can be seen.
const PLOTS: &str = "[...document.querySelectorAll('svg[role=img]')]
  .filter(svg => svg.getBoundingClientRect().width).length";

/// The views of a reader: every width in every light, and paper.
const VIEWS: [View; 5] = [
    View { width: 1280, is_dark: false, is_print: false },
    View { width: 1280, is_dark: true, is_print: false },
    View { width: 400, is_dark: false, is_print: false },
    View { width: 400, is_dark: true, is_print: false },
    View { width: 720, is_dark: true, is_print: true },
];

/// A page that a bench of these words writes, and its result.
fn written(folder: &Folder, name: &str, words: &[&str], status: i32) -> (String, String) {
    let [html, json] = ["html", "json"].map(|end| folder.0.join(format!("{name}.{end}")));
    let files = ["--html", html.to_str().unwrap(), "--json", json.to_str().unwrap()];
    let output = bench(&[words, &files].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    (std::fs::read_to_string(html).unwrap(), json.to_str().unwrap().into())
}

fn compared(folder: &Folder, before: &str, after: &str) -> String {
    let html = folder.0.join("compared.html");
    let output = bench(&["compare", before, after, "--html", html.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::read_to_string(html).unwrap()
}

fn read(path: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A result as the end of a search that has come far.
fn found(path: &str) -> Value {
    let probe = |rate: f64, micros: f64, held| {
        json!({
            "asked_rate_per_s": rate, "rate_per_s": rate, "bounded_us": micros, "held": held
        })
    };
    let probes = json!([
        probe(1000.0, 80.0, true),
        probe(64_000.0, 250_000.0, false),
        probe(32_000.0, 700.0, true),
        probe(48_000.0, 900.0, true),
    ]);
    let mut result = read(path);
    result["search"] =
        json!({ "bound": "p99=1ms", "highest_rate_per_s": 48_000.0, "probes": probes });
    result
}

/// A result in which everything that may be text is as bad as it can be.
fn spoilt(path: &str) -> Value {
    let mut result = read(path);
    let script =
        "<script>document.body.remove()</script><img src=x onerror=document.body.remove()>";
    let long = format!("{script}{}", "m".repeat(400));
    for key in ["workload", "model", "target", "closing", "cooee"] {
        result[key] = json!(long);
    }
    result["warnings"] = json!([long, long]);
    result["phases_us"] = json!({ &long: result["latency_us"] });
    result["errors"] = json!({ &long: 1_000_000_000_000_u64, "total": 1_000_000_000_000_u64 });
    let largest = 1e17;
    result["timeline"] = json!([{
        "at_s": 0.0, "rate_per_s": largest, "p50_us": largest, "p99_us": largest, "errors": 0
    }]);
    result["rate_per_s"] = json!(largest);
    result
}

/// Pages of each kind, with how many plots they have at least.
fn pages(folder: &Folder) -> Vec<(&'static str, String, u64)> {
    let quick = ["-t", "300ms", "-w", "50ms"];
    let page =
        |name, words: &[&str], status| written(folder, name, &[words, &quick].concat(), status);
    let (closed, one) = page("closed", &["tcp_rr", "--repeat", "2"], 0);
    let (_, other) = page("other", &["tcp_rr"], 0);
    let (open, _) = page("open", &["tcp_crr", "--rate", "500"], 0);
    let (ramp, _) = page("ramp", &["tcp_crr", "--ramp", "100..500", "--steps", "3"], 0);
    let (search, _) = page("search", &["tcp_rr", "--find-max", "min=1us", "--rate", "8"], 3);
    let (failed, _) = page("failed", &["tcp_rr", "127.0.0.1:1"], 1);
    let set = ["-t", "100ms", "-w", "0", "-c", "4"];
    let (set, all) = written(folder, "set", &set, 0);
    let spoilt = folder.write("spoilt.json", &spoilt(&one));
    let found = folder.write("found.json", &found(&one));
    vec![
        ("a closed loop", closed, 3),
        ("an open loop", open, 4),
        ("a ramp", ramp, 8),
        ("a search", search, 1),
        ("a failed run", failed, 0),
        ("the standard set", set, 18),
        ("two results", compared(folder, &one, &other), 3),
        ("two searches", compared(folder, &found, &found), 4),
        ("two sets", compared(folder, &all, &all), 24),
        ("spoilt results", compared(folder, &spoilt, &spoilt), 4),
    ]
}

#[test]
fn pages_can_be_read_at_any_width_light_dark_and_on_paper() {
    let mut browser = match Browser::start() {
        Ok(browser) => browser,
        Err(why) => {
            return loudly(&format!("NOT TESTED, because no page can be looked at here: {why}"));
        }
    };
    let folder = Folder::new("pages");
    let mut faults: Vec<String> = Vec::new();
    for (name, page, plots) in pages(&folder) {
        browser.open(&page);
        for view in VIEWS {
            browser.look(view);
            let found = browser.evaluate(MEASURE);
            let told = |fault: &Value| format!("{name}, {view:?}: {fault}");
            faults.extend(found.as_array().unwrap().iter().map(told));
            let seen = browser.evaluate(PLOTS).as_u64().unwrap();
            assert!(if plots == 0 { seen == 0 } else { seen >= plots }, "{name}: {seen} plots");
            let look = browser.picture();
            assert_eq!(look["width"], view.width, "{name}, {view:?}");
            assert!(look["marked"].as_f64().unwrap() > 0.01, "{name}, {view:?} is blank: {look}");
            let is_dark = look["ground"].as_u64().unwrap() < 60;
            assert_eq!(is_dark, view.is_dark && !view.is_print, "{name}, {view:?}: {look}");
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
