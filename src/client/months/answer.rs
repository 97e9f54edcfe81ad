//! What a question about months may be, and what can be an answer to it.

use crate::services::lines::core;
use crate::services::months::NAMES;

/// More is no answer, from whatever server.
const ANSWER_BYTES_MAX: usize = 512;
/// A longer integer than this is none.
const INTEGER_BYTES_MAX: usize = 32;

/// Whether `word` can be asked. One of hundreds of digits would be a month in some servers' eyes.
pub(crate) fn is_integer(word: &str) -> bool {
    word.len() <= INTEGER_BYTES_MAX && word.parse::<i64>().is_ok()
}

/// Whether `answer` can be one, in whatever spelling or language: a text, with a letter in it. If
/// not, the complaint.
pub(crate) fn may_be_answer(asked: &[u8], answer: &[u8]) -> Result<(), String> {
    let text = core(answer);
    let is_control = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    if text.is_empty() {
        Err("an empty answer came".into())
    } else if text == core(asked) {
        Err("what was asked came back, as from an echo server".into())
    } else if answer.len() > ANSWER_BYTES_MAX {
        Err(format!("an answer of {} bytes came, which is too long", answer.len()))
    } else if text.iter().any(is_control) {
        Err("an answer came that is no text".into())
    } else if !text.iter().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()) {
        Err("an answer came without a letter in it".into())
    } else {
        Ok(())
    }
}

/// Which month `text` is the name of, 1-12.
fn month(text: &[u8]) -> Option<usize> {
    let index = NAMES.iter().position(|name| name.as_bytes() == core(text))?;
    Some(index + 1)
}

/// Whether `answer` is the name of the month that was asked for.
pub(crate) fn is_right_month(asked: &[u8], answer: &[u8]) -> bool {
    let asked = std::str::from_utf8(asked).ok().and_then(|word| word.parse().ok());
    asked.is_some() && month(answer) == asked
}

/// Whether `answer` is the name of a month, but not of the one that was asked for.
pub(crate) fn is_wrong_month(asked: &[u8], answer: &[u8]) -> bool {
    month(answer).is_some() && !is_right_month(asked, answer)
}
