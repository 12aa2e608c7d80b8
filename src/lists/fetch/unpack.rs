//! Bodies unpacked as they come in, and never beyond a limit.

use std::io::{self, BufRead, BufReader, Read};

use brotli_decompressor::Decompressor;
use flate2::bufread::MultiGzDecoder;

use super::{FetchError, ZstdFrames};

/// First octets of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How a brotli stream begins whose window is larger than the standard's (RFC 7932, section 9.1).
const LARGE_WINDOW: u8 = 0x11;
/// Octets that are read at a time.
const PIECE: usize = 32 << 10;

/// How a body is packed on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Brotli,
    Zstd,
}

/// What a server may pack bodies with, as it is told.
pub(super) const ACCEPTED: &str = "gzip, br, zstd";

impl Packing {
    /// Reads the Content-Encoding of an answer; none or one is taken.
    pub(super) fn read<'h>(fields: impl Iterator<Item = &'h [u8]>) -> Result<Packing, FetchError> {
        let named = fields.flat_map(|field| field.split(|&octet| octet == b','));
        let mut packing = Packing::None;
        for word in named.map(<[u8]>::trim_ascii) {
            let next = match word.to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Packing::Gzip,
                b"br" => Packing::Brotli,
                b"zstd" => Packing::Zstd,
                _ => return Err(FetchError::Packing("it is packed in a way nobody asked for")),
            };
            if packing != Packing::None {
                return Err(FetchError::Packing("it is packed more than once"));
            }
            packing = next;
        }
        Ok(packing)
    }
}

/// Unpacks a body to its end, and what is in it if that is a gzip file.
pub(super) fn unpack(
    source: impl BufRead,
    packing: Packing,
    limit: u64,
) -> Result<Vec<u8>, FetchError> {
    // What unpacks to an endless packed file that holds next to nothing ends here.
    let mut first = opened(source, packing)?.take(limit + 1);
    let mut begin = Vec::new();
    let two = first.by_ref().take(2).read_to_end(&mut begin);
    two.map_err(|error| unreadable(&error))?;
    let is_file = begin == GZIP;
    let whole = io::Cursor::new(begin).chain(first);
    match is_file {
        true => read_bounded(MultiGzDecoder::new(BufReader::with_capacity(PIECE, whole)), limit),
        false => read_bounded(whole, limit),
    }
}

fn opened<'s>(
    mut source: impl BufRead + 's,
    packing: Packing,
) -> Result<Box<dyn Read + 's>, FetchError> {
    Ok(match packing {
        Packing::None => Box::new(source),
        Packing::Gzip => Box::new(MultiGzDecoder::new(source)),
        Packing::Zstd => Box::new(ZstdFrames::new(source)),
        Packing::Brotli => {
            let begin = source.fill_buf().map_err(|error| unreadable(&error))?;
            if begin.first().is_some_and(|octet| octet & 0x7f == LARGE_WINDOW) {
                return Err(FetchError::Packing("its window is too large"));
            }
            Box::new(Decompressor::new(source, PIECE))
        }
    })
}

fn read_bounded(source: impl Read, limit: u64) -> Result<Vec<u8>, FetchError> {
    let mut octets = Vec::new();
    source.take(limit + 1).read_to_end(&mut octets).map_err(|error| unreadable(&error))?;
    match octets.len() as u64 > limit {
        true => Err(FetchError::TooLarge("256 MiB unpacked")),
        false => Ok(octets),
    }
}

fn unreadable(error: &io::Error) -> FetchError {
    FetchError::Packing(match error.kind() {
        io::ErrorKind::UnexpectedEof => "its end is missing",
        _ => "it is damaged",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::fetch::packed::{brotli, brotli_bomb, gzip, zstd};

    const LIMIT: u64 = 1 << 20;

    fn packed(packing: Packing, octets: &[u8]) -> Vec<u8> {
        match packing {
            Packing::None => octets.into(),
            Packing::Gzip => gzip(octets),
            Packing::Brotli => brotli(octets),
            Packing::Zstd => zstd(octets),
        }
    }

    const ALL: [Packing; 4] = [Packing::None, Packing::Gzip, Packing::Brotli, Packing::Zstd];

    fn names(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| format!("0.0.0.0 n{n}.example\n").into_bytes()).collect()
    }

    #[test]
    fn each_packing_is_unpacked_and_a_gzip_file_within() {
        let text = names(9_000);
        for packing in ALL {
            for inner in [text.clone(), gzip(&text), Vec::new()] {
                let body = packed(packing, &inner);
                let expected = if inner.starts_with(&GZIP) { &text } else { &inner };
                // One octet at a time, as a slow server may send it.
                let slow = BufReader::with_capacity(1, &*body);
                assert_eq!(unpack(slow, packing, LIMIT).as_ref(), Ok(expected), "{packing:?}");
                assert_eq!(unpack(&*body, packing, LIMIT).as_ref(), Ok(expected), "{packing:?}");
            }
        }
    }

    #[test]
    fn what_unpacks_to_more_than_a_list_may_have_is_stopped() {
        let bomb = vec![b'a'; 3 << 20];
        for packing in ALL {
            for body in [packed(packing, &bomb), packed(packing, &gzip(&bomb))] {
                let refused = unpack(&*body, packing, LIMIT);
                assert_eq!(refused, Err(FetchError::TooLarge("256 MiB unpacked")), "{packing:?}");
            }
            let fits = packed(packing, &bomb[..LIMIT as usize]);
            assert!(unpack(&*fits, packing, LIMIT).is_ok(), "{packing:?}");
        }
    }

    #[test]
    fn a_bomb_is_stopped_before_its_end() {
        struct Endless(Vec<u8>, usize);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let piece = &self.0[self.1 % self.0.len()..];
                let count = piece.len().min(buffer.len());
                buffer[..count].copy_from_slice(&piece[..count]);
                self.1 += count;
                assert!(self.1 < 64 << 20, "it goes on reading");
                Ok(count)
            }
        }
        let bomb = unpack(&*brotli_bomb(), Packing::Brotli, LIMIT);
        assert!(matches!(bomb, Err(FetchError::TooLarge(_))), "{bomb:?}");
        let whole = unpack(&*brotli_bomb(), Packing::Brotli, 16 << 20);
        assert_eq!(whole.map(|octets| octets.len()), Ok(16 << 20));
        let million = vec![0; 1_000_000];
        for (packing, body) in [(Packing::Gzip, gzip(&million)), (Packing::Zstd, zstd(&million))] {
            let endless = BufReader::new(Endless(body, 0));
            assert!(matches!(unpack(endless, packing, LIMIT), Err(FetchError::TooLarge(_))));
        }
        // Packed files that hold nothing, one behind the other.
        let endless = BufReader::new(Endless(gzip(b""), 0).take(40 << 20));
        assert!(unpack(endless, Packing::None, LIMIT).is_err());
    }

    #[test]
    fn damage_and_missing_ends_are_told() {
        let text = names(3_000);
        for packing in [Packing::Gzip, Packing::Brotli, Packing::Zstd] {
            let body = packed(packing, &text);
            for end in [1, 2, 5, body.len() / 2, body.len() - 1] {
                let refused = unpack(&body[..end], packing, LIMIT);
                assert!(matches!(refused, Err(FetchError::Packing(_))), "{packing:?} {end}");
            }
            let plain = unpack(&*text, packing, LIMIT);
            assert!(matches!(plain, Err(FetchError::Packing(_))), "{packing:?}: not packed");
        }
        let cut = gzip(&text);
        assert!(unpack(&cut[..cut.len() - 3], Packing::None, LIMIT).is_err());
    }

    #[test]
    fn a_brotli_window_beyond_the_standard_is_refused() {
        for begin in [0x11, 0x91] {
            let body = [begin, 0x1e, 0, 0, 0, 0, 0, 0];
            let refused = unpack(&body[..], Packing::Brotli, LIMIT);
            assert_eq!(refused, Err(FetchError::Packing("its window is too large")));
        }
    }

    #[test]
    fn any_octets_end_in_a_list_or_in_an_error() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize
        };
        let text = names(200);
        for round in 0..3_000 {
            let packing = ALL[round % 4];
            let mut body = packed(packing, &text);
            for _ in 0..=random() % 4 {
                let place = random() % body.len();
                body[place] ^= 1 << (random() % 8);
            }
            let _ = unpack(&*body, packing, LIMIT);
        }
    }

    #[test]
    fn one_packing_is_taken_and_no_more() {
        let read = |fields: &[&str]| Packing::read(fields.iter().map(|field| field.as_bytes()));
        assert_eq!(read(&[]), Ok(Packing::None));
        assert_eq!(read(&["identity, GZIP"]), Ok(Packing::Gzip));
        assert_eq!(read(&["br"]), Ok(Packing::Brotli));
        assert_eq!(read(&["identity", "zstd"]), Ok(Packing::Zstd));
        for refused in [&["gzip, gzip"][..], &["br", "zstd"], &["deflate"], &["aws-chunked"]] {
            assert!(read(refused).is_err(), "{refused:?}");
        }
    }
}
