//! The corpus of the replica's events: the course of an honest network, and what goes wrong in one, step by step.
//!
//! Must not know: how a step is carried out.

use crate::replica_events::step;

/// Bytes of an input: who the node is, the epoch's length, whether answers come at once; then steps.
struct Course(Vec<u8>);

impl Course {
    fn new(me: u8, epoch: u8, slow: bool) -> Self {
        Course(vec![me, epoch, if slow { 0xff } else { 0 }])
    }
    fn step(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }
    fn connected(self) -> Self {
        self.step(&[step::CONNECT, 0, step::CONNECT, 1, step::CONNECT, 2])
    }
    /// A block of the current leader, as everybody votes: proposal, data, Notarize, Finalize.
    fn block(self, lane: u8) -> Self {
        self.step(&[step::DUE]).step(&[step::PROPOSE, 0, 0, 0, lane, 0]).votes().step(&[step::DUE])
    }
    fn votes(self) -> Self {
        self.step(&[step::VOTE, 0, 0, 0, 0]).step(&[step::VOTE, 1, 0, 0, 0])
    }
    fn answers(self, count: usize) -> Self {
        (0..count).fold(self, |course, _| course.step(&[step::ANSWER]))
    }
    fn batch(self, peer: u8) -> Self {
        self.step(&[step::BATCH, peer, 0, 0, 0])
    }
    fn submit(self) -> Self {
        self.step(&[step::SUBMIT, 0, 10])
    }
    fn given_up(self) -> Self {
        self.step(&[step::TIME, 6]).step(&[step::TIMEOUT, 0, 0, 0, 0, 0])
    }
}

fn blocks(course: Course, count: u8) -> Course {
    (0..count).fold(course, |course, number| course.batch(number % 3).submit().block(number % 4))
}

pub(crate) fn replica_events() -> Vec<(String, Vec<u8>)> {
    let begin = |me| Course::new(me, 0, false).connected();
    let courses = [
        ("idle", begin(0).step(&[step::DUE, step::DUE, step::DUE, step::TIME, 7, step::DUE])),
        ("blocks-as-first", blocks(begin(0), 6)),
        ("blocks-as-second", blocks(begin(1), 6)),
        ("blocks-as-third", blocks(begin(2), 6)),
        ("blocks-as-last", blocks(begin(3), 6)),
        ("blocks-as-observer", blocks(begin(4), 6)),
        ("slow-shell", blocks(Course::new(1, 0, true).connected(), 2).answers(12).block(0).answers(12)),
        ("own-lane", begin(0).submit().submit().step(&[step::TIME, 3]).submit().step(&[step::TIME, 4, step::TIME, 5])),
        ("epochs-of-four", blocks(Course::new(1, 1, false).connected(), 6)),
        ("epochs-of-one", blocks(Course::new(2, 2, false).connected(), 4)),
        ("given-up", blocks(begin(0).given_up().block(1).given_up().given_up(), 3)),
        ("restart", blocks(blocks(begin(1), 2).step(&[step::RESTART]).connected(), 3)),
        ("restart-slow", blocks(Course::new(1, 1, true).connected(), 2).answers(5).step(&[step::RESTART]).answers(9)),
        ("catch-up", {
            let made = (0..4).fold(begin(0), |course, _| course.step(&[step::PROPOSE, 0xc0, 0, 0, 1, 0]));
            made.step(&[step::FINAL_TIP, 3, 0, step::TIME, 6, step::RESPOND, 0, 0, 0, 0, step::DUE])
        }),
        ("lost-batch", {
            let lost = begin(0).step(&[step::BATCH, 0, 0, 0, 0xff]).step(&[step::PROPOSE, 0, 0, 0, 0x11, 0]);
            lost.step(&[step::TIME, 3, step::RESPOND, 0, 0, step::RESPOND, 0, 0]).votes()
        }),
        ("lane-twice", begin(0).batch(0).batch(0).step(&[step::BATCH, 0, 0xf1, 0, 0]).block(1)),
        ("acknowledged", begin(0).batch(0).batch(1).step(&[step::ACKNOWLEDGE, 0, 0, step::ACKNOWLEDGE, 0, 1]).block(0)),
        ("requests", {
            let asked = blocks(begin(1), 2).step(&[step::REQUEST, 0, 0, 7, 0, step::REQUEST, 1, 1, 0, 8, 1]);
            asked.step(&[step::REQUEST, 2, 0, 9, 2])
        }),
        (
            "certificates",
            begin(0).step(&[step::PROPOSE, 0, 0, 0, 0, 0, step::QUORUM, 0, 0, 0, 0, 0, step::QUORUM, 1, 0, 0]),
        ),
        ("timeouts", begin(0).step(&[step::TIMEOUTS, 0, 0, 0, 0, step::TIMEOUTS, 0xe8, 0, 0, 0]).block(0)),
        ("own-key", blocks(begin(0), 1).step(&[step::OWN_KEY, 0xff, 0xe8, 0, 0]).step(&[step::DUE, step::RESTART])),
        ("exposed", {
            let shown = begin(0).step(&[step::MISBEHAVIOUR, 2, 0, 0, 0, step::MISBEHAVIOUR, 2, 0, 0, 1, step::TIME, 6]);
            shown.step(&[step::RESTART]).connected().step(&[step::MISBEHAVIOUR, 2, 0, 0, 0, step::TIME, 5])
        }),
        ("raw", begin(0).step(&[step::RAW, 9, 6, 0, 0, 0, 0, 0, 0, 0, 50, 0, step::TIME, 6])),
        ("disconnected", blocks(begin(0), 1).step(&[step::DISCONNECT, 0, step::DISCONNECT, 1, step::TIME, 7])),
    ];
    courses.into_iter().map(|(name, course)| (name.to_owned(), course.0)).collect()
}
