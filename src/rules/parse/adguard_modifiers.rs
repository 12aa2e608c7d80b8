//! AdGuard's modifiers: what stands behind the `$` of a rule.

use super::{Condition, Rewrite, conditions, is_blank, rewrite, split_unescaped, unescaped};

/// Modifiers about what browsers load, of the syntax of AdGuard, Adblock Plus and uBlock.
#[rustfmt::skip]
const BROWSER: &[&str] = &[
    "1p", "3p", "all", "app", "background", "beacon", "cname", "content", "cookie", "csp", "css",
    "doc", "document", "domain", "donottrack", "ehide", "elemhide", "empty", "extension", "fetch",
    "first-party", "font", "frame", "from", "genericblock", "generichide", "ghide", "header", "hls",
    "image", "inline-font", "inline-script", "ipaddress", "jsinject", "jsonprune", "match-case",
    "media", "method", "mp4", "network", "object", "object-subrequest", "other", "path",
    "permissions", "ping", "popunder", "popup", "protobuf", "queryprune", "reason", "redirect",
    "redirect-rule", "referrerpolicy", "removeheader", "removeparam", "replace", "requestheader",
    "responseheader", "rewrite", "script", "shide", "sitekey", "specifichide", "speculative",
    "stealth", "strict-first-party", "strict-third-party", "strict1p", "strict3p", "stylesheet",
    "subdocument", "third-party", "to", "top", "trustedjsonprune", "uritransform", "urlblock",
    "urlskip", "urltransform", "webbundle", "webrtc", "websocket", "xbl", "xhr", "xmlhttprequest",
    "xmlprune",
];

/// Of these, the ones that many lists for DNS carry along and that narrow nothing there.
const STRIPPABLE: [&str; 6] = ["third-party", "3p", "all", "doc", "document", "popup"];

/// Whether a rule is about browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Browser {
    /// No modifier says so.
    No,
    /// By modifiers that can be stripped.
    Strippable,
    /// By others.
    Yes,
}

/// The modifiers of a rule that DNS can carry out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Modifiers {
    /// Whether it stands above rules that are not.
    pub important: bool,
    /// Whether it only cancels.
    pub badfilter: bool,
    /// When it applies.
    pub condition: Condition,
    /// The answer: `None` inside if no value is given.
    pub rewrite: Option<Option<Rewrite>>,
    /// Names of modifiers with a value that were met.
    met: Vec<&'static str>,
}

/// Reads modifiers; whether they are about browsers is told even if one is unknown.
pub fn modifiers(text: &str) -> (Browser, Result<Modifiers, String>) {
    let mut browser = Browser::No;
    let mut read = Ok(Modifiers::default());
    for item in split_unescaped(text, ',') {
        let item = item.trim_matches(is_blank);
        let (name, value) = match item.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (item, None),
        };
        if item.chars().all(|character| character == '_') {
            continue;
        }
        if let Some(about) = about_browsers(name) {
            browser = browser.max(about);
        } else if let Ok(modifiers) = &mut read
            && let Err(why) = modifiers.take(name, value)
        {
            read = Err(why);
        }
    }
    (browser, read)
}

fn about_browsers(name: &str) -> Option<Browser> {
    let known = BROWSER.contains(&name.strip_prefix('~').unwrap_or(name));
    let browser = if STRIPPABLE.contains(&name) { Browser::Strippable } else { Browser::Yes };
    known.then_some(browser)
}

impl Modifiers {
    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        let condition = &mut self.condition;
        let given = value.unwrap_or_default();
        let name = match (name, value) {
            ("important", None) => {
                self.important = true;
                return Ok(());
            }
            ("badfilter", None) => {
                self.badfilter = true;
                return Ok(());
            }
            ("important" | "badfilter", Some(_)) => return Err(format!("`{name}` takes no value")),
            ("client", _) => {
                condition.clients = conditions::clients(given)?;
                "client"
            }
            ("ctag", _) => {
                condition.tags = conditions::tags(given)?;
                "ctag"
            }
            ("denyallow", _) => {
                condition.except = conditions::except(given)?;
                "denyallow"
            }
            ("dnstype", _) => {
                condition.types = conditions::types(given)?;
                "dnstype"
            }
            ("dnsrewrite", _) => {
                let given = unescaped(given, &[',', '$']);
                let answer = (!given.is_empty()).then(|| rewrite::rewrite(&given)).transpose()?;
                self.rewrite = Some(answer);
                "dnsrewrite"
            }
            _ => return Err(format!("unknown modifier `{}`", super::escaped(name))),
        };
        if self.met.contains(&name) {
            return Err(format!("`{name}` is given twice"));
        }
        self.met.push(name);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Selection;

    fn read(text: &str) -> Modifiers {
        let (browser, read) = modifiers(text);
        assert_eq!(browser, Browser::No, "{text}");
        read.expect(text)
    }

    #[test]
    fn order_empty_ones_and_noise_do_not_matter() {
        let wanted = read("important,dnstype=A|~TXT,client=tv|127.0.0.0/8,denyallow=a.com|b");
        for text in [
            "client=127.0.0.1/8|TV,denyallow=b|a.com,dnstype=~txt|a,important",
            ",,important,,____,denyallow=A.com|b,_,dnstype=A|A|~TXT,client=tv|127.9.9.9/8,",
        ] {
            let read = read(text);
            assert_eq!(read.condition, wanted.condition, "{text}");
            assert!(read.important && !read.badfilter, "{text}");
        }
        assert_eq!(read("___"), Modifiers::default());
    }

    #[test]
    fn modifiers_of_browsers_are_known_whatever_stands_beside_them() {
        for text in ["third-party", "3p,important", "all", "doc,popup", "document"] {
            assert_eq!(modifiers(text).0, Browser::Strippable, "{text}");
        }
        for text in [
            "~third-party",
            "script",
            "~script",
            "3p,domain=a.com|~b.a.com",
            "first-party",
            "1p",
            "match-case",
            "image,unknown",
            "redirect=noopjs",
            "csp=script-src 'self' 'unsafe-inline'",
            "removeparam=/^utm/",
            "method=get",
            "to=x.com",
            "from=x.com",
            "app=com.x",
            "network",
            "replace=/a/b/",
            "cookie",
            "stealth",
            "generichide",
            "elemhide",
            "urlblock",
        ] {
            assert_eq!(modifiers(text).0, Browser::Yes, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_whole() {
        for text in ["foo", "important,foo=1", "Important", "IMPORTANT", "~important", "dnstyp=A"] {
            let (browser, read) = modifiers(text);
            assert_eq!(browser, Browser::No, "{text}");
            assert!(read.expect_err(text).starts_with("unknown modifier `"), "{text}");
        }
        let refused = |text: &str| modifiers(text).1.expect_err(text);
        assert_eq!(refused("dnstype=A,dnstype=AAAA"), "`dnstype` is given twice");
        assert_eq!(refused("important=1"), "`important` takes no value");
        for text in ["client", "client=", "ctag", "ctag=", "denyallow=", "dnstype"] {
            assert!(refused(text).contains("empty"), "{text}: {}", refused(text));
        }
    }

    #[test]
    fn answers_may_be_missing_and_hold_escapes() {
        assert_eq!(read("important").rewrite, None);
        assert_eq!(read("dnsrewrite").rewrite, Some(None));
        assert_eq!(read("dnsrewrite=").rewrite, Some(None));
        let text = read(r"dnsrewrite=NOERROR;TXT;a\,b\$c").rewrite;
        assert_eq!(text, Some(rewrite::rewrite("NOERROR;TXT;a,b$c").ok()));
        assert!(modifiers("dnsrewrite=FOO,important").1.is_err());
        assert_eq!(read("important").condition.types, Selection::default());
    }
}
