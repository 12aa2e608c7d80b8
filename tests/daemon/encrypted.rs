//! Encrypted upstreams: believed by their authority, refused without it.

use hickory_proto::op::ResponseCode;

use crate::support::{
    EncryptedUpstream, FakeUpstream, Identity, Setup, UPSTREAM_HOST, Wanted, ask,
};

#[test]
fn tls_and_https_upstreams_are_believed_by_their_authority() {
    for scheme in ["tls", "https"] {
        let behind = FakeUpstream::for_any_name();
        let identity = Identity::of("the house", UPSTREAM_HOST);
        let upstream = EncryptedUpstream::start(scheme, &identity, &behind);
        let daemon = Setup::with_config(&upstream.config(&identity)).start();
        for n in 0..20 {
            let name = format!("n{n}.example.org");
            let reply = ask(daemon.dns(), &name, "A");
            assert_eq!(reply.addresses(), [FakeUpstream::address_of(&name)], "{scheme}");
        }
        let log = daemon.json(&["log", "-n", "1"]);
        assert_eq!(log["entries"][0]["answered_by"], upstream.url());
        assert!(log["entries"][0]["duration_micros"].as_u64() > Some(0), "{log}");
        let status = daemon.json(&["status"]);
        assert_eq!(status["upstreams"][0]["up"], true, "{status}");
        assert_eq!(status["health"], "healthy", "{status}");
    }
}

#[test]
fn an_upstream_of_another_authority_is_not_asked_and_status_says_what_to_try() {
    for scheme in ["tls", "https"] {
        let behind = FakeUpstream::for_any_name();
        let (identity, stranger) =
            (Identity::of("the house", UPSTREAM_HOST), Identity::of("a stranger", UPSTREAM_HOST));
        let upstream = EncryptedUpstream::start(scheme, &identity, &behind);
        let daemon = Setup::with_config(&upstream.config(&stranger)).start();
        let reply = daemon.client(1).send(&Wanted::new("www.example.org", "A").edns(1232));
        assert_eq!(reply.code(), ResponseCode::ServFail, "{scheme}");
        assert_eq!(reply.extended_error().map(|(code, _)| code), Some(23), "{scheme}");
        assert!(behind.names_asked().is_empty(), "no question goes to a stranger");
        let status = daemon.json(&["status"]);
        assert_eq!(status["upstreams"][0]["up"], false, "{status}");
        assert_eq!(status["health"], "degraded", "{status}");
        assert!(daemon.run(&["status"]).contains("`ca_file`"), "{status}");
        assert!(ask(daemon.dns(), "analytics.tiktok.com", "A").is_null_address(), "{scheme}");
    }
}
