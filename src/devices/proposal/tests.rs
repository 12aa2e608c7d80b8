//! Tests of proposals: devices as they are met, and names as nobody should give them.

use super::*;
use DeviceKind::*;
use HintSource::{Lease, Maker, Mdns, Person, ReverseName};

fn hint(name: &str, words: &[&str]) -> HintText {
    HintText {
        name: (!name.is_empty()).then(|| name.to_owned()),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        kind: None,
    }
}

fn hardware(text: &str) -> Option<HardwareAddress> {
    (!text.is_empty()).then(|| text.parse().expect("an address"))
}

/// A device: lease name, mDNS name, mDNS words, hardware; then the name and kind to propose.
type Met = (&'static str, &'static str, &'static [&'static str], &'static str, Shown);
type Shown = (Option<(&'static str, HintSource)>, Option<(DeviceKind, HintSource)>);

const APPLE: &str = "f0:18:98:01:02:03";
const SAMSUNG: &str = "00:00:f0:01:02:03";
const ESPRESSIF: &str = "24:0a:c4:01:02:03";
const RANDOM: &str = "da:5a:b4:01:02:0f";

#[rustfmt::skip]
const DEVICES: &[Met] = &[
    ("Annas-iPhone", "Anna's iPhone", &["_companion-link._tcp"], RANDOM, (Some(("Annas-iPhone", Lease)), Some((Phone, Lease)))),
    ("iPhone", "", &[], RANDOM, (Some(("iPhone", Lease)), Some((Phone, Lease)))),
    ("", "Anna’s iPad", &["iPad13,1"], APPLE, (Some(("Anna’s iPad", Mdns)), Some((Tablet, Mdns)))),
    ("annas-mbp", "", &[], APPLE, (Some(("annas-mbp", Lease)), Some((Laptop, Lease)))),
    ("", "Otto’s MacBook Air", &["Mac14,2", "_smb._tcp"], APPLE, (Some(("Otto’s MacBook Air", Mdns)), Some((Laptop, Mdns)))),
    ("Mac", "", &["Macmini9,1"], APPLE, (Some(("Mac", Lease)), Some((Computer, Mdns)))),
    ("Living-Room", "Living Room", &["AppleTV14,1", "_airplay._tcp", "_raop._tcp"], APPLE, (Some(("Living-Room", Lease)), Some((Tv, Mdns)))),
    ("Kitchen", "Kitchen", &["AudioAccessory5,1", "_hap._tcp"], APPLE, (Some(("Kitchen", Lease)), Some((Speaker, Mdns)))),
    ("Annas-Watch", "", &[], RANDOM, (Some(("Annas-Watch", Lease)), Some((Watch, Lease)))),
    ("Galaxy-S23", "", &[], RANDOM, (Some(("Galaxy-S23", Lease)), Some((Phone, Lease)))),
    ("Galaxy-Tab-S8", "", &[], RANDOM, (Some(("Galaxy-Tab-S8", Lease)), Some((Tablet, Lease)))),
    ("Galaxy-Watch4", "", &[], RANDOM, (Some(("Galaxy-Watch4", Lease)), Some((Watch, Lease)))),
    ("android-3f2a9b8c7d6e5f40", "", &[], SAMSUNG, (Some(("android-3f2a9b8c7d6e5f40", Lease)), Some((Phone, Lease)))),
    ("android-3f2a9b8c7d6e5f40", "Bedroom TV", &["_androidtvremote2._tcp"], SAMSUNG, (Some(("Bedroom TV", Mdns)), Some((Tv, Mdns)))),
    ("Pixel-7", "", &[], RANDOM, (Some(("Pixel-7", Lease)), Some((Phone, Lease)))),
    ("DESKTOP-4F2A1BC", "", &["_smb._tcp"], "", (Some(("DESKTOP-4F2A1BC", Lease)), Some((Computer, Lease)))),
    ("LAPTOP-9QK2", "", &[], "", (Some(("LAPTOP-9QK2", Lease)), Some((Laptop, Lease)))),
    ("LGwebOSTV", "[LG] webOS TV OLED55C1", &["_airplay._tcp"], "", (Some(("LGwebOSTV", Lease)), Some((Tv, Lease)))),
    ("", "Wohnzimmer", &["Chromecast Ultra", "_googlecast._tcp"], "3c:5a:b4:01:02:03", (Some(("Wohnzimmer", Mdns)), Some((Tv, Mdns)))),
    ("", "Küche", &["Google Nest Mini", "_googlecast._tcp"], "3c:5a:b4:01:02:03", (Some(("Küche", Mdns)), Some((Speaker, Mdns)))),
    ("BRAVIA-4K-UR2", "", &[], "", (Some(("BRAVIA-4K-UR2", Lease)), Some((Tv, Lease)))),
    ("roku-ultra", "", &[], "", (Some(("roku-ultra", Lease)), Some((Tv, Lease)))),
    ("SonosZP", "Sonos-000E58010203", &["_sonos._tcp"], "00:0e:58:01:02:03", (Some(("SonosZP", Lease)), Some((Speaker, Mdns)))),
    ("", "", &[], "00:0e:58:01:02:03", (Some(("Sonos speaker", Maker)), Some((Speaker, Maker)))),
    ("PS5-1A2", "", &[], "", (Some(("PS5-1A2", Lease)), Some((Console, Lease)))),
    ("XboxOne", "", &[], "", (Some(("XboxOne", Lease)), Some((Console, Lease)))),
    ("", "", &[], "00:09:bf:01:02:03", (Some(("Nintendo console", Maker)), Some((Console, Maker)))),
    ("BRW008077010203", "Brother HL-L2350DW series", &["_ipp._tcp"], "00:80:77:01:02:03", (Some(("Brother HL-L2350DW series", Mdns)), Some((Printer, Lease)))),
    ("EPSON8D2F1A", "", &[], "", (Some(("EPSON8D2F1A", Lease)), Some((Printer, Lease)))),
    ("NPI3A2B1C", "HP LaserJet M110w (3A2B1C)", &["_pdl-datastream._tcp"], "", (Some(("NPI3A2B1C", Lease)), Some((Printer, Lease)))),
    ("office-canon", "", &[], "", (Some(("office-canon", Lease)), Some((Printer, Lease)))),
    ("reolink-doorbell", "", &[], "", (Some(("reolink-doorbell", Lease)), Some((Camera, Lease)))),
    ("Ring-Frontdoor", "", &[], "", (Some(("Ring-Frontdoor", Lease)), Some((Camera, Lease)))),
    ("ESP_1A2B3C", "", &[], ESPRESSIF, (Some(("ESP_1A2B3C", Lease)), Some((Appliance, Lease)))),
    ("ESP_1A2B3C", "Desk lamp", &["_hap._tcp"], ESPRESSIF, (Some(("Desk lamp", Mdns)), Some((Appliance, Lease)))),
    ("", "", &[], ESPRESSIF, (Some(("Espressif appliance", Maker)), Some((Appliance, Maker)))),
    ("Philips-hue", "", &["_hue._tcp"], "00:17:88:01:02:03", (Some(("Philips-hue", Lease)), Some((Appliance, Mdns)))),
    ("DiskStation", "", &["_adisk._tcp"], "00:11:32:01:02:03", (Some(("DiskStation", Lease)), Some((Server, Lease)))),
    ("raspberrypi", "", &[], "b8:27:eb:01:02:03", (Some(("raspberrypi", Lease)), Some((Computer, Lease)))),
    ("fritz.box", "", &[], "", (Some(("fritz", Lease)), Some((Router, Lease)))),
    ("OpenWrt.lan", "", &[], "", (Some(("OpenWrt", Lease)), Some((Router, Lease)))),
    ("echo-show", "", &[], "", (Some(("echo-show", Lease)), Some((Speaker, Lease)))),
    ("192-168-1-20", "Anna", &[], "", (Some(("Anna", Mdns)), None)),
    ("", "", &[], APPLE, (Some(("Apple", Maker)), None)),
    ("", "", &[], RANDOM, (None, None)),
];

#[test]
fn devices_as_they_are_met_get_the_names_and_kinds_that_people_would_give() {
    assert!(DEVICES.len() >= 40);
    for (lease, mdns, words, address, (name, kind)) in DEVICES {
        let mut hints = vec![(Mdns, hint(mdns, words)), (Lease, hint(lease, &[]))];
        hints.retain(|(_, text)| *text != HintText::default());
        let proposal = propose(&hints, hardware(address));
        let shown = proposal.name.as_ref().map(|(name, source)| (name.as_str(), *source));
        assert_eq!((shown, proposal.kind), (*name, *kind), "{lease:?} {mdns:?} {words:?}");
    }
}

#[test]
fn names_that_nobody_should_give_become_plain_text_or_none() {
    let long = "ü".repeat(300);
    let cut = "ü".repeat(64);
    for (heard, name) in [
        ("a\u{1b}[31mred\u{7}", Some("a[31mred")),
        ("ab\u{202e}vt", Some("abvt")),
        ("\u{200f}\u{2066}tv\u{2069}", Some("tv")),
        ("<script>alert(1)</script>", Some("<script>alert(1)</script>")),
        ("<b>.lan", Some("<b>")),
        ("line\nbreak\ttab", Some("line break tab")),
        (&long, Some(&cut)),
        ("printer.local", Some("printer")),
        ("Dr. Anna's iPad.local.", Some("Dr. Anna's iPad")),
        ("host.home.arpa.", None),
        ("annas-pc.corp.example.org", Some("annas-pc")),
        (" \u{200b} \u{feff}", None),
        ("", None),
        ("*", None),
        ("...", None),
        (".local", None),
        ("---", None),
        ("LOCALHOST", None),
        ("192.168.1.20", None),
        ("fd00::20", None),
        ("\0\0\0", None),
        ("=HYPERLINK(1)", Some("=HYPERLINK(1)")),
    ] {
        let proposal = propose(&[(Lease, hint(heard, &[]))], None);
        assert_eq!(proposal.name, name.map(|name| (name.to_owned(), Lease)), "{heard:?}");
    }
}

#[test]
fn a_persons_word_wins_and_a_cryptic_one_is_still_better_than_the_makers() {
    let hints = [
        (ReverseName, hint("anna.lan", &[])),
        (Lease, hint("android-3f2a9b8c7d6e5f40", &[])),
        (Person, hint("0123456789", &[])),
    ];
    let all = propose(&hints, hardware(APPLE));
    assert_eq!(all.name, Some(("0123456789".into(), Person)));
    let without = propose(&hints[..2], hardware(APPLE));
    assert_eq!(without.name, Some(("anna".into(), ReverseName)));
    let alone = propose(&hints[1..2], hardware(APPLE));
    assert_eq!(alone.name, Some(("android-3f2a9b8c7d6e5f40".into(), Lease)));
}

#[test]
fn a_kind_that_a_source_tells_stands_above_words() {
    let told = HintText { kind: Some(Camera), ..hint("", &["iPhone15,2"]) };
    assert_eq!(propose(&[(Mdns, told)], None).kind, Some((Camera, Mdns)));
}

proptest::proptest! {
    #[test]
    fn whatever_is_heard_the_name_is_one_that_a_device_can_have(heard: String, word: String) {
        let proposal = propose(&[(Mdns, hint(&heard, &[&word]))], None);
        if let Some((name, _)) = proposal.name {
            proptest::prop_assert!(crate::model::DeviceName::parse(&name).is_ok());
        }
    }
}
