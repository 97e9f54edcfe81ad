//! Properties that need the same conversation held several times, on a stage without chance in
//! the kernel: wherever the input is cut, everybody hears the same.

use std::time::Duration;

use cooee::engine::stage::Stage;
use cooee::engine::{Limits, Peer, Quota};

use super::kinds::{Kind, offers};
use super::rng::Rng;

const MEMBERS: usize = 3;

/// Who says what. Commands, lines of all lengths and endings, text in another script.
const SCRIPT: &[(usize, &[u8])] = &[
    (0, b"hello\n"),
    (1, b"/nick ann\r\n"),
    (2, b"one\ntwo\r\n\nthree"),
    (0, "Gr\u{fc}\u{df}e \u{4e16}\u{754c}\n".as_bytes()),
    (2, b" and four\n/who\n"),
    (1, &[b'x'; 1500]),
    (1, b"\nshort again\n\xff\xfe\n"),
    (0, b"BYE\nnobody hears this\n"),
    (1, b"/msg guest3 psst\n"),
    (2, b"unfinished"),
];

/// What each has heard, and whether it was hung up on.
type Heard = Vec<(Vec<u8>, bool)>;

/// Holds the conversation of `SCRIPT` with each message in the pieces that `cut` makes of it.
fn converse(kind: Kind, mut cut: impl FnMut(&[u8]) -> Vec<Vec<u8>>) -> Heard {
    let limits = Limits::default();
    let mut stage = Stage::empty(limits);
    stage.engine().add_service("test", Quota::default(), kind.make(limits.high));
    let members: Vec<Peer> = (0..MEMBERS).map(|_| stage.join()).collect();
    for (who, message) in SCRIPT {
        cut(message).iter().for_each(|piece| stage.say(members[*who], piece));
    }
    stage.pass(Duration::from_secs(2));
    members.iter().for_each(|peer| stage.finish(*peer));
    stage.pass(Duration::from_secs(2));
    members.iter().map(|peer| (stage.hear_bytes(*peer), stage.is_over(*peer))).collect()
}

fn cut_by_chance(message: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let mut rest = message;
    while !rest.is_empty() {
        let most = if rng.chance(500) { rest.len() } else { rest.len().min(8) };
        let (piece, tail) = rest.split_at(rng.within(1..=most));
        pieces.push(piece.to_vec());
        rest = tail;
    }
    pieces
}

/// Oracle 3, for every row of the table: cutting the input anywhere changes nothing.
pub(crate) fn assert_cuts_change_nothing(seeds: u64) {
    let own = [Kind::Hello, Kind::Answer, Kind::Crowd, Kind::Receipt, Kind::Later, Kind::Ends];
    for kind in offers().into_iter().chain(own) {
        let whole = converse(kind, |message| vec![message.to_vec()]);
        let bytewise = converse(kind, |message| message.iter().map(|b| vec![*b]).collect());
        assert!(bytewise == whole, "oracle 3: {kind:?} byte by byte");
        for seed in 0..seeds {
            let mut rng = Rng::new(seed);
            let cut = converse(kind, |message| cut_by_chance(message, &mut rng));
            assert!(cut == whole, "oracle 3: {kind:?} with cuts of seed {seed}");
        }
    }
}

/// Oracle 5: so many short connections leave no trail of deadlines. Returns how often the engine
/// still wanted to be woken once they were all gone.
pub(crate) fn turns_after(connections: usize) -> usize {
    let quota = Quota { idle: Some(Duration::from_secs(600)), ..Quota::default() };
    let mut stage = Stage::empty(Limits::default());
    stage.engine().add_service("test", quota, Kind::Answer.make(0));
    for _ in 0..connections {
        stage.pass(Duration::from_millis(1));
        let peer = stage.join();
        stage.reset(peer);
        assert_eq!(stage.standing(peer), None);
    }
    stage.run_out()
}
