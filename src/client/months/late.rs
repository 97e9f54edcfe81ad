//! Answers over UDP that may still come, though nobody waits for them: a question that was asked
//! three times is answered up to three times.

use super::answer::is_right_month;

/// So many questions are remembered; the oldest is forgotten.
const QUESTIONS_MAX: usize = 16;

/// A question of which answers are still owed.
struct OwedAnswers {
    question: Vec<u8>,
    /// `None`: it has not been answered at all.
    answer: Option<Vec<u8>>,
    owed: u32,
}

/// The answers that earlier questions are owed.
#[derive(Default)]
pub(crate) struct LateAnswers(Vec<OwedAnswers>);

impl LateAnswers {
    /// `question` was answered, and so many more answers may come.
    pub(crate) fn answered(&mut self, question: &[u8], answer: &[u8], owed: u32) {
        self.remember(OwedAnswers {
            question: question.to_vec(),
            answer: Some(answer.to_vec()),
            owed,
        });
    }

    /// `question` was given up after so many tries.
    pub(crate) fn lost(&mut self, question: &[u8], tries: u32) {
        self.remember(OwedAnswers { question: question.to_vec(), answer: None, owed: tries });
    }

    fn remember(&mut self, owing: OwedAnswers) {
        if owing.owed > 0 {
            self.0.push(owing);
        }
        if self.0.len() > QUESTIONS_MAX {
            self.0.remove(0);
        }
    }

    /// Whether `input`, which came while `asked` was being asked, is owed to an earlier question.
    /// If so it is owed no longer.
    pub(crate) fn takes(&mut self, asked: &[u8], input: &[u8]) -> bool {
        if is_right_month(asked, input) {
            return false;
        }
        let is_meant = |owing: &&mut OwedAnswers| {
            let is_expected = match &owing.answer {
                Some(answer) => answer == input,
                None => is_right_month(&owing.question, input),
            };
            owing.question != asked && is_expected
        };
        let Some(owing) = self.0.iter_mut().find(is_meant) else { return false };
        owing.owed -= 1;
        self.0.retain(|owing| owing.owed > 0);
        true
    }

    /// Whether there is a question whose answer nobody has seen.
    pub(crate) fn has_lost(&self) -> bool {
        self.0.iter().any(|owing| owing.answer.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_answers_as_are_owed_are_taken_and_never_the_right_one() {
        let mut late = LateAnswers::default();
        late.answered(b"13", b"Invalid", 2);
        assert!(!late.takes(b"13", b"Invalid"), "the same question may have the same answer");
        assert!(late.takes(b"14", b"Invalid") && late.takes(b"", b"Invalid"));
        assert!(!late.takes(b"14", b"Invalid"));
        late.lost(b"2", 1);
        assert!(late.has_lost());
        assert!(!late.takes(b"02", b"February") && !late.takes(b"3", b"Febuary"));
        assert!(late.takes(b"3", b"February") && !late.has_lost());
    }

    #[test]
    fn the_oldest_question_is_forgotten() {
        let mut late = LateAnswers::default();
        for number in 0..=QUESTIONS_MAX {
            late.answered(b"x", number.to_string().as_bytes(), 1);
        }
        assert!(!late.takes(b"", b"0") && late.takes(b"", b"1"));
    }
}
