//! How a page looks: light or dark as its reader's other windows, on any width, on paper.

use std::fmt::Write;

use crate::bench::report::plot::{PALETTE, PARTS};

const RULES: &str = "
* { box-sizing: border-box }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--ground); overflow-wrap: anywhere; -webkit-text-size-adjust: 100% }
main { max-width: 1000px; margin: 0 auto; padding: 28px 20px 40px }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 }
h2 { font-size: 1.2rem; line-height: 1.3; margin: 2.2rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem }
p { margin: .4rem 0 } .sub, figcaption { color: var(--soft) }
.lead { font-size: 1.1rem; font-weight: 600 }
.bad, .hint { border-left: 4px solid var(--bad); background: var(--bad-ground);
  padding: .5rem .8rem; margin: .6rem 0; border-radius: 0 6px 6px 0 }
.hint { border-color: var(--hint); background: var(--hint-ground) }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(138px, 1fr)); gap: 10px;
  margin: 1rem 0 0 }
.cards div, .facts div { display: flex; flex-direction: column }
.cards div { border: 1px solid var(--grid); border-radius: 8px; padding: .5rem .8rem }
dt { color: var(--soft); font-size: .87rem } dd { margin: 0 }
.cards dd { font-size: 1.3rem; line-height: 1.3; font-weight: 600; margin-top: auto }
.cards small { font-size: .8rem; font-weight: 400; color: var(--soft) }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(145px, 1fr));
  gap: .7rem 1.2rem; margin: .6rem 0 }
.facts .long { grid-column: 1 / -1 }
.wide { overflow-x: auto; margin: .5rem 0; background:
  linear-gradient(90deg, var(--ground) 40%, transparent) 0 0/36px 100% no-repeat local,
  linear-gradient(270deg, var(--ground) 40%, transparent) 100% 0/36px 100% no-repeat local,
  linear-gradient(90deg, var(--shade), transparent) 0 0/14px 100% no-repeat,
  linear-gradient(270deg, var(--shade), transparent) 100% 0/14px 100% no-repeat }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%;
  font-size: .93rem; overflow-wrap: normal }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--grid) }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom }
th:first-child { text-align: left; padding-left: 0 } tbody th { font-weight: 400 }
th:first-child { min-width: 12rem; overflow-wrap: anywhere }
td { white-space: nowrap }
.words { white-space: normal; text-align: left !important; min-width: 9rem;
  overflow-wrap: anywhere }
td:last-child, thead th:last-child { padding-right: 0 }
.worse { color: var(--bad); font-weight: 600 } .better { color: var(--good); font-weight: 600 }
figure { margin: .6rem 0 } figcaption { font-weight: 600 }
figure > svg, figure > div > svg { width: 100%; height: auto; display: block }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; padding: 0;
  margin: .3rem 0; font-size: .9rem }
.key { width: 20px; height: 12px; margin-right: .4rem; vertical-align: -1px }
.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr));
  gap: 0 36px } .halves figure { max-width: 620px; min-width: 0 }
.on-narrow { display: none }
@media (max-width: 640px) {
  main { padding: 18px 14px 28px } h1 { font-size: 1.4rem }
  .on-wide { display: none } .on-narrow { display: block }
  table { font-size: .87rem } th, td { padding: .3rem .4rem }
  th:first-child { min-width: 6rem } .words { min-width: 5rem }
}
@media print {
  main { max-width: none; padding: 0 } figure, table, .bad, .hint, .cards { break-inside: avoid }
  h2, h3 { break-after: avoid } .wide { overflow: visible } body { font-size: 10pt }
  .halves { grid-template-columns: 1fr 1fr }
  .wide { background: none } table { font-size: 8pt } td { white-space: normal }
  th, td { padding: .2rem .25rem; overflow-wrap: anywhere } th:first-child { min-width: 5rem }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact }
}
";

/// Colours of their own: variable, on a light and on a dark ground.
const MORE: [(&str, &str, &str); 6] = [
    ("bad", "#b3261e", "#ff8a80"),
    ("bad-ground", "#fdecea", "#3a1f1e"),
    ("good", "#0a6b3d", "#6fdc9f"),
    ("hint", "#b58100", "#e0b33c"),
    ("hint-ground", "#fff6dd", "#322a14"),
    // What says that a table goes on beside its box.
    ("shade", "#00000024", "#00000099"),
];

/// The style sheet. Paper is light in any case.
pub(super) fn style() -> String {
    let (mut light, mut dark) = (String::new(), String::new());
    let mut set = |name: &str, on_light: &str, on_dark: &str| {
        let _ = write!(light, " --{name}: {on_light};");
        let _ = write!(dark, " --{name}: {on_dark};");
    };
    for (name, on_light, on_dark) in PARTS.into_iter().chain(MORE) {
        set(name, on_light, on_dark);
    }
    for (number, (on_light, on_dark)) in PALETTE.into_iter().enumerate() {
        set(&format!("c{number}"), on_light, on_dark);
    }
    format!(
        ":root {{ color-scheme: light dark;{light} }}\n@media screen and (prefers-color-scheme: \
         dark) {{ :root {{{dark} }} }}{RULES}"
    )
}
