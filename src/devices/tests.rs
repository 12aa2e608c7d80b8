//! Devices as a whole: bindings over time, held to a naive twin.

use proptest::prelude::*;

use super::keeping::MAX_UNWRITTEN;
use super::register::PUBLISH_EVERY;
use super::*;
use crate::storage::STATE_MIGRATIONS;

const NOW: i64 = 1_700_000_000_000_000;

struct House {
    state: Arc<Database>,
    clock: Clock,
    devices: Devices,
}

impl House {
    fn new() -> House {
        let state = Arc::new(Database::memory(STATE_MIGRATIONS).expect("a database"));
        let clock = Clock::manual(NOW);
        let devices =
            Devices::open(&Default::default(), state.clone(), clock.clone()).expect("devices");
        House { state, clock, devices }
    }

    fn restart(&mut self) {
        self.devices = Devices::open(&Default::default(), self.state.clone(), self.clock.clone())
            .expect("devices");
    }

    fn configure(&self, named: &[(&str, &[&str])]) -> Vec<DeviceId> {
        let named: Vec<NamedDevice> = named.iter().map(|(name, at)| device(name, at)).collect();
        self.devices.configure(&named, self.clock.now())
    }

    fn admit(&self, client: &str) -> Binding {
        self.devices.admit(ip(client), self.clock.now())
    }

    fn ask(&self, client: &str, times: u32) -> Binding {
        let known = self.devices.identify(ip(client));
        let binding = known.unwrap_or_else(|| self.admit(client));
        self.devices.seen(&[(binding.id, self.clock.now().wall, times)]);
        binding
    }

    fn named(&self, name: &str) -> Device {
        self.devices.list().into_iter().find(|d| d.name == name).expect("a device of that name")
    }

    fn rows(&self, sql: &str) -> i64 {
        self.state.with(|c| c.query_row(sql, [], |row| row.get(0))).expect("a count")
    }
}

fn device(name: &str, addresses: &[&str]) -> NamedDevice {
    NamedDevice {
        hardware: Vec::new(),
        name: DeviceName::parse(name).expect("a name"),
        addresses: addresses.iter().map(|text| text.parse().expect("a prefix")).collect(),
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn the_first_query_of_a_named_address_is_its_devices() {
    let house = House::new();
    let [tv] = house.configure(&[("TV", &["192.168.1.40", "fd00::40"])])[..] else { panic!() };
    for address in ["192.168.1.40", "::ffff:192.168.1.40", "fd00::40"] {
        assert_eq!(house.devices.find_by_address(ip(address)), Some(tv));
        let binding = house.admit(address);
        assert_eq!((binding.device, binding.part, binding.grade), (tv, tv, Grade::Address));
    }
    assert_eq!(house.devices.name(tv).as_deref(), Some("TV"));
    assert_eq!(house.named("TV").addresses, [ip("192.168.1.40"), ip("fd00::40")]);
    assert_eq!(house.named("TV").first_seen, 0);
}

#[test]
fn the_longest_prefix_owns_an_address_and_each_address_has_its_own_binding() {
    let house = House::new();
    let ids = house.configure(&[("Guests", &["10.0.0.0/8"]), ("Lab", &["10.1.0.0/16"])]);
    let (one, two) = (house.admit("10.1.0.1"), house.admit("10.1.0.2"));
    assert_eq!((one.device, two.device), (ids[1], ids[1]));
    assert_ne!(one.id, two.id);
    assert_eq!(house.admit("10.2.0.1").device, ids[0]);
    assert_eq!(house.devices.find_by_address(ip("10.9.9.9")), Some(ids[0]));
}

#[test]
fn an_unknown_address_is_a_device_of_its_own() {
    let house = House::new();
    assert_eq!(house.devices.identify(ip("192.168.1.9")), None);
    let binding = house.admit("192.168.1.9");
    assert_eq!(binding.grade, Grade::Address);
    assert_eq!(house.devices.identify(ip("::ffff:192.168.1.9")), Some(binding));
    assert_eq!(house.admit("192.168.1.9"), binding);
    assert_ne!(house.admit("192.168.1.10").device, binding.device);
    let shown = house.named("192.168.1.9");
    assert_eq!((shown.named, shown.first_seen), (false, NOW));
}

#[test]
fn admissions_are_published_at_most_every_20_ms_and_agree_meanwhile() {
    let house = House::new();
    house.clock.advance(PUBLISH_EVERY);
    house.admit("10.0.0.1");
    let second = house.admit("10.0.0.2");
    assert_eq!(house.devices.identify(ip("10.0.0.2")), None);
    assert_eq!(house.admit("10.0.0.2"), second);
    house.clock.advance(PUBLISH_EVERY);
    house.admit("10.0.0.3");
    assert_eq!(house.devices.identify(ip("10.0.0.2")), Some(second));
    house.admit("10.0.0.4");
    house.devices.flush().expect("written");
    assert!(house.devices.identify(ip("10.0.0.4")).is_some());
}

#[test]
fn a_binding_is_written_from_its_second_query_on() {
    let mut house = House::new();
    house.ask("10.0.0.1", 1);
    let twice = house.ask("10.0.0.2", 1);
    house.devices.flush().expect("written");
    assert_eq!(house.rows("SELECT count(*) FROM binding"), 0);
    house.ask("10.0.0.2", 1);
    house.devices.flush().expect("written");
    assert_eq!(house.rows("SELECT count(*) FROM binding"), 1);
    house.restart();
    assert_eq!(house.devices.identify(ip("10.0.0.2")), Some(twice));
    assert_eq!(house.devices.identify(ip("10.0.0.1")), None);
}

#[test]
fn numbers_survive_a_restart_and_none_is_used_twice() {
    let mut house = House::new();
    let tv = house.configure(&[("TV", &["10.0.0.9"])])[0];
    let unwritten = house.ask("10.0.0.1", 1);
    house.restart();
    assert_eq!(house.devices.find_by_address(ip("10.0.0.9")), Some(tv));
    assert_eq!(house.configure(&[("TV", &["10.0.0.9"])]), [tv]);
    let next = house.ask("10.0.0.2", 2);
    assert!(next.id > unwritten.id && next.device > unwritten.device);
}

#[test]
fn a_new_name_for_the_same_addresses_is_the_same_device() {
    let mut house = House::new();
    let old = house.configure(&[("TV", &["10.0.0.9", "10.0.1.0/24"]), ("PC", &["10.0.0.8"])]);
    house.restart();
    let new = house.configure(&[("PC", &["10.0.0.8"]), ("Telly", &["10.0.1.0/24", "10.0.0.9"])]);
    assert_eq!(new, [old[1], old[0]]);
    assert_eq!(house.devices.name(old[0]).as_deref(), Some("Telly"));
    let other = house.configure(&[("Box", &["10.0.0.9"])]);
    assert_ne!(other[0], old[0], "not exactly the same addresses");
    assert_eq!(house.devices.name(old[0]).as_deref(), Some("Telly"), "the log refers to it");
    assert!(house.devices.list().iter().all(|d| d.name != "Telly"), "it never asked");
}

#[test]
fn naming_an_address_takes_its_past_and_unnaming_gives_it_back() {
    let house = House::new();
    let before = house.ask("10.0.0.5", 3);
    let tv = house.configure(&[("TV", &["10.0.0.5"])])[0];
    assert_ne!(tv, before.device, "a part keeps its number");
    assert_eq!(house.named("TV").parts, [tv, before.part]);
    assert_eq!(house.named("TV").first_seen, NOW);
    assert_eq!(house.devices.name(before.part).as_deref(), Some("TV"));
    let after = house.ask("10.0.0.5", 1);
    assert_eq!((after.grade, after.device, after.part), (Grade::Address, tv, tv));
    assert_ne!(after.id, before.id);
    house.configure(&[]);
    assert!(!house.named("TV").named);
    assert_eq!(house.named("10.0.0.5").parts, [before.part]);
    assert_eq!(house.devices.identify(ip("10.0.0.5")), None);
    assert_eq!(house.ask("10.0.0.5", 1).part, before.part);
    assert_eq!(house.configure(&[("TV", &["10.0.0.5"])]), [tv], "undone");
    assert_eq!(house.named("TV").parts, [tv, before.part]);
}

#[test]
fn addresses_that_move_to_another_device_are_bound_anew() {
    let house = House::new();
    let ids = house.configure(&[("Guests", &["10.0.0.0/8"])]);
    let first = house.ask("10.1.1.1", 2);
    let bystander = house.ask("10.2.2.2", 2);
    house.clock.advance(1_000_000);
    let ids =
        [ids[0], house.configure(&[("Guests", &["10.0.0.0/8"]), ("TV", &["10.1.0.0/16"])])[1]];
    assert_eq!(house.devices.identify(ip("10.1.1.1")), None);
    assert_eq!(house.devices.identify(ip("10.2.2.2")), Some(bystander));
    let second = house.ask("10.1.1.1", 2);
    assert_eq!((first.device, second.device), (ids[0], ids[1]));
    house.devices.flush().expect("written");
    assert_eq!(house.rows("SELECT count(*) FROM binding WHERE address='10.1.1.1'"), 2);
    let ended = "SELECT ended FROM binding WHERE address='10.1.1.1' AND ended IS NOT NULL";
    assert_eq!(house.rows(ended), NOW + 1_000_000);
}

#[test]
fn past_the_bound_addresses_share_a_device_but_named_prefixes_hold() {
    let mut house = House::new();
    let lab = house.configure(&[("Lab", &["fd00::/64"])])[0];
    for number in 0..MAX_ADMITTED as u32 {
        house
            .devices
            .admit(std::net::Ipv4Addr::from(0x0a00_0000 + number).into(), house.clock.now());
    }
    let (one, two) = (house.ask("172.16.0.1", 1), house.ask("172.16.0.2", 1));
    assert_eq!(one, two);
    assert_eq!(house.devices.name(one.device).as_deref(), Some(OTHERS));
    assert_eq!(house.admit("fd00::7").device, lab);
    house.devices.flush().expect("written");
    house.restart();
    assert_eq!(house.devices.name(one.device).as_deref(), Some(OTHERS));
}

#[test]
fn when_room_is_short_idle_addresses_are_let_go_and_return_as_themselves() {
    let house = House::new();
    let now = house.clock.now();
    let addresses = || (0..MAX_ADMITTED as u32).map(|n| std::net::Ipv4Addr::from(0x0a00_0000 + n));
    let idle: Vec<Binding> = addresses().map(|a| house.devices.admit(a.into(), now)).collect();
    house.clock.advance(2 * 86_400_000_000);
    house.ask("10.0.0.0", 1);
    house.devices.flush().expect("written");
    assert_eq!(house.devices.identify(ip("10.0.0.0")), Some(idle[0]));
    assert_eq!(house.devices.identify(ip("10.0.0.1")), None);
    let back = house.admit("10.0.0.1");
    assert_eq!(back.device, idle[1].device);
    assert_ne!(back.id, idle[1].id);
}

#[test]
fn a_forgotten_device_begins_anew() {
    let mut house = House::new();
    let tv = house.configure(&[("TV", &["10.0.0.0/24"])])[0];
    let (nameless, within) = (house.ask("192.168.0.1", 2), house.ask("10.0.0.7", 2));
    house.devices.flush().expect("written");
    house.devices.forget(nameless.device).expect("forgotten");
    house.devices.forget(tv).expect("forgotten");
    assert_eq!(house.devices.identify(ip("192.168.0.1")), None);
    assert_eq!(house.devices.name(nameless.device), None);
    assert_eq!((house.named("TV").id, house.named("TV").first_seen), (tv, 0));
    house.devices.seen(&[(nameless.id, NOW, 5), (within.id, NOW, 5)]);
    house.devices.flush().expect("written");
    assert_eq!(house.rows("SELECT count(*) FROM binding"), 0);
    house.restart();
    assert_eq!(house.devices.list().len(), 1);
    assert_ne!(house.ask("192.168.0.1", 1).device, nameless.device);
}

#[test]
fn the_latest_query_is_known_at_once_and_written_once_a_minute() {
    let mut house = House::new();
    house.configure(&[("TV", &["10.0.0.1"])]);
    for (wait, written) in [(30, 30), (59, 30), (2, 91)] {
        house.clock.advance(wait * 1_000_000);
        house.ask("10.0.0.1", 1);
        assert_eq!(house.named("TV").last_seen, house.clock.now().wall);
        house.devices.flush().expect("written");
        assert_eq!(house.rows("SELECT last_seen FROM device"), NOW + written * 1_000_000);
    }
    house.restart();
    assert_eq!(house.named("TV").first_seen, NOW + 30_000_000);
}

#[test]
fn what_cannot_be_written_is_in_force_and_written_later() {
    let mut house = House::new();
    let block = "CREATE TRIGGER full BEFORE INSERT ON device BEGIN SELECT RAISE(FAIL, 'full'); END";
    house.state.with(|c| c.execute_batch(block)).expect("a trigger");
    let tv = house.configure(&[("TV", &["10.0.0.1"])])[0];
    assert_eq!(house.admit("10.0.0.1").device, tv);
    assert!(house.devices.flush().is_err());
    house.state.with(|c| c.execute_batch("DROP TRIGGER full")).expect("dropped");
    house.devices.flush().expect("written");
    house.restart();
    assert_eq!(house.named("TV").id, tv);
}

#[test]
fn while_nothing_can_be_written_the_past_that_waits_is_bounded() {
    let house = House::new();
    let block = "CREATE TRIGGER full BEFORE INSERT ON device BEGIN SELECT RAISE(FAIL, 'full'); END";
    house.state.with(|c| c.execute_batch(block)).expect("a trigger");
    for turn in 0..MAX_UNWRITTEN + 500 {
        house.see("10.0.0.5", Some(1 + (turn % 2) as u8));
        house.ask("10.0.0.5", 2);
    }
    assert!(house.devices.flush().is_err());
    let register = house.devices.register();
    assert!(register.unwritten.bindings.len() <= MAX_UNWRITTEN);
    assert!(register.bindings.len() <= MAX_UNWRITTEN + 2, "{}", register.bindings.len());
    drop(register);
    assert!(house.devices.identify(ip("10.0.0.5")).is_some(), "who is there stays bound");
}

#[test]
fn after_the_loss_of_state_db_no_old_number_is_used_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    std::fs::write(&path, "rubbish ".repeat(1_000)).expect("written");
    let state = Arc::new(Database::open(&path, STATE_MIGRATIONS).expect("a new one"));
    let clock = Clock::manual(NOW);
    let devices =
        Devices::open(&Default::default(), state.clone(), clock.clone()).expect("devices");
    let tv = devices.configure(&[device("TV", &["10.0.0.1"])], clock.now())[0];
    assert!(tv.0 >= 1 << 31);
}

fn mac(last: u8) -> HardwareAddress {
    HardwareAddress([0x3c, 0x5a, 0xb4, 1, 2, last])
}

impl House {
    fn see(&self, address: &str, hardware: Option<u8>) {
        let hardware = hardware.map(mac);
        let news = Neighbour { address: ip(address), hardware, interface: 2, reachable: true };
        self.devices.take_neighbours(&[news], self.clock.now());
    }

    fn lease(&self, leases: &[(&str, u8)]) {
        let lease = |(address, hardware): &(&str, u8)| Lease {
            address: ip(address),
            hardware: Some(mac(*hardware)),
            host_name: None,
            until: None,
        };
        let leases: Vec<Lease> = leases.iter().map(lease).collect();
        self.devices.take_leases("file", &leases, self.clock.now());
    }

    fn configure_hardware(&self, named: &[(&str, &[&str], &[u8])]) -> Vec<DeviceId> {
        let device = |(name, addresses, hardware): &(&str, &[&str], &[u8])| NamedDevice {
            hardware: hardware.iter().map(|last| mac(*last)).collect(),
            ..device(name, addresses)
        };
        let named: Vec<NamedDevice> = named.iter().map(device).collect();
        self.devices.configure(&named, self.clock.now())
    }

    fn hint(&self, address: &str, name: &str) {
        let text = HintText { name: Some(name.into()), ..HintText::default() };
        let hint = Hint { address: ip(address), source: HintSource::Mdns, text };
        self.devices.take_hints(&[hint], self.clock.now());
    }
}

#[test]
fn all_addresses_of_one_hardware_address_are_one_device() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    house.see("fd00::1", Some(1));
    assert!(house.devices.list().is_empty(), "only what asked is a device");
    let (one, two) = (house.ask("10.0.0.5", 2), house.ask("fd00::1", 2));
    assert_eq!((one.part, one.grade), (two.part, Grade::Hardware));
    assert_ne!(one.id, two.id);
    let device = &house.devices.list()[0];
    assert_eq!(
        (device.name.as_str(), device.key.as_str()),
        ("Google", "3c:5a:b4:01:02:01"),
        "the maker's name is better than none"
    );
    assert_eq!(device.addresses, [ip("10.0.0.5"), ip("fd00::1")]);
    assert_eq!((device.hardware.as_slice(), device.grade), (&[mac(1)][..], Some(Grade::Hardware)));
}

#[test]
fn an_address_handed_on_is_bound_anew_and_the_past_stays() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    let first = house.ask("10.0.0.5", 2);
    house.clock.advance(1_000_000);
    house.see("10.0.0.5", Some(2));
    assert_eq!(house.devices.identify(ip("10.0.0.5")), None, "published at once");
    let second = house.ask("10.0.0.5", 2);
    assert_ne!(first.part, second.part);
    house.devices.flush().expect("written");
    let past = house.devices.bindings(first.part).expect("bindings");
    assert_eq!((past[0].id, past[0].ended), (first.id, Some(NOW + 1_000_000)));
    assert_eq!(past[0].evidence, "3c:5a:b4:01:02:01 on interface 2");
    house.see("10.0.0.5", Some(1));
    let third = house.ask("10.0.0.5", 1);
    assert_eq!(third.part, first.part);
    assert_ne!(third.id, first.id);
}

#[test]
fn a_device_that_slept_goes_on_and_a_stranger_at_its_address_does_not() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    let before = house.ask("10.0.0.5", 2);
    house.see("10.0.0.5", None);
    assert_eq!(house.devices.identify(ip("10.0.0.5")), None, "the next query is looked up");
    assert_eq!(house.devices.list()[0].addresses, [ip("10.0.0.5")], "asleep");
    house.see("10.0.0.5", Some(1));
    assert_eq!(house.devices.identify(ip("10.0.0.5")), Some(before));
    house.see("10.0.0.5", None);
    let stranger = house.ask("10.0.0.5", 2);
    assert_ne!(stranger.part, before.part, "nothing is known of it");
    assert_eq!(stranger.grade, Grade::Address);
}

#[test]
fn an_address_asleep_belongs_to_its_lease() {
    let house = House::new();
    house.lease(&[("10.0.0.5", 1)]);
    house.see("10.0.0.5", Some(1));
    let seen = house.ask("10.0.0.5", 2);
    house.see("10.0.0.5", None);
    let leased = house.ask("10.0.0.5", 2);
    assert_eq!((leased.part, leased.grade), (seen.part, Grade::Lease));
    house.lease(&[("10.0.0.5", 2)]);
    assert_eq!(house.devices.identify(ip("10.0.0.5")), None);
    assert_ne!(house.ask("10.0.0.5", 2).part, seen.part);
    house.lease(&[]);
    assert_eq!(house.ask("10.0.0.5", 2).grade, Grade::Address);
}

#[test]
fn what_the_kernel_tells_ends_what_rested_on_the_address_alone() {
    let house = House::new();
    let alone = house.ask("10.0.0.5", 2);
    house.see("10.0.0.5", Some(1));
    let seen = house.ask("10.0.0.5", 2);
    assert_ne!(alone.part, seen.part);
    assert_eq!(seen.grade, Grade::Hardware);
}

#[test]
fn after_a_restart_hardware_is_seen_again_before_it_counts() {
    let mut house = House::new();
    let tv = house.configure_hardware(&[("TV", &[], &[1])])[0];
    house.see("10.0.0.5", Some(1));
    let before = house.ask("10.0.0.5", 2);
    assert_eq!(before.device, tv);
    house.devices.flush().expect("written");
    house.restart();
    assert_eq!(house.devices.identify(ip("10.0.0.5")), None);
    house.see("10.0.0.5", Some(1));
    assert_eq!(house.devices.identify(ip("10.0.0.5")), Some(before), "the same binding");
    house.restart();
    house.see("10.0.0.5", Some(2));
    assert_ne!(house.ask("10.0.0.5", 1).device, tv);
}

#[test]
fn after_a_restart_leases_count_until_their_source_has_spoken() {
    let mut house = House::new();
    let tv = house.configure_hardware(&[("TV", &[], &[1])])[0];
    house.lease(&[("10.9.0.5", 1)]);
    let before = house.ask("10.9.0.5", 2);
    assert_eq!((before.device, before.grade), (tv, Grade::Lease));
    house.devices.flush().expect("written");
    house.restart();
    assert_eq!(house.devices.identify(ip("10.9.0.5")), Some(before));
    house.clock.advance(61_000_000);
    house.devices.flush().expect("written");
    assert_ne!(house.ask("10.9.0.5", 1).device, tv);
}

#[test]
fn a_clock_set_by_a_year_neither_ends_leases_nor_binds_anew() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    let until = Some(NOW / 1_000_000 + 3_600);
    let lease = Lease { address: ip("10.9.0.5"), hardware: Some(mac(2)), host_name: None, until };
    house.devices.take_leases("file", &[lease], house.clock.now());
    let (seen, leased) = (house.ask("10.0.0.5", 2), house.ask("10.9.0.5", 2));
    for year in [366, -732, 366] {
        house.clock.set_by(year * 86_400_000_000);
        house.devices.flush().expect("written");
        assert_eq!(house.devices.identify(ip("10.0.0.5")), Some(seen));
        assert_eq!(house.devices.identify(ip("10.9.0.5")), Some(leased));
    }
    house.clock.advance(3_601_000_000);
    house.devices.flush().expect("written");
    assert_eq!(house.devices.identify(ip("10.9.0.5")), None, "the hour has passed");
}

#[test]
fn what_a_clock_a_year_ahead_told_is_mended_once_it_is_set_back() {
    let mut house = House::new();
    let year = 365 * 86_400_000_000;
    house.clock.set_by(year);
    let early = house.ask("10.0.0.1", 2);
    house.devices.flush().expect("written");
    house.clock.set_by(-year);
    assert_eq!(house.ask("10.0.0.1", 1), early);
    house.devices.flush().expect("written");
    house.restart();
    let shown = house.named("10.0.0.1");
    assert_eq!((shown.first_seen, shown.last_seen), (NOW, NOW));
    house.see("10.0.0.1", Some(1));
    let past = &house.devices.bindings(early.part).expect("read")[0];
    assert!(past.ended.is_some_and(|ended| ended >= past.began), "{past:?}");
}

#[test]
fn parts_move_with_the_policy_and_an_undone_merge_restores_all() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    house.see("10.0.0.6", Some(2));
    let apart: &[(&str, &[&str], &[u8])] =
        &[("Phone", &[], &[1]), ("Old phone", &[], &[2]), ("Box", &["10.0.0.9"], &[])];
    let ids = house.configure_hardware(apart);
    let (one, two, boxed) =
        (house.ask("10.0.0.5", 2), house.ask("10.0.0.6", 2), house.ask("10.0.0.9", 2));
    let before = house.devices.list();
    house.configure_hardware(&[("Phone", &["10.0.0.9"], &[1, 2])]);
    assert_eq!(
        house.devices.identify(ip("10.0.0.6")),
        Some(Binding { device: ids[0], ..two }),
        "the binding goes on under another policy"
    );
    let mut parts = house.named("Phone").parts;
    parts.sort_unstable();
    let mut all = vec![ids[0], ids[1], ids[2], one.part, two.part];
    all.sort_unstable();
    assert_eq!(parts, all, "Box's own number too: all it was named by is Phone's");
    assert_eq!(boxed.part, ids[2]);
    house.configure_hardware(&[("Phone", &["10.0.0.9"], &[1])]);
    assert!(!house.named("Phone").parts.contains(&two.part), "split");
    assert_eq!(house.configure_hardware(apart), ids);
    house.ask("10.0.0.9", 0);
    let after = house.devices.list();
    let told = |devices: &[Device]| -> Vec<_> {
        devices
            .iter()
            .map(|d| (d.id, d.name.clone(), d.parts.clone(), d.addresses.clone()))
            .collect()
    };
    assert_eq!(told(&before), told(&after));
}

#[test]
fn a_device_deleted_long_ago_lends_its_past_to_nobody() {
    let house = House::new();
    let old = house.configure(&[("TV", &["10.0.0.5"])])[0];
    house.ask("10.0.0.5", 2);
    house.configure(&[]);
    house.configure(&[("Console", &["10.0.0.5"])]);
    assert!(!house.named("Console").parts.contains(&old));
}

#[test]
fn hardware_at_a_named_address_is_that_device_at_its_other_addresses_too() {
    let house = House::new();
    let tv = house.configure(&[("TV", &["10.0.0.5"])])[0];
    house.see("10.0.0.5", Some(1));
    house.see("fd00::1", Some(1));
    let other = house.ask("fd00::1", 2);
    assert_eq!((other.device, other.part, other.grade), (tv, tv, Grade::Address));
    house.see("10.0.0.5", None);
    assert_eq!(house.devices.identify(ip("fd00::1")), Some(other), "asleep, still at home");
    house.see("10.0.0.6", Some(1));
    assert_ne!(house.ask("fd00::1", 2).device, tv, "it has moved");
    house.see("10.0.0.5", Some(1));
    assert_ne!(house.ask("fd00::1", 2).device, tv, "or several hosts are behind it");
    assert_eq!(house.ask("10.0.0.5", 2).device, tv);
}

#[test]
fn an_address_that_is_forgotten_is_no_home_for_who_comes_there_later() {
    let house = House::new();
    let tv = house.configure(&[("TV", &["10.0.0.5"])])[0];
    house.see("10.0.0.5", Some(1));
    house.see("fd00::1", Some(1));
    house.see("10.0.0.5", None);
    assert_eq!(house.ask("fd00::1", 2).device, tv);
    house.clock.advance(25 * 3_600_000_000);
    house.devices.flush().expect("written");
    house.see("10.0.0.5", Some(2));
    assert_eq!(house.ask("10.0.0.5", 2).device, tv);
    assert_ne!(house.ask("fd00::1", 2).device, tv, "another is at the named address");
}

#[test]
fn an_address_that_made_room_is_no_home_any_more() {
    let house = House::new();
    let tv = house.configure(&[("TV", &["fd00::5"])])[0];
    for host in ["fd00::5", "fd00::1"] {
        house.see(host, Some(1));
    }
    assert_eq!(house.ask("fd00::1", 2).device, tv);
    for number in 0..255 {
        // Heard again, it is not the oldest one.
        house.see("fd00::1", None);
        house.see("fd00::1", Some(1));
        house.see(&format!("fd00::1:{number:x}"), Some(1));
    }
    assert_ne!(house.ask("fd00::1", 2).device, tv);
}

#[test]
fn a_link_local_address_on_two_links_is_held_to_be_neither_hosts() {
    let house = House::new();
    let tv = house.configure_hardware(&[("TV", &[], &[1])])[0];
    let row = |hardware: Option<u8>, interface| Neighbour {
        address: ip("fe80::1"),
        hardware: hardware.map(mac),
        interface,
        reachable: true,
    };
    let see = |hardware, interface| {
        house.devices.take_neighbours(&[row(hardware, interface)], house.clock.now());
    };
    see(Some(1), 2);
    assert_eq!(house.ask("fe80::1", 2).device, tv);
    for (of_tv, of_other) in [(2, 3), (3, 2)] {
        see(Some(2), of_other);
        assert_ne!(house.ask("fe80::1", 2).device, tv, "another link has such a host too");
        see(Some(1), of_tv);
        assert_ne!(house.ask("fe80::1", 2).device, tv, "news of one do not end the other");
        see(None, of_other);
        assert_eq!(house.ask("fe80::1", 2).device, tv, "it is alone again");
        see(Some(2), of_other);
        see(None, of_tv);
        let other = house.ask("fe80::1", 2);
        assert_eq!((other.device != tv, other.grade), (true, Grade::Hardware));
        see(None, of_other);
        see(Some(1), of_other);
        assert_eq!(house.ask("fe80::1", 2).device, tv, "it has moved to the other link");
    }
    see(Some(2), 3);
    house.devices.replace_neighbours(&[row(Some(2), 3)], house.clock.now());
    assert_eq!(house.ask("fe80::1", 2).grade, Grade::Hardware);
    assert_ne!(house.ask("fe80::1", 2).device, tv, "news that it went were lost");
    see(Some(1), 2);
    house.devices.replace_neighbours(&[row(Some(1), 2)], house.clock.now());
    assert_eq!(house.ask("fe80::1", 2).device, tv);
}

#[test]
fn forwarders_speak_for_others_and_nobody_else_does() {
    let state = Arc::new(Database::memory(STATE_MIGRATIONS).expect("a database"));
    let clock = Clock::manual(NOW);
    let settings = Settings { forwarders: vec!["192.168.1.1".parse().expect("a prefix")] };
    let devices = Devices::open(&settings, state, clock.clone()).expect("devices");
    let router = ip("192.168.1.1");
    assert!(devices.is_forwarder(router) && !devices.is_forwarder(ip("192.168.1.2")));
    let named = NamedDevice { hardware: vec![mac(1)], ..device("TV", &[]) };
    let tv = devices.configure(&[named], clock.now())[0];
    let (hardware, address) = (Claim::Hardware(mac(1)), Claim::Address(ip("10.0.0.7")));
    assert_eq!(devices.identify_claim(router, hardware), None);
    let claimed = devices.admit_claim(router, hardware, clock.now());
    assert_eq!((claimed.device, claimed.grade), (tv, Grade::Forwarder));
    clock.advance(PUBLISH_EVERY);
    let other = devices.admit_claim(router, address, clock.now());
    assert_eq!(devices.identify_claim(router, address), Some(other));
    assert_eq!(devices.identify_claim(router, hardware), Some(claimed));
    let own = devices.admit(ip("10.0.0.7"), clock.now());
    assert_eq!((own.part, own.grade), (other.part, Grade::Address));
    let news = [Neighbour {
        address: ip("10.0.0.7"),
        hardware: Some(mac(1)),
        interface: 1,
        reachable: true,
    }];
    devices.take_neighbours(&news, clock.now());
    assert_eq!(devices.admit_claim(router, address, clock.now()).device, tv);
}

#[test]
fn only_hardware_of_its_own_is_vouched_for() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    house.see("10.0.0.1", Some(9));
    house.see("fd00::1", Some(9));
    let seen = house.ask("10.0.0.5", 1);
    house.ask("10.0.0.66", 1);
    house.ask("fd00::1", 1);
    house.clock.advance(PUBLISH_EVERY);
    house.devices.flush().expect("written");
    assert_eq!(house.devices.vouch(ip("10.0.0.5")), Some(seen.device));
    assert_eq!(house.devices.vouch(ip("10.0.0.66")), None, "by its address alone");
    assert_eq!(house.devices.vouch(ip("10.0.0.99")), None);
    assert!(house.devices.vouch(ip("fd00::1")).is_some());
    house.devices.take_routers(&[ip("10.0.0.1")]);
    assert_eq!(house.devices.vouch(ip("fd00::1")), None, "the router's hardware");
    house.see("10.0.0.6", Some(1));
    assert_eq!(house.devices.vouch(ip("10.0.0.5")), None, "several addresses");
    house.see("10.0.0.6", None);
    assert_eq!(house.devices.vouch(ip("10.0.0.5")), Some(seen.device));
    house.see("10.0.0.5", Some(2));
    house.see("10.0.0.5", Some(1));
    house.ask("10.0.0.5", 1);
    house.devices.flush().expect("written");
    assert_eq!(house.devices.vouch(ip("10.0.0.5")), None, "contested");
}

#[test]
fn what_happens_is_told_once() {
    let house = House::new();
    let tv = house.configure(&[("TV", &["10.0.0.5"])])[0];
    house.see("10.0.0.5", Some(1));
    house.ask("10.0.0.5", 2);
    assert_eq!(house.devices.happenings(), []);
    house.see("10.0.0.9", Some(1));
    let moved = house.ask("10.0.0.9", 2);
    assert_ne!(moved.device, tv);
    let was = DeviceName::parse("TV").expect("a name");
    let fell = Happening::FellToDefault { device: moved.device, was, address: ip("10.0.0.9") };
    assert_eq!(house.devices.happenings(), [fell]);
    house.see("fd00::9", Some(1));
    house.ask("fd00::9", 2);
    assert_eq!(house.devices.happenings(), []);
    let new = house.ask("10.0.0.77", 1);
    assert_eq!(house.devices.happenings(), [Happening::New(new.device)]);
    house.see("10.0.0.77", Some(7));
    house.ask("10.0.0.77", 1);
    assert_eq!(house.devices.happenings(), [], "the same, better known");
    for (round, expected) in [(0, 1), (1, 0)] {
        house.see("10.0.0.77", Some(8 - round));
        house.see("10.0.0.77", Some(7 + round));
        assert_eq!(house.devices.happenings().len(), expected);
    }
}

#[test]
fn a_named_device_that_loses_its_lease_falls_loudly_and_one_unnamed_by_hand_does_not() {
    let house = House::new();
    house.configure_hardware(&[("TV", &[], &[1])]);
    house.lease(&[("10.9.0.5", 1), ("10.9.0.6", 1)]);
    house.ask("10.9.0.5", 2);
    house.ask("10.9.0.6", 2);
    house.lease(&[("10.9.0.6", 1)]);
    house.ask("10.9.0.5", 1);
    assert!(matches!(house.devices.happenings()[..], [Happening::FellToDefault { .. }]));
    house.configure(&[]);
    house.lease(&[]);
    house.ask("10.9.0.6", 1);
    assert!(matches!(house.devices.happenings()[..], [Happening::New(_)]));
}

#[test]
fn several_hosts_behind_one_hardware_address_are_told() {
    let house = House::new();
    for address in ["10.0.0.5", "10.0.0.6", "10.0.0.7"] {
        house.see(address, Some(1));
        house.ask(address, 2);
    }
    house.clock.advance(61_000_000);
    house.ask("10.0.0.5", 1);
    house.devices.flush().expect("written");
    let shared = Happening::SharedHardware { hardware: mac(1), addresses: 3 };
    assert!(house.devices.happenings().contains(&shared));
    house.clock.advance(61_000_000);
    house.devices.flush().expect("written");
    assert_eq!(house.devices.happenings(), []);
}

#[test]
fn a_new_private_address_of_a_named_phone_that_fell_silent_is_told() {
    let house = House::new();
    house.configure_hardware(&[("Ann's phone", &[], &[1])]);
    house.see("10.0.0.5", Some(1));
    house.ask("10.0.0.5", 2);
    house.hint("10.0.0.5", "anns-iphone");
    house.clock.advance(3_600_000_000);
    house.see("10.0.0.6", Some(2));
    let new = house.ask("10.0.0.6", 2);
    house.hint("10.0.0.6", "Anns-iPhone");
    house.devices.happenings();
    house.clock.advance(400_000_000);
    house.ask("10.0.0.6", 1);
    house.devices.flush().expect("written");
    let was = DeviceName::parse("Ann's phone").expect("a name");
    let fell = Happening::FellToDefault { device: new.device, was, address: ip("10.0.0.6") };
    assert_eq!(house.devices.happenings(), [fell]);
}

#[test]
fn hints_are_kept_with_the_hardware_and_survive_a_restart() {
    let mut house = House::new();
    house.see("10.0.0.5", Some(1));
    house.hint("10.0.0.5", "a\u{202e}b\n");
    let asked = house.ask("10.0.0.5", 2);
    house.devices.flush().expect("written");
    house.restart();
    let hints = house.devices.hints(asked.device);
    assert_eq!(hints[0].1.name.as_deref(), Some("ab"));
    house.devices.forget(asked.device).expect("forgotten");
    house.restart();
    assert_eq!(house.rows("SELECT count(*) FROM device_hint"), 0);
}

#[test]
fn state_of_the_version_before_keeps_its_devices_and_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.db");
    let old = Database::open(&path, &STATE_MIGRATIONS[..2]).expect("an old one");
    let rows = "INSERT INTO device VALUES(1, 'TV', 1, 5, 9), (2, '10.0.0.9', 0, 5, 9);
        INSERT INTO binding VALUES(3, '10.0.0.5', 1, 'named', 'policy', 5, NULL),
            (4, '10.0.0.9', 2, 'address', 'address', 5, NULL)";
    old.with(|c| c.execute_batch(rows)).expect("written");
    drop(old);
    let state = Arc::new(Database::open(&path, STATE_MIGRATIONS).expect("a new one"));
    let clock = Clock::manual(NOW);
    let devices = Devices::open(&Default::default(), state, clock.clone()).expect("devices");
    assert_eq!(devices.find_by_address(ip("10.0.0.5")), Some(DeviceId(1)));
    assert_eq!(devices.identify(ip("10.0.0.9")).map(|b| b.part), Some(DeviceId(2)));
    assert_eq!(devices.configure(&[device("Telly", &["10.0.0.5"])], clock.now()), [DeviceId(1)]);
    let bindings = devices.bindings(DeviceId(1)).expect("bindings");
    assert_eq!((bindings[0].id, bindings[0].ended), (BindingId(3), Some(9)));
}

#[test]
fn ten_thousand_addresses_in_a_minute_are_bounded_and_a_standing_one_never_misses() {
    let house = House::new();
    house.see("10.0.0.5", Some(1));
    let standing = house.ask("10.0.0.5", 2);
    house.devices.flush().expect("written");
    for number in 0..80_000_u32 {
        let address = std::net::Ipv6Addr::from(0xfd00 << 112 | u128::from(number)).into();
        let hardware = Some(HardwareAddress([
            2,
            7,
            0,
            (number >> 16) as u8,
            (number >> 8) as u8,
            number as u8,
        ]));
        let news = |hardware| Neighbour { address, hardware, interface: 2, reachable: true };
        house.devices.take_neighbours(&[news(hardware)], house.clock.now());
        let binding = house.devices.admit(address, house.clock.now());
        house.devices.seen(&[(binding.id, house.clock.now().wall, 1)]);
        house.devices.take_neighbours(&[news(None)], house.clock.now());
        house.clock.advance(6_000);
        assert_eq!(house.devices.identify(ip("10.0.0.5")), Some(standing));
        if number % 1_000 == 0 {
            house.devices.flush().expect("written");
        }
    }
    let register = house.devices.register();
    assert!(register.seats.len() <= MAX_ADMITTED);
    assert!(register.bindings.len() <= 2 * MAX_ADMITTED);
    assert!(register.devices.len() <= 4 * MAX_ADMITTED, "{}", register.devices.len());
    assert!(register.facts.len() <= MAX_ADMITTED);
}

#[test]
fn one_hardware_address_has_no_more_than_256_addresses() {
    let house = House::new();
    let first = house.clock.now();
    for number in 0..400_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
        house.see(&address, Some(1));
        house.devices.admit(ip(&address), first);
    }
    let register = house.devices.register();
    assert_eq!((register.seats.len(), register.facts.len()), (256, 256));
}

#[test]
fn past_the_bound_hardware_that_the_policy_names_is_still_its_device() {
    let house = House::new();
    let tv = house.configure_hardware(&[("TV", &[], &[1])])[0];
    for number in 0..MAX_ADMITTED as u32 {
        let flood = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        house.devices.admit(flood.into(), house.clock.now());
    }
    house.see("192.168.1.7", Some(1));
    house.see("192.168.1.8", Some(2));
    let (named, other) = (house.ask("192.168.1.7", 1), house.ask("192.168.1.8", 1));
    assert_eq!(named.device, tv);
    assert_eq!(house.devices.name(other.device).as_deref(), Some(OTHERS));
    assert_ne!(named.part, other.part, "its queries are not the others'");
}

#[test]
fn neighbours_that_are_gone_leave_room_for_those_that_are_there() {
    let house = House::new();
    let tv = house.configure_hardware(&[("TV", &[], &[1])])[0];
    let made_up = |number: u32, there: bool| {
        let [_, b, c, d] = number.to_be_bytes();
        let hardware = there.then_some(HardwareAddress([2, 0, 0, b, c, d]));
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number).into();
        Neighbour { address, hardware, interface: 2, reachable: there }
    };
    for there in [true, false] {
        let flood: Vec<Neighbour> = (0..70_000).map(|number| made_up(number, there)).collect();
        house.devices.take_neighbours(&flood, house.clock.now());
    }
    house.clock.advance(60_000_000);
    house.see("192.168.1.7", Some(1));
    assert_eq!(house.ask("192.168.1.7", 1).device, tv);
    assert!(house.devices.register().facts.len() < 70_000);
}

#[test]
fn a_claim_of_hardware_follows_what_is_seen_of_that_hardware() {
    let house = House::new();
    let tv = house.configure(&[("TV", &["10.0.0.5"])])[0];
    let router = ip("192.168.1.1");
    let claims = [Claim::Hardware(mac(1)), Claim::Both(mac(1), ip("10.9.9.9"))];
    let bound = |claim| house.devices.identify_claim(router, claim).map(|bound| bound.device);
    house.see("10.0.0.5", Some(1));
    for claim in claims {
        house.devices.admit_claim(router, claim, house.clock.now());
        house.clock.advance(PUBLISH_EVERY);
    }
    house.devices.flush().expect("written");
    assert_eq!(claims.map(bound), [Some(tv); 2]);
    house.see("10.0.0.5", Some(2));
    assert_eq!(claims.map(bound), [None; 2], "another is at the named address");
    for claim in claims {
        let anew = house.devices.admit_claim(router, claim, house.clock.now());
        assert_ne!(anew.device, tv);
    }
}

#[test]
fn addresses_that_a_forwarder_makes_up_for_one_hardware_address_are_bounded_and_its_own() {
    let house = House::new();
    let tv = house.configure_hardware(&[("TV", &[], &[1])])[0];
    for number in 0..2_000_u32 {
        let claim = Claim::Both(mac(1), std::net::Ipv4Addr::from(0x0a00_0000 + number).into());
        let claimed = house.devices.admit_claim(ip("192.168.1.1"), claim, house.clock.now());
        assert_eq!(claimed.device, tv);
    }
    assert_eq!(house.devices.register().seats.len(), 1_024);
}

#[test]
fn hardware_made_up_for_one_address_is_let_go_within_minutes() {
    let house = House::new();
    let limit = 3 * MAX_ADMITTED as u32;
    for number in 0..limit + 1_000 {
        let [_, b, c, d] = number.to_be_bytes();
        let part = Part::Hardware(HardwareAddress([2, 0, 0, b, c, d]));
        let row = DeviceRow { last_seen: NOW, ..DeviceRow::of(Subject::Part(part)) };
        house.devices.register().devices.insert(DeviceId(1_000 + number), row);
    }
    house.clock.advance(61_000_000);
    house.devices.flush().expect("written");
    assert!(house.devices.register().devices.len() <= limit as usize);
}

#[test]
fn only_the_latest_bindings_of_the_past_are_kept() {
    let house = House::new();
    let first = house.ask("10.0.0.1", 2);
    house.see("10.0.0.1", Some(1));
    house.devices.flush().expect("written");
    let flood = "INSERT INTO binding(id, address, device, grade, source, began, ended)
        WITH RECURSIVE n(id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM n WHERE id < 270000)
        SELECT id, '10.0.0.2', 7, 'address', 'address', ?1, ?1 FROM n";
    house.state.with(|connection| connection.execute(flood, [NOW])).expect("written");
    assert_eq!(house.devices.bindings(first.part).expect("read").len(), 1);
    house.clock.advance(2 * 3_600_000_000);
    house.devices.flush().expect("written");
    assert_eq!(house.devices.bindings(first.part).expect("read").len(), 0);
    assert_eq!(house.rows("SELECT count(*) FROM binding WHERE ended IS NOT NULL"), 262_144);
}

/// An address and the hardware that has it.
type Row = (u8, u8);

/// Who is held to ask, told from the rules as they are written, one after the other.
fn naive_owner(
    address: u8,
    (kernel, leases): (&[Row], &[Row]),
    policy: &[(Vec<u8>, Vec<u8>)],
) -> (Option<usize>, Option<u8>) {
    let find = |rows: &[Row]| rows.iter().rev().find(|row| row.0 == address).map(|row| row.1);
    let hardware = find(kernel).or_else(|| find(leases));
    let by_hardware = |m: u8| policy.iter().position(|(_, hardware)| hardware.contains(&m));
    let by_address = |a: u8| policy.iter().position(|(addresses, _)| addresses.contains(&a));
    if let Some(owner) = hardware.and_then(by_hardware) {
        return (Some(owner), hardware);
    }
    if let Some(owner) = by_address(address) {
        return (Some(owner), None);
    }
    let Some(hardware) = hardware else { return (None, None) };
    let mut homes: Vec<u8> = Vec::new();
    for place in 0..8 {
        let now = kernel.iter().rev().find(|row| row.0 == place);
        homes.extend(now.filter(|row| row.1 == hardware).map(|row| row.0));
    }
    // Even numbers stand for IPv4.
    let several = homes.iter().filter(|home| **home % 2 == 0).count() > 1;
    let owners: std::collections::BTreeSet<usize> =
        homes.into_iter().filter_map(by_address).collect();
    match owners.first() {
        Some(&owner) if owners.len() == 1 && !several => (Some(owner), None),
        _ => (None, Some(hardware)),
    }
}

fn place(number: u8) -> IpAddr {
    match number % 2 {
        0 => [10, 0, 0, number].into(),
        _ => std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever is seen, leased and named: who asks is who the rules say.
    #[test]
    fn who_asks_is_who_the_rules_say(
        kernel in proptest::collection::vec((0..8_u8, 0..4_u8), 0..8),
        leases in proptest::collection::vec((0..8_u8, 0..4_u8), 0..4),
        policy in proptest::collection::vec(
            (proptest::collection::vec(0..8_u8, 0..3), proptest::collection::vec(0..4_u8, 0..2)), 0..4),
    ) {
        let house = House::new();
        let named: Vec<NamedDevice> = policy.iter().enumerate().map(|(number, (at, hardware))| NamedDevice {
            addresses: at.iter().map(|at| Prefix::host(place(*at))).collect(),
            hardware: hardware.iter().map(|last| mac(*last)).collect(),
            ..device(&format!("d{number}"), &[])
        }).collect();
        let ids = house.devices.configure(&named, house.clock.now());
        let leased: Vec<Lease> = leases.iter().map(|(at, hardware)| Lease {
            address: place(*at), hardware: Some(mac(*hardware)), host_name: None, until: None,
        }).collect();
        house.devices.take_leases("file", &leased, house.clock.now());
        // Half of them ask before the kernel tells, and all after.
        for at in 0..4 {
            house.ask(&place(at).to_string(), 1);
        }
        for (at, hardware) in &kernel {
            house.see(&place(*at).to_string(), Some(*hardware));
        }
        for at in 0..8 {
            let (owner, hardware) = naive_owner(at, (&kernel, &leases), &policy);
            let binding = house.ask(&place(at).to_string(), 1);
            match owner {
                Some(owner) => prop_assert_eq!(binding.device, ids[owner]),
                None => prop_assert!(!ids.contains(&binding.device)),
            }
            if let Some(last) = hardware {
                let register = house.devices.register();
                let part = register.parts.get(&Part::Hardware(mac(last)));
                prop_assert_eq!(part, Some(&binding.part));
            }
        }
    }
}

fn any_policy() -> impl Strategy<Value = Vec<(usize, Vec<(u8, u8)>)>> {
    proptest::collection::vec(
        (0..4_usize, proptest::collection::vec((0..8_u8, 28..=32_u8), 0..3)),
        0..4,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever policies follow each other, an address belongs to its longest prefix's device.
    #[test]
    fn addresses_belong_to_the_longest_prefix(
        policies in proptest::collection::vec(any_policy(), 1..4),
        asking in proptest::collection::vec(0..16_u8, 1..12),
    ) {
        let house = House::new();
        for policy in policies {
            let mut named: Vec<NamedDevice> = Vec::new();
            for (name, prefixes) in policy {
                let name = DeviceName::parse(&format!("d{name}")).expect("a name");
                let prefix = |(low, bits)| format!("10.0.0.{low}/{bits}").parse().expect("a prefix");
                let mut addresses: Vec<Prefix> = prefixes.into_iter().map(prefix).collect();
                addresses.retain(|p| !named.iter().any(|d| d.addresses.contains(p)));
                if named.iter().all(|d| d.name != name) {
                    named.push(NamedDevice { name, addresses, hardware: Vec::new() });
                }
            }
            let ids = house.devices.configure(&named, house.clock.now());
            for (device, id) in named.iter().zip(&ids) {
                prop_assert_eq!(house.devices.name(*id), Some(device.name.to_string()));
            }
            for &low in &asking {
                let address: IpAddr = [10, 0, 0, low].into();
                let binding = house.devices.identify(address)
                    .unwrap_or_else(|| house.devices.admit(address, house.clock.now()));
                let prefixes = named.iter().zip(&ids)
                    .flat_map(|(d, id)| d.addresses.iter().map(move |p| (p, id)))
                    .filter(|(p, _)| p.contains(address));
                match prefixes.max_by_key(|(p, _)| p.bits()) {
                    Some((_, &owner)) => prop_assert_eq!((binding.device, binding.grade), (owner, Grade::Address)),
                    None => {
                        prop_assert_eq!(binding.grade, Grade::Address);
                        prop_assert!(!ids.contains(&binding.device));
                    }
                }
            }
        }
    }
}

#[test]
fn reachable_is_what_the_kernel_held_for_it_lately() {
    let house = House::new();
    let minute = 60_000_000;
    let device = Device { addresses: vec![ip("10.0.0.9")], ..Device::default() };
    let look = |micros| house.devices.is_reachable(&device, micros, house.clock.now());
    let news = |reachable| {
        let hardware = Some(mac(9));
        let news = Neighbour { address: ip("10.0.0.9"), hardware, interface: 2, reachable };
        house.devices.take_neighbours(&[news], house.clock.now());
    };
    assert!(!look(minute), "nothing is known of it");
    news(false);
    assert!(!look(minute), "it is known, and asleep");
    news(true);
    house.clock.advance(60 * minute);
    assert!(look(minute), "it still is, or the kernel would have told");
    news(false);
    house.clock.advance(minute);
    assert!(look(minute), "until a minute ago");
    house.clock.advance(1);
    assert!(!look(minute));
}
