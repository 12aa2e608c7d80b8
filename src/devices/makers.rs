//! Who made a network card: the registry of hardware addresses, packed into `makers/makers.bin`.
//!
//! The file is unpacked at the first question, once, into about 750 KB: the names in one text, and of
//! each prefix one number that holds prefix and name. `scripts/build-makers` describes the file.

use std::io::Read;
use std::sync::LazyLock;

use flate2::read::DeflateDecoder;

use crate::model::HardwareAddress;

/// Lengths of prefixes in bits, the longest first.
const LENGTHS: [u32; 3] = [36, 28, 24];

/// Bits of a name's number.
const NAME_BITS: u32 = 16;

/// Returns who made it, by the longest prefix; `None` for addresses that a device made up.
pub fn maker(hardware: HardwareAddress) -> Option<&'static str> {
    static MAKERS: LazyLock<Makers> = LazyLock::new(|| {
        let packed = include_bytes!("../../makers/makers.bin");
        Makers::unpack(packed).expect("the file is ours, and a test reads it")
    });
    if hardware.is_random() || !hardware.is_one_device() {
        return None;
    }
    MAKERS.find(hardware)
}

struct Makers {
    names: Box<str>,
    /// Where each name ends in `names`.
    ends: Box<[u32]>,
    /// Prefixes of each length, rising, with their name's number in the lowest bits.
    prefixes: [Box<[u64]>; 3],
}

impl Makers {
    fn unpack(packed: &[u8]) -> Option<Makers> {
        let mut text = Vec::new();
        DeflateDecoder::new(packed).read_to_end(&mut text).ok()?;
        let head = text.iter().position(|&octet| octet == b'\n')?;
        let mut rest = text.get(head + 1..)?;
        let count = usize::try_from(number(&mut rest)?).ok()?;
        let length = usize::try_from(number(&mut rest)?).ok()?;
        let (names, tables) = rest.split_at_checked(length)?;
        let names = std::str::from_utf8(names).ok()?;
        let mut ends = Vec::with_capacity(count);
        for (end, _) in names.match_indices('\n') {
            ends.push(u32::try_from(end).ok()?);
        }
        rest = tables;
        let (short, middle, long) = (table(&mut rest)?, table(&mut rest)?, table(&mut rest)?);
        let whole = ends.len() == count && rest.is_empty();
        let prefixes = [long, middle, short];
        whole.then(|| Makers { names: names.into(), ends: ends.into(), prefixes })
    }

    fn find(&self, hardware: HardwareAddress) -> Option<&str> {
        let octets = hardware.0.iter().fold(0, |all, &octet| all << 8 | u64::from(octet));
        LENGTHS.iter().zip(&self.prefixes).find_map(|(length, prefixes)| {
            let prefix = octets >> (48 - length);
            let at = prefixes.partition_point(|entry| entry >> NAME_BITS < prefix);
            let entry = *prefixes.get(at).filter(|entry| *entry >> NAME_BITS == prefix)?;
            self.name(usize::try_from(entry & ((1 << NAME_BITS) - 1)).ok()?)
        })
    }

    fn name(&self, at: usize) -> Option<&str> {
        let end = usize::try_from(*self.ends.get(at)?).ok()?;
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let start = before.map_or(Some(0), |end| usize::try_from(*end).ok().map(|end| end + 1))?;
        self.names.get(start..end)
    }
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    let (octets, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_le_bytes(*octets))
}

fn table(rest: &mut &[u8]) -> Option<Box<[u64]>> {
    let count = usize::try_from(number(rest)?).ok()?;
    let mut entries = Vec::with_capacity(count.min(rest.len()));
    let mut prefix = 0_u64;
    for _ in 0..count {
        prefix = prefix.checked_add(varint(rest)?)?;
        entries.push(prefix << NAME_BITS);
    }
    for entry in &mut entries {
        let (octets, after) = rest.split_first_chunk()?;
        *rest = after;
        *entry |= u64::from(u16::from_le_bytes(*octets));
    }
    Some(entries.into())
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let (octet, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    fn made(text: &str) -> Option<&'static str> {
        maker(text.parse().expect("an address"))
    }

    #[test]
    fn well_known_prefixes_have_the_names_that_people_say() {
        for (address, name) in [
            ("f0:18:98:01:02:03", "Apple"),
            ("00:00:f0:01:02:03", "Samsung"),
            ("b8:27:eb:01:02:03", "Raspberry Pi"),
            ("24:0a:c4:01:02:03", "Espressif"),
            ("00:17:88:01:02:03", "Philips Hue"),
            ("00:0e:58:01:02:03", "Sonos"),
            ("00:11:32:01:02:03", "Synology"),
            ("00:09:bf:01:02:03", "Nintendo"),
            ("00:80:77:01:02:03", "Brother"),
            ("3c:5a:b4:01:02:03", "Google"),
        ] {
            assert_eq!(made(address), Some(name), "{address}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_and_shared_blocks_are_nobodys() {
        // 70:b3:d5 is shared out in blocks of 36 bits.
        assert_eq!(made("70:b3:d5:71:90:01"), Some("2M"));
        assert_ne!(made("70:b3:d5:5f:20:01"), Some("2M"));
    }

    #[test]
    fn made_up_addresses_have_no_maker() {
        for octets in [[0xf2, 0x18, 0x98, 1, 2, 3], [1, 0, 0x5e, 0, 0, 0xfb], [0; 6]] {
            assert_eq!(maker(HardwareAddress(octets)), None);
        }
    }

    #[test]
    fn it_is_small_in_the_repository_and_in_memory() {
        let packed = include_bytes!("../../makers/makers.bin");
        assert!(packed.len() <= 400_000);
        let makers = Makers::unpack(packed).expect("it is right");
        let prefixes: usize = makers.prefixes.iter().map(|table| table.len()).sum();
        let octets = makers.names.len() + 4 * makers.ends.len() + 8 * prefixes;
        println!("{} packed, {octets} in memory, {prefixes} prefixes", packed.len());
        assert!(octets < 1_000_000);
    }

    #[test]
    fn a_damaged_file_is_refused_and_brings_nothing_down() {
        let packed = include_bytes!("../../makers/makers.bin");
        for length in [0, 1, 1_000, packed.len() / 2, packed.len() - 1] {
            assert!(Makers::unpack(&packed[..length]).is_none(), "{length}");
        }
    }

    fn unpacked(path: &Path) -> Vec<u8> {
        let packed = std::fs::read(path).expect("the file");
        let mut text = Vec::new();
        DeflateDecoder::new(packed.as_slice()).read_to_end(&mut text).expect("deflate");
        text
    }

    #[test]
    fn the_file_is_what_the_script_makes() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let ours = unpacked(&here.join("makers/makers.bin"));
        let source = std::env::var_os("DEADPIXEL_IEEE_DATA").map(PathBuf::from);
        let source = source.unwrap_or_else(|| "/usr/share/ieee-data".into());
        if !source.join("oui.csv").exists() {
            return println!("skipped: Debian's ieee-data is not in {}", source.display());
        }
        let folder = tempfile::tempdir().expect("a folder");
        let made = folder.path().join("makers.bin");
        let mut script = Command::new(here.join("scripts/build-makers"));
        match script.arg("--from").arg(&source).arg("--to").arg(&made).status() {
            Err(error) => return println!("skipped: the script does not start here: {error}"),
            // What `env` says where there is no Python.
            Ok(status) if status.code() == Some(127) => return println!("skipped: no python3"),
            Ok(status) => assert!(status.success()),
        }
        let theirs = unpacked(&made);
        let head = |text: &[u8]| text.split(|&octet| octet == b'\n').next().map(<[u8]>::to_vec);
        if head(&ours) != head(&theirs) {
            return println!("skipped: ieee-data here is of another version");
        }
        assert!(ours == theirs, "run scripts/build-makers");
    }
}
