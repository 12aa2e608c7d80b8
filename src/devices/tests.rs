//! Devices as a whole: bindings over time, held to a naive twin.

use proptest::prelude::*;

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
fn a_named_address_is_known_before_its_first_query() {
    let house = House::new();
    let [tv] = house.configure(&[("TV", &["192.168.1.40", "fd00::40"])])[..] else { panic!() };
    for address in ["192.168.1.40", "::ffff:192.168.1.40", "fd00::40"] {
        let binding = house.devices.identify(ip(address)).expect("bound");
        assert_eq!((binding.device, binding.grade), (tv, Grade::Named));
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
    assert_eq!(house.devices.identify(ip("10.0.0.9")).map(|b| b.device), Some(tv));
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
    assert!(!house.named("Telly").named);
}

#[test]
fn naming_an_address_keeps_its_past_and_unnaming_keeps_its_row() {
    let house = House::new();
    let before = house.ask("10.0.0.5", 3);
    let tv = house.configure(&[("TV", &["10.0.0.5"])])[0];
    assert_eq!(tv, before.device);
    assert_eq!(house.named("TV").first_seen, NOW);
    let after = house.devices.identify(ip("10.0.0.5")).expect("bound");
    assert_eq!((after.grade, after.device), (Grade::Named, tv));
    assert_ne!(after.id, before.id);
    house.configure(&[]);
    assert!(!house.named("TV").named);
    assert_eq!(house.devices.identify(ip("10.0.0.5")), None);
    assert_ne!(house.ask("10.0.0.5", 1).device, tv);
    assert_eq!(house.configure(&[("TV", &["10.0.0.5"])]), [tv], "undone");
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
    assert_eq!(house.rows("SELECT count(*) FROM binding"), 1, "the policy's own");
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
    assert_eq!(house.devices.identify(ip("10.0.0.1")).map(|b| b.device), Some(tv));
    assert!(house.devices.flush().is_err());
    house.state.with(|c| c.execute_batch("DROP TRIGGER full")).expect("dropped");
    house.devices.flush().expect("written");
    house.restart();
    assert_eq!(house.named("TV").id, tv);
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
                    Some((_, &owner)) => prop_assert_eq!((binding.device, binding.grade), (owner, Grade::Named)),
                    None => {
                        prop_assert_eq!(binding.grade, Grade::Address);
                        prop_assert!(!ids.contains(&binding.device));
                    }
                }
            }
        }
    }
}
