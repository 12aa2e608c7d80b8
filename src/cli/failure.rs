//! Why a command did not do what it was asked, with its exit code and words.

use std::io::{self, ErrorKind};

use super::escape;
use crate::api::{ProblemDocument, ProblemKind};
use crate::diagnostic::Problems;

/// Why a command ends with another code than 0.
#[derive(Debug)]
pub enum Failure {
    /// It failed.
    Failed(String),
    /// It was called wrongly.
    Usage(String),
    /// The daemon does not answer.
    Unreachable(String),
    /// The system does not let one.
    NotPermitted(String),
    /// A file people write does not check; the text says all of it.
    Invalid(String),
    /// The daemon said why not.
    Problem(Box<ProblemDocument>),
    /// `why --exit-code`: the name is blocked.
    Blocked,
    /// Nobody reads on.
    PipeClosed,
}

impl Failure {
    /// Returns the exit code (`ux.md`, section 9).
    pub fn code(&self) -> u8 {
        match self {
            Failure::PipeClosed => 0,
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) => 4,
            Failure::NotPermitted(_) => 5,
            Failure::Invalid(_) => 6,
            Failure::Blocked => 10,
            Failure::Problem(problem) => match problem.kind {
                ProblemKind::NotFound | ProblemKind::Ambiguous => 3,
                ProblemKind::ManagedElsewhere => 5,
                ProblemKind::InvalidInput | ProblemKind::BrokenFile => 6,
                _ => 1,
            },
        }
    }

    /// Says on standard error what is wrong.
    pub fn report(&self) {
        if let Some(text) = self.text() {
            eprintln!("{}", text.trim_end());
        }
    }

    /// Returns what is wrong, and the mend.
    pub fn text(&self) -> Option<String> {
        match self {
            Failure::PipeClosed | Failure::Blocked => None,
            Failure::Invalid(text) => Some(text.clone()),
            Failure::Failed(text)
            | Failure::Usage(text)
            | Failure::Unreachable(text)
            | Failure::NotPermitted(text) => Some(format!("error: {text}")),
            Failure::Problem(problem) => Some(problem_text(problem)),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Invalid(problems.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => Failure::Failed(error.to_string()),
        }
    }
}

impl From<ProblemDocument> for Failure {
    fn from(problem: ProblemDocument) -> Failure {
        Failure::Problem(Box::new(problem))
    }
}

fn problem_text(problem: &ProblemDocument) -> String {
    // The problems of a file come laid out, line by line, as the file's reader shows them.
    let lines: Vec<String> = problem.detail.lines().map(escape).collect();
    let detail = lines.join("\n");
    let mut text = if detail.starts_with("error: ") { detail } else { format!("error: {detail}") };
    if !problem.candidates.is_empty() {
        let candidates = problem.candidates.iter().map(|name| format!("\n  {}", escape(name)));
        text.push_str("\nthere is:");
        text.extend(candidates);
    }
    if let Some(hint) = &problem.hint {
        text.push_str(&format!("\nhelp: {}", escape(hint)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_problem_has_its_exit_code() {
        let code = |kind| Failure::from(ProblemDocument::new(kind, "x")).code();
        assert_eq!(code(ProblemKind::NotFound), 3);
        assert_eq!(code(ProblemKind::Ambiguous), 3);
        assert_eq!(code(ProblemKind::ManagedElsewhere), 5);
        assert_eq!(code(ProblemKind::InvalidInput), 6);
        assert_eq!(code(ProblemKind::BrokenFile), 6);
        assert_eq!(code(ProblemKind::Conflict), 1);
        assert_eq!(Failure::from(io::Error::from(ErrorKind::BrokenPipe)).code(), 0);
    }

    #[test]
    fn candidates_and_the_mend_follow_what_is_wrong() {
        let problem = ProblemDocument::new(ProblemKind::Ambiguous, "`tv` fits 2 names")
            .candidates(vec!["Kitchen TV".into(), "evil\u{1b}[2J".into()])
            .hint("write more");
        let expected =
            "error: `tv` fits 2 names\nthere is:\n  Kitchen TV\n  evil\\u{1b}[2J\nhelp: write more";
        assert_eq!(Failure::from(problem).text().as_deref(), Some(expected));
    }

    #[test]
    fn problems_of_a_file_are_shown_as_they_are_laid_out() {
        let detail = "error: policy.toml:3:1: unknown key `x`\n  |\n3 | x = 1\n  | ^\n";
        let problem = ProblemDocument::new(ProblemKind::BrokenFile, detail);
        let text = Failure::from(problem).text();
        assert_eq!(text.as_deref(), Some(detail.trim_end()));
    }
}
