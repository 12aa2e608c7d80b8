//! The machine and the programs, in words.

use std::process::Command;

use crate::names::Names;
use crate::process::Cores;

/// Says on what and with what was measured, one line each.
pub fn told(
    cores: &Cores,
    names: &Names,
    versions: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let mut lines = vec![
        ("date".to_owned(), said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("processor".to_owned(), processor()),
        ("kernel".to_owned(), said_by("uname", &["-sr"])),
        ("cores".to_owned(), cores.told()),
        ("names".to_owned(), names.told.clone()),
    ];
    lines.extend(versions);
    lines
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let fields = |name: &'static str| {
        let lines = text.lines().filter(move |line| line.starts_with(name));
        lines.filter_map(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let model = fields("model name").next().unwrap_or_else(|| "unknown processor".to_owned());
    let under = if text.contains(" hypervisor") { ", a virtual machine" } else { "" };
    format!("{model}, {} cores{under}", fields("processor").count())
}

fn said_by(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
