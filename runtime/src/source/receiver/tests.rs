mod raw_socket;
mod socket;

use arrow_array::Array;

use super::*;

fn lines(records: &BinaryArray) -> Vec<Vec<usize>> {
    let (mut from, mut chunks) = (0, Vec::new());
    while let Some(lines) = next_lines(records, from) {
        from += lines.len();
        chunks.push(lines.iter().map(<[u8]>::len).collect());
    }
    assert_eq!(from, records.len());
    chunks
}

#[test]
fn a_block_is_read_in_chunks_by_rows_and_by_bytes() {
    let half = vec![0; CHUNK_BYTES / 2];
    let large = BinaryArray::from_iter_values([&half[..], &half, &half, b"x", &[]]);
    let (half, full) = (half.len(), CHUNK_BYTES / 2);
    assert_eq!(lines(&large), [vec![half, full], vec![half, 1, 0]]);
    // A slice starts in the middle of its buffers.
    assert_eq!(lines(&large.slice(2, 2)), [vec![half, 1]]);

    let many = BinaryArray::from_iter_values(vec![b"x"; CHUNK_ROWS + 1]);
    let counts: Vec<_> = lines(&many).iter().map(Vec::len).collect();
    assert_eq!(counts, [CHUNK_ROWS, 1]);
    assert!(lines(&BinaryArray::from_iter_values([[]; 0])).is_empty());
}
