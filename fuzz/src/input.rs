//! Inputs that are text, so that a seed can be read and a dictionary helps.

/// The first line, without its end, and what follows it.
pub fn line(input: &[u8]) -> (&[u8], &[u8]) {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[]),
    }
}

/// The lines, each without its end.
pub fn lines(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.split(|byte| *byte == b'\n')
}

/// The same bytes in pieces of so many.
pub fn pieces(bytes: &[u8], size: u8) -> Vec<&[u8]> {
    bytes.chunks(usize::from(size).max(1)).collect()
}
