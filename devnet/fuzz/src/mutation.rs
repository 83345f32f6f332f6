//! Mutation of inputs without any feedback: what the stable tests and the plain runner use in the place of libFuzzer.
//!
//! Must not know: what the bytes mean.

use crate::Dice;

/// No mutated input is longer.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;
/// Most changes to one input.
const CHANGES_MAX: usize = 6;
/// Numbers at whose edges decoders go wrong.
const EDGES: [u64; 12] = [0, 1, 2, 7, 8, 100, 101, 255, 256, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

/// One to `CHANGES_MAX` changes to `seed`; `other` is an input to splice from.
#[must_use]
pub fn mutate(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=dice.below(CHANGES_MAX) {
        change(&mut bytes, other, dice);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len());
    match dice.below(9) {
        // A bit, a byte, or a number at an edge, in place.
        0 => {
            let bit = dice.below(8);
            bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
        }
        1 => {
            let value = dice.byte();
            bytes.get_mut(at).into_iter().for_each(|byte| *byte = value);
        }
        2 => {
            let edge = EDGES[dice.below(EDGES.len())].wrapping_add(dice.u64() % 3).to_be_bytes();
            let width = [1, 2, 4, 8][dice.below(4)];
            bytes.iter_mut().skip(at).zip(&edge[8 - width..]).for_each(|(byte, value)| *byte = *value);
        }
        // A number one up or down.
        3 => {
            let up = dice.below(2) == 0;
            let step = |byte: &mut u8| *byte = if up { byte.wrapping_add(1) } else { byte.wrapping_sub(1) };
            bytes.get_mut(at).into_iter().for_each(step);
        }
        // Something goes, comes, or comes twice.
        4 => {
            let end = (at + 1 + dice.below(40)).min(bytes.len());
            bytes.drain(at.min(end)..end);
        }
        5 => {
            let noise: Vec<u8> = (0..=dice.below(16)).map(|_| dice.byte()).collect();
            bytes.splice(at..at, noise);
        }
        6 => {
            let end = (at + 1 + dice.below(80)).min(bytes.len());
            let copy = bytes[at.min(end)..end].to_vec();
            let to = dice.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        // A piece of another input, or nothing more.
        7 => {
            let from = dice.below(other.len());
            let end = (from + 1 + dice.below(120)).min(other.len());
            let piece = other.get(from..end).unwrap_or_default().to_vec();
            let until = if dice.below(2) == 0 { at } else { (at + piece.len()).min(bytes.len()) };
            bytes.splice(at..until, piece);
        }
        _ => bytes.truncate(at),
    }
}
