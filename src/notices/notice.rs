//! One notice: what was seen, in plain words, and what to do.

use crate::model::DeviceId;

/// Most things that one notice names.
const MAX_ITEMS: usize = 20;

/// Most characters of each text of a notice.
const MAX_TEXT: usize = 1_000;

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// A device asked for the first time.
    NewDevice,
    /// A device asked for a company that it never asked for before.
    FirstContact,
    /// What was under a named device's policy is under the default now.
    FellToDefault,
    /// One address asks for nearly everything.
    OneAddress,
    /// Several addresses ask from one hardware address.
    SharedHardware,
    /// Two hardware addresses claim one address.
    Contested,
    /// A busy device asks no more and is still there.
    FellSilent,
    /// A device asks for servers of encrypted DNS.
    EncryptedDns,
    /// A device asks whether it may pass this resolver by.
    Canary,
    /// A router advertises other DNS servers.
    OtherNameServer,
    /// Schedules run by UTC.
    TimeZone,
}

/// A notice that is to be raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What it is about.
    pub kind: NoticeKind,
    /// Of whom or what: told once per kind, subject and day.
    pub subject: String,
    /// The device, if it is one.
    pub device: Option<DeviceId>,
    /// It in one line.
    pub title: String,
    /// What was seen.
    pub words: String,
    /// What was named, if anything: companies, names. Those of one day are told together.
    pub items: Vec<String>,
    /// What to do.
    pub remedy: String,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: u64,
    /// What it says.
    pub draft: Draft,
    /// When it was raised, microseconds since 1970.
    pub raised: i64,
    /// When it was seen last.
    pub latest: i64,
    /// How often it was seen.
    pub count: u64,
    /// When a person dismissed it.
    pub dismissed: Option<i64>,
    /// Whether it is never to come back.
    pub always: bool,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [NoticeKind; 11] = [
        NoticeKind::NewDevice,
        NoticeKind::FirstContact,
        NoticeKind::FellToDefault,
        NoticeKind::OneAddress,
        NoticeKind::SharedHardware,
        NoticeKind::Contested,
        NoticeKind::FellSilent,
        NoticeKind::EncryptedDns,
        NoticeKind::Canary,
        NoticeKind::OtherNameServer,
        NoticeKind::TimeZone,
    ];

    /// Returns its word in databases and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            NoticeKind::NewDevice => "new-device",
            NoticeKind::FirstContact => "first-contact",
            NoticeKind::FellToDefault => "fell-to-default",
            NoticeKind::OneAddress => "one-address",
            NoticeKind::SharedHardware => "shared-hardware",
            NoticeKind::Contested => "contested",
            NoticeKind::FellSilent => "fell-silent",
            NoticeKind::EncryptedDns => "encrypted-dns",
            NoticeKind::Canary => "canary",
            NoticeKind::OtherNameServer => "other-name-server",
            NoticeKind::TimeZone => "time-zone",
        }
    }

    /// Returns the kind behind a word.
    pub fn parse(word: &str) -> Option<NoticeKind> {
        NoticeKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Draft {
    /// Cuts what is too long to be kept.
    #[must_use]
    pub fn bounded(mut self) -> Draft {
        let texts = [&mut self.subject, &mut self.title, &mut self.words, &mut self.remedy];
        texts.into_iter().chain(&mut self.items).for_each(cut);
        // Items are kept one to a line.
        self.items.iter_mut().for_each(|item| item.retain(|c| c != '\n'));
        self.items.truncate(MAX_ITEMS);
        self
    }

    /// Returns whether it names nothing that `other` does not name.
    pub fn says_no_more_than(&self, other: &Draft) -> bool {
        other.is_full() || self.items.iter().all(|item| other.items.contains(item))
    }

    /// Adds what another one names; returns the whole.
    #[must_use]
    pub fn joined(mut self, other: Draft) -> Draft {
        let mut items = std::mem::take(&mut self.items);
        for item in &other.items {
            if items.len() < MAX_ITEMS && !items.contains(item) {
                items.push(item.clone());
            }
        }
        Draft { items, ..other }
    }

    /// Returns it in one line.
    pub fn headline(&self) -> String {
        match self.named() {
            None => self.title.clone(),
            Some(named) => format!("{}: {named}", self.title),
        }
    }

    /// Returns all that was seen.
    pub fn text(&self) -> String {
        match self.named() {
            None => self.words.clone(),
            Some(named) => format!("{} Seen: {named}.", self.words),
        }
    }

    fn named(&self) -> Option<String> {
        let more = if self.is_full() { " and others" } else { "" };
        (!self.items.is_empty()).then(|| format!("{}{more}", self.items.join(", ")))
    }

    fn is_full(&self) -> bool {
        self.items.len() >= MAX_ITEMS
    }
}

fn cut(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
    }
}
