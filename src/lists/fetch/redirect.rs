//! Which addresses are fetched at all, and where a redirect may lead.

use url::Url;

use super::FetchError;

/// Octets that a new place may have.
const LONGEST_PLACE: usize = 8192;

/// Checks an address as far as it can be read; where its host stands is seen later.
pub(super) fn check(address: &Url, local: bool) -> Result<(), FetchError> {
    match address.scheme() {
        "https" => {}
        "http" if local => {}
        "http" => {
            return Err(FetchError::Address(
                "it would be fetched over http, which anybody on the way can change: use https, \
                 or give the list `local = true` for a server of your own network",
            ));
        }
        _ => return Err(FetchError::Address("only https addresses are fetched")),
    }
    if !address.username().is_empty() || address.password().is_some() {
        return Err(FetchError::Address("an address with a user name in it is not fetched"));
    }
    match address.host_str() {
        Some(host) if !host.is_empty() => Ok(()),
        _ => Err(FetchError::Address("the address names no host")),
    }
}

/// Returns where a redirect leads, if it may be followed.
pub(super) fn next(from: &Url, place: &[u8], local: bool) -> Result<Url, FetchError> {
    let unreadable = FetchError::Redirect("it redirects to something that is no address");
    let place = std::str::from_utf8(place).ok().filter(|place| place.len() <= LONGEST_PLACE);
    let Some(to) = place.and_then(|place| from.join(place).ok()) else {
        return Err(unreadable);
    };
    // Whoever could change the next answer is kept out by https only as long as it lasts.
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(FetchError::Redirect("it redirects from https to http"));
    }
    check(&to, local).map_err(|_| FetchError::Redirect("it redirects to what is not fetched"))?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("an address")
    }

    #[test]
    fn http_is_for_servers_of_ones_own_network() {
        assert_eq!(check(&url("https://lists.example/a"), false), Ok(()));
        assert_eq!(check(&url("http://lists.example/a"), true), Ok(()));
        assert!(check(&url("http://lists.example/a"), false).is_err());
        for other in ["ftp://a.example/", "file:///etc/passwd", "data:text/plain,x", "ws://a/"] {
            assert!(check(&url(other), true).is_err(), "{other}");
        }
    }

    #[test]
    fn no_name_or_password_goes_along() {
        for address in ["https://me@lists.example/", "https://me:secret@lists.example/"] {
            let error = check(&url(address), true).expect_err(address).to_string();
            assert!(!error.contains("secret") && error.contains("user name"), "{error}");
        }
    }

    #[test]
    fn a_redirect_keeps_to_https() {
        let from = url("https://lists.example/a/b.txt?x=1");
        let to = |place: &str| next(&from, place.as_bytes(), true).map(String::from);
        assert_eq!(to("c.txt").as_deref(), Ok("https://lists.example/a/c.txt"));
        assert_eq!(to("/c.txt").as_deref(), Ok("https://lists.example/c.txt"));
        assert_eq!(to("//other.example/c").as_deref(), Ok("https://other.example/c"));
        assert_eq!(to("https://other.example/c").as_deref(), Ok("https://other.example/c"));
        for refused in [
            "http://lists.example/a",
            "ftp://lists.example/",
            "javascript:alert(1)",
            "https://me@other.example/",
            "https://",
        ] {
            assert!(to(refused).is_err(), "{refused}");
        }
        assert!(next(&from, &[0xff, 0xfe], true).is_err());
        assert!(next(&from, "x".repeat(LONGEST_PLACE + 1).as_bytes(), true).is_err());
        let plain = url("http://lists.example/a");
        assert!(next(&plain, b"https://lists.example/a", true).is_ok());
        assert!(next(&plain, b"/b", true).is_ok());
    }
}
