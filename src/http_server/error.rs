//! Our errors as problem documents, and those as responses.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::{ProblemDocument, ProblemKind};
use crate::policy_file::ChangeError;
use crate::storage::StorageError;

impl IntoResponse for ProblemDocument {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}

impl From<StorageError> for ProblemDocument {
    fn from(error: StorageError) -> ProblemDocument {
        ProblemDocument::new(ProblemKind::Internal, error.to_string())
    }
}

/// Returns what a change that was not made is called towards the outside.
pub fn change_problem(error: ChangeError) -> ProblemDocument {
    let kind = match &error {
        ChangeError::NotFound(_) => ProblemKind::NotFound,
        ChangeError::Invalid(_) => ProblemKind::InvalidInput,
        ChangeError::ReadOnly(_) => ProblemKind::ManagedElsewhere,
        ChangeError::Broken(_) => ProblemKind::BrokenFile,
        ChangeError::Changed | ChangeError::Conflict => ProblemKind::Conflict,
        ChangeError::Storage(_) => ProblemKind::Internal,
    };
    let problem = ProblemDocument::new(kind, error.to_string());
    match error {
        ChangeError::Changed => problem.hint(
            "`deadpixel policy diff policy.toml` in the data folder shows what it says; \
             `deadpixel reload` puts that in force",
        ),
        _ => problem,
    }
}
