//! Every path of the API, written once.

/// `GET`: one screen of how the daemon fares.
pub const STATUS: &str = "/api/v1/status";
/// `GET`: who tried to track whom in the last 24 hours.
pub const WHO: &str = "/api/v1/who";
/// `GET`: the query log, in pages.
pub const QUERIES: &str = "/api/v1/queries";
/// `GET`: why a name is blocked or not.
pub const WHY: &str = "/api/v1/why";
/// `GET`: all devices.
pub const DEVICES: &str = "/api/v1/devices";
/// `GET`: devices that look like one.
pub const DEVICE_PROPOSALS: &str = "/api/v1/device-proposals";
/// `POST`: puts two devices together.
pub const DEVICE_MERGES: &str = "/api/v1/device-merges";
/// `POST`: takes a part of a device away from it.
pub const DEVICE_SPLIT: &str = "/api/v1/devices/{device}/split";
/// `GET`, `PATCH`, `DELETE`: one device, by name, part of a name, address or number.
pub const DEVICE: &str = "/api/v1/devices/{device}";
/// `GET`: all companies.
pub const COMPANIES: &str = "/api/v1/companies";
/// `PUT`: a company's switch.
pub const COMPANY_POLICY: &str = "/api/v1/companies/{company}/policy";
/// `GET`: all lists. `POST`: one more.
pub const LISTS: &str = "/api/v1/lists";
/// `DELETE`: a list of the owner's less.
pub const LIST: &str = "/api/v1/lists/{list}";
/// `POST`: puts the version of a list that is held back in force.
pub const LIST_ACCEPT: &str = "/api/v1/lists/{list}/accept";
/// `POST`: puts an earlier version of a list back.
pub const LIST_ROLLBACK: &str = "/api/v1/lists/{list}/rollback";
/// `GET`: how the fetching of lists goes. `POST`: lists fetched now, told line by line.
pub const LIST_UPDATES: &str = "/api/v1/lists/updates";
/// `PUT`: a list's switch.
pub const LIST_POLICY: &str = "/api/v1/lists/{list}/policy";
/// `GET`: what the levels hold. `PUT`: a level for a scope.
pub const LEVELS: &str = "/api/v1/levels";
/// `GET`: own rules and pauses. `POST`: another rule.
pub const RULES: &str = "/api/v1/rules";
/// `POST`: another rule, in AdGuard's syntax.
pub const RULES_TEXT: &str = "/api/v1/rules/text";
/// `POST`: one rule less.
pub const RULES_REMOVE: &str = "/api/v1/rules/remove";
/// `POST`: no blocking for a while.
pub const PAUSE: &str = "/api/v1/pause";
/// `POST`: the end of a pause.
pub const RESUME: &str = "/api/v1/resume";
/// `GET`: what a person should know.
pub const NOTICES: &str = "/api/v1/notices";
/// `POST`: a notice, or `all` that are open, dismissed.
pub const NOTICE_DISMISS: &str = "/api/v1/notices/{id}/dismiss";
/// `GET`: how full the cache is, and how well it serves.
pub const CACHE: &str = "/api/v1/cache";
/// `POST`: removes answers from the cache.
pub const CACHE_FLUSH: &str = "/api/v1/cache/flush";
/// `POST`: reads the files again.
pub const RELOAD: &str = "/api/v1/reload";
/// `POST`: holds the policy in force to asserts.
pub const POLICY_TEST: &str = "/api/v1/policy/test";
/// `GET`: who changed what, when.
pub const POLICY_HISTORY: &str = "/api/v1/policy/history";
/// `GET`: what differs between two revisions. `POST`: between the policy in force and a text.
pub const POLICY_DIFF: &str = "/api/v1/policy/diff";
/// `POST`: puts an earlier revision back in force.
pub const POLICY_UNDO: &str = "/api/v1/policy/undo";
/// `POST`: what would change if a text were policy.toml.
pub const POLICY_PLAN: &str = "/api/v1/policy/plan";
/// `POST`: checks a text as policy.toml.
pub const POLICY_CHECK: &str = "/api/v1/policy/check";

/// Returns the path of one device.
pub fn device(device: &str) -> String {
    DEVICE.replace("{device}", &encode(device))
}

/// Returns the path by which a device is split.
pub fn device_split(device: &str) -> String {
    DEVICE_SPLIT.replace("{device}", &encode(device))
}

/// Returns the path of one company's switch.
pub fn company_policy(company: &str) -> String {
    COMPANY_POLICY.replace("{company}", &encode(company))
}

/// Returns the path of one list.
pub fn list(list: &str) -> String {
    LIST.replace("{list}", &encode(list))
}

/// Returns the path by which a list's version that is held back is put in force.
pub fn list_accept(list: &str) -> String {
    LIST_ACCEPT.replace("{list}", &encode(list))
}

/// Returns the path by which an earlier version of a list is put back.
pub fn list_rollback(list: &str) -> String {
    LIST_ROLLBACK.replace("{list}", &encode(list))
}

/// Returns the path by which a notice, or `all`, is dismissed.
pub fn notice_dismiss(id: &str) -> String {
    NOTICE_DISMISS.replace("{id}", &encode(id))
}

/// Returns the path of one list's switch.
pub fn list_policy(list: &str) -> String {
    LIST_POLICY.replace("{list}", &encode(list))
}

/// Escapes text for a path segment or a query value (RFC 3986, section 2.1).
pub fn encode(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(octet));
        } else {
            escaped.push_str(&format!("%{octet:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_takes_the_place_of_a_device_by_its_name() {
        for path in [DEVICE_PROPOSALS, DEVICE_MERGES] {
            assert!(!path.starts_with(&format!("{DEVICES}/")), "{path}");
        }
    }

    #[test]
    fn what_people_type_stays_one_path_segment() {
        assert_eq!(device("Living-room TV"), "/api/v1/devices/Living-room%20TV");
        assert_eq!(device("../a?b#c/ü"), "/api/v1/devices/..%2Fa%3Fb%23c%2F%C3%BC");
    }
}
