//! Segments: frames, checksums, and what a torn end leaves.

use proptest::prelude::*;

use super::*;

fn write(directory: &Path, payloads: &[Vec<u8>]) -> PathBuf {
    let mut segment = Segment::create(directory, "t", 7, 1, &[&payloads[0]]).unwrap();
    for payload in &payloads[1..] {
        segment.append(1, &[payload]).unwrap();
        segment.sync().unwrap();
    }
    segment.path().to_path_buf()
}

fn read(path: &Path) -> Result<(Vec<Vec<u8>>, Option<TornTail>), Error> {
    let mut found = Vec::new();
    let (_, torn) = Segment::open(path, 7, "advice", |frame| {
        assert_eq!(frame.kind, 1);
        found.push(frame.payload.to_vec());
        Ok(())
    })?;
    Ok((found, torn))
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    // No zero bytes: a wholly zero sector is how a torn write looks, and has a test of its own.
    prop::collection::vec(prop::collection::vec(1u8..=255, 0..900), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_cut_file_gives_the_records_before_the_cut(payloads in payloads(), cut in any::<prop::sample::Index>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), &payloads);
        let whole = std::fs::read(&path).unwrap();
        // The header and the first frame are synced before the segment has its name.
        let first = HEADER_LENGTH + FRAME_OVERHEAD + payloads[0].len();
        let cut = first + cut.index(whole.len() - first + 1);
        std::fs::write(&path, &whole[..cut]).unwrap();

        let (found, torn) = read(&path).unwrap();
        prop_assert_eq!(&found[..], &payloads[..found.len()]);
        let kept: usize = HEADER_LENGTH + found.iter().map(|payload| FRAME_OVERHEAD + payload.len()).sum::<usize>();
        prop_assert_eq!(torn.map(|torn| torn.bytes), (cut > kept).then(|| wide(cut - kept)));
        // Nothing whole was dropped, and the end is clean: a record appended afterwards is found.
        prop_assert!(found.len() == payloads.len() || cut < kept + FRAME_OVERHEAD + payloads[found.len()].len());
        let (mut segment, torn) = Segment::open(&path, 7, "advice", |_| Ok(())).unwrap();
        prop_assert_eq!(torn, None);
        segment.append(1, &[b"after"]).unwrap();
        let (found, _) = read(&path).unwrap();
        prop_assert_eq!(found.last().unwrap().as_slice(), b"after");
    }

    #[test]
    fn a_flipped_bit_is_refused(payloads in payloads(), at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), &payloads);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).unwrap();
        match read(&path) {
            Err(Error::Corrupt { path: named, offset, .. }) => {
                prop_assert_eq!(named, path);
                prop_assert!(offset <= wide(at));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn random_bytes_are_never_a_record(payloads in payloads(), noise in prop::collection::vec(any::<u8>(), 1..600)) {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), &payloads);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(&noise);
        std::fs::write(&path, &bytes).unwrap();
        if let Ok((found, torn)) = read(&path) {
            prop_assert_eq!(found, payloads);
            prop_assert!(torn.is_some());
        }
    }
}

#[test]
fn sectors_never_written_are_a_torn_end_in_the_last_record_only() {
    let payloads = vec![vec![1u8; 100], vec![2; 2_000], vec![3; 2_000]];
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &payloads);
    let whole = std::fs::read(&path).unwrap();
    let last = whole.len() - 2_000 - FRAME_OVERHEAD;
    let middle = last - 2_000 - FRAME_OVERHEAD;
    let zero_sector = |from: usize| {
        let start = (from / SECTOR + 1) * SECTOR;
        let mut bytes = whole.clone();
        bytes[start..start + SECTOR].fill(0);
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    };
    let (found, torn) = zero_sector(last).unwrap();
    assert_eq!(found, payloads[..2]);
    assert_eq!(torn.unwrap().offset, wide(last));
    assert!(matches!(zero_sector(middle), Err(Error::Corrupt { offset, .. }) if offset == wide(middle)));
    // Length known to the file system, nothing of the data written.
    let mut bytes = whole.clone();
    bytes[last..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(read(&path).unwrap().0, payloads[..2]);
}

#[test]
fn a_record_is_valid_at_its_own_place_only() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &[vec![1; 30], vec![2; 30], vec![3; 30]]);
    let mut bytes = std::fs::read(&path).unwrap();
    let frame = FRAME_OVERHEAD + 30;
    // The first record once more in the place of the second: same length, checksums whole.
    bytes.copy_within(HEADER_LENGTH..HEADER_LENGTH + frame, HEADER_LENGTH + frame);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(read(&path), Err(Error::Corrupt { .. })));
}

#[test]
fn a_segment_of_another_number_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &[vec![1]]);
    assert!(matches!(Segment::open(&path, 8, "advice", |_| Ok(())), Err(Error::Corrupt { offset: 0, .. })));
}

#[test]
fn unfinished_segments_are_swept_away() {
    let directory = tempfile::tempdir().unwrap();
    let path = write(directory.path(), &[vec![1]]);
    std::fs::write(directory.path().join("t-0000000000000008.new"), b"half").unwrap();
    assert_eq!(list(directory.path(), "t").unwrap(), [(7, path)]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}
