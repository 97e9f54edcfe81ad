//! Whoever has mistyped a name is told which one was probably meant.

/// That of `names` which is most like `name`, if at most half of its letters are wrong.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.trim().to_lowercase().chars().collect();
    let near = names.map(|known| (mistakes(&name, &known.chars().collect::<Vec<_>>()), known));
    near.filter(|(count, known)| count * 2 <= known.len()).min().map(|(_, known)| known)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour to make
/// `to` of `from` (optimal string alignment distance).
fn mistakes(from: &[char], to: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = above[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[to.len()]
}
