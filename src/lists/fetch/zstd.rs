//! Zstandard frames, read one behind the other.

use std::io::{self, BufRead, Cursor, ErrorKind, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Octets of window that a frame may ask for: what RFC 9659 gives content on the wire.
const LARGEST_WINDOW: u64 = 8 << 20;
/// How a frame begins (RFC 8878, section 3.1.1).
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The magic number and the descriptor, which tells what else there is.
const BEGIN_OCTETS: usize = 5;

/// Reads what a row of frames holds.
pub(super) struct ZstdFrames<S> {
    source: S,
    decoder: FrameDecoder,
    within: bool,
    any: bool,
}

impl<S: BufRead> ZstdFrames<S> {
    /// Makes a reader; nothing is read yet.
    pub(super) fn new(source: S) -> ZstdFrames<S> {
        ZstdFrames { source, decoder: FrameDecoder::new(), within: false, any: false }
    }

    /// Begins the next frame; returns whether there is one.
    fn begin(&mut self) -> io::Result<bool> {
        if self.any && self.source.fill_buf()?.is_empty() {
            return Ok(false);
        }
        let header = read_header(&mut self.source)?;
        self.decoder.init(Cursor::new(header)).map_err(damaged)?;
        (self.within, self.any) = (true, true);
        Ok(true)
    }

    fn check_sum(&self) -> io::Result<()> {
        match self.decoder.get_checksum_from_data() {
            Some(sum) if Some(sum) != self.decoder.get_calculated_checksum() => {
                Err(ErrorKind::InvalidData.into())
            }
            _ => Ok(()),
        }
    }
}

impl<S: BufRead> Read for ZstdFrames<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.within && !self.begin()? {
                return Ok(0);
            }
            // A block at a time: a frame may have any number of them and give nothing for long.
            if self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                self.decoder.decode_blocks(&mut self.source, one).map_err(damaged)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            if self.decoder.is_finished() && self.decoder.can_collect() == 0 {
                self.check_sum()?;
                self.within = false;
            }
        }
    }
}

/// Reads a frame's header and refuses a window that would take too much memory: the decoder holds
/// back as much as that before it gives anything.
fn read_header(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut header = vec![0; BEGIN_OCTETS];
    source.read_exact(&mut header)?;
    let Some(&descriptor) = header.strip_prefix(&MAGIC).and_then(<[u8]>::first) else {
        return Err(ErrorKind::InvalidData.into());
    };
    let single = descriptor & 0x20 != 0;
    let dictionary = match descriptor & 3 {
        3 => 4,
        octets => usize::from(octets),
    };
    let content = match descriptor >> 6 {
        0 => usize::from(single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let before = BEGIN_OCTETS + usize::from(!single) + dictionary;
    header.resize(before + content, 0);
    source.read_exact(header.get_mut(BEGIN_OCTETS..).unwrap_or_default())?;
    let window = match (single, header.get(BEGIN_OCTETS), header.get(before..)) {
        (false, Some(&octet), _) => window(octet),
        (true, _, Some(octets)) => content_size(octets),
        _ => u64::MAX,
    };
    if window > LARGEST_WINDOW {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(header)
}

/// RFC 8878, section 3.1.1.1.2.
fn window(descriptor: u8) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 7)
}

/// RFC 8878, section 3.1.1.1.4.
fn content_size(octets: &[u8]) -> u64 {
    let number = octets.iter().rev().fold(0, |number, &octet| number << 8 | u64::from(octet));
    if octets.len() == 2 { number + 256 } else { number }
}

fn damaged(_: impl std::error::Error) -> io::Error {
    ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        ZstdFrames::new(octets).take(4 << 20).read_to_end(&mut out)?;
        Ok(out)
    }

    /// A frame with this descriptor and what follows it, and one block of `length` times an octet.
    fn frame(descriptor: u8, header: &[u8], length: u32) -> Vec<u8> {
        let block = (length << 3 | 0b011).to_le_bytes();
        [&MAGIC[..], &[descriptor], header, &block[..3], b"a"].concat()
    }

    #[test]
    fn frames_follow_each_other() {
        let two = [frame(0x20, &[9], 9), frame(0, &[0], 1000)].concat();
        assert_eq!(read(&two).expect("two frames"), [b'a'; 1009]);
        assert!(read(&[&two[..], b"tail"].concat()).is_err());
        assert!(read(b"").is_err(), "not even one");
    }

    #[test]
    fn a_window_larger_than_content_may_ask_for_is_refused() {
        let eight_mib = 13 << 3;
        assert!(read(&frame(0, &[eight_mib], 9)).is_ok());
        assert!(read(&frame(0, &[eight_mib | 1], 9)).is_err());
        assert!(read(&frame(0, &[0xff], 9)).is_err());
        let size = (LARGEST_WINDOW as u32 + 1).to_le_bytes();
        assert!(read(&frame(0xa0, &size, 9)).is_err());
        assert!(read(&frame(0xe0, &[0xff; 8], 9)).is_err());
    }

    #[test]
    fn a_wrong_check_sum_is_damage() {
        let mut whole = frame(0x24, &[9], 9);
        whole.extend([0; 4]);
        assert!(read(&whole).is_err());
    }
}
