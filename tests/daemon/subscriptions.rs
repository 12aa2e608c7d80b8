//! Lists by address: fetched over our own upstream, in force afterwards, and never worse for it.

use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::support::{
    FakeUpstream, Identity, LIST_HOST, ListServer, Setup, Step, TestDaemon, answer, head, list,
    redirect, status,
};

const LISTED: &str = "tracker.listed.example";

/// A list server, and an upstream that knows where it stands.
struct House {
    server: ListServer,
    upstream: FakeUpstream,
    identity: Identity,
}

impl House {
    fn new() -> House {
        let identity = Identity::of("the house's own", LIST_HOST);
        let server = ListServer::https(&identity);
        let zone = format!(
            "www.{LIST_HOST} A 127.0.0.1\n{LIST_HOST} CNAME www.{LIST_HOST}\n\
             {LISTED} A 198.51.100.7\nother.listed.example A 198.51.100.8\n"
        );
        House { server, upstream: FakeUpstream::with(&absolute(&zone)), identity }
    }

    fn daemon(&self) -> TestDaemon {
        self.setup("").start()
    }

    fn setup(&self, more: &str) -> Setup {
        let config = format!(
            "[discovery]\nleases = []\nmdns = false\nreverse_names = false\n[dns]\nlisten = [\"127.0.0.1:0\"]\nworkers = 1\n[upstream]\nservers = [{{ url = \
             \"{}\" }}]\n[lists]\nsubscribe_defaults = false\nca = \"{}\"\n",
            self.upstream.url(),
            self.identity.ca_file().display()
        );
        let address = self.server.url("/list.txt");
        let policy = format!(
            "[everyone]\nlists = {{ house = true }}\n[[list]]\nname = \"house\"\naddress = \
             \"{address}\"\nlocal = true\n{more}"
        );
        Setup::with_config(&config).policy(&policy)
    }
}

fn absolute(zone: &str) -> String {
    zone.replace(".example", ".example.")
}

fn names(count: usize) -> Vec<u8> {
    let names = (0..count).map(|n| format!("n{n}.example\n"));
    names.chain([format!("{LISTED}\n")]).collect::<String>().into_bytes()
}

fn blocked(daemon: &TestDaemon, name: &str) -> bool {
    daemon.client(9).ask(name, "A").is_null_address()
}

/// Waits until something is so; a daemon fetches by itself, at a time of its own.
fn soon(what: &str, so: impl Fn() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{what}");
}

/// Updates and returns what is told, which may be that not all came in.
fn update(daemon: &TestDaemon) -> String {
    let output = daemon.command(&["lists", "update"]);
    let texts = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&texts).into_owned()
}

fn view(daemon: &TestDaemon) -> serde_json::Value {
    let lists = daemon.json(&["lists"]);
    let lists = lists.as_array().expect("lists").clone();
    lists.into_iter().find(|list| list["name"] == "house").expect("it is there")
}

#[test]
fn a_subscribed_list_is_fetched_at_start_and_in_force_afterwards() {
    let house = House::new();
    house.server.does(list(&names(20)));
    let daemon = house.daemon();
    soon("the list is in force", || blocked(&daemon, LISTED));
    assert!(!blocked(&daemon, "other.listed.example"));
    assert!(house.upstream.times_asked(LIST_HOST, RecordType::A) > 0, "our upstream was asked");
    assert_eq!(house.server.heads().len(), 1, "and the server once");
    assert_eq!(view(&daemon)["rules"], 21);
}

#[test]
fn an_update_by_hand_tells_what_came_and_is_conditional() {
    let house = House::new();
    house.server.answers(|head| match head.contains("\"v1\"") {
        true => status(304),
        false => answer(200, &[("ETag", "\"v1\"")], &names(20)),
    });
    let daemon = house.daemon();
    soon("the list is in force", || blocked(&daemon, LISTED));
    assert!(update(&daemon).contains("house: nothing new"));
    let more = [&names(20)[..], b"other.listed.example\n"].concat();
    house.server.does(list(&more));
    let told = update(&daemon);
    assert!(told.contains("1 came, 0 went") && told.contains("+ other.listed.example"), "{told}");
    assert!(told.contains("in force"), "{told}");
    assert!(blocked(&daemon, "other.listed.example"), "before the command has ended");
    let named = daemon.run(&["lists", "update", "house", "--json"]);
    assert!(named.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(named.contains("\"outcome\":\"unchanged\""), "{named}");
}

#[test]
fn a_bad_update_is_held_and_the_good_one_stays() {
    let house = House::new();
    house.server.does(list(&names(20)));
    let daemon = house.daemon();
    soon("the list is in force", || blocked(&daemon, LISTED));
    let page = b"<!doctype html><html><body>no.such.page</body></html>";
    for (steps, why) in [
        (list(b""), "no rule"),
        (list(page), "web page"),
        (list(b"a.example\n\0\x01"), "binary"),
        (list(b"a.example\n"), "held back"),
        (status(404), "404 (Not Found)"),
        (status(500), "500 (Internal Server Error)"),
        (redirect("/list.txt"), "more than 5 times"),
        (redirect("http://lists.example/"), "from https to http"),
        (
            vec![Step::Send(
                [&head(200, &[("Content-Length", "999")])[..], b"a.example\n"].concat(),
            )],
            "broke off",
        ),
        (vec![Step::Cut], "broke off"),
        (vec![Step::Send(head(200, &[])), Step::Forever(names(9_999))], "64 MiB on the wire"),
    ] {
        house.server.does(steps);
        let told = update(&daemon);
        assert!(told.contains(why), "{why} is not in {told}");
        assert!(!told.contains("no.such.page"), "{told}");
        assert!(blocked(&daemon, LISTED), "{why}");
    }
    house.server.does(list(&names(21)));
    assert!(update(&daemon).contains("1 came"));
}

#[test]
fn the_last_good_copy_outlives_server_and_daemon() {
    let house = House::new();
    house.server.does(list(&names(20)));
    let daemon = house.daemon();
    soon("the list is in force", || blocked(&daemon, LISTED));
    house.server.does(status(500));
    let daemon = daemon.restart(&deadpixel::clock::Clock::system());
    assert!(blocked(&daemon, LISTED), "at once");
}

#[test]
fn a_list_that_is_not_local_is_never_fetched_from_inside() {
    let house = House::new();
    house.server.does(list(&names(20)));
    let setup = house.setup("");
    let policy = setup.policy.replace("local = true\n", "");
    let daemon = setup.policy(&policy).start();
    let told = update(&daemon);
    assert!(told.contains("127.0.0.1, which is no public address"), "{told}");
    assert_eq!(house.server.connections(), 0);
    assert!(!blocked(&daemon, LISTED));
}

#[test]
fn a_local_list_may_come_over_plain_http() {
    let house = House::new();
    let plain = ListServer::http();
    plain.does(list(&names(20)));
    let setup = house.setup("");
    let policy = setup.policy.replace(&house.server.url("/list.txt"), &plain.url("/list.txt"));
    let daemon = setup.policy(&policy).start();
    soon("the list is in force", || blocked(&daemon, LISTED));
}

#[test]
fn a_server_without_our_authority_is_not_believed() {
    let house = House::new();
    house.server.does(list(&names(20)));
    let stranger = Identity::of("somebody else", LIST_HOST);
    let mut setup = house.setup("");
    let ours = house.identity.ca_file().display().to_string();
    setup.config = setup.config.replace(&ours, &stranger.ca_file().display().to_string());
    let daemon = setup.start();
    let told = update(&daemon);
    assert!(told.contains("authority that is not trusted"), "{told}");
    assert!(house.server.heads().is_empty() && !blocked(&daemon, LISTED));
}

#[test]
fn one_stalling_list_delays_no_other() {
    let house = House::new();
    house.server.answers(|head| match head.contains("/slow.txt") {
        true => vec![Step::Stall],
        false => list(&names(20)),
    });
    let slow = house.server.url("/slow.txt");
    let more = format!("[[list]]\nname = \"slow\"\naddress = \"{slow}\"\nlocal = true\n");
    let setup = house.setup("");
    // The slow one comes first.
    let policy = setup.policy.replace("[[list]]", &format!("{more}[[list]]"));
    let daemon = setup.policy(&policy).start();
    soon("the other is in force", || blocked(&daemon, LISTED));
}

#[test]
fn names_that_cannot_be_updated_are_refused_with_the_mend() {
    let house = House::new();
    house.server.does(list(&names(20)));
    let more = "[[list]]\nname = \"file\"\nfile = \"a.txt\"\n";
    let daemon = house.setup(more).file("lists/a.txt", b"a.example\n").start();
    let refused = |name: &str| {
        let output = daemon.command(&["lists", "update", name]);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, text) = refused("hose");
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("did you mean `house`?"), "{text}");
    let (code, text) = refused("file");
    assert_eq!(code, Some(6), "{text}");
    assert!(text.contains("deadpixel reload"), "{text}");
}
