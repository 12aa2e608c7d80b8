//! What tests pack: lists, and bombs.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

pub(super) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(octets).expect("memory");
    encoder.finish().expect("memory")
}

pub(super) fn zstd(octets: &[u8]) -> Vec<u8> {
    compress_to_vec(octets, CompressionLevel::Fastest)
}

/// Returns a brotli stream of stored pieces (RFC 7932, section 9.2): no encoder is needed for it.
pub(super) fn brotli(octets: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0, 1); // a window of 16 bits
    for piece in octets.chunks(1 << 16) {
        bits.push(0, 1); // not the last
        bits.push(0, 2); // the length has 4 nibbles
        bits.push(piece.len() as u32 - 1, 16);
        bits.push(1, 1); // stored
        bits.align();
        bits.octets.extend(piece);
    }
    bits.push(0b11, 2); // the last, and empty
    bits.align();
    bits.octets
}

#[derive(Default)]
struct Bits {
    octets: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            self.held |= (value >> bit & 1) << self.count;
            self.count += 1;
            if self.count == 8 {
                self.align();
            }
        }
    }

    fn align(&mut self) {
        if self.count > 0 {
            self.octets.push(self.held as u8);
        }
        (self.held, self.count) = (0, 0);
    }
}

/// Returns 16 MiB of one letter in a dozen octets: it, and a copy of what stands one before.
pub(super) fn brotli_bomb() -> Vec<u8> {
    let mut bits = Bits::default();
    let length = 1 << 24;
    for (value, count) in [
        (0, 1), // a window of 16 bits
        (1, 1), // the last piece
        (0, 1), // and it is not empty
        (2, 2), // the length has 6 nibbles
        (length - 1, 24),
        (0, 3),      // one type of block of each kind
        (0, 6),      // no direct distances
        (0, 2),      // a context that does not matter
        (0, 2),      // one tree of each kind
        (0b0001, 4), // one literal
        (u32::from(b'a'), 8),
        (0b0001, 4), // one command: a literal, and a copy of 2,118 and more
        (399, 10),
        (0b0001, 4), // one distance
        (16, 6),
        (length - 1 - 2118, 24),
        (0, 1), // the distance is 1
    ] {
        bits.push(value, count);
    }
    bits.align();
    bits.octets
}
