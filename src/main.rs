//! The process: a command line and its exit code.

fn main() -> std::process::ExitCode {
    deadpixel::cli::run()
}
