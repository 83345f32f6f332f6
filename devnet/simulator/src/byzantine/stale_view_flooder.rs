//! Sends what it said and heard in earlier views again, many times.

use tonle_replica::PeerMessage;

use super::{Actor, Line, Stage};

/// Old messages kept.
const KEPT: usize = 200;
/// Sent again at once.
const AGAIN: usize = 8;

/// See the module.
#[derive(Default)]
pub(super) struct StaleViewFlooder {
    old: Vec<PeerMessage>,
}

impl StaleViewFlooder {
    fn keep(&mut self, stage: &mut Stage<'_>, message: &PeerMessage) {
        if self.old.len() < KEPT {
            self.old.push(message.clone());
        } else if stage.dice.chance(50) {
            let at = stage.dice.index(KEPT);
            if let Some(slot) = self.old.get_mut(at) {
                *slot = message.clone();
            }
        }
    }
}

impl Actor for StaleViewFlooder {
    fn says(&mut self, stage: &mut Stage<'_>, _to: usize, message: &PeerMessage) -> Vec<Line> {
        let mut lines = vec![Line::plain(message.clone())];
        self.keep(stage, message);
        if stage.dice.chance(200) {
            stage.misdeeds += 1;
            for _ in 0..AGAIN {
                let at = stage.dice.index(self.old.len());
                lines.extend(self.old.get(at).cloned().map(Line::plain));
            }
        }
        lines
    }

    fn hears(&mut self, stage: &mut Stage<'_>, message: &PeerMessage) -> Vec<PeerMessage> {
        self.keep(stage, message);
        Vec::new()
    }
}
