//! Notices: what a person should know, and that they know it.

use axum::extract::State;

use super::{Answer, App, Body, Params, Segment, Shared};
use crate::api::{
    Dismissal, Dismissed, NoticeParams, NoticeView, ProblemDocument, ProblemKind, timestamp,
};
use crate::notices::Notice;

/// Answers `GET`.
pub async fn list(
    State(app): State<Shared>,
    Params(params): Params<NoticeParams>,
) -> Answer<Vec<NoticeView>> {
    app.work(move |app| Ok(notice_views(app, params.all.unwrap_or(false)))).await
}

/// Answers `POST` of a dismissal; `all` stands for all that are open.
pub async fn dismiss(
    State(app): State<Shared>,
    Segment(which): Segment,
    Body(dismissal): Body<Dismissal>,
) -> Answer<Dismissed> {
    app.work(move |app| {
        let notices = &app.parts.news.notices;
        let dismissed = match (which.as_str(), which.parse::<u64>()) {
            ("all", _) => notices.dismiss_all(dismissal.always),
            (_, Ok(id)) if notices.dismiss(id, dismissal.always) => 1,
            (_, Ok(id)) => {
                let detail = format!("there is no notice {id}");
                return Err(ProblemDocument::new(ProblemKind::NotFound, detail)
                    .hint("deadpixel notices shows those there are"));
            }
            _ => {
                let detail = format!("`{which}` is no notice; give its number, or `all`");
                return Err(ProblemDocument::new(ProblemKind::InvalidInput, detail).field("id"));
            }
        };
        // What cannot be written now is written later.
        notices.flush().ok();
        Ok(Dismissed { dismissed })
    })
    .await
}

/// Looks at what is new, and returns notices, those seen last first.
pub fn notice_views(app: &App, all: bool) -> Vec<NoticeView> {
    (app.parts.news.look)();
    app.parts.news.notices.list(all).into_iter().map(view).collect()
}

fn view(notice: Notice) -> NoticeView {
    NoticeView {
        id: notice.id,
        kind: notice.draft.kind.as_str().into(),
        headline: notice.draft.headline(),
        words: notice.draft.text(),
        subject: notice.draft.subject,
        device_id: notice.draft.device.map(|device| device.0),
        items: notice.draft.items,
        remedy: notice.draft.remedy,
        raised: timestamp(notice.raised),
        latest: timestamp(notice.latest),
        count: notice.count,
        dismissed: notice.dismissed.map(timestamp),
        always: notice.always,
    }
}
