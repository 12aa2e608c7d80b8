//! Floods, kills, full disks and exhausted descriptors: the process goes on.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    CONFIG, Process, ask, ask_from, folder, forwarding, is_blocked, query, run, text,
};

const PIXEL: &str = "analytics.tiktok.com";
const MIB: u64 = 1024;

fn resident(process: &Process) -> u64 {
    process.figure("VmRSS:")
}

#[test]
fn ten_thousand_random_names_cost_little_memory() {
    let folder = folder(&forwarding());
    let process = Process::start(folder.path());
    for n in 0..50 {
        ask(process.address, &format!("warm{n}.example.org"));
    }
    let before = resident(&process);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
    for round in 0..200 {
        for n in 0..50 {
            let noise = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(1 + round * 50 + n);
            let packet = query(&format!("{noise:x}.random{}.example", n % 7));
            socket.send_to(&packet, process.address).expect("sent");
        }
        for _ in 0..50 {
            socket.recv(&mut [0; 1500]).expect("a reply to each");
        }
    }
    let grown = resident(&process).saturating_sub(before);
    println!("10,000 random names: resident memory grew by {grown} KiB");
    assert!(grown < 128 * MIB, "{grown} KiB");
}

/// Asks for a blocked name from 5,000 addresses each of 127.`second`.0.0/16, twice.
fn crowd(server: SocketAddr, second: u8) {
    for hundred in 0..50 {
        let address = |n| IpAddr::from([127, second, hundred, n]);
        let sockets: Vec<UdpSocket> =
            (1..=100).map(|n| UdpSocket::bind((address(n), 0)).expect("a socket")).collect();
        for name in [PIXEL, "www.example.org"] {
            for socket in &sockets {
                socket.set_read_timeout(Some(Duration::from_secs(8))).expect("a timeout");
                socket.send_to(&query(name), server).expect("sent");
            }
            for socket in &sockets {
                socket.recv(&mut [0; 1500]).expect("a reply to each");
            }
        }
        assert!(is_blocked(&ask(server, PIXEL)), "others are answered");
        assert!(ask(server, "www.example.org").ends_with(&[203, 0, 113, 7]));
    }
}

#[test]
fn ten_thousand_addresses_are_answered_and_cost_little_memory() {
    let folder = folder(&forwarding());
    let process = Process::start(folder.path());
    let before = resident(&process);
    crowd(process.address, 1);
    let half = resident(&process).saturating_sub(before);
    crowd(process.address, 2);
    let grown = resident(&process).saturating_sub(before);
    println!("10,000 addresses: resident memory grew by {half}, then to {grown} KiB more");
    assert!(grown < 96 * MIB, "{grown} KiB");
    let output = run(folder.path(), &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(status["counts"]["rate_truncated"], 0, "none of them asked too much");
    assert_eq!(status["counts"]["shed"], 0, "{status}");
}

#[test]
fn a_flood_of_forged_addresses_and_names_stays_within_its_bounds() {
    // Nobody answers upstream, so that all that may wait does.
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let upstream = silent.local_addr().expect("an address");
    let config = CONFIG.replace("127.0.0.1:9", &upstream.to_string());
    let folder = folder(&config.replace("workers = 1", "workers = 1\nin_flight = 100"));
    let process = Process::start(folder.path());
    assert!(is_blocked(&ask(process.address, PIXEL)));
    let before = resident(&process);
    for n in 0..5_000_u32 {
        let [_, second, third, fourth] = (n / 2 + 256).to_be_bytes();
        let client = IpAddr::from([127, 3 + second, third, fourth.max(1)]);
        let socket = UdpSocket::bind((client, 0)).expect("a socket");
        socket.send_to(&query(&format!("n{n}.example.org")), process.address).expect("sent");
        if n % 200 == 0 {
            assert!(is_blocked(&ask(process.address, PIXEL)), "after {n}");
        }
    }
    let grown = resident(&process).saturating_sub(before);
    println!("5,000 names from 2,500 addresses: resident memory grew by {grown} KiB");
    assert!(grown < 96 * MIB, "{grown} KiB");
    let output = run(folder.path(), &["status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(status["counts"]["shed"].as_u64().expect("a count") > 0, "{status}");
    assert!(text(&run(folder.path(), &["status"]).stdout).contains(" shed"));
    drop(silent);
}

/// Returns every kept input of the fuzz targets that take packets.
fn corpus() -> Vec<Vec<u8>> {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus-kept");
    let folders = ["query", "upstream_reply"].map(|target| kept.join(target));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("the corpus"));
    entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a file")).collect()
}

#[test]
fn the_whole_corpus_sent_as_datagrams_and_streams_changes_nothing() {
    let folder = folder(&forwarding());
    let process = Process::start(folder.path());
    assert!(is_blocked(&ask(process.address, PIXEL)));
    let (memory, files) = (resident(&process), process.open_files());
    let packets = corpus();
    assert!(packets.len() > 100, "{} packets", packets.len());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for _ in 0..20 {
        for packet in &packets {
            socket.send_to(packet, process.address).expect("sent");
        }
        // Whatever it does with them, it comes to this one too.
        assert!(is_blocked(&ask(process.address, PIXEL)));
    }
    for packet in packets.iter().filter(|packet| packet.len() < 65_536) {
        let mut stream = TcpStream::connect(process.address).expect("a connection");
        let length = (packet.len() as u16).to_be_bytes();
        // It may have closed the connection over an earlier part of the packet.
        let _ = stream.write_all(&[&length[..], packet].concat());
    }
    assert!(is_blocked(&ask(process.address, PIXEL)));
    let grown = resident(&process).saturating_sub(memory);
    println!("{} packets: resident memory grew by {grown} KiB", packets.len() * 21);
    assert!(grown <= 64 * MIB, "{grown} KiB");
    let opened = (0..80).find_map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let opened = process.open_files().saturating_sub(files);
        (opened <= 32).then_some(opened)
    });
    assert!(opened.is_some(), "{} files are open, {files} were", process.open_files());
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), Some(0), "the same process, and well");
}

/// Asks without a pause until told to stop.
fn load(server: SocketAddr, client: IpAddr, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let stop = Arc::clone(stop);
    std::thread::spawn(move || {
        let socket = UdpSocket::bind((client, 0)).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        for n in 0_u64.. {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            for name in [PIXEL.to_string(), format!("n{n}.example.org")] {
                // A daemon that was killed refuses.
                let _ = socket.send_to(&query(&name), server);
                let _ = socket.recv(&mut [0; 1500]);
            }
        }
    })
}

fn integrity(path: &Path) -> String {
    let database = rusqlite::Connection::open(path).expect("a database");
    database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a finding")
}

#[test]
fn killed_at_any_moment_it_starts_again_whole_and_uses_no_number_twice() {
    let folder = folder(&forwarding());
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("random octets");
    println!("moments of the kills: {random:?}");
    for (round, moment) in random.into_iter().enumerate() {
        let process = Process::start(folder.path());
        let client = IpAddr::from([127, 0, 9, round as u8]);
        assert!(is_blocked(&ask_from(client, process.address, &query(PIXEL))));
        let stop = Arc::new(AtomicBool::new(false));
        let asking = load(process.address, client, &stop);
        std::thread::sleep(Duration::from_millis(u64::from(moment) * 4));
        process.signal(Signal::SIGKILL);
        process.wait();
        stop.store(true, Ordering::SeqCst);
        asking.join().expect("no panic");
    }
    let process = Process::start(folder.path());
    assert!(is_blocked(&ask(process.address, PIXEL)));
    let status = text(&run(folder.path(), &["status", "--json"]).stdout);
    assert!(!status.contains("damaged"), "{status}");
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(), Some(0));
    let data = folder.path().join("data");
    for file in ["state.db", "log.db"] {
        assert_eq!(integrity(&data.join(file)), "ok", "{file}");
    }
    let log = rusqlite::Connection::open(data.join("log.db")).expect("a database");
    let count = |sql: &str| log.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("a count");
    let events = count("SELECT count(*) FROM event");
    assert_eq!(count("SELECT value FROM meta WHERE key='events'"), events);
    assert_eq!(count("SELECT sum(queries) FROM rollup"), events);
    assert_eq!(count("SELECT sum(queries) FROM daily"), events);
    let mut select =
        log.prepare("SELECT DISTINCT device, binding, client FROM event").expect("sql");
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
    });
    let (mut devices, mut bindings) = (BTreeMap::new(), BTreeMap::new());
    for row in rows.expect("rows") {
        let (device, binding, client) = row.expect("a row");
        assert_eq!(devices.entry(device).or_insert(client.clone()), &client, "device {device}");
        assert_eq!(bindings.entry(binding).or_insert(client.clone()), &client, "{binding}");
    }
    assert!(devices.len() >= 2, "rounds were written: {}", devices.len());
}

#[test]
fn with_descriptors_used_up_datagrams_are_answered_and_nothing_spins() {
    let folder = folder(&forwarding());
    let process = Process::start_after("ulimit -n 64", folder.path());
    let mut streams = Vec::new();
    for _ in 0..45 {
        streams.push(TcpStream::connect(process.address).expect("the kernel takes it"));
    }
    let used_up = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        process.open_files() >= 63
    });
    assert!(used_up, "{} files", process.open_files());
    assert!(is_blocked(&ask(process.address, PIXEL)));
    let before = process.ticks();
    std::thread::sleep(Duration::from_secs(1));
    let spent = process.ticks() - before;
    assert!(spent < 50, "{spent} of 100 ticks: it spins");
    assert!(is_blocked(&ask(process.address, PIXEL)));
    ask(process.address, "www.example.org");
    drop(streams);
    let back = (0..100).any(|n| {
        std::thread::sleep(Duration::from_millis(100));
        ask(process.address, &format!("n{n}.example.org")).ends_with(&[203, 0, 113, 7])
    });
    assert!(back, "and all is well when there are some again");
}

#[test]
fn it_takes_as_many_descriptors_as_it_may_have() {
    let folder = folder(CONFIG);
    let process = Process::start_after("ulimit -Sn 64", folder.path());
    let streams: Vec<TcpStream> =
        (0..49).map(|_| TcpStream::connect(process.address).expect("a connection")).collect();
    let all_open = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        process.open_files() > 64
    });
    assert!(all_open, "{} files, {} connections", process.open_files(), streams.len());
}

/// Whether a folder can be mounted in a name space of its own.
fn can_mount() -> bool {
    let tried = std::process::Command::new("unshare")
        .args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"])
        .stderr(std::process::Stdio::null())
        .status();
    tried.is_ok_and(|status| status.success())
}

#[test]
fn with_a_full_disk_answers_go_on_and_the_log_resumes_when_there_is_room() {
    if !can_mount() {
        println!("skipped: mounting a small disk needs root and unshare");
        return;
    }
    let folder = folder(CONFIG);
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let mount = format!("mount -t tmpfs -o size=3m none '{}'", data.display());
    let process = Process::start_in_a_mount_space(&mount, folder.path());
    let inside = process.root().join(data.strip_prefix("/").expect("absolute"));
    let filler = inside.join("filler");
    let socket = inside.join("deadpixel.sock").display().to_string();
    let command =
        |words: &[&str]| run(folder.path(), &[words, &["--socket", &socket][..]].concat());
    let log = || {
        let output = command(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)));
        status["log"].clone()
    };
    let mut asked = 0;
    let mut blocked = |name: &str| {
        asked += 1;
        assert!(is_blocked(&ask(process.address, name)), "{name}");
        asked
    };
    blocked(PIXEL);
    assert!(log()["error"].is_null());
    let full = std::fs::write(&filler, vec![1; 4 << 20]);
    assert!(full.is_err(), "the disk is small");
    let failing = (0..100).any(|n| {
        for m in 0..20 {
            blocked(&format!("n{m}.n{n}.{}.{PIXEL}", "x".repeat(60)));
        }
        !log()["error"].is_null()
    });
    assert!(failing, "status says so: {}", log());
    assert!(text(&command(&["status"]).stdout).contains("queries are not recorded"));
    let lost = (0..100).any(|n| {
        for m in 0..400 {
            blocked(&format!("m{m}.n{n}.{}.{PIXEL}", "y".repeat(60)));
        }
        log()["lost"].as_u64().expect("a count") > 0
    });
    assert!(lost, "more comes than fits into memory: {}", log());
    assert!(text(&command(&["status"]).stdout).contains("could not be recorded"));
    let policy = std::fs::read_to_string(inside.join("policy.toml")).expect("policy.toml");
    assert!(!command(&["block", "news.example", "--everyone"]).status.success());
    let after = std::fs::read_to_string(inside.join("policy.toml")).expect("policy.toml");
    assert_eq!(after, policy, "a change that does not fit changes nothing");
    std::fs::remove_file(&filler).expect("removed");
    let asked = blocked(PIXEL);
    let resumed = (0..60).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        let log = log();
        let count = |what: &str| log[what].as_u64().expect("a count");
        log["error"].is_null() && count("events") + count("lost") == asked
    });
    assert!(resumed, "it resumes by itself, and all of {asked} is told: {}", log());
    let output = command(&["block", "news.example", "--everyone"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(is_blocked(&ask(process.address, "news.example")));
}
