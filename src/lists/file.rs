//! List files of the owner's: read below one folder, and held against their last good copies.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::FileList;
use crate::model::ListName;
use crate::rules::parse::{Format, ListRefused, MAX_LIST_OCTETS, ParsedList, parse};

/// First octets of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The folder that list files lie in, and the one that keeps copies of those that were good.
pub struct Files {
    folder: PathBuf,
    good: PathBuf,
}

/// What is in force of a list file.
pub struct FileRead {
    /// The rules: of the file, of its last good copy, or none.
    pub list: ParsedList,
    /// Why the file as it is now is not in force.
    pub held: Option<String>,
    /// Why no copy of a good file could be kept.
    pub notice: Option<String>,
}

impl Files {
    /// Names the two folders.
    pub fn new(folder: PathBuf, good: PathBuf) -> Files {
        Files { folder, good }
    }

    /// Reads a list file; one that is not good leaves its last good copy in force.
    pub fn read(&self, wanted: &FileList) -> FileRead {
        let good = GoodCopy { path: self.good.join(wanted.name.as_str()), format: wanted.format };
        let why = match self.read_good(wanted, &good) {
            Ok((list, notice)) => return FileRead { list, held: None, notice },
            Err(why) => why,
        };
        let (list, instead) = match good.list() {
            Some(list) => (list, "its last good copy is in force"),
            None => (ParsedList::default(), "nothing of it is in force"),
        };
        FileRead { list, held: Some(format!("{why}; {instead}")), notice: None }
    }

    /// Reads a file that is good, and keeps a copy of it.
    fn read_good(
        &self,
        wanted: &FileList,
        good: &GoodCopy,
    ) -> Result<(ParsedList, Option<String>), String> {
        let octets = read_bounded(&self.place(&wanted.file)?)?;
        let list = read_list(&octets, wanted.format)?;
        if good.is(&octets) {
            return Ok((list, None));
        }
        let before = good.list().map_or(0, |list| list.rules.len());
        if list.rules.len() * 4 < before {
            return Err(format!(
                "it has {} rules, and had {before}; if that is meant, remove {}",
                list.rules.len(),
                good.path.display()
            ));
        }
        let notice = good.keep(&octets).err().map(|error| unkept(&wanted.name, &error));
        Ok((list, notice))
    }

    /// Finds a file; links are followed, but never out of the folder.
    fn place(&self, file: &Path) -> Result<PathBuf, String> {
        let shown = file.display();
        if file.is_absolute() {
            return Err(format!("write {shown} relative to {}", self.folder.display()));
        }
        let folder = fs::canonicalize(&self.folder)
            .map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let place = fs::canonicalize(folder.join(file)).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("there is no file {shown} in {}", folder.display()),
            _ => format!("{shown}: {error}"),
        })?;
        if !place.starts_with(&folder) {
            return Err(format!("{shown} lies outside {}", folder.display()));
        }
        if !place.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        Ok(place)
    }
}

/// The octets of a list as they were when it was last good.
struct GoodCopy {
    path: PathBuf,
    format: Format,
}

impl GoodCopy {
    /// Reads the copy; one that is not good any more counts for nothing.
    fn list(&self) -> Option<ParsedList> {
        let octets = read_bounded(&self.path).ok()?;
        // The format may be what was set wrong since.
        read_list(&octets, self.format).or_else(|_| read_list(&octets, Format::Auto)).ok()
    }

    /// Returns whether the copy has these octets, without a second set of them in memory.
    fn is(&self, octets: &[u8]) -> bool {
        same_octets(&self.path, octets).unwrap_or(false)
    }

    /// Writes the copy whole or not at all.
    fn keep(&self, octets: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let unfinished = self.path.with_extension("new");
        let mut file = File::create(&unfinished)?;
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        File::open(folder)?.sync_all()
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    bounded(file, MAX_LIST_OCTETS)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| ListRefused::TooLarge.to_string())
}

/// Reads to the end, or returns nothing if that lies behind `limit` octets.
fn bounded(source: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut octets = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut octets)?;
    Ok((octets.len() <= limit).then_some(octets))
}

fn read_list(octets: &[u8], format: Format) -> Result<ParsedList, String> {
    if !octets.starts_with(&GZIP) {
        return parse(octets, format).map_err(|refused| refused.to_string());
    }
    let unpacked = bounded(MultiGzDecoder::new(octets), MAX_LIST_OCTETS)
        .map_err(|error| format!("it cannot be unpacked: {error}"))?
        .ok_or_else(|| ListRefused::TooLarge.to_string())?;
    parse(&unpacked, format).map_err(|refused| refused.to_string())
}

fn same_octets(path: &Path, octets: &[u8]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.metadata()?.len() != octets.len() as u64 {
        return Ok(false);
    }
    let mut chunk = [0; 8192];
    for expected in octets.chunks(chunk.len()) {
        let read = &mut chunk[..expected.len()];
        file.read_exact(read)?;
        if read != expected {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unkept(name: &ListName, error: &io::Error) -> String {
    format!("list {name}: no copy of it could be kept for the day its file is damaged: {error}")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::model::ListKind;

    struct Folders {
        root: tempfile::TempDir,
        files: Files,
    }

    impl Folders {
        fn new() -> Folders {
            let root = tempfile::tempdir().expect("a folder");
            let (lists, good) = (root.path().join("lists"), root.path().join("lists-good"));
            fs::create_dir(&lists).expect("a folder");
            Folders { root, files: Files::new(lists, good) }
        }

        fn path(&self, inside: &str) -> PathBuf {
            self.root.path().join(inside)
        }

        fn write(&self, inside: &str, octets: &[u8]) {
            fs::write(self.path(inside), octets).expect("a file is written");
        }

        /// Reads `lists/a.txt`: rules in force, and why it is held.
        fn read(&self) -> (usize, String) {
            let read = self.files.read(&wanted("a.txt"));
            assert_eq!(read.notice, None);
            (read.list.rules.len(), read.held.unwrap_or_default())
        }
    }

    fn wanted(file: &str) -> FileList {
        FileList {
            name: ListName::parse("my-list").expect("a name"),
            file: file.into(),
            kind: ListKind::Other,
            format: Format::Auto,
            cover_subdomains: false,
        }
    }

    fn names(count: usize) -> Vec<u8> {
        (0..count).flat_map(|n| format!("n{n}.example\n").into_bytes()).collect()
    }

    fn packed(octets: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(octets).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_good_file_is_in_force_packed_or_not_and_its_copy_is_kept() {
        let folders = Folders::new();
        for octets in [names(8), packed(&names(8))] {
            folders.write("lists/a.txt", &octets);
            assert_eq!(folders.read(), (8, String::new()));
            let kept = fs::read(folders.path("lists-good/my-list")).expect("a copy");
            assert_eq!(kept, octets);
        }
        let left: Vec<_> = fs::read_dir(folders.path("lists-good")).expect("a folder").collect();
        assert_eq!(left.len(), 1, "nothing unfinished is left");
    }

    #[test]
    fn a_file_that_is_not_good_leaves_the_last_good_copy_in_force() {
        let folders = Folders::new();
        folders.write("lists/a.txt", &names(8));
        folders.read();
        let half = packed(&names(5000));
        let bad: [(&[u8], &str); 7] = [
            (b"", "it has no rule"),
            (b"<!doctype html><html>404</html>", "it is a web page"),
            (b"a.example\n\0", "it is binary"),
            (b"bad!\nworse!\n", "over 90 %"),
            (b"a.example\n", "it has 1 rules, and had 8"),
            (&half[..half.len() / 2], "it cannot be unpacked"),
            (&GZIP, "it cannot be unpacked"),
        ];
        for (octets, why) in bad {
            folders.write("lists/a.txt", octets);
            let (rules, held) = folders.read();
            assert_eq!(rules, 8, "{why}");
            assert!(held.starts_with(why) && held.ends_with("copy is in force"), "{held}");
        }
        fs::remove_file(folders.path("lists/a.txt")).expect("it is there");
        assert!(folders.read().1.contains("there is no file"));
        folders.write("lists/a.txt", &names(9));
        assert_eq!(folders.read(), (9, String::new()), "a good file ends it");
    }

    #[test]
    fn a_file_may_lose_three_quarters_and_no_more_unless_its_copy_is_removed() {
        let folders = Folders::new();
        folders.write("lists/a.txt", &names(100));
        folders.read();
        folders.write("lists/a.txt", &names(24));
        let (rules, held) = folders.read();
        assert_eq!(rules, 100);
        assert!(held.contains("lists-good/my-list"), "{held}");
        folders.write("lists/a.txt", &names(25));
        assert_eq!(folders.read(), (25, String::new()));
        folders.write("lists/a.txt", &names(1));
        assert_eq!(folders.read().0, 25);
        fs::remove_file(folders.path("lists-good/my-list")).expect("it is there");
        assert_eq!(folders.read(), (1, String::new()));
    }

    #[test]
    fn a_bad_file_without_an_earlier_copy_puts_nothing_in_force() {
        let folders = Folders::new();
        folders.write("lists/a.txt", b"<html>");
        let (rules, held) = folders.read();
        assert_eq!(rules, 0);
        assert!(held.ends_with("nothing of it is in force"), "{held}");
    }

    #[test]
    fn no_file_outside_the_folder_is_read() {
        let folders = Folders::new();
        folders.write("secret.txt", &names(3));
        symlink(folders.path("secret.txt"), folders.path("lists/link.txt")).expect("a link");
        fs::create_dir(folders.path("lists/sub")).expect("a folder");
        folders.write("lists/sub/b.txt", &names(3));
        symlink(folders.path("lists/sub/b.txt"), folders.path("lists/inside.txt")).expect("a link");
        let absolute = folders.path("lists/sub/b.txt");
        let absolute = absolute.to_str().expect("UTF-8");
        let refused = [
            ("../secret.txt", "outside"),
            ("link.txt", "outside"),
            ("sub", "not a file"),
            (absolute, "relative to"),
            ("absent.txt", "there is no file"),
        ];
        for (file, why) in refused {
            let read = folders.files.read(&wanted(file));
            assert!(read.list.rules.is_empty(), "{file}");
            assert!(read.held.is_some_and(|held| held.contains(why)), "{file}");
        }
        for file in ["sub/b.txt", "inside.txt", "sub/../sub/b.txt"] {
            assert_eq!(folders.files.read(&wanted(file)).list.rules.len(), 3, "{file}");
        }
    }

    #[test]
    fn a_list_is_in_force_where_no_copy_of_it_can_be_kept() {
        let folders = Folders::new();
        folders.write("lists/a.txt", &names(3));
        folders.write("lists-good", b"a file where the folder should be");
        let read = folders.files.read(&wanted("a.txt"));
        assert_eq!((read.list.rules.len(), read.held), (3, None));
        assert!(read.notice.is_some_and(|notice| notice.starts_with("list my-list: ")));
    }

    #[test]
    fn what_has_no_end_is_stopped_at_the_limit() {
        let endless = packed(&[b'a'; 100_000]);
        let unpacked = |limit| bounded(MultiGzDecoder::new(&*endless), limit).expect("it is whole");
        assert_eq!(unpacked(99_999), None);
        assert_eq!(unpacked(100_000).map(|octets| octets.len()), Some(100_000));
        assert_eq!(bounded(io::repeat(b'a'), 1000).expect("no error"), None);
    }

    #[test]
    fn a_format_set_wrong_leaves_the_last_good_copy_in_force() {
        let folders = Folders::new();
        folders.write("lists/a.txt", b"0.0.0.0 a.example\n0.0.0.0 b.example\n");
        folders.read();
        let wrong = FileList { format: Format::Domains, ..wanted("a.txt") };
        let read = folders.files.read(&wrong);
        assert_eq!(read.list.rules.len(), 2);
        assert!(read.held.is_some_and(|held| held.starts_with("over 90 %")));
    }
}
