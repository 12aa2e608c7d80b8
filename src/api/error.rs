//! Problem documents: what went wrong, where, and the mend (RFC 9457).

use serde::{Deserialize, Serialize};

/// What kind of thing went wrong; each has one HTTP status and one exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemKind {
    /// The request cannot be read.
    #[serde(rename = "/problems/bad-request")]
    BadRequest,
    /// Nothing has that name.
    #[serde(rename = "/problems/not-found")]
    NotFound,
    /// Several things have that name.
    #[serde(rename = "/problems/ambiguous")]
    Ambiguous,
    /// The path has no such method.
    #[serde(rename = "/problems/method-not-allowed")]
    MethodNotAllowed,
    /// policy.toml is not ours to write.
    #[serde(rename = "/problems/managed-elsewhere")]
    ManagedElsewhere,
    /// The value cannot be right.
    #[serde(rename = "/problems/invalid-input")]
    InvalidInput,
    /// A file people write does not check.
    #[serde(rename = "/problems/broken-file")]
    BrokenFile,
    /// Somebody else changed the policy at the same moment.
    #[serde(rename = "/problems/conflict")]
    Conflict,
    /// The body is too large.
    #[serde(rename = "/problems/too-large")]
    TooLarge,
    /// The disk, the database or the program failed.
    #[serde(rename = "/problems/internal")]
    Internal,
}

impl ProblemKind {
    /// Returns its HTTP status.
    pub fn status(self) -> u16 {
        match self {
            ProblemKind::BadRequest => 400,
            ProblemKind::ManagedElsewhere => 403,
            ProblemKind::NotFound => 404,
            ProblemKind::MethodNotAllowed => 405,
            ProblemKind::Ambiguous | ProblemKind::BrokenFile | ProblemKind::Conflict => 409,
            ProblemKind::TooLarge => 413,
            ProblemKind::InvalidInput => 422,
            ProblemKind::Internal => 500,
        }
    }

    /// Returns its title.
    pub fn title(self) -> &'static str {
        match self {
            ProblemKind::BadRequest => "The request cannot be read",
            ProblemKind::NotFound => "Not found",
            ProblemKind::Ambiguous => "Several match",
            ProblemKind::MethodNotAllowed => "This path has no such method",
            ProblemKind::ManagedElsewhere => "The policy is managed elsewhere",
            ProblemKind::InvalidInput => "The value cannot be used",
            ProblemKind::BrokenFile => "A file does not check",
            ProblemKind::Conflict => "Changed by somebody else",
            ProblemKind::TooLarge => "The body is too large",
            ProblemKind::Internal => "The daemon failed",
        }
    }
}

/// A problem as the API tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// What kind it is of.
    #[serde(rename = "type")]
    pub kind: ProblemKind,
    /// The kind, in words.
    pub title: Box<str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: Box<str>,
    /// The field of the request that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<Box<str>>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<Box<str>>,
    /// What could have been meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<String>,
}

impl ProblemDocument {
    /// Makes a problem of a kind.
    pub fn new(kind: ProblemKind, detail: impl Into<Box<str>>) -> ProblemDocument {
        ProblemDocument {
            kind,
            title: kind.title().into(),
            status: kind.status(),
            detail: detail.into(),
            field: None,
            hint: None,
            candidates: Vec::new(),
        }
    }

    /// Names the field it is about.
    #[must_use]
    pub fn field(mut self, field: &str) -> ProblemDocument {
        self.field = Some(field.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Box<str>>) -> ProblemDocument {
        self.hint = Some(hint.into());
        self
    }

    /// Names what could have been meant.
    #[must_use]
    pub fn candidates(mut self, candidates: Vec<String>) -> ProblemDocument {
        self.candidates = candidates;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_has_the_keys_of_the_contract() {
        let problem = ProblemDocument::new(ProblemKind::NotFound, "no device `x`").field("device");
        let json = serde_json::to_value(&problem).ok();
        let expected = serde_json::json!({
            "type": "/problems/not-found", "title": "Not found", "status": 404,
            "detail": "no device `x`", "field": "device",
        });
        assert_eq!(json, Some(expected));
    }
}
